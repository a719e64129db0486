/*
 * prctl(2), arch_prctl(2), personality(2).
 */
#include <asm/prctl.h>
#include <linux/capability.h>
#include <linux/prctl.h>
#include "fpu.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

#define XFEATURE_MAX 19

static long set_flag(bool *flag, unsigned long value)
{
	if (value > 1)
		return -EINVAL;
	*flag = value;
	return 0;
}

static long set_name(const char *user)
{
	char name[COMM_LEN];
	long n;

	memset(name, 0, sizeof(name));
	n = strncpy_from_user(name, user, COMM_LEN - 1);
	if (n == -EFAULT)
		return n;
	name[COMM_LEN - 1] = 0;
	memcpy(current()->comm, name, COMM_LEN);
	return 0;
}

static long get_name(char *user)
{
	char name[COMM_LEN];
	size_t n = strnlen(current()->comm, COMM_LEN - 1);
	memset(name, 0, sizeof(name));
	memcpy(name, current()->comm, n);
	return copy_to_user(user, name, sizeof(name));
}

static long set_timer_slack(unsigned long ns)
{
	current()->attr.timer_slack = (long)ns <= 0 ? 0 : ns;
	return 0;
}

static long bounding_set(int option, unsigned long cap)
{
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	return option == PR_CAPBSET_READ; /* dropping it would show in execve only */
}

static long death_signal(unsigned long sig)
{
	if (sig > SIG_COUNT)
		return -EINVAL;
	current_process()->attr.death_signal = sig; /* the parent is no process here */
	return 0;
}

static long no_new_privs(int option, unsigned long a, unsigned long rest)
{
	struct process_attributes *attr = &current_process()->attr;
	if (rest || a != (option == PR_SET_NO_NEW_PRIVS))
		return -EINVAL;
	if (option == PR_GET_NO_NEW_PRIVS)
		return attr->no_new_privs;
	attr->no_new_privs = true;
	return 0;
}

static long ambient_caps(unsigned long what, unsigned long cap, unsigned long rest)
{
	if (rest)
		return -EINVAL;
	if (what == PR_CAP_AMBIENT_CLEAR_ALL)
		return cap ? -EINVAL : 0;
	if (cap > CAP_LAST_CAP)
		return -EINVAL;
	if (what == PR_CAP_AMBIENT_RAISE)
		return -EPERM;
	return what == PR_CAP_AMBIENT_IS_SET || what == PR_CAP_AMBIENT_LOWER ? 0 : -EINVAL;
}

/* The options that read something. -EINVAL for all others. */
static long prctl_get(int option, unsigned long a, unsigned long rest)
{
	struct process *p = current_process();
	switch (option) {
	case PR_GET_PDEATHSIG:
		return put_user((int *)a, p->attr.death_signal);
	case PR_GET_DUMPABLE:
		return !p->attr.not_dumpable;
	case PR_GET_KEEPCAPS:
		return p->cred.keep_caps;
	case PR_GET_TIMING:
		return PR_TIMING_STATISTICAL;
	case PR_GET_NAME:
		return get_name((char *)a);
	case PR_GET_SECCOMP:
	case PR_GET_SECUREBITS:
		return 0;
	case PR_GET_TSC:
		return put_user((int *)a, PR_TSC_ENABLE);
	case PR_GET_TIMERSLACK:
		return current()->attr.timer_slack ? (long)current()->attr.timer_slack :
						     TIMER_SLACK_NS;
	case PR_GET_CHILD_SUBREAPER:
		return put_user((int *)a, p->attr.child_subreaper);
	case PR_GET_TID_ADDRESS:
		return put_user((u64 *)a, current()->clear_child_tid);
	case PR_GET_THP_DISABLE:
		return a || rest ? -EINVAL : p->attr.no_huge_pages;
	default:
		return -EINVAL;
	}
}

long sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	struct process *p = current_process();
	bool not_dumpable = !a;

	switch (option) {
	case PR_SET_PDEATHSIG:
		return death_signal(a);
	case PR_SET_DUMPABLE:
		return a > 1 ? -EINVAL : set_flag(&p->attr.not_dumpable, not_dumpable);
	case PR_SET_KEEPCAPS:
		return set_flag(&p->cred.keep_caps, a);
	case PR_SET_TIMING:
		return a == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
	case PR_SET_NAME:
		return set_name((const char *)a);
	case PR_CAPBSET_READ:
	case PR_CAPBSET_DROP:
		return bounding_set(option, a);
	case PR_SET_TSC:
		return a == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_SET_TIMERSLACK:
		return set_timer_slack(a);
	case PR_SET_CHILD_SUBREAPER:
		p->attr.child_subreaper = a != 0;
		return 0;
	case PR_SET_NO_NEW_PRIVS:
	case PR_GET_NO_NEW_PRIVS:
		return no_new_privs(option, a, b | c | d);
	case PR_SET_THP_DISABLE:
		p->attr.no_huge_pages = a != 0;
		return b | c | d ? -EINVAL : 0;
	case PR_CAP_AMBIENT:
		return ambient_caps(a, b, c | d);
	default:
		return prctl_get(option, a, b | c | d);
	}
}

static u64 fs_base(void)
{
	u64 base;
	if (!can_wrfsbase())
		return current()->fs_base;
	asm volatile("rdfsbase %0" : "=r"(base));
	return base;
}

long sys_arch_prctl(int option, unsigned long address)
{
	switch (option) {
	case ARCH_SET_FS:
		if (address >= USER_END)
			return -EPERM;
		current()->fs_base = address;
		fs_base_set(address);
		return 0;
	case ARCH_GET_FS:
		return put_user((u64 *)address, fs_base());
	case ARCH_SET_GS:
		return -EPERM; /* the library OS's own: the vCPU area */
	case ARCH_GET_GS:
		return put_user((u64 *)address, 0ull);
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV;
	case ARCH_GET_XCOMP_SUPP:
	case ARCH_GET_XCOMP_PERM:
		return put_user((u64 *)address, fpu_features() | 3);
	case ARCH_REQ_XCOMP_PERM:
		if (address >= XFEATURE_MAX)
			return -EINVAL;
		return (fpu_features() | 3) & 1ull << address ? 0 : -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}

long sys_personality(u32 persona)
{
	u32 *p = &current_process()->attr.persona, old = *p;
	if (persona != UINT32_MAX)
		*p = persona;
	return old;
}
