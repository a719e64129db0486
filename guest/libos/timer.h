/*
 * What timer.c offers to the scheduler; sched.h has the timers themselves.
 */
#ifndef LIBOS_TIMER_H
#define LIBOS_TIMER_H

#include "sched.h"

void timers_run(void); /* VECTOR_TIMER has come to this vCPU */
void timers_arm(void); /* has it come to some vCPU in time for the first deadline */
u64 timers_next(void); /* the first deadline with its slack, or NEVER */
u64 timers_due(void); /* when this vCPU's interrupt is to come, if that is new; or NEVER */

#endif
