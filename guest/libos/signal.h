/*
 * Signals, for the rest of the library OS.
 */
#ifndef LIBOS_SIGNAL_H
#define LIBOS_SIGNAL_H

#include <asm/siginfo.h>
#include <asm/signal.h>
#include "thread.h"

/* The state of a new process and thread: default actions, nothing blocked.
 * 0 or -ENOMEM. */
int signals_init(struct process *process, struct thread *thread);

/* Queues a signal for the current process, or for the thread when given.
 * 0, or -EAGAIN when a real-time signal does not fit the queue. */
int signal_send(struct thread *thread, int sig, const siginfo_t *info);

/* SIGINT or SIGTERM that the VMM got: for the first process, as by kill(2) from
 * outside. */
void signal_from_host(int sig);

/* AT_MINSIGSTKSZ: what a handler's frame takes at most. */
unsigned long signal_frame_size(void);

/* For ppoll and pselect6: installs the program's mask (NULL: none given)
 * until signal_mask_restore(), which keeps it until a handler has run when a
 * signal came (Linux's saved_sigmask). 0, -EFAULT, -EINVAL. */
int signal_mask_set(const void *user_mask, size_t size);
void signal_mask_restore(bool interrupted);

#endif
