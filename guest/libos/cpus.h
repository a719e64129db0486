/*
 * The vCPUs, and the one lock of the library OS.
 *
 * Threads run on all vCPUs; the library OS on one at a time. Its lock is taken
 * on every way in from the program and let go on every way back (entry.S), and
 * around waiting in the kernel. As long as there is one thread only it is not
 * used: libos_smp says so, and the other vCPUs then stay where they wait.
 */
#ifndef LIBOS_CPUS_H
#define LIBOS_CPUS_H

#include "entry.h"
#include "sched.h"

struct thread;

struct cpu {
	unsigned number;
	struct vcpu_area *area;
	struct libos_area *libos; /* in it */
	struct list ready; /* struct thread's run: first come, first served */
	unsigned nready;
	struct thread *running; /* NULL: none, or `idle` */
	struct thread *idle; /* the vCPU's own, which looks for others */
	u64 vclock; /* the vtime of who is furthest behind, here */
	struct timer slice; /* of `running`, while others wait */
	bool up; /* has started */
	bool halted; /* waits in the kernel, or will; an IPI has it look again */
	bool attends; /* waits in the VMM instead: sched_attend() */
	u64 idle_ns, halted_since; /* before; and since it halted, or 0 */
};

/* By number: vCPU 0, and all of them once they share the library OS. */
extern struct cpu *cpus[MAX_CPUS];

static inline struct cpu *this_cpu(void)
{
	return libos_area()->cpu;
}

extern u32 libos_smp; /* the lock is in use */
extern u32 libos_lock_word; /* 0: free, or the owner's number + 1 */
extern u32 libos_lock_wanted; /* 0, or who is to have it next: others wait a little */
void libos_lock(void); /* also finishes what entry.S began */
void libos_unlock(void);
int cpus_share(void); /* it is to be used from now on: for thread_share() */

/* Sets aside what they need and starts the first of them, which starts the
 * next, and so on, while vCPU 0 goes on. */
void cpus_init(void);
void cpus_start(void);

/* VECTOR_IPI: one of them may need memory to start the next. */
void cpus_feed(void);

/* Has a vCPU come to the library OS, if it is in the program or halted: by and by,
 * see cpus_post(). */
void cpu_kick(struct cpu *cpu);

/*
 * Interrupts for other vCPUs and the timer's are put off until this vCPU returns to
 * the program or waits, since who asks the kernel for them with the lock has all
 * others wait for 20 us, on the soft flavour. They are sent with the lock let go for
 * the time; or with it let go for good; or, where somebody waits for their effect
 * without letting it go, with the lock.
 */
void cpus_post(void);
void cpus_post_unlocking(void);
void cpus_post_locked(void);

/* Waits in the VMM, with the lock let go: sched_attend(). 0: the VMM is not to expect
 * this vCPU there any more. What is put off for this vCPU's timer stays so. */
void cpus_attend(u32 microseconds);

/* Whether another vCPU runs a thread. */
bool cpus_others_run(void);

/* Page table entries went or lost rights: no other vCPU that runs the program
 * uses them any more when this returns. */
void cpus_flush(void);

/* sched.c: what a vCPU does with the lock that no thread runs on. */
_Noreturn void sched_idle(void);

#endif
