/*
 * Resource limits. Who owns a resource looks at process->rlimit; here they
 * are only kept.
 */
#include <linux/capability.h>
#include "process.h"
#include "sys.h"
#include "uaccess.h"

#define NOFILE_MAX (1 << 20) /* Linux's fs.nr_open */

static int limit_set(struct rlimit64 *limit, unsigned resource, const struct rlimit64 *new)
{
	if (new->rlim_cur > new->rlim_max)
		return -EINVAL;
	if (resource == RLIMIT_NOFILE && new->rlim_max > NOFILE_MAX)
		return -EPERM;
	if (new->rlim_max > limit->rlim_max && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	*limit = *new;
	return 0;
}

long sys_getrlimit(unsigned resource, struct rlimit64 *limit)
{
	if (resource >= MAX_RLIMITS)
		return -EINVAL;
	return put_user(limit, current_process()->rlimit[resource]);
}

long sys_setrlimit(unsigned resource, const struct rlimit64 *limit)
{
	struct rlimit64 new;
	if (get_user(new, limit))
		return -EFAULT;
	if (resource >= MAX_RLIMITS)
		return -EINVAL;
	return limit_set(&current_process()->rlimit[resource], resource, &new);
}

long sys_prlimit64(int pid, unsigned resource, const struct rlimit64 *new, struct rlimit64 *old)
{
	struct process *process = current_process();
	struct rlimit64 before, wanted;

	if (new &&get_user(wanted, new))
		return -EFAULT;
	if (pid && pid != process->pid)
		return -ESRCH;
	if (resource >= MAX_RLIMITS)
		return -EINVAL;
	before = process->rlimit[resource];
	if (new) {
		int error = limit_set(&process->rlimit[resource], resource, &wanted);
		if (error)
			return error;
	}
	return old ? put_user(old, before) : 0;
}
