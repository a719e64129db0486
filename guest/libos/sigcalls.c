/*
 * The system calls on signals, but for those on the frame (sigframe.c).
 */
#include "sigstate.h"
#include "sys.h"
#include "timespec.h"
#include "uaccess.h"

/* Linux's UAPI_SA_FLAGS; the others read back as zero, so that programs can
 * find out. */
#define SA_KNOWN                                                                           \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | \
	 SA_RESETHAND | SA_EXPOSE_TAGBITS | SA_RESTORER)

static bool valid(int sig)
{
	return sig >= 1 && sig <= SIG_COUNT;
}

static void action_set(struct process *process, int sig, const struct sigaction *new)
{
	struct sigaction *action = &process->signals->action[sig - 1];
	*action = *new;
	action->sa_flags &= SA_KNOWN;
	action->sa_mask &= SIG_BLOCKABLE;
	if (new->sa_handler == SIG_IGN ||
	    (new->sa_handler == SIG_DFL &&signal_ignored_by_default(sig)))
		signal_flush(process, SIG_BIT(sig));
	signal_recalc();
}

long sys_rt_sigaction(int sig, const struct sigaction *new, struct sigaction *old, size_t size)
{
	struct process *process = current_process();
	struct sigaction wanted, before;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (new &&get_user(wanted, new))
		return -EFAULT;
	if (!valid(sig) || (new && (sig == SIGKILL || sig == SIGSTOP)))
		return -EINVAL;
	before = process->signals->action[sig - 1];
	if (new)
		action_set(process, sig, &wanted);
	return old ? copy_to_user(old, &before, sizeof(before)) : 0;
}

long sys_rt_sigprocmask(int how, const u64 *new, u64 *old, size_t size)
{
	u64 before = current()->signals->mask, mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (new) {
		if (get_user(mask, new))
			return -EFAULT;
		if (how == SIG_BLOCK)
			mask |= before;
		else if (how == SIG_UNBLOCK)
			mask = before & ~mask;
		else if (how != SIG_SETMASK)
			return -EINVAL;
		signal_set_mask(mask);
	}
	return old ? put_user(old, before) : 0;
}

long sys_rt_sigpending(u64 *set, size_t size)
{
	struct thread_signals *s = current()->signals;
	u64 waiting = (s->pending.set | current_process()->signals->shared.set) & s->mask;
	if (size > sizeof(waiting))
		return -EINVAL;
	return copy_to_user(set, &waiting, size);
}

/* Until a signal is to be delivered. */
static long wait_for_signal(void)
{
	while (!signal_pending())
		wait_sleep(NEVER);
	return signal_restart(ERESTARTNOHAND);
}

long sys_rt_sigsuspend(const u64 *mask, size_t size)
{
	if (size != sizeof(*mask))
		return -EINVAL;
	int error = mask ? signal_mask_set(mask, size) : -EFAULT;
	return error ? error : wait_for_signal();
}

long sys_pause(void)
{
	return wait_for_signal();
}

long sys_restart_syscall(void)
{
	struct restart_block *block = &current()->signals->restart;
	return block->again(block);
}

/* Takes one of `set`, waiting until the deadline. The signals are unblocked
 * meanwhile, so that they end the wait. */
static long take_one_of(u64 set, u64 deadline, siginfo_t *info)
{
	struct thread *thread = current();
	struct thread_signals *s = thread->signals;
	int sig = signal_take(thread, ~set, info);
	int result = -ETIMEDOUT;

	if (!sig && deadline > now_ns()) {
		u64 mask = s->mask;
		s->waited = set;
		signal_set_mask(mask & ~set);
		result = wait_sleep(deadline);
		s->waited = 0;
		signal_set_mask(mask);
		sig = signal_take(thread, ~set, info);
	}
	signal_recalc();
	if (sig)
		return sig;
	return result == -EINTR ? -EINTR : -EAGAIN;
}

long sys_rt_sigtimedwait(const u64 *set, siginfo_t *info, const struct __kernel_timespec *timeout,
			 size_t size)
{
	siginfo_t taken;
	u64 wanted, deadline;

	if (size != sizeof(wanted))
		return -EINVAL;
	if (get_user(wanted, set))
		return -EFAULT;
	int error = timeout_from_user(timeout, &deadline);
	if (error)
		return error;
	long sig = take_one_of(wanted & SIG_BLOCKABLE, deadline, &taken);
	if (sig > 0 && info && copy_to_user(info, &taken, sizeof(taken)))
		return -EFAULT;
	return sig;
}

static siginfo_t from_user(int code)
{
	siginfo_t info = { .si_code = code };
	info.si_pid = current_process()->pid;
	info.si_uid = current_process()->cred.uid.real;
	return info;
}

static long send(struct thread *thread, int sig, const siginfo_t *info)
{
	if (sig && !valid(sig))
		return -EINVAL;
	return sig ? signal_send(thread, sig, info) : 0;
}

/* This process is the only one, and alone in its group. kill(-1) spares the
 * caller, so that it reaches nobody. */
static bool means_us(int pid)
{
	const struct process *p = current_process();
	if (pid > 0)
		return pid == p->pid;
	return pid == 0 || (pid != -1 && pid != INT32_MIN && -pid == p->pgid);
}

long sys_kill(int pid, int sig)
{
	siginfo_t info = from_user(SI_USER);
	return means_us(pid) ? send(NULL, sig, &info) : -ESRCH;
}

static long send_to_thread(int tgid, int tid, int sig, const siginfo_t *info)
{
	struct thread *thread = signal_thread(current_process(), tid);
	if (!thread || (tgid > 0 && tgid != current_process()->pid))
		return -ESRCH;
	return send(thread, sig, info);
}

long sys_tkill(int tid, int sig)
{
	siginfo_t info = from_user(SI_TKILL);
	return tid > 0 ? send_to_thread(0, tid, sig, &info) : -EINVAL;
}

long sys_tgkill(int tgid, int tid, int sig)
{
	siginfo_t info = from_user(SI_TKILL);
	return tgid > 0 && tid > 0 ? send_to_thread(tgid, tid, sig, &info) : -EINVAL;
}

/* Nobody may pretend to be the kernel or kill(2), but to himself. */
static bool forged(const siginfo_t *info, int pid)
{
	return (info->si_code >= 0 || info->si_code == SI_TKILL) && pid != current_process()->pid;
}

long sys_rt_sigqueueinfo(int pid, int sig, const siginfo_t *user)
{
	siginfo_t info;
	if (get_user(info, user))
		return -EFAULT;
	info.si_signo = sig;
	if (forged(&info, pid))
		return -EPERM;
	return pid == current_process()->pid ? send(NULL, sig, &info) : -ESRCH;
}

long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, const siginfo_t *user)
{
	siginfo_t info;
	if (get_user(info, user))
		return -EFAULT;
	info.si_signo = sig;
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	if (forged(&info, tgid))
		return -EPERM;
	return send_to_thread(tgid, tid, sig, &info);
}
