/*
 * pidfd_open(2) and its kin, for the one process that there is: itself. It
 * never ends while somebody could poll it.
 */
#include <asm/fcntl.h>
#include "../fs/vfs.h"
#include "fd.h"
#include "pidfd.h"
#include "sigstate.h"
#include "sys.h"

#define PIDFD_THREAD  O_EXCL /* of any thread, not only of a process */
#define SIGNAL_SCOPES 7 /* PIDFD_SIGNAL_THREAD, _THREAD_GROUP, _PROCESS_GROUP */

static u32 pidfd_poll(struct file *file, struct poll_table *table)
{
	(void)file;
	(void)table;
	return 0;
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.name = "[pidfd]",
};

bool pidfd_is(int fd)
{
	struct file *file = fd_get(fd);
	bool is = file != NULL && file->ops == &pidfd_ops;

	if (file != NULL)
		file_put(file);
	return is;
}

long sys_pidfd_open(int pid, unsigned int flags)
{
	struct process *p = current_process();
	struct file *file;

	if (flags & ~(unsigned int)(O_NONBLOCK | PIDFD_THREAD) || pid <= 0)
		return -EINVAL;
	if (pid != p->pid && !(flags & PIDFD_THREAD && signal_thread(p, pid)))
		return signal_thread(p, pid) ? -ENOENT : -ESRCH;
	file = file_anonymous(&pidfd_ops, O_RDWR | flags, NULL);
	return file != NULL ? fd_install_or_put(file, O_CLOEXEC) : -ENOMEM;
}

long sys_pidfd_send_signal(int fd, int sig, const siginfo_t *user, unsigned int flags)
{
	siginfo_t info;

	if (flags & ~(unsigned int)SIGNAL_SCOPES || flags & (flags - 1))
		return -EINVAL;
	if (!pidfd_is(fd))
		return -EBADF;
	if (user == NULL)
		return sys_kill(current_process()->pid, sig);
	if (get_user(info, user))
		return -EFAULT;
	return info.si_signo == sig ? sys_rt_sigqueueinfo(current_process()->pid, sig, user) :
				      -EINVAL;
}

long sys_pidfd_getfd(int pidfd, int fd, unsigned int flags)
{
	if (flags != 0)
		return -EINVAL;
	return pidfd_is(pidfd) ? fd_dup(fd, 0, true) : -EBADF;
}
