/*
 * clone(2) and clone3(2), as far as they make threads. Other processes are
 * not there: ENOSYS, and a line that says so, as not every program does.
 */
#include <linux/sched.h>
#include "sys.h"
#include "thread_new.h"
#include "uaccess.h"

/* Those of a thread: all of them, or it would be something between a thread
 * and a process. CLONE_SYSVSEM, CLONE_IO, CLONE_PARENT, CLONE_UNTRACED and
 * CLONE_PTRACE say nothing here. */
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD)
#define ACCEPTED                                                                                  \
	(THREAD_FLAGS | CLONE_SYSVSEM | CLONE_IO | CLONE_PARENT | CLONE_UNTRACED | CLONE_PTRACE | \
	 CLONE_DETACHED | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |               \
	 CLONE_CHILD_CLEARTID)

static long no_process(void)
{
	static bool said;
	if (!said)
		klog("mayfly: %s: no other process can be started here: fork() gives ENOSYS",
		     current()->comm);
	said = true;
	return -ENOSYS;
}

/* In the order in which Linux's copy_process() looks. */
static int check_flags(u64 flags)
{
	if ((flags & CLONE_NEWNS || flags & CLONE_NEWUSER) && flags & CLONE_FS)
		return -EINVAL;
	if (flags & CLONE_THREAD && !(flags & CLONE_SIGHAND))
		return -EINVAL;
	if (flags & CLONE_SIGHAND && !(flags & CLONE_VM))
		return -EINVAL;
	if (flags & CLONE_THREAD && flags & (CLONE_NEWUSER | CLONE_NEWPID))
		return -EINVAL;
	if (flags & CLONE_PIDFD && flags & (CLONE_DETACHED | CLONE_THREAD))
		return -EINVAL;
	if (!(flags & CLONE_THREAD))
		return no_process();
	return (flags & THREAD_FLAGS) == THREAD_FLAGS && !(flags & ~(u64)ACCEPTED) ? 0 : -ENOSYS;
}

static long clone(u64 flags, const struct clone_args *args)
{
	int error = check_flags(flags);
	if (error)
		return error;
	if (flags & CLONE_SETTLS && args->tls >= USER_END)
		return -EPERM;
	struct thread_new new = {
		.stack = args->stack,
		.tls = args->tls,
		.set_tls = flags & CLONE_SETTLS,
		.clear_child_tid = flags & CLONE_CHILD_CLEARTID ? args->child_tid : 0,
	};
	long tid = thread_new(&new);
	if (tid < 0)
		return tid;
	/* Linux does not mind bad addresses here */
	if (flags & CLONE_PARENT_SETTID)
		(void)put_user((int *)args->parent_tid, (int)tid);
	if (flags & CLONE_CHILD_SETTID)
		(void)put_user((int *)args->child_tid, (int)tid);
	return tid;
}

long sys_clone(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls)
{
	struct clone_args args = {
		.stack = stack, .parent_tid = parent_tid, .child_tid = child_tid, .tls = tls
	};
	return clone((u32)flags & ~(u64)CSIGNAL, &args);
}

long sys_fork(void)
{
	return no_process();
}

long sys_vfork(void)
{
	return no_process();
}

static int check_args(const struct clone_args *args)
{
	if (args->flags & (CLONE_DETACHED | (CSIGNAL & ~CLONE_NEWTIME)) ||
	    (args->flags & CLONE_CLEAR_SIGHAND && args->flags & CLONE_SIGHAND))
		return -EINVAL;
	if (args->flags & (CLONE_THREAD | CLONE_PARENT) && args->exit_signal)
		return -EINVAL;
	if (!args->set_tid != !args->set_tid_size || args->exit_signal & ~(u64)CSIGNAL)
		return -EINVAL;
	if (!args->stack != !args->stack_size)
		return -EINVAL;
	if (args->stack >= USER_END || args->stack_size > USER_END - args->stack)
		return -EINVAL;
	return args->set_tid ? -ENOSYS : 0;
}

long sys_clone3(const u8 *user, size_t size)
{
	struct clone_args args;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	int error = copy_struct_from_user(&args, sizeof(args), user, size);
	if (!error)
		error = check_args(&args);
	if (error)
		return error;
	args.stack += args.stack_size; /* it grows down */
	return clone(args.flags, &args);
}
