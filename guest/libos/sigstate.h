/*
 * What signals are made of, for the signal, timer and futex files only. The
 * rest of the library OS needs signal.h.
 */
#ifndef LIBOS_SIGSTATE_H
#define LIBOS_SIGSTATE_H

#include "signal.h"

#define SIG_COUNT     64
#define SIG_BIT(sig)  (1ull << ((sig)-1))
#define SIG_BLOCKABLE (~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP)))

/* Results that only signal_deliver() sees, by Linux's numbers: run the system
 * call again if the handler has SA_RESTART; always; if no handler ran; by
 * restart_syscall(2) if no handler ran. The last is ours: never. */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516
#define EINTR_NEVER_RESTARTED 600

/* One occurrence of a signal, waiting. */
struct queued {
	struct list link;
	siginfo_t info;
	/* For one that its owner embeds (a POSIX timer), when it leaves the
	 * queue: with what the program will see, or NULL if it won't. The
	 * heap's have none. */
	void (*taken)(struct queued *q, siginfo_t *info);
};

/* A signal may be in the set without an entry: then its siginfo was lost. */
struct pending_signals {
	u64 set;
	struct list queue;
};

struct signal_state { /* a process's */
	struct sigaction action[SIG_COUNT];
	struct pending_signals shared;
	struct list threads; /* struct thread_signals */
	struct waitq arrived; /* woken when any signal is queued: signalfd(2) */
	unsigned queued; /* heap entries, at most RLIMIT_SIGPENDING */
};

/* How restart_syscall(2) goes on. */
struct restart_block {
	long (*again)(struct restart_block *block);
	u64 deadline; /* monotonic ns */
	u64 arg[4];
};

struct thread_signals {
	struct list link;
	struct thread *thread;
	u64 mask; /* blocked */
	u64 waited; /* in rt_sigtimedwait(): not to be ignored although not blocked */
	u64 saved_mask; /* goes back with the next handler's frame... */
	bool restore_mask; /* ...or at once if there is none */
	struct pending_signals pending;
	stack_t altstack;
	struct restart_block restart;
	u64 trap, error, cr2; /* of the last fault, for the frame */
};

static inline u64 deliverable(const struct thread *thread)
{
	const struct thread_signals *s = thread->signals;
	return (s->pending.set | thread->process->signals->shared.set) & ~s->mask;
}

/* Sets or clears WORK_SIGNAL for the current thread. */
void signal_recalc(void);
void signal_set_mask(u64 mask);

/* The result of a system call that a signal interrupted: one of the codes
 * above. Makes sure that it is looked at. */
static inline long signal_restart(long code)
{
	libos_area()->work |= WORK_SIGNAL;
	return -code;
}
long signal_restart_block(long (*again)(struct restart_block *), u64 deadline);

/* info NULL: SI_KERNEL. 0 or -EAGAIN. */
int signal_queue(struct process *process, struct thread *thread, int sig, const siginfo_t *info);
/* Queues an owner's entry: 1 when the process ignores the signal. */
int signal_queue_owned(struct process *process, struct thread *thread, struct queued *q);
void signal_unqueue(struct pending_signals *pending, struct queued *q);
/* Cannot be ignored or blocked: for faults. */
void signal_force(int sig, siginfo_t *info);
/* Takes the next signal that is not in `blocked`: its number, or 0. */
int signal_take(struct thread *thread, u64 blocked, siginfo_t *info);
/* A fault's signal goes before all others. */
int signal_take_synchronous(struct thread *thread, siginfo_t *info);
/* Throws away what is pending in the whole process. */
void signal_flush(struct process *process, u64 set);
bool signal_ignored_by_default(int sig);
struct thread *signal_thread(struct process *process, int tid); /* or NULL */
/* As a program that begins has them: what is not ignored has its default action,
 * what waits goes on waiting. */
void signals_exec(struct process *process, struct thread *thread);
/* The thread is no longer the process's: what it could have taken others take. */
void signals_thread_exit(struct thread *thread);

/* sigframe.c: 0, or -EFAULT when the program's stack cannot take it. */
int sigframe_push(struct thread *thread, int sig, const struct sigaction *action,
		  const siginfo_t *info);

/* What becomes of an interrupted system call: sigrestart.c. */
enum restart {
	RESTART_NOT, /* it was not interrupted */
	RESTART_FAIL, /* EINTR */
	RESTART_AGAIN,
	RESTART_BLOCK, /* restart_syscall(2) */
};
enum restart restart_decide(u64 nr, long result, bool handler, bool sa_restart);

/* itimer.c: SIGALRM was taken, so that a repeating timer starts its next period. */
void itimer_real_taken(struct process *process);

#endif
