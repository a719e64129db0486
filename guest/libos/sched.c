/*
 * Events, timers, waiting, and which thread runs. Events only set bits in the
 * vCPU's pending word; they are handled here, when the library OS is about to
 * return to the program or waits, so nothing in it is ever interrupted.
 *
 * Threads that could run wait in one queue, first come, first served. A thread
 * that waits hands the vCPU to the first of them; with none there it looks for
 * events on its own stack until there is one, often itself. Only while others
 * wait in the queue is there a time slice.
 */
#include "../drv/console.h"
#include "../drv/virtio.h"
#include "clock.h"
#include "cpus.h"
#include "entry.h"
#include "signal.h"
#include "thread.h"

static struct list timers = { &timers, &timers }; /* by deadline */
static u64 armed = NEVER; /* when VECTOR_TIMER will come */
static u64 idle;
static struct list ready = { &ready, &ready }; /* struct thread's run */
static unsigned held;
bool (*sched_idle_work)(void);
unsigned sched_threads = 1;

#define SLICE_NS 3000000
static void slice_over(struct timer *timer);
static struct timer slice = { .expired = slice_over };

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
	if (deadline >= armed)
		return; /* an early interrupt costs less than moving it */
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
	if (pending & 1ull << (VECTOR_IPI - VECTOR_BASE))
		cpus_feed();
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
		if (libos_area()->work & WORK_RESCHED)
			sched_yield();
		if (libos_area()->work & WORK_SIGNAL)
			signal_deliver();
	} while (vcpu()->pending || libos_area()->work & WORK_RESCHED);
}

/* ---- which thread runs ---- */

/* Others wait for the vCPU: the current thread may keep it for the rest of its
 * slice. */
static void compete(void)
{
	struct thread *thread = current();
	if (thread->state != THREAD_RUNNING || slice.armed)
		return;
	u64 end = thread->since + SLICE_NS;
	if (end > now_ns())
		timer_arm(&slice, end);
	else
		libos_area()->work |= WORK_RESCHED;
}

static void slice_over(struct timer *timer)
{
	(void)timer;
	if (!list_empty(&ready))
		compete();
}

void thread_ready(struct thread *thread)
{
	if (thread->state != THREAD_SLEEPING)
		return;
	thread->state = THREAD_READY;
	list_add_tail(&ready, &thread->run);
	compete();
}

/* The current thread stops, or goes on, using the CPU. */
static void account(struct thread *thread)
{
	u64 now = now_ns();
	thread->cpu_ns += now - thread->since;
	thread->since = now;
}

static void resume(struct thread *thread)
{
	thread->state = THREAD_RUNNING;
	thread->since = now_ns();
	if (!list_empty(&ready))
		compete();
}

static void idle_wait(void)
{
	if (sched_idle_work && sched_idle_work())
		return;
	u64 start = now_ns();
	arm(NEVER);
	kcall(KCALL_WAIT, 0, 0, 0);
	idle += now_ns() - start;
}

static struct thread *pick(void)
{
	while (list_empty(&ready))
		if (!handle_events())
			idle_wait();
	struct thread *thread = container_of(ready.next, struct thread, run);
	list_del(&thread->run);
	return thread;
}

/* Until somebody makes the current thread ready; the others run meanwhile. */
static void block(u64 deadline)
{
	struct thread *thread = current();
	account(thread);
	thread->state = THREAD_SLEEPING;
	if (deadline != NEVER)
		timer_arm(&thread->timeout, deadline);
	if (held) {
		while (thread->state == THREAD_SLEEPING)
			if (!handle_events())
				idle_wait();
		list_del(&thread->run);
	} else {
		struct thread *next = pick();
		if (next != thread)
			thread_switch_to(next);
	}
	timer_cancel(&thread->timeout);
	resume(thread);
}

void sched_timed_out(struct timer *timer)
{
	thread_ready(container_of(timer, struct thread, timeout));
}

void sched_hold(void)
{
	held++;
}

void sched_release(void)
{
	held--;
}

void sched_yield(void)
{
	struct thread *thread = current();
	libos_area()->work &= ~WORK_RESCHED;
	if (list_empty(&ready))
		return;
	account(thread);
	thread->state = THREAD_SLEEPING;
	thread_ready(thread);
	thread_switch_to(pick());
	resume(thread);
}

void sched_leave(void)
{
	current()->state = THREAD_DEAD;
	thread_switch_to(pick());
	panic("a thread runs after its end");
}

void sched_begin(void)
{
	resume(current());
}

/* ---- waiting ---- */

void wait_add(struct waitq *q, struct waiter *w)
{
	w->thread = current();
	w->thread->waits++;
	w->woken = false;
	w->wake = NULL;
	list_add_tail(&q->waiters, &w->link);
}

void wait_watch(struct waitq *q, struct waiter *w, void (*wake)(struct waiter *w))
{
	w->thread = NULL;
	w->wake = wake;
	list_add_tail(&q->waiters, &w->link);
}

/* What woke the thread on one queue is not forgotten while it is on another. */
void wait_done(struct waiter *w)
{
	list_del(&w->link);
	if (w->thread && --w->thread->waits == 0)
		w->thread->woken = false;
	w->thread = NULL;
}

void wake_all(struct waitq *q)
{
	struct list *next;
	for (struct list *at = q->waiters.next; at != &q->waiters; at = next) {
		struct waiter *w = container_of(at, struct waiter, link);
		next = at->next;
		if (w->wake) {
			w->wake(w);
			continue;
		}
		w->woken = true;
		w->thread->woken = true;
		thread_ready(w->thread);
	}
}

void waitq_end(struct waitq *q)
{
	wake_all(q);
	while (!list_empty(&q->waiters))
		list_del(q->waiters.next);
}

void thread_kick(struct thread *thread)
{
	thread_ready(thread);
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
		block(deadline_ns);
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
		if (w.woken)
			break;
		block(NEVER);
	}
	wait_done(&w);
}

u64 idle_ns(void)
{
	return idle;
}
