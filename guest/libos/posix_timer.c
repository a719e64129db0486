/*
 * POSIX timers (timer_create(2)).
 *
 * A timer's signal has its own place in the queue. A repeating timer starts
 * its next period when that signal is taken, and tells then how many periods
 * were missed: so a signal waits at most once, whatever the period. While the
 * signal is ignored the timer runs on, at most every IGNORED_NS.
 */
#include "clocks.h"
#include "heap.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

#define IGNORED_NS 10000000

struct posix_timer {
	struct list link; /* of struct timers */
	int id;
	int notify; /* SIGEV_* */
	struct process *process;
	struct thread *thread; /* SIGEV_THREAD_ID, or NULL */
	struct interval interval;
	struct queued queued;
	bool waiting; /* the signal is in its queue */
	int overrun; /* of the last signal that was taken */
};

static struct posix_timer *find(int id)
{
	struct timers *timers = current_process()->timers;
	struct list *at;
	if (!timers)
		return NULL;
	list_for_each (at, &timers->posix) {
		struct posix_timer *t = container_of(at, struct posix_timer, link);
		if (t->id == id)
			return t;
	}
	return NULL;
}

static int clamp(u64 n)
{
	return MIN(n, (u64)INT32_MAX);
}

static void signal_taken(struct queued *q, siginfo_t *info)
{
	struct posix_timer *t = container_of(q, struct posix_timer, queued);
	u64 missed = 0;

	t->waiting = false;
	if (t->interval.period && !t->interval.expires) {
		u64 next = interval_next(&t->interval, &missed);
		if (!info) /* thrown away, because it is ignored now */
			next = MAX(next, clock_value(t->interval.clock) + IGNORED_NS);
		interval_start(&t->interval, next);
		t->overrun = clamp(missed);
	}
	if (info)
		info->si_overrun = t->overrun;
}

static void expired(struct interval *interval)
{
	struct posix_timer *t = container_of(interval, struct posix_timer, interval);
	u64 missed;

	if (t->waiting)
		return; /* set anew while the last signal still waits */
	if (!signal_queue_owned(t->process, t->thread, &t->queued)) {
		t->waiting = true;
	} else if (interval->period) {
		u64 next = interval_next(interval, &missed);
		interval_start(interval, MAX(next, clock_value(interval->clock) + IGNORED_NS));
	}
}

static void stop(struct posix_timer *t)
{
	interval_stop(&t->interval);
	t->interval.last = 0;
}

static void silence(struct posix_timer *t)
{
	stop(t);
	if (t->waiting) {
		signal_unqueue(t->thread ? &t->thread->signals->pending :
					   &t->process->signals->shared,
			       &t->queued);
		t->waiting = false;
		signal_recalc();
	}
}

void posix_timers_thread_exit(struct thread *thread)
{
	struct timers *timers = thread->process->timers;
	struct list *at;
	if (!timers)
		return;
	list_for_each (at, &timers->posix) {
		struct posix_timer *t = container_of(at, struct posix_timer, link);
		if (t->thread != thread)
			continue;
		silence(t);
		t->thread = NULL;
		t->notify = SIGEV_NONE;
	}
}

static void timer_free(struct posix_timer *t)
{
	silence(t);
	list_del(&t->link);
	t->process->timers->count--;
	kfree(t);
}

void posix_timers_exit(struct process *process)
{
	struct list *head = &process->timers->posix;
	struct list *next;
	for (struct list *at = head->next; at != head; at = next) {
		next = at->next;
		timer_free(container_of(at, struct posix_timer, link));
	}
	process->timers->next_id = 0;
}

/* Fills in what timer_create's sigevent asks for: 0 or -EINVAL. */
static int set_notification(struct posix_timer *t, const struct sigevent *event)
{
	int notify = event->sigev_notify & ~SIGEV_THREAD_ID;
	if (event->sigev_notify & SIGEV_THREAD_ID) {
		t->thread = signal_thread(current_process(), event->sigev_notify_thread_id);
		if (!t->thread || notify != SIGEV_SIGNAL)
			return -EINVAL;
	}
	if (notify != SIGEV_SIGNAL && notify != SIGEV_THREAD && notify != SIGEV_NONE)
		return -EINVAL;
	if (notify != SIGEV_NONE && (event->sigev_signo < 1 || event->sigev_signo > SIG_COUNT))
		return -EINVAL;
	t->notify = notify;
	t->queued.info.si_signo = event->sigev_signo;
	t->queued.info.si_value = event->sigev_value;
	return 0;
}

static struct posix_timer *new_timer(struct timers *timers, int clock)
{
	struct process *process = current_process();
	if (timers->count >= process->rlimit[RLIMIT_SIGPENDING].rlim_cur)
		return NULL;
	struct posix_timer *t = kalloc(sizeof(*t));
	if (!t)
		return NULL;
	t->process = process;
	t->id = timers->next_id;
	t->interval.clock = clock;
	t->interval.expired = expired;
	t->queued.taken = signal_taken;
	t->queued.info.si_code = SI_TIMER;
	t->queued.info.si_tid = t->id;
	return t;
}

long sys_timer_create(int clock, const struct sigevent *user, int *id)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	enum clock_kind kind = clock_kind(clock);

	if (user && get_user(event, user))
		return -EFAULT;
	if (kind == CLOCK_BAD)
		return -EINVAL;
	if (kind == CLOCK_READ_ONLY)
		return -EOPNOTSUPP;
	struct timers *timers = timers_get();
	struct posix_timer *t = timers ? new_timer(timers, clock) : NULL;
	if (!t)
		return -EAGAIN;
	if (!user)
		event.sigev_value.sival_int = t->id;
	int error = set_notification(t, &event);
	if (!error)
		error = put_user(id, t->id);
	if (error) {
		kfree(t);
		return error;
	}
	list_add_tail(&timers->posix, &t->link);
	timers->next_id = (timers->next_id + 1) & INT32_MAX;
	timers->count++;
	return 0;
}

/* Until the next expiry, also while its period waits for the signal to be
 * taken; 0: none. */
static u64 left(const struct posix_timer *t)
{
	const struct interval *interval = &t->interval;
	u64 value = clock_value(interval->clock), next = interval->expires, missed;

	if (!next && interval->period && interval->last)
		next = interval_next(interval, &missed);
	if (!next)
		return 0;
	if (next > value)
		return next - value;
	if (t->notify != SIGEV_NONE)
		return 1;
	if (!interval->period)
		return 0;
	return interval->period - (value - next) % interval->period;
}

static struct itimerspec current_setting(const struct posix_timer *t)
{
	struct __kernel_timespec value = ns_timespec(left(t));
	struct __kernel_timespec period = ns_timespec(t->interval.period);
	return (struct itimerspec){ .it_value = { value.tv_sec, value.tv_nsec },
				    .it_interval = { period.tv_sec, period.tv_nsec } };
}

/* 0, or -EINVAL for what is no time. */
static int to_ns(const struct timespec *from, u64 *ns)
{
	struct __kernel_timespec ts = { from->tv_sec, from->tv_nsec };
	*ns = timespec_ns(&ts);
	return timespec_valid(&ts) ? 0 : -EINVAL;
}

long sys_timer_settime(int id, int flags, const struct itimerspec *user, struct itimerspec *old)
{
	struct itimerspec value, before;
	struct posix_timer *t;
	u64 first, period;

	if (!user)
		return -EINVAL;
	if (get_user(value, user))
		return -EFAULT;
	if (to_ns(&value.it_value, &first) || to_ns(&value.it_interval, &period))
		return -EINVAL;
	t = find(id);
	if (!t)
		return -EINVAL;
	before = current_setting(t);
	stop(t);
	t->overrun = 0;
	t->interval.period = first ? MIN(period, (u64)TIME_MAX / 2) : 0;
	if (first && !(flags & TIMER_ABSTIME))
		first = clock_value(t->interval.clock) + MIN(first, (u64)TIME_MAX / 2);
	if (t->notify == SIGEV_NONE)
		t->interval.expires = first; /* nobody hears it: only computed */
	else if (first)
		interval_start(&t->interval, first);
	return old ? put_user(old, before) : 0;
}

long sys_timer_gettime(int id, struct itimerspec *value)
{
	struct posix_timer *t = find(id);
	return t ? put_user(value, current_setting(t)) : -EINVAL;
}

long sys_timer_getoverrun(int id)
{
	struct posix_timer *t = find(id);
	return t ? t->overrun : -EINVAL;
}

long sys_timer_delete(int id)
{
	struct posix_timer *t = find(id);
	if (!t)
		return -EINVAL;
	timer_free(t);
	return 0;
}
