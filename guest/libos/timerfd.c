/*
 * timerfd(2): a timer whose expirations are counted until a read takes them.
 *
 * As with the POSIX timers a repeating one stops when it expires, and goes on
 * when somebody looks (reads it or asks for its state), with as many
 * expirations as have passed meanwhile: a program that does not look has the
 * VM asleep. The timers on CLOCK_REALTIME are in a list, because they must be
 * looked at anew when that clock is set, and may ask to be told (ECANCELED).
 */
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <linux/timerfd.h>
#include "../fs/vfs.h"
#include "clocks.h"
#include "heap.h"
#include "sys.h"
#include "timerfd.h"
#include "uaccess.h"

/* without a battery-backed clock that wakes a machine the same as the others */
#define CLOCK_REALTIME_WAKES 8
#define CLOCK_BOOTTIME_WAKES 9

struct timerfd {
	struct interval interval;
	u64 ticks; /* expirations that nobody has read */
	int clock; /* as asked for */
	bool cancel_on_set, canceled;
	struct waitq wait;
	struct list wall; /* in wall_timers */
};
static struct list wall_timers = { &wall_timers, &wall_timers };

static const struct file_ops timerfd_ops;

static void expired(struct interval *interval)
{
	struct timerfd *t = container_of(interval, struct timerfd, interval);

	t->ticks++;
	wake_all(&t->wait);
}

/* Starts a repeating timer that has expired again, and counts what it missed. */
static void go_on(struct timerfd *t)
{
	struct interval *i = &t->interval;
	u64 missed;

	if (i->expires != 0 || i->period == 0 || i->last == 0)
		return;
	interval_start(i, interval_next(i, &missed));
	t->ticks += missed;
}

static long take(struct timerfd *t, struct uio *uio)
{
	u64 ticks;
	long moved;

	if (t->canceled) {
		t->canceled = false;
		return -ECANCELED;
	}
	go_on(t);
	ticks = t->ticks;
	t->ticks = 0;
	moved = uio_to(uio, &ticks, sizeof(ticks));
	return moved == sizeof(ticks) ? moved : -EFAULT;
}

static long timerfd_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct timerfd *t = file->priv;

	(void)pos;
	if (uio->resid < sizeof(u64))
		return -EINVAL;
	while (t->ticks == 0 && !t->canceled) {
		int error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&t->wait, NEVER);

		if (error < 0 && t->ticks == 0 && !t->canceled)
			return error;
	}
	return take(t, uio);
}

static u32 timerfd_poll(struct file *file, struct poll_table *table)
{
	struct timerfd *t = file->priv;

	poll_wait(table, &t->wait);
	return t->ticks > 0 || t->canceled ? POLLIN : 0;
}

static i64 timerfd_lseek(struct file *file, i64 offset, int whence)
{
	(void)offset;
	(void)whence;
	return file->pos;
}

static void timerfd_release(struct file *file)
{
	struct timerfd *t = file->priv;

	interval_stop(&t->interval);
	list_del(&t->wall);
	kfree(t);
}

static const struct file_ops timerfd_ops = {
	.read = timerfd_read,
	.poll = timerfd_poll,
	.lseek = timerfd_lseek,
	.stream = true,
	.release = timerfd_release,
	.name = "[timerfd]",
};

void timerfd_clock_set(void)
{
	struct list *at;

	list_for_each (at, &wall_timers) {
		struct timerfd *t = container_of(at, struct timerfd, wall);

		if (t->interval.expires != 0)
			interval_start(&t->interval, t->interval.expires);
		if (t->cancel_on_set) {
			t->canceled = true;
			wake_all(&t->wait);
		}
	}
}

/* ---- system calls ---- */

/* The clock that a timer on `clock` counts on, or -EINVAL. */
static int base_clock(int clock)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_WAKES:
		return CLOCK_REALTIME;
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_WAKES:
		return CLOCK_MONOTONIC;
	}
	return -EINVAL;
}

long sys_timerfd_create(int clock, int flags)
{
	struct timerfd *t;
	struct file *file;

	if (flags & ~(TFD_CLOEXEC | TFD_NONBLOCK) || base_clock(clock) < 0)
		return -EINVAL;
	t = kalloc(sizeof(*t));
	if (t == NULL)
		return -ENOMEM;
	t->clock = clock;
	t->interval.clock = base_clock(clock);
	t->interval.expired = expired;
	waitq_init(&t->wait);
	list_init(&t->wall);
	file = file_anonymous(&timerfd_ops, O_RDWR | (flags & O_NONBLOCK), t);
	if (file == NULL) {
		kfree(t);
		return -ENOMEM;
	}
	if (t->interval.clock == CLOCK_REALTIME)
		list_add_tail(&wall_timers, &t->wall);
	return fd_install_or_put(file, flags);
}

static struct itimerspec setting(struct timerfd *t)
{
	struct __kernel_timespec value, period = ns_timespec(t->interval.period);

	go_on(t);
	value = ns_timespec(interval_left(&t->interval));
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

static void set(struct timerfd *t, int flags, u64 first, u64 period)
{
	struct interval *i = &t->interval;

	interval_stop(i);
	i->last = 0;
	t->ticks = 0;
	t->canceled = false;
	t->cancel_on_set = flags & TFD_TIMER_CANCEL_ON_SET && flags & TFD_TIMER_ABSTIME &&
			   i->clock == CLOCK_REALTIME;
	i->period = MIN(period, (u64)TIME_MAX / 2);
	if (first == 0)
		return;
	if (!(flags & TFD_TIMER_ABSTIME))
		first = clock_value(i->clock) + MIN(first, (u64)TIME_MAX / 2);
	interval_start(i, first);
}

/* The timer behind a descriptor, whose reference is in *file; else NULL, and
 * why not in *error. */
static struct timerfd *timer_of(int fd, struct file **file, long *error)
{
	*error = -EBADF;
	*file = fd_get(fd);
	if (*file == NULL)
		return NULL;
	if ((*file)->ops == &timerfd_ops)
		return (*file)->priv;
	*error = -EINVAL;
	file_put(*file);
	return NULL;
}

long sys_timerfd_settime(int fd, int flags, const struct itimerspec *user, struct itimerspec *old)
{
	struct itimerspec value, before;
	struct timerfd *t;
	struct file *file;
	u64 first, period;
	long error;

	if (get_user(value, user))
		return -EFAULT;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) ||
	    to_ns(&value.it_value, &first) < 0 || to_ns(&value.it_interval, &period) < 0)
		return -EINVAL;
	t = timer_of(fd, &file, &error);
	if (t == NULL)
		return error;
	before = setting(t);
	set(t, flags, first, period);
	file_put(file);
	return old != NULL ? put_user(old, before) : 0;
}

long sys_timerfd_gettime(int fd, struct itimerspec *user)
{
	struct itimerspec value;
	struct timerfd *t;
	struct file *file;
	long error;

	t = timer_of(fd, &file, &error);
	if (t == NULL)
		return error;
	value = setting(t);
	file_put(file);
	return put_user(user, value);
}
