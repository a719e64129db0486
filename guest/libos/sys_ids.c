/*
 * Process numbers, groups and sessions of the VM's one process; and waiting
 * for children, which it cannot have yet.
 */
#include <linux/wait.h>
#include "pidfd.h"
#include "process.h"
#include "sys.h"
#include "thread.h"
#include "uaccess.h"

long sys_getpid(void)
{
	return current_process()->pid;
}

long sys_gettid(void)
{
	return current()->tid;
}

long sys_getppid(void)
{
	return current_process()->ppid;
}

long sys_getpgrp(void)
{
	return current_process()->pgid;
}

static bool is_us(int pid)
{
	return pid == 0 || pid == current_process()->pid;
}

long sys_getpgid(int pid)
{
	return is_us(pid) ? current_process()->pgid : -ESRCH;
}

long sys_getsid(int pid)
{
	return is_us(pid) ? current_process()->sid : -ESRCH;
}

long sys_setpgid(int pid, int pgid)
{
	struct process *p = current_process();
	pgid = pgid ? pgid : pid;
	if (pgid < 0)
		return -EINVAL;
	if (!is_us(pid))
		return -ESRCH;
	if (p->sid == p->pid)
		return -EPERM; /* a session's leader stays where it is */
	if (pgid && pgid != p->pid && pgid != p->pgid)
		return -EPERM; /* no such group in the session */
	p->pgid = pgid ? pgid : p->pid;
	return 0;
}

long sys_setsid(void)
{
	struct process *p = current_process();
	if (p->pgid == p->pid)
		return -EPERM;
	p->sid = p->pgid = p->pid;
	return p->sid;
}

long sys_set_tid_address(u64 address)
{
	current()->clear_child_tid = address;
	return current()->tid;
}

long sys_wait4(int pid, int *status, int options, struct rusage *usage)
{
	(void)status;
	(void)usage;
	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL))
		return -EINVAL;
	return pid == INT32_MIN ? -ESRCH : -ECHILD;
}

static long find_child(int which, int id, int options)
{
	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
			__WCLONE | __WALL))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch (which) {
	case P_ALL:
		return -ECHILD;
	case P_PID:
		return id > 0 ? -ECHILD : -EINVAL;
	case P_PGID:
		return id >= 0 ? -ECHILD : -EINVAL;
	case P_PIDFD:
		return id < 0 ? -EINVAL : pidfd_is(id) ? -ECHILD : -EBADF;
	default:
		return -EINVAL;
	}
}

/* As in Linux, that there is nothing to tell is told: signo, errno, code; pid, uid, status. */
long sys_waitid(int which, int id, struct siginfo *info, int options, struct rusage *usage)
{
	static const u32 nothing[3];
	u8 *at = (u8 *)info;

	(void)usage;
	if (info && (copy_to_user(at, nothing, sizeof(nothing)) ||
		     copy_to_user(at + 16, nothing, sizeof(nothing))))
		return -EFAULT;
	return find_child(which, id, options);
}
