/*
 * Timers on any clock, and of these the interval timers: alarm(2) and
 * setitimer(2).
 *
 * A timer on a CPU clock looks at the clock when it would expire if the CPU
 * stayed busy, and again if it did not. As on Linux, a repeating ITIMER_REAL
 * starts its next period when its SIGALRM is taken, so that a program that
 * lets it wait does not keep the VM awake.
 */
#include "clocks.h"
#include "heap.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

#define CPU_STEP_NS 1000000

static void interval_check(struct timer *timer);

/* Arms the underlying timer for interval->expires. */
static void interval_arm(struct interval *interval)
{
	u64 value = clock_value(interval->clock);
	u64 left = interval->expires > value ? interval->expires - value : 0;
	if (clock_kind(interval->clock) == CLOCK_CPU)
		left = MAX(left, CPU_STEP_NS);
	timer_arm(&interval->timer, deadline_after(now_ns(), left));
}

static void interval_check(struct timer *timer)
{
	struct interval *interval = container_of(timer, struct interval, timer);
	if (clock_value(interval->clock) < interval->expires) {
		interval_arm(interval);
		return;
	}
	interval->last = interval->expires;
	interval->expires = 0;
	interval->expired(interval);
}

void interval_start(struct interval *interval, u64 expires)
{
	interval->timer.expired = interval_check;
	interval->expires = MAX(expires, 1);
	interval_arm(interval);
}

void interval_stop(struct interval *interval)
{
	timer_cancel(&interval->timer);
	interval->expires = 0;
}

u64 interval_next(const struct interval *interval, u64 *missed)
{
	u64 value = clock_value(interval->clock);
	u64 late = value > interval->last ? value - interval->last : 0;
	*missed = late / interval->period;
	return interval->last + (*missed + 1) * interval->period;
}

u64 interval_left(const struct interval *interval)
{
	u64 value = clock_value(interval->clock);
	if (!interval->expires)
		return 0;
	return interval->expires > value ? interval->expires - value : 1;
}

/* ---- ITIMER_* ---- */

static void real_expired(struct interval *interval)
{
	struct timers *timers = container_of(interval, struct timers, itimer[ITIMER_REAL]);
	signal_queue(timers->process, NULL, SIGALRM, NULL);
}

void itimer_real_taken(struct process *process)
{
	struct interval *real;
	u64 missed;
	if (!process->timers)
		return;
	real = &process->timers->itimer[ITIMER_REAL];
	if (!real->expires && real->period)
		interval_start(real, interval_next(real, &missed));
}

static void cpu_expired(struct interval *interval, struct timers *timers, int sig)
{
	u64 missed;
	if (interval->period)
		interval_start(interval, interval_next(interval, &missed));
	signal_queue(timers->process, NULL, sig, NULL);
}

static void virtual_expired(struct interval *interval)
{
	cpu_expired(interval, container_of(interval, struct timers, itimer[ITIMER_VIRTUAL]),
		    SIGVTALRM);
}

static void prof_expired(struct interval *interval)
{
	cpu_expired(interval, container_of(interval, struct timers, itimer[ITIMER_PROF]), SIGPROF);
}

struct timers *timers_get(void)
{
	struct process *process = current_process();
	struct timers *t = process->timers;
	if (t)
		return t;
	t = kalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->process = process;
	list_init(&t->posix);
	t->itimer[ITIMER_REAL] =
		(struct interval){ .clock = CLOCK_MONOTONIC, .expired = real_expired };
	t->itimer[ITIMER_VIRTUAL] =
		(struct interval){ .clock = CLOCK_PROCESS_CPUTIME_ID, .expired = virtual_expired };
	t->itimer[ITIMER_PROF] =
		(struct interval){ .clock = CLOCK_PROCESS_CPUTIME_ID, .expired = prof_expired };
	process->timers = t;
	return t;
}

void timers_exec(struct process *process)
{
	if (process->timers)
		posix_timers_exit(process);
}

void timers_exit(struct process *process)
{
	if (!process->timers)
		return;
	posix_timers_exit(process);
	for (unsigned i = 0; i < ARRAY_SIZE(process->timers->itimer); i++)
		interval_stop(&process->timers->itimer[i]);
	kfree(process->timers);
	process->timers = NULL;
}

/* Linux counts a whole microsecond as left while a timer runs. */
static struct itimerval itimer_value(const struct interval *interval)
{
	u64 left = interval_left(interval);
	return (struct itimerval){
		.it_interval = ns_timeval(interval->period),
		.it_value = ns_timeval(left && left < NS_PER_USEC ? (u64)NS_PER_USEC : left),
	};
}

static void itimer_set(struct interval *interval, u64 first, u64 period)
{
	interval_stop(interval);
	interval->period = period;
	if (first)
		interval_start(interval, clock_value(interval->clock) + MIN(first, TIME_MAX / 2));
}

long sys_getitimer(int which, struct itimerval *value)
{
	if (which < 0 || which > ITIMER_PROF)
		return -EINVAL;
	struct timers *timers = timers_get();
	return timers ? put_user(value, itimer_value(&timers->itimer[which])) : -ENOMEM;
}

long sys_setitimer(int which, const struct itimerval *user, struct itimerval *old)
{
	struct itimerval value, before;

	memset(&value, 0, sizeof(value)); /* NULL stops the timer */
	if (user && get_user(value, user))
		return -EFAULT;
	if (user && (!timeval_valid(&value.it_value) || !timeval_valid(&value.it_interval)))
		return -EINVAL;
	if (which < 0 || which > ITIMER_PROF)
		return -EINVAL;
	struct timers *timers = timers_get();
	if (!timers)
		return -ENOMEM;
	before = itimer_value(&timers->itimer[which]);
	itimer_set(&timers->itimer[which], timeval_ns(&value.it_value),
		   timeval_ns(&value.it_interval));
	return old ? put_user(old, before) : 0;
}

long sys_alarm(unsigned seconds)
{
	struct timers *timers = timers_get();
	if (!timers)
		return 0;
	struct interval *real = &timers->itimer[ITIMER_REAL];
	struct itimerval before = itimer_value(real);
	itimer_set(real, MIN(seconds, (unsigned)INT32_MAX) * NS_PER_SEC, 0);
	long left = before.it_value.tv_sec;
	/* rounded, but what still runs is never 0 */
	if ((!left && before.it_value.tv_usec) || before.it_value.tv_usec >= 500000)
		left++;
	return left;
}
