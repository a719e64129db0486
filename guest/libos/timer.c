/*
 * One-shot timers. One list serves all vCPUs, by the time that each may come at
 * the latest; one of them has its local APIC set for the first of these times, or
 * earlier. Those whose deadline has passed by then come as well.
 */
#include "clock.h"
#include "cpus.h"
#include "timer.h"

static struct list timers = { &timers, &timers };
static u64 armed = NEVER; /* when VECTOR_TIMER will come... */
static struct cpu *armed_cpu; /* ...and where */
static bool posted; /* that vCPU's local APIC has been set, or will be by another call */

static u64 latest(const struct timer *timer)
{
	return timer->deadline + timer->slack;
}

static struct timer *first_timer(void)
{
	return list_empty(&timers) ? NULL : container_of(timers.next, struct timer, link);
}

void timers_arm(void)
{
	const struct timer *first = first_timer();
	if (!first || latest(first) >= armed)
		return; /* an early interrupt costs less than moving it */
	armed = latest(first);
	armed_cpu = this_cpu();
	posted = false;
	libos_area()->work |= WORK_POST;
}

u64 timers_next(void)
{
	return first_timer() ? latest(first_timer()) : NEVER;
}

u64 timers_due(void)
{
	if (posted || armed_cpu != this_cpu())
		return NEVER;
	posted = true;
	return armed;
}

void timer_arm(struct timer *timer, u64 deadline_ns)
{
	struct list *at;
	timer_cancel(timer);
	timer->deadline = deadline_ns;
	timer->armed = true;
	list_for_each (at, &timers)
		if (latest(container_of(at, struct timer, link)) > latest(timer))
			break;
	list_add_tail(at, &timer->link);
	timers_arm();
}

void timer_cancel(struct timer *timer)
{
	if (timer->armed)
		list_del(&timer->link);
	timer->armed = false;
}

void timers_run(void)
{
	struct timer *timer;
	u64 now = now_ns();
	if (armed_cpu == this_cpu())
		armed = NEVER;
	while ((timer = first_timer()) && timer->deadline <= now) {
		timer_cancel(timer);
		timer->expired(timer);
	}
	timers_arm();
}
