/*
 * membarrier(2). One interrupt on each vCPU that runs a thread is a full barrier
 * there, and its end synchronises the core; in a restartable sequence the thread
 * must also come here.
 */
#include <linux/membarrier.h>
#include "cpus.h"
#include "process.h"
#include "rseq.h"
#include "sys.h"

#ifndef MEMBARRIER_CMD_GET_REGISTRATIONS /* Linux 6.3 */
#define MEMBARRIER_CMD_GET_REGISTRATIONS (1 << 9)
#endif

/* Each of these commands must be registered, by the one whose bit is next. */
#define TO_REGISTER                                                                      \
	(MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | \
	 MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)
#define GLOBAL (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED)
#define ALL                                                                                   \
	(GLOBAL | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | TO_REGISTER | TO_REGISTER << 1 | \
	 MEMBARRIER_CMD_GET_REGISTRATIONS)

/* The private ones of either kind make the process one that uses private ones. */
static int registrations(int registered)
{
	if (registered & TO_REGISTER << 1)
		registered |= MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
	return registered;
}

static long barrier(int command, int cpu)
{
	const struct process *process = current_process();
	if (command & TO_REGISTER && !(process->attr.membarriers & command << 1))
		return -EPERM;
	if (command == MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)
		rseq_barrier(cpu);
	else
		cpus_flush();
	return 0;
}

long sys_membarrier(int command, unsigned flags, int cpu)
{
	struct process *process = current_process();
	if (flags &&
	    (command != MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ || flags != MEMBARRIER_CMD_FLAG_CPU))
		return -EINVAL;
	if (command == MEMBARRIER_CMD_QUERY)
		return ALL;
	if (command & ~ALL || command & (command - 1))
		return -EINVAL;
	if (command == MEMBARRIER_CMD_GET_REGISTRATIONS)
		return registrations(process->attr.membarriers);
	if (command & (GLOBAL | TO_REGISTER))
		return barrier(command, flags ? cpu : -1);
	process->attr.membarriers |= command;
	return 0;
}
