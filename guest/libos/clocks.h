/*
 * The clocks of clock_gettime(2), and timers that count on any of them. For
 * time.c, itimer.c and posix_timer.c.
 */
#ifndef LIBOS_CLOCKS_H
#define LIBOS_CLOCKS_H

#include "thread.h"
#include "timespec.h"

/* CPU time of the process: what the VM didn't idle away. */
u64 cpu_time_ns(void);

/* What a clock can do. */
enum clock_kind {
	CLOCK_BAD, /* EINVAL */
	CLOCK_READ_ONLY, /* no sleeping, no timers: EOPNOTSUPP */
	CLOCK_WALL, /* CLOCK_REALTIME */
	CLOCK_STEADY, /* CLOCK_MONOTONIC */
	CLOCK_CPU,
};
enum clock_kind clock_kind(int clock);
u64 clock_value(int clock); /* of one that is not CLOCK_BAD */

/* A timer on any clock. Of CPU clocks it looks at most once a millisecond. */
struct interval {
	struct timer timer;
	int clock;
	u64 expires; /* on its clock; 0: not running */
	u64 period; /* ns, 0: once */
	void (*expired)(struct interval *interval); /* it has stopped: expires = 0 */
	u64 last; /* when it last expired, on its clock */
};
void interval_start(struct interval *interval, u64 expires);
void interval_stop(struct interval *interval);
/* The next period after `last` that is still to come; how many were missed. */
u64 interval_next(const struct interval *interval, u64 *missed);
u64 interval_left(const struct interval *interval); /* ns, at least 1 while running */

struct timers {
	struct process *process;
	struct interval itimer[3]; /* ITIMER_REAL, VIRTUAL, PROF */
	struct list posix;
	int next_id;
	unsigned count;
};
/* The current process's, made when first needed; NULL: no memory. */
struct timers *timers_get(void);

/* For execve(2) and for the end of a process that is not the VM's last: the
 * POSIX timers go; at the end the others too. */
void timers_exec(struct process *process);
void timers_exit(struct process *process);
void posix_timers_exit(struct process *process); /* a part of these */
/* The timers whose signals went to this thread fall silent. */
void posix_timers_thread_exit(struct thread *thread);

#endif
