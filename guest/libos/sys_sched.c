/*
 * Scheduling parameters; sched.c decides by them.
 */
#include <linux/capability.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include "boot_info.h"
#include "cpus.h"
#include "sigstate.h"
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

static u64 all_cpus(void)
{
	unsigned n = MIN(MAX(boot_info.cpus, 1u), (unsigned)MAX_CPUS);
	return n == 64 ? UINT64_MAX : (1ull << n) - 1;
}

long sys_sched_getaffinity(int pid, unsigned len, u64 *mask)
{
	struct thread *thread = find(pid);
	if (len * 8ull < MAX(boot_info.cpus, 1u) || len % sizeof(u64))
		return -EINVAL;
	if (!thread)
		return -ESRCH;
	u64 set = thread->attr.affinity ? thread->attr.affinity : all_cpus();
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
	if (!(set & all_cpus()))
		return -EINVAL;
	if (~set & all_cpus() && thread_share())
		return -ENOMEM;
	thread->attr.affinity = set & all_cpus();
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
	/* RLIMIT_NICE: 20 - nice may be as large as the limit */
	if (nice < thread->attr.nice && !capable(CAP_SYS_NICE) &&
	    (u64)(20 - nice) > thread->process->rlimit[RLIMIT_NICE].rlim_cur)
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
