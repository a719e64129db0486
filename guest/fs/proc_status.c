/*
 * /proc/PID/stat, statm and status: numbers about a process, or about one of its
 * threads (/proc/PID/task/TID).
 */
#include <asm/mman.h>
#include "../libos/clocks.h"
#include "../libos/cpus.h"
#include "../libos/path.h"
#include "../libos/proc_info.h"
#include "../libos/sigstate.h"
#include "../libos/space.h"
#include "proc.h"

#define TICK 10000000 /* ns: times in /proc are in hundredths */

/* Three or more octal digits after a 0, as both places that need them have. */
void proc_octal(struct proc_text *t, u32 value)
{
	char digits[12];
	unsigned n = sizeof(digits);

	do {
		digits[--n] = '0' + (value & 7);
		value >>= 3;
	} while (value != 0 || n > sizeof(digits) - 3);
	digits[--n] = '0';
	proc_bytes(t, digits + n, sizeof(digits) - n);
}

struct sizes {
	u64 all, text, data; /* pages */
};

static struct sizes measure(const struct process *p)
{
	struct sizes s = { 0, 0, 0 };
	struct vma_info v;

	for (u64 at = 0; space_describe(p->space, at, &v); at = v.end) {
		u64 pages = (v.end - v.start) / PAGE_SIZE;

		s.all += pages;
		if (v.prot & PROT_EXEC)
			s.text += pages;
		else if (v.prot & PROT_WRITE && !v.shared)
			s.data += pages;
	}
	return s;
}

void proc_show_statm(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct sizes s = measure(p);

	(void)pi;
	proc_print(t, "%lu %lu %lu %lu 0 %lu 0\n", s.all, p->space->resident, s.text, s.text,
		   s.data);
}

/* ---- stat ---- */

/* Of a process, it is its first thread's. */
static const char *state_of(const struct thread *thread)
{
	switch (thread->state) {
	case THREAD_SLEEPING:
		return "S (sleeping)";
	case THREAD_DEAD:
		return "Z (zombie)";
	default:
		return "R (running)";
	}
}

static int priority_of(const struct thread *thread)
{
	return thread->attr.priority ? -1 - thread->attr.priority : 20 + thread->attr.nice;
}

static void print_stat(struct proc_text *t, const struct process *p, const struct thread *thread,
		       u64 ns)
{
	struct sizes s = measure(p);

	proc_print(t, "%d (%s) %c %d %d %d 0 -1 4194304 0 0 0 0 ", thread->tid, thread->comm,
		   *state_of(thread), p->ppid, p->pgid, p->sid);
	proc_print(t, "%lu 0 0 0 %d %d %u 0 %lu %lu %lu %lu ", ns / TICK, priority_of(thread),
		   thread->attr.nice, p->threads, p->start_ns / TICK, s.all * PAGE_SIZE,
		   p->space->resident, UINT64_MAX);
	/* code, signals, wait channel: not told */
	proc_print(t, "1 1 %lu 0 0 0 0 0 0 0 0 0 17 %u %d %d 0 0 0 ", p->space->stack_top,
		   thread->cpu != NULL ? thread->cpu->number : 0, thread->attr.priority,
		   thread->attr.policy);
	proc_print(t, "0 0 %lu %lu %lu %lu %lu 0\n", p->space->brk_start, p->arg_start, p->arg_end,
		   p->env_start, p->env_end);
}

void proc_show_stat(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	print_stat(t, p, p->leader, cpu_time_ns());
}

void proc_show_task_stat(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	const struct thread *thread = signal_thread(p, pi->number);

	if (thread != NULL)
		print_stat(t, p, thread, thread_cpu_ns(thread));
}

/* ---- status ---- */

static void print_ids(struct proc_text *t, const struct credentials *c)
{
	proc_print(t, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid.real, c->uid.effective,
		   c->uid.saved, c->uid.fs, c->gid.real, c->gid.effective, c->gid.saved, c->gid.fs);
	proc_print(t, "FDSize:\t64\nGroups:\t");
	for (u32 i = 0; i < c->ngroups; i++)
		proc_print(t, "%u ", c->groups[i]);
	proc_print(t, "%s\n", c->ngroups == 0 ? " " : "");
}

static void print_memory(struct proc_text *t, const struct process *p)
{
	struct sizes s = measure(p);
	u64 kb = PAGE_SIZE / 1024, all = s.all * kb, resident = p->space->resident * kb;

	proc_print(t, "VmPeak:\t%8lu kB\nVmSize:\t%8lu kB\nVmLck:\t       0 kB\n", all, all);
	proc_print(t, "VmPin:\t       0 kB\nVmHWM:\t%8lu kB\nVmRSS:\t%8lu kB\n", resident,
		   resident);
	proc_print(t, "RssAnon:\t%8lu kB\nRssFile:\t       0 kB\nRssShmem:\t       0 kB\n",
		   resident);
	proc_print(t, "VmData:\t%8lu kB\nVmExe:\t%8lu kB\nVmSwap:\t       0 kB\n", s.data * kb,
		   s.text * kb);
}

static void print_signals(struct proc_text *t, const struct process *p, const struct thread *thread)
{
	const struct signal_state *signals = p->signals;
	const struct thread_signals *own = thread->signals;
	u64 ignored = 0, caught = 0;

	for (unsigned i = 0; i < SIG_COUNT; i++) {
		if (signals->action[i].sa_handler == SIG_IGN)
			ignored |= 1ul << i;
		else if (signals->action[i].sa_handler != SIG_DFL)
			caught |= 1ul << i;
	}
	proc_print(t, "SigQ:\t%u/%lu\nSigPnd:\t%016lx\nShdPnd:\t%016lx\n", signals->queued,
		   (u64)p->rlimit[RLIMIT_SIGPENDING].rlim_cur, own->pending.set,
		   signals->shared.set);
	proc_print(t, "SigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n", own->mask, ignored,
		   caught);
}

static void print_caps(struct proc_text *t, const struct process *p)
{
	const struct credentials *c = &p->cred;

	proc_print(t, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\n", c->caps_inheritable,
		   cred_permitted(c), cred_effective(c));
	proc_print(t, "CapBnd:\t%016lx\nCapAmb:\t%016lx\nNoNewPrivs:\t%d\nSeccomp:\t0\n",
		   CRED_ALL_CAPS, 0ul, p->attr.no_new_privs);
	proc_print(t, "Seccomp_filters:\t0\n");
}

static void print_cpus(struct proc_text *t, const struct thread *thread)
{
	unsigned n = cpus_online();
	u64 all = cpus_online_mask();
	u64 set = thread->attr.affinity != 0 ? thread->attr.affinity & all : all;
	const char *separator = "";

	proc_print(t, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", set);
	for (unsigned first = 0; first < n; first++) {
		unsigned last = first;

		if (!(set >> first & 1))
			continue;
		while (last + 1 < n && set >> (last + 1) & 1)
			last++;
		proc_print(t, last > first ? "%s%u-%u" : "%s%u", separator, first, last);
		separator = ",";
		first = last;
	}
	proc_print(t, "\nMems_allowed:\t1\nMems_allowed_list:\t0\n");
}

static void print_status(struct proc_text *t, const struct process *p, const struct thread *thread)
{
	proc_print(t, "Name:\t%s\nUmask:\t", thread->comm);
	proc_octal(t, p->fs->umask);
	proc_print(t, "\nState:\t%s\nTgid:\t%d\nNgid:\t0\n", state_of(thread), p->pid);
	proc_print(t, "Pid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", thread->tid, p->ppid);
	print_ids(t, &p->cred);
	print_memory(t, p);
	proc_print(t, "Threads:\t%u\n", p->threads);
	print_signals(t, p, thread);
	print_caps(t, p);
	print_cpus(t, thread);
	proc_print(t, "voluntary_ctxt_switches:\t0\nnonvoluntary_ctxt_switches:\t0\n");
}

void proc_show_status(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	print_status(t, p, p->leader);
}

void proc_show_task_status(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	const struct thread *thread = signal_thread(p, pi->number);

	if (thread != NULL)
		print_status(t, p, thread);
}
