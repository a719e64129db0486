/*
 * Events, timers, waiting. Events only set bits in the vCPU's pending word;
 * they are handled here, when the library OS is about to return to the
 * program or waits, so nothing in it is ever interrupted.
 */
#include "../drv/console.h"
#include "../drv/virtio.h"
#include "clock.h"
#include "entry.h"
#include "signal.h"
#include "thread.h"

static struct list timers = { &timers, &timers }; /* by deadline */
static u64 armed = NEVER; /* when VECTOR_TIMER will come */
static u64 idle;
bool (*sched_idle_work)(void);

void return_work(void);

static struct timer *first_timer(void)
{
	return list_empty(&timers) ? NULL : container_of(timers.next, struct timer, link);
}

/* Has the local APIC's timer come no later than the earliest need. */
static void arm(u64 deadline)
{
	struct timer *first = first_timer();
	if (first)
		deadline = MIN(deadline, first->deadline);
	if (deadline == armed)
		return;
	if (deadline > armed && armed != NEVER && deadline == NEVER)
		return; /* an early interrupt costs less than disarming */
	armed = deadline;
	clock_arm(deadline);
}

void timer_arm(struct timer *timer, u64 deadline_ns)
{
	struct list *at;
	timer_cancel(timer);
	timer->deadline = deadline_ns;
	timer->armed = true;
	list_for_each (at, &timers)
		if (container_of(at, struct timer, link)->deadline > deadline_ns)
			break;
	list_add_tail(at, &timer->link);
	arm(NEVER);
}

void timer_cancel(struct timer *timer)
{
	if (timer->armed)
		list_del(&timer->link);
	timer->armed = false;
}

static void run_timers(void)
{
	struct timer *timer;
	u64 now = now_ns();
	armed = NEVER;
	while ((timer = first_timer()) && timer->deadline <= now) {
		timer_cancel(timer);
		timer->expired(timer);
	}
	arm(NEVER);
}

static void fetch_host_signals(void)
{
	long sig;
	while ((sig = kcall(KCALL_PORT, EXIT_PORT | 4 << 16, 0, 0)) > 0)
		signal_from_host(sig);
}

/* Handles what is pending on this vCPU; true when there was anything. */
static bool handle_events(void)
{
	u64 pending = __atomic_exchange_n(&vcpu()->pending, 0, __ATOMIC_ACQ_REL);
	if (!pending)
		return false;
	if (pending & 1ull << (VECTOR_TIMER - VECTOR_BASE))
		run_timers();
	if (pending & 1ull << (VECTOR_SIGNAL - VECTOR_BASE))
		fetch_host_signals();
	for (unsigned i = 0; i < VIRTIO_MMIO_MAX; i++)
		if (pending & 1ull << i)
			virtio_interrupt(i);
	return true;
}

/* Before every return to the program that does not take the short way. */
void return_work(void)
{
	do {
		while (handle_events())
			;
		if (libos_area()->work & WORK_SIGNAL)
			signal_deliver();
	} while (vcpu()->pending);
}

void wait_add(struct waitq *q, struct waiter *w)
{
	w->thread = current();
	w->wake = NULL;
	list_add_tail(&q->waiters, &w->link);
}

void wait_watch(struct waitq *q, struct waiter *w, void (*wake)(struct waiter *w))
{
	w->thread = NULL;
	w->wake = wake;
	list_add_tail(&q->waiters, &w->link);
}

void wait_done(struct waiter *w)
{
	list_del(&w->link);
	if (w->thread)
		w->thread->woken = false;
}

void wake_all(struct waitq *q)
{
	struct list *next;
	for (struct list *at = q->waiters.next; at != &q->waiters; at = next) {
		struct waiter *w = container_of(at, struct waiter, link);
		next = at->next;
		if (w->wake)
			w->wake(w);
		else
			w->thread->woken = true;
	}
}

void thread_kick(struct thread *thread)
{
	(void)thread; /* one thread: its signals are looked at after each event */
}

/* Sleeps until something is pending, at most until the deadline. */
static void idle_until(u64 deadline)
{
	u64 start = now_ns();
	if (sched_idle_work && sched_idle_work())
		return;
	arm(deadline);
	kcall(KCALL_WAIT, 0, 0, 0);
	idle += now_ns() - start;
}

int wait_sleep(u64 deadline_ns)
{
	struct thread *thread = current();
	for (;;) {
		while (handle_events())
			;
		if (thread->woken) {
			thread->woken = false;
			return 0;
		}
		if (signal_pending())
			return -EINTR;
		if (deadline_ns != NEVER && now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		idle_until(deadline_ns);
	}
}

int wait_on(struct waitq *q, u64 deadline_ns)
{
	struct waiter w;
	wait_add(q, &w);
	int result = wait_sleep(deadline_ns);
	wait_done(&w);
	return result;
}

void wait_uninterruptible(struct waitq *q)
{
	struct waiter w;
	wait_add(q, &w);
	for (;;) {
		while (handle_events())
			;
		if (w.thread->woken)
			break;
		idle_until(NEVER);
	}
	wait_done(&w);
}

u64 idle_ns(void)
{
	return idle;
}
