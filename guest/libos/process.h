/*
 * Processes and threads. Today a VM runs one process with one thread; every
 * structure is already the process's or the thread's that Linux has it in.
 */
#ifndef LIBOS_PROCESS_H
#define LIBOS_PROCESS_H

#include <asm/signal.h>
#include <asm/resource.h>
#include <linux/capability.h>
#include <linux/resource.h>
#include "lib.h"
#include "sched.h"

struct space;
struct fd_table;
struct fs_context; /* root, cwd, umask: path.c's */

#define COMM_LEN    16
#define MAX_RLIMITS RLIM_NLIMITS

struct timers; /* time.c's: interval and POSIX timers */

struct ids {
	u32 real, effective, saved, fs;
};

/* All zero: root with every capability, as the first process. sys_cred.c.
 * fork must copy `groups`. */
struct credentials {
	struct ids uid, gid;
	u32 ngroups, *groups; /* supplementary, on the heap */
	u64 caps_dropped, caps_inactive; /* not permitted; not effective */
	u64 caps_inheritable;
	bool keep_caps;
};
#define CRED_ALL_CAPS (((u64)1 << (CAP_LAST_CAP + 1)) - 1)
u64 cred_permitted(const struct credentials *c);
u64 cred_effective(const struct credentials *c);
/* Whether the process has a capability (CAP_*) now. */
bool capable(int cap);

/* Whether a group is among the supplementary ones. */
static inline bool cred_has_group(const struct credentials *c, u32 gid)
{
	for (u32 i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

/* A program of this file begins: it may be set-user-ID or set-group-ID, and the
 * capabilities are new. */
struct inode;
void cred_exec(const struct inode *program);

/* What prctl(2) and its like set; zero is the default. */
struct process_attributes {
	int death_signal;
	u32 persona;
	bool not_dumpable, no_new_privs, child_subreaper, no_huge_pages;
	int membarriers; /* that are registered: their MEMBARRIER_CMD_* */
};

struct process {
	int pid, ppid, pgid, sid;
	struct space *space;
	struct fd_table *files;
	struct fs_context *fs;
	struct rlimit64 rlimit[MAX_RLIMITS];
	u32 programs; /* that it ran before this one: execve(2) */
	struct file *exe; /* the program's own file, for /proc/self/exe */
	char *exe_path;
	u64 start_ns;
	u64 ended_ns; /* CPU time of threads that have ended */
	/* where /proc/self/cmdline, environ and auxv are, in the program's memory */
	u64 arg_start, arg_end, env_start, env_end, auxv_start, auxv_end;
	struct signal_state *signals;
	struct timers *timers; /* or NULL */
	struct credentials cred;
	struct process_attributes attr;
	unsigned threads; /* that have not ended */
	struct thread *leader; /* whose tid is the pid, though it may have ended */
	struct thread *only; /* ends all others, for execve(2); or NULL */
	struct waitq ended; /* for that one */
};

struct process *current_process(void);

/* A signal that the current thread would act on is waiting (blocking calls
 * return -EINTR). */
bool signal_pending(void);
/* Sends a signal to the current process as the kernel does (SI_KERNEL):
 * SIGPIPE, SIGINT from the terminal and the like. */
void signal_send_kernel(int sig);
/* The current thread has earned a signal by a system call: SIGPIPE, SIGXFSZ.
 * It looks as if the process had sent it itself. */
void signal_send_self(int sig);

#endif
