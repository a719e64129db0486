/*
 * The other vCPUs.
 */
#ifndef LIBOS_CPUS_H
#define LIBOS_CPUS_H

/* Sets aside what they need and starts the first of them, which starts the
 * next, and so on, while vCPU 0 goes on. */
void cpus_start(void);

/* VECTOR_IPI: one of them may need memory to start the next. */
void cpus_feed(void);

#endif
