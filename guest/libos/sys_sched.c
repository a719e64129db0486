/*
 * Scheduling parameters; sched.c decides by them.
 */
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>
#include "boot_info.h"
#include "cpus.h"
#include "sigstate.h"
#include "proc_info.h"
#include "sys.h"
#include "timespec.h"
#include "uaccess.h"

#define NICE_MIN    (-20)
#define NICE_MAX    19
#define RT_MAX      99
#define SLICE_NS    4000000 /* Linux's for SCHED_OTHER, about */
#define RR_SLICE_NS 100000000

long sys_sched_yield(void)
{
	sched_step_back();
	return 0;
}

/* The thread that a pid means here: 0 is the caller. */
static struct thread *find(int pid)
{
	return pid ? signal_thread(current_process(), pid) : current();
}

long sys_sched_getaffinity(int pid, unsigned len, u64 *mask)
{
	struct thread *thread = find(pid);
	if (len * 8ull < MAX(boot_info.cpus, 1u) || len % sizeof(u64))
		return -EINVAL;
	if (!thread)
		return -ESRCH;
	u64 set = thread->attr.affinity ? thread->attr.affinity : cpus_online_mask();
	return put_user(mask, set) ? -EFAULT : (long)sizeof(set);
}

long sys_sched_setaffinity(int pid, unsigned len, const u64 *mask)
{
	struct thread *thread = find(pid);
	u64 set = 0;
	if (copy_from_user(&set, mask, MIN(len, sizeof(set))))
		return -EFAULT;
	if (!thread)
		return -ESRCH;
	if (!(set & cpus_online_mask()))
		return -EINVAL;
	if (~set & cpus_online_mask() && thread_share())
		return -ENOMEM;
	thread->attr.affinity = set & cpus_online_mask();
	sched_changed(thread);
	return 0;
}

static bool realtime(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static long set_policy(struct thread *thread, int policy, int priority)
{
	int kind = policy & ~SCHED_RESET_ON_FORK;
	if (kind != SCHED_NORMAL && kind != SCHED_BATCH && kind != SCHED_IDLE && !realtime(kind))
		return -EINVAL;
	if (realtime(kind) ? priority < 1 || priority > RT_MAX : priority != 0)
		return -EINVAL;
	if (realtime(kind) && !capable(CAP_SYS_NICE))
		return -EPERM;
	thread->attr.policy = policy;
	thread->attr.priority = priority;
	sched_changed(thread);
	return 0;
}

long sys_sched_setscheduler(int pid, int policy, const int *user)
{
	int priority;
	if (policy < 0 || !user || pid < 0)
		return -EINVAL;
	if (get_user(priority, user))
		return -EFAULT;
	struct thread *thread = find(pid);
	return thread ? set_policy(thread, policy, priority) : -ESRCH;
}

long sys_sched_setparam(int pid, const int *user)
{
	int priority;
	if (!user || pid < 0)
		return -EINVAL;
	if (get_user(priority, user))
		return -EFAULT;
	struct thread *thread = find(pid);
	return thread ? set_policy(thread, thread->attr.policy, priority) : -ESRCH;
}

/* RLIMIT_NICE: 20 - nice may be as large as the limit. */
static bool may_have_nice(const struct thread *thread, int nice)
{
	return nice >= thread->attr.nice || capable(CAP_SYS_NICE) ||
	       (u64)(20 - nice) <= thread->process->rlimit[RLIMIT_NICE].rlim_cur;
}

/* The struct says itself how long it is; if it is too long, the program is told how
 * long it may be. */
static int attr_from_user(struct sched_attr *attr, struct sched_attr *user)
{
	u32 size;
	if (get_user(size, &user->size))
		return -EFAULT;
	size = size ? size : SCHED_ATTR_SIZE_VER0;
	int error = -E2BIG;
	if (size >= SCHED_ATTR_SIZE_VER0 && size <= PAGE_SIZE)
		error = copy_struct_from_user(attr, sizeof(*attr), user, size);
	if (error == -E2BIG && put_user(&user->size, (u32)sizeof(*attr)))
		return -EFAULT;
	if (!error && attr->sched_flags & SCHED_FLAG_UTIL_CLAMP && size < SCHED_ATTR_SIZE_VER1)
		return -EINVAL;
	return error;
}

static long set_attr(struct thread *thread, struct sched_attr *attr)
{
	int policy = (int)attr->sched_policy, nice = attr->sched_nice;
	int old = thread->attr.policy & ~SCHED_RESET_ON_FORK;
	bool reset = attr->sched_flags & SCHED_FLAG_RESET_ON_FORK;
	if (attr->sched_flags & SCHED_FLAG_KEEP_POLICY) {
		policy = old;
		reset = thread->attr.policy & SCHED_RESET_ON_FORK;
	}
	if (attr->sched_flags & SCHED_FLAG_KEEP_PARAMS && realtime(old))
		attr->sched_priority = thread->attr.priority;
	else if (attr->sched_flags & SCHED_FLAG_KEEP_PARAMS)
		nice = thread->attr.nice;
	nice = MAX(NICE_MIN, MIN(nice, NICE_MAX));
	if (policy & SCHED_RESET_ON_FORK || attr->sched_flags & ~(u64)SCHED_FLAG_ALL ||
	    attr->sched_priority > RT_MAX)
		return -EINVAL;
	if (!realtime(policy) && !may_have_nice(thread, nice))
		return -EPERM;
	if (attr->sched_flags & SCHED_FLAG_UTIL_CLAMP)
		return -EOPNOTSUPP;
	long error = set_policy(thread, policy | (reset ? SCHED_RESET_ON_FORK : 0),
				(int)attr->sched_priority);
	if (!error && !realtime(policy))
		thread->attr.nice = nice;
	return error;
}

long sys_sched_setattr(int pid, struct sched_attr *user, unsigned flags)
{
	struct sched_attr attr;
	if (!user || pid < 0 || flags)
		return -EINVAL;
	int error = attr_from_user(&attr, user);
	if (error)
		return error;
	if ((int)attr.sched_policy < 0)
		return -EINVAL;
	struct thread *thread = find(pid);
	return thread ? set_attr(thread, &attr) : -ESRCH;
}

long sys_sched_getattr(int pid, void *user, unsigned size, unsigned flags)
{
	struct sched_attr attr = { .size = MIN(size, sizeof(attr)) };
	if (!user || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags)
		return -EINVAL;
	const struct thread *thread = find(pid);
	if (!thread)
		return -ESRCH;
	attr.sched_policy = thread->attr.policy & ~SCHED_RESET_ON_FORK;
	if (thread->attr.policy & SCHED_RESET_ON_FORK)
		attr.sched_flags = SCHED_FLAG_RESET_ON_FORK;
	attr.sched_priority = thread->attr.priority;
	if (!realtime((int)attr.sched_policy))
		attr.sched_nice = thread->attr.nice;
	return copy_to_user(user, &attr, attr.size);
}

long sys_sched_getscheduler(int pid)
{
	struct thread *thread = pid < 0 ? NULL : find(pid);
	if (pid < 0)
		return -EINVAL;
	return thread ? thread->attr.policy : -ESRCH;
}

long sys_sched_getparam(int pid, int *priority)
{
	if (!priority || pid < 0)
		return -EINVAL;
	struct thread *thread = find(pid);
	return thread ? put_user(priority, thread->attr.priority) : -ESRCH;
}

long sys_sched_get_priority_max(int policy)
{
	if (realtime(policy))
		return RT_MAX;
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE ||
			       policy == SCHED_DEADLINE ?
		       0 :
		       -EINVAL;
}

long sys_sched_get_priority_min(int policy)
{
	return realtime(policy) ? 1 : sys_sched_get_priority_max(policy);
}

long sys_sched_rr_get_interval(int pid, struct __kernel_timespec *ts)
{
	struct thread *thread = pid < 0 ? NULL : find(pid);
	u64 slice = SLICE_NS;
	if (pid < 0)
		return -EINVAL;
	if (!thread)
		return -ESRCH;
	if (realtime(thread->attr.policy))
		slice = thread->attr.policy == SCHED_RR ? RR_SLICE_NS : 0;
	return put_user(ts, ns_timespec(slice));
}

/* The caller stands for its process, its group and its user. */
static struct thread *find_by(int which, int who)
{
	const struct process *p = current_process();
	if (which == PRIO_PROCESS)
		return find(who);
	u32 own = which == PRIO_PGRP ? (u32)p->pgid : p->cred.uid.real;
	return !who || (u32)who == own ? current() : NULL;
}

long sys_getpriority(int which, int who)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	struct thread *thread = find_by(which, who);
	return thread ? 20 - thread->attr.nice : -ESRCH;
}

long sys_setpriority(int which, int who, int nice)
{
	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	nice = MAX(NICE_MIN, MIN(nice, NICE_MAX));
	struct thread *thread = find_by(which, who);
	if (!thread)
		return -ESRCH;
	if (!may_have_nice(thread, nice))
		return -EACCES;
	thread->attr.nice = nice;
	sched_changed(thread);
	return 0;
}

long sys_getcpu(u32 *cpu, u32 *node, void *cache)
{
	(void)cache; /* unused by Linux too */
	if (cpu && put_user(cpu, vcpu()->cpu))
		return -EFAULT;
	return node ? put_user(node, 0u) : 0;
}
