/*
 * A thread: its registers, its library-OS stack, its signals.
 */
#ifndef LIBOS_THREAD_H
#define LIBOS_THREAD_H

#include "entry.h"
#include "process.h"
#include "sched.h"

#define TIMER_SLACK_NS 50000 /* as Linux */

/* Scheduling, as the program set it; zero is the default. sys_sched.c */
struct thread_attributes {
	int nice, policy, priority;
	u64 affinity; /* vCPUs, 0: all */
	u64 timer_slack; /* ns, 0: TIMER_SLACK_NS */
};

/* What rseq(2) has registered: the program's area, or 0; the vCPU that it names. */
struct rseq_state {
	u64 area;
	u32 len, signature, cpu;
};

enum thread_state {
	THREAD_RUNNING, /* zero: as the first thread begins */
	THREAD_READY, /* in a vCPU's queue */
	THREAD_SLEEPING,
	THREAD_DEAD,
};

struct thread {
	struct regs regs;
	struct process *process;
	int tid;
	char comm[COMM_LEN];
	u64 fs_base;
	void *stack; /* top of its library-OS stack */
	bool woken; /* a queue that it is on was woken */
	unsigned waits; /* queues that it is on */
	enum thread_state state;
	struct cpu *cpu; /* where it runs, could run or ran last; NULL: nowhere yet */
	struct list run; /* in that vCPU's queue */
	struct timer timeout; /* of its sleep */
	u64 since, cpu_ns; /* when it began to run; how long it did before that */
	u64 vtime; /* the same by its vCPU's vclock: who has less goes first */
	/* while it does not run */
	void *sp; /* on its library-OS stack */
	void *fpu; /* 64-byte aligned, in fpu_memory; NULL until there are two threads,
		    * and for those that vCPUs look for threads in */
	void *fpu_memory;
	u64 work; /* WORK_* */
	u64 clear_child_tid; /* the program's address, or 0 */
	struct thread_signals *signals; /* signal.c's: mask, pending, altstack */
	u64 utime_ns, stime_ns; /* for times() and getrusage() */
	u64 robust_list; /* the program's address, or 0 */
	struct thread_attributes attr;
	struct rseq_state rseq;
};

static inline struct thread *current(void)
{
	/* a thread's own variable, wherever it runs: the compiler may keep it */
	struct thread *thread;
	asm("mov %%gs:%c1, %0" : "=r"(thread) : "i"(L_CURRENT));
	return thread;
}

/* Ends the process and with it the VM: status as wait(2) gives it to a shell
 * (the program's own, or 128 + signal). exit.c */
_Noreturn void process_exit(int status);

/* Ends the VM with a status, under any VMM. machine.c */
_Noreturn void machine_exit(int status);

/* Sets up the first process and its thread on the boot stack. process.c */
void process_init(void *stack_top);
void process_init_files(void);

/* Called before every return to the program when WORK_SIGNAL is set: delivers
 * at most one signal by changing current()->regs, or ends the process.
 * Restarts or fails (EINTR) an interrupted system call. signal.c */
void signal_deliver(void);

/* A fault of the program's: sends the signal that Linux would. vector, error
 * code and CR2 as the CPU gave them; si_code for page faults: mapped says
 * whether the address lies in a mapping (SEGV_ACCERR) or not (SEGV_MAPERR);
 * beyond_file asks for SIGBUS. signal.c */
void signal_fault(struct regs *regs, u64 vector, u64 error, u64 cr2, bool mapped, bool beyond_file);

/* The FS base of the current thread, now and after every switch. start.c */
void fs_base_set(u64 base);
bool can_wrfsbase(void);

/* Wakes waiters of a futex: for clear_child_tid when a thread ends. futex.c */
void futex_wake(u64 address, int most);

/* Has a thread look at its signals, whatever it does. sched.c */
void thread_kick(struct thread *thread);

/*
 * sched.c and thread.c
 */
void thread_ready(struct thread *thread); /* if it sleeps: it could run */
void sched_timed_out(struct timer *timer); /* struct thread's timeout */
void sched_yield(void); /* lets those who could run do so, if it is their turn */
void sched_step_back(void); /* ...if it is not, too */
void sched_begin(void); /* a new thread runs for the first time */
/* From here on no other thread runs, or goes on in the library OS; at most for
 * a moment in the program. Does not return to a second thread that calls it. */
void sched_alone(void);
void sched_changed(struct thread *thread); /* its attr is another */
void sched_slice_over(struct timer *timer); /* struct cpu's slice */
/* The current thread sleeps: until it is ready or the deadline has passed. */
void sched_block(u64 deadline_ns);
bool sched_events(void); /* handles what is pending on this vCPU: was there any? */
_Noreturn void sched_leave(void); /* the current thread is THREAD_DEAD */
/* Saves the current thread and goes on with the other, until somebody comes
 * back. */
void thread_switch_to(struct thread *next);
u64 thread_cpu_ns(const struct thread *thread);

/* For a vCPU that looks for threads on this stack: it runs there already, or
 * begins when switched to. NULL: no memory. */
struct thread *thread_of_cpu(void *stack_top, bool begins);

/* The current thread will no longer be the only one, or leaves its vCPU: 0 or
 * -ENOMEM. */
int thread_share(void);

/* Ends the current thread, and with the last one the process. */
_Noreturn void thread_exit(int status);
/* Ends all threads of the process but the current one, which then leads it: its
 * tid is the pid. 0, or -EAGAIN: another one is doing that. */
int thread_end_others(void);
/* What the program keeps in the thread's robust list is let go. futex.c */
void futex_thread_exit(struct thread *thread);

#endif
