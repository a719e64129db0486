/*
 * Linux AIO, as the rest of the library OS sees it.
 */
#ifndef LIBOS_AIO_H
#define LIBOS_AIO_H

#include "lib.h"

extern unsigned aio_in_flight; /* transfers between devices and the program's memory */
/* Waits until there are none: memory of the program's is going away, or the VM. */
void aio_drain(void);
/* Destroys all contexts: execve(2). */
void aio_exec(void);

#endif
