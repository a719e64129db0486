/*
 * Restartable sequences, rseq(2): a few instructions of the program's that either
 * run to their end on one CPU undisturbed, or go to their abort address.
 *
 * The program shares an area with us for each thread. There it reads on which CPU
 * it runs, and there it says in which sequence it is. We look at it when the thread
 * goes on after others may have run in its place, or on another vCPU, and before a
 * signal: never where nothing has happened, so a system call does not pay for it.
 * A system call within a sequence is an error of the program's.
 */
#include <linux/rseq.h>
#include "iovec.h"
#include "rseq.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

/* As of Linux 6.3: linux/rseq.h of Debian's libc ends with the flags. */
struct rseq_area {
	struct cpu_ids {
		u32 cpu_id_start, cpu_id;
	} ids;
	u64 rseq_cs;
	u32 flags;
	struct place_ids {
		u32 node_id, mm_cid;
	} places;
};
_Static_assert(offsetof(struct rseq_area, places) + sizeof(struct place_ids) == RSEQ_AREA_SIZE,
	       "its end");

static struct rseq_area *area_of(const struct thread *thread)
{
	return (struct rseq_area *)thread->rseq.area;
}

/* A thread's concurrency id is its vCPU's number: nobody else has it while it runs. */
static int tell(struct rseq_area *area, u32 start, u32 cpu)
{
	const struct cpu_ids ids = { start, cpu };
	const struct place_ids places = { 0, start };
	return put_user(&area->ids, ids) || put_user(&area->places, places) ? -EFAULT : 0;
}

static int tell_cpu(struct thread *thread)
{
	thread->rseq.cpu = this_cpu()->number;
	return tell(area_of(thread), thread->rseq.cpu, thread->rseq.cpu);
}

/* What rseq_cs points at, if it is one. */
static int read_section(const struct thread *thread, u64 at, struct rseq_cs *cs)
{
	u32 signature;
	if (at >= USER_LIMIT)
		return -EINVAL;
	if (get_user(*cs, (const struct rseq_cs *)at))
		return -EFAULT;
	if (cs->version || cs->start_ip >= USER_LIMIT || cs->abort_ip >= USER_LIMIT ||
	    cs->post_commit_offset >= USER_LIMIT - cs->start_ip ||
	    cs->abort_ip - cs->start_ip < cs->post_commit_offset)
		return -EINVAL;
	if (get_user(signature, (const u32 *)cs->abort_ip - 1))
		return -EFAULT;
	return signature == thread->rseq.signature ? 0 : -EINVAL;
}

/* The sequence that the program is in, if any, is left. */
static int leave_section(struct thread *thread)
{
	struct rseq_area *area = area_of(thread);
	struct rseq_cs cs;
	u64 at;
	u32 flags;

	if (get_user(at, &area->rseq_cs) || get_user(flags, &area->flags))
		return -EFAULT;
	if (!at)
		return 0;
	int error = read_section(thread, at, &cs);
	if (error)
		return error;
	bool inside = thread->regs.rip - cs.start_ip < cs.post_commit_offset;
	if (inside && (cs.flags | flags)) /* there were some once */
		return -EINVAL;
	if (put_user(&area->rseq_cs, 0ull))
		return -EFAULT;
	if (inside)
		thread->regs.rip = cs.abort_ip;
	return 0;
}

void rseq_return(void)
{
	struct thread *thread = current();
	libos_area()->work &= ~WORK_RSEQ;
	if (thread->rseq.area && (leave_section(thread) || tell_cpu(thread)))
		signal_force(SIGSEGV, NULL);
}

int rseq_signal(struct thread *thread)
{
	return thread->rseq.area ? leave_section(thread) : 0;
}

void rseq_barrier(int only)
{
	u64 asked = 0;
	for (unsigned i = 0; libos_smp && i < MAX_CPUS && cpus[i]; i++) {
		if (cpus[i] == this_cpu() || !cpus[i]->running ||
		    (only >= 0 && i != (unsigned)only))
			continue;
		asked |= 1ull << i;
		cpus[i]->libos->work |= WORK_RSEQ;
		cpu_kick(cpus[i]);
	}
	cpus_post_locked();
	/* who waits for the lock sees the work before it returns */
	for (unsigned i = 0; i < MAX_CPUS; i++)
		while (asked & 1ull << i &&
		       !__atomic_load_n(&cpus[i]->libos->inside, __ATOMIC_SEQ_CST))
			__builtin_ia32_pause();
}

static long unregister(struct thread *thread, const struct rseq_area *area, u32 len, u32 signature)
{
	if (!area || area_of(thread) != area || thread->rseq.len != len)
		return -EINVAL;
	if (thread->rseq.signature != signature)
		return -EPERM;
	if (tell(area_of(thread), 0, (u32)RSEQ_CPU_ID_UNINITIALIZED))
		return -EFAULT;
	thread->rseq.area = 0;
	return 0;
}

long sys_rseq(struct rseq_area *area, u32 len, int flags, u32 signature)
{
	struct thread *thread = current();
	u64 section;
	if (flags == RSEQ_FLAG_UNREGISTER)
		return unregister(thread, area, len, signature);
	if (flags)
		return -EINVAL;
	if (thread->rseq.area) {
		if (area_of(thread) != area || thread->rseq.len != len)
			return -EINVAL;
		return thread->rseq.signature == signature ? -EBUSY : -EPERM;
	}
	if (len < RSEQ_AREA_ALIGN || (u64)area & (RSEQ_AREA_ALIGN - 1))
		return -EINVAL;
	if (get_user(section, &area->rseq_cs) || (section && put_user(&area->rseq_cs, 0ull)))
		return -EFAULT;
	thread->rseq = (struct rseq_state){
		.area = (u64)area,
		.len = len,
		.signature = signature,
	};
	if (tell_cpu(thread))
		signal_force(SIGSEGV, NULL);
	return 0;
}
