/*
 * What clone(2) and clone3(2) ask of a new thread.
 */
#ifndef LIBOS_THREAD_NEW_H
#define LIBOS_THREAD_NEW_H

#include "thread.h"

struct thread_new {
	u64 stack; /* its stack pointer; 0: the caller's */
	u64 tls; /* FS base, if set_tls */
	u64 clear_child_tid; /* the program's address, or 0 */
	bool set_tls;
};

/* Its tid, or -errno. It runs when the caller waits or has had its time. */
long thread_new(const struct thread_new *new);

#endif
