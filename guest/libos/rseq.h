/*
 * Restartable sequences, rseq(2).
 */
#ifndef LIBOS_RSEQ_H
#define LIBOS_RSEQ_H

#include "cpus.h"
#include "thread.h"

#define RSEQ_AREA_SIZE  28 /* AT_RSEQ_FEATURE_SIZE: what we write and read of it */
#define RSEQ_AREA_ALIGN 32 /* AT_RSEQ_ALIGN, and the least that may be registered */

/* The thread goes on, here: if the program was interrupted, or finds itself on
 * another vCPU, that has to be said before it runs. */
static inline void rseq_resumed(const struct thread *t)
{
	if (t->rseq.area && ((i64)t->regs.orig_rax < 0 || t->rseq.cpu != this_cpu()->number))
		libos_area()->work |= WORK_RSEQ;
}

/* WORK_RSEQ, before the current thread returns to the program. */
void rseq_return(void);

/* Before a signal's frame is made: 0, or a negative errno, which is a SIGSEGV. */
int rseq_signal(struct thread *thread);

/* No other vCPU, or not that one (< 0: any), is amidst a sequence that it began
 * before. */
void rseq_barrier(int cpu);

#endif
