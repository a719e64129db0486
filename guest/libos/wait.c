/*
 * Wait queues.
 */
#include "cpus.h"
#include "signal.h"
#include "thread.h"

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

int wait_sleep(u64 deadline_ns)
{
	struct thread *thread = current();
	for (;;) {
		while (sched_events())
			;
		if (thread->woken) {
			thread->woken = false;
			return 0;
		}
		if (signal_pending())
			return -EINTR;
		if (deadline_ns != NEVER && now_ns() >= deadline_ns)
			return -ETIMEDOUT;
		sched_block(deadline_ns);
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
		while (sched_events())
			;
		if (w.woken)
			break;
		sched_block(NEVER);
	}
	wait_done(&w);
}
