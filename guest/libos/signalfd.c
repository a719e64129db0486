/*
 * signalfd(2): a descriptor that signals are read from, as the reader (thread
 * and process) has them pending; the descriptor itself holds none.
 */
#include <asm/fcntl.h>
#include <asm/poll.h>
#include <linux/signalfd.h>
#include "../fs/vfs.h"
#include "heap.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

struct signalfd {
	u64 mask; /* what it is for */
};

static const struct file_ops signalfd_ops;

static u64 waiting(const struct signalfd *s)
{
	const struct thread *thread = current();

	return (thread->signals->pending.set | thread->process->signals->shared.set) & s->mask;
}

/* Which union member a siginfo has: kernel/signal.c, siginfo_layout(). */
static bool is_fault(int sig)
{
	return sig == SIGILL || sig == SIGFPE || sig == SIGSEGV || sig == SIGBUS || sig == SIGTRAP;
}

static void fill_sender(struct signalfd_siginfo *to, const siginfo_t *from)
{
	to->ssi_pid = from->si_pid;
	to->ssi_uid = from->si_uid;
}

static struct signalfd_siginfo translate(const siginfo_t *from)
{
	struct signalfd_siginfo to;

	memset(&to, 0, sizeof(to));
	to.ssi_signo = from->si_signo;
	to.ssi_errno = from->si_errno;
	to.ssi_code = from->si_code;
	if (from->si_code == SI_TIMER) {
		to.ssi_tid = from->si_tid;
		to.ssi_overrun = from->si_overrun;
		to.ssi_ptr = (u64)from->si_ptr;
		to.ssi_int = from->si_int;
	} else if (from->si_code < 0) {
		fill_sender(&to, from);
		to.ssi_ptr = (u64)from->si_ptr;
		to.ssi_int = from->si_int;
	} else if (from->si_code == SI_USER || from->si_code == SI_KERNEL) {
		fill_sender(&to, from);
	} else if (is_fault(from->si_signo)) {
		to.ssi_addr = (u64)from->si_addr;
	} else if (from->si_signo == SIGCHLD) {
		fill_sender(&to, from);
		to.ssi_status = from->si_status;
		to.ssi_utime = from->si_utime;
		to.ssi_stime = from->si_stime;
	} else {
		fill_sender(&to, from);
	}
	return to;
}

/* Waits for one of the signals. 0 or -errno. */
static int wait_for_one(struct file *file)
{
	const struct signalfd *s = file->priv;

	while (waiting(s) == 0) {
		int error = file->flags & O_NONBLOCK ?
				    -EAGAIN :
				    wait_on(&current_process()->signals->arrived, NEVER);

		if (error < 0 && waiting(s) == 0)
			return error;
	}
	return 0;
}

static long signalfd_read(struct file *file, struct uio *uio, u64 *pos)
{
	const struct signalfd *s = file->priv;
	long done = 0, moved;
	siginfo_t info;
	int error;

	(void)pos;
	if (uio->resid < sizeof(struct signalfd_siginfo))
		return -EINVAL;
	error = wait_for_one(file);
	if (error < 0)
		return error;
	while (uio->resid >= sizeof(struct signalfd_siginfo) &&
	       signal_take(current(), ~s->mask, &info) > 0) {
		struct signalfd_siginfo one = translate(&info);

		moved = uio_to(uio, &one, sizeof(one));
		if (moved != sizeof(one)) {
			done = done > 0 ? done : -EFAULT;
			break;
		}
		done += moved;
	}
	signal_recalc();
	return done;
}

static u32 signalfd_poll(struct file *file, struct poll_table *table)
{
	poll_wait(table, &current_process()->signals->arrived);
	return waiting(file->priv) != 0 ? POLLIN : 0;
}

static i64 signalfd_lseek(struct file *file, i64 offset, int whence)
{
	(void)offset;
	(void)whence;
	return file->pos;
}

static void signalfd_release(struct file *file)
{
	kfree(file->priv);
}

static const struct file_ops signalfd_ops = {
	.read = signalfd_read,
	.poll = signalfd_poll,
	.lseek = signalfd_lseek,
	.stream = true,
	.release = signalfd_release,
	.name = "[signalfd]",
};

static long make(u64 mask, int flags)
{
	struct signalfd *s = kalloc(sizeof(*s));
	struct file *file = NULL;

	if (s != NULL) {
		s->mask = mask;
		file = file_anonymous(&signalfd_ops, O_RDWR | (flags & O_NONBLOCK), s);
	}
	if (file == NULL) {
		kfree(s);
		return -ENOMEM;
	}
	return fd_install_or_put(file, flags);
}

static long change(int fd, u64 mask)
{
	struct file *file = fd_get(fd);
	struct signalfd *s;
	long r = fd;

	if (file == NULL)
		return -EBADF;
	if (file->ops == &signalfd_ops) {
		s = file->priv;
		s->mask = mask;
		wake_all(&current_process()->signals->arrived);
	} else {
		r = -EINVAL;
	}
	file_put(file);
	return r;
}

long sys_signalfd4(int fd, const u64 *user, size_t size, int flags)
{
	u64 mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (get_user(mask, user))
		return -EFAULT;
	if (flags & ~(SFD_CLOEXEC | SFD_NONBLOCK))
		return -EINVAL;
	mask &= SIG_BLOCKABLE;
	return fd == -1 ? make(mask, flags) : change(fd, mask);
}

long sys_signalfd(int fd, const u64 *user, size_t size)
{
	return sys_signalfd4(fd, user, size, 0);
}
