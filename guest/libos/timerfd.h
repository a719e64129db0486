/*
 * What timers behind descriptors must be told.
 */
#ifndef LIBOS_TIMERFD_H
#define LIBOS_TIMERFD_H

/* CLOCK_REALTIME has been set. */
void timerfd_clock_set(void);

#endif
