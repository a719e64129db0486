/*
 * The system calls of epoll(7), with Linux's order of errors (fs/eventpoll.c).
 */
#include <asm/fcntl.h>
#include "epoll.h"
#include "iovec.h"
#include "process.h"
#include "signal.h"
#include "sys.h"
#include "timespec.h"

#define EPOLL_EXCLUSIVE_OK \
	(EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

long sys_epoll_create1(int flags)
{
	struct file *file;

	if (flags & ~EPOLL_CLOEXEC)
		return -EINVAL;
	file = epoll_file();
	return file != NULL ? fd_install_or_put(file, flags) : -ENOMEM;
}

long sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}

/* ---- epoll_ctl ---- */

static long change(struct epoll *ep, int op, struct file *file, int fd,
		   const struct epoll_event *event)
{
	struct epoll_item *item = epoll_find(ep, file, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		return item != NULL ? -EEXIST : epoll_add(ep, file, fd, event);
	case EPOLL_CTL_DEL:
		if (item == NULL)
			return -ENOENT;
		epoll_remove(item);
		return 0;
	case EPOLL_CTL_MOD:
		if (item == NULL)
			return -ENOENT;
		if (epoll_is_exclusive(item))
			return -EINVAL;
		epoll_modify(item, event);
		return 0;
	}
	return -EINVAL;
}

static long control(struct file *set, int op, struct file *file, int fd,
		    const struct epoll_event *event)
{
	struct epoll *ep = epoll_of(set);

	if (file->ops->poll == NULL)
		return -EPERM;
	if (ep == NULL || set == file)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && event->events & EPOLLEXCLUSIVE) {
		if (op == EPOLL_CTL_MOD)
			return -EINVAL;
		if (epoll_of(file) != NULL || event->events & ~EPOLL_EXCLUSIVE_OK)
			return -EINVAL;
	}
	return change(ep, op, file, fd, event);
}

long sys_epoll_ctl(int epfd, int op, int fd, const struct epoll_event *user)
{
	struct epoll_event event = { 0 };
	struct file *set, *file;
	long r = -EBADF;

	if (op != EPOLL_CTL_DEL && get_user(event, user) < 0)
		return -EFAULT;
	set = fd_get(epfd);
	if (set == NULL)
		return -EBADF;
	file = fd_get(fd);
	if (file != NULL) {
		r = control(set, op, file, fd, &event);
		file_put(file);
	}
	file_put(set);
	return r;
}

/* ---- epoll_wait ---- */

/* deadline 0: do not wait. */
static long wait_events(struct epoll *ep, struct epoll_event *user, int most, u64 deadline)
{
	for (;;) {
		long n = epoll_collect(ep, user, most);
		int r;

		if (n != 0 || deadline == 0)
			return n;
		r = epoll_sleep(ep, deadline);
		if (r == -ETIMEDOUT)
			deadline = 0; /* look once more */
		else if (r < 0)
			return r;
	}
}

static long do_wait(int epfd, struct epoll_event *user, int most, u64 deadline)
{
	struct file *file = fd_get(epfd);
	struct epoll *ep;
	long r = -EINVAL;

	if (file == NULL)
		return -EBADF;
	ep = epoll_of(file);
	if (most > 0 && most <= INT32_MAX / (int)sizeof(*user)) {
		if (!user_range_ok(user, most * sizeof(*user)))
			r = -EFAULT;
		else if (ep != NULL)
			r = wait_events(ep, user, most, deadline);
	}
	file_put(file);
	return r;
}

static u64 deadline_of_ms(int ms)
{
	if (ms <= 0)
		return ms < 0 ? NEVER : 0;
	return deadline_after(now_ns(), (u64)ms * 1000000);
}

long sys_epoll_wait(int epfd, struct epoll_event *user, int most, int ms)
{
	return do_wait(epfd, user, most, deadline_of_ms(ms));
}

static long wait_masked(int epfd, struct epoll_event *user, int most, u64 deadline,
			const void *mask, size_t mask_size)
{
	long r = mask != NULL ? signal_mask_set(mask, mask_size) : 0;

	if (r < 0)
		return r;
	r = do_wait(epfd, user, most, deadline);
	if (mask != NULL)
		signal_mask_restore(r == -EINTR);
	return r;
}

long sys_epoll_pwait(int epfd, struct epoll_event *user, int most, int ms, const void *mask,
		     size_t mask_size)
{
	return wait_masked(epfd, user, most, deadline_of_ms(ms), mask, mask_size);
}

long sys_epoll_pwait2(int epfd, struct epoll_event *user, int most,
		      const struct __kernel_timespec *timeout, const void *mask, size_t mask_size)
{
	struct __kernel_timespec ts;
	u64 deadline = NEVER;

	if (timeout != NULL) {
		if (get_user(ts, timeout) < 0)
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		deadline = timespec_ns(&ts) == 0 ? 0 : deadline_after(now_ns(), timespec_ns(&ts));
	}
	return wait_masked(epfd, user, most, deadline, mask, mask_size);
}
