/*
 * Waiting and waking. The library OS runs under one lock (cpus.h), which a
 * thread holds from its entry until it returns to the program or waits; so what
 * is checked before wait_sleep() still holds when the wait begins.
 */
#ifndef LIBOS_SCHED_H
#define LIBOS_SCHED_H

#include "lib.h"

#define NEVER UINT64_MAX

struct thread;

struct waitq {
	struct list waiters;
};
#define WAITQ_INIT(q)                              \
	{                                          \
		{                                  \
			&(q).waiters, &(q).waiters \
		}                                  \
	}
static inline void waitq_init(struct waitq *q)
{
	list_init(&q->waiters);
}

struct waiter {
	struct list link;
	struct thread *thread; /* NULL: watches, or is done */
	bool woken; /* since wait_add() */
	/* NULL: the thread is woken; else called instead, by whoever wakes the
	 * queue. It may take its waiter off this queue, and no other. */
	void (*wake)(struct waiter *w);
};

/* Puts the current thread on a queue (a thread may be on several at once);
 * wait_done() takes it off again. */
void wait_add(struct waitq *q, struct waiter *w);
void wait_done(struct waiter *w);

/* Has wake(w) called at each wake_all() until wait_done(w): for those who
 * watch a queue without sleeping on it (epoll). */
void wait_watch(struct waitq *q, struct waiter *w, void (*wake)(struct waiter *w));

/* Sleeps until a queue that the thread is on was woken since wait_add(), the
 * deadline (monotonic ns, or NEVER) has passed, or a signal is to be
 * delivered: 0, -ETIMEDOUT or -EINTR. */
int wait_sleep(u64 deadline_ns);

/* The usual case: wait_add, wait_sleep, wait_done on one queue. The caller
 * looks at its condition again in a loop. */
int wait_on(struct waitq *q, u64 deadline_ns);

/* The same without deadline or signals: for what ends by itself, as disks do. */
void wait_uninterruptible(struct waitq *q);

void wake_all(struct waitq *q);

/* The queue goes: whoever still sleeps on it is woken and no longer on it. */
void waitq_end(struct waitq *q);

/* Between these, waiting does not let other threads run: for those who wait
 * (for a device, briefly) amidst a change that nobody may see. They nest. */
void sched_hold(void);
void sched_release(void);

/* How many threads there are. */
extern unsigned sched_threads;

/* One-shot timers of the library OS (timer.c). Run in event context under the
 * lock, on any vCPU. */
struct timer {
	struct list link;
	u64 deadline; /* monotonic ns */
	u64 slack; /* ns that it may come later, to come with others; set before it is armed */
	void (*expired)(struct timer *timer);
	bool armed;
};
void timer_arm(struct timer *timer, u64 deadline_ns); /* moves it when armed */
void timer_cancel(struct timer *timer);

/* Clocks, in ns. now_ns() is CLOCK_MONOTONIC. */
u64 now_ns(void);
u64 realtime_ns(void);

/* Called before a vCPU halts, if set: true when it had something to do after
 * all, and may have woken somebody. */
extern bool (*sched_idle_work)(void);

/* For sched_idle_work, before the vCPU halts: looks for so long whether there() is
 * true, or an event comes, without the lock. On the soft flavour a halt and its end
 * cost about 35 us, whether it lasts or not; on a hard one KVM itself looks for a
 * while (halt_poll_ns), and this does nothing. */
bool sched_spin(bool (*there)(void), u64 ns);

/*
 * Likewise, but waits in the VMM, which meanwhile moves the network's frames
 * (shared/abi.h, ATTEND_GPA; boot_info.attends), until there are some, an event or a
 * timer's time: true, or for so long. The receive queues' interrupts are off.
 */
bool sched_attend(u64 ns);

/* How long a vCPU has waited since it came up. */
u64 idle_ns(unsigned cpu);

#endif
