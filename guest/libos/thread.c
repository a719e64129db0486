/*
 * Threads: making, switching, ending.
 *
 * A thread that does not run has its place in the library OS on its own
 * library-OS stack (switch.S), and beside it what stays in registers while
 * the library OS runs: FS base and x87, SSE and AVX state. A stack has
 * unmapped memory below it. One that ends is freed by whoever runs next,
 * since it cannot free the stack that it stands on; some are kept for the
 * next threads, because mapping a stack costs a kcall.
 */
#include <linux/capability.h>
#include <linux/sched.h>
#include "clocks.h"
#include "cpus.h"
#include "fpu.h"
#include "frames.h"
#include "heap.h"
#include "proc_info.h"
#include "sigstate.h"
#include "space.h"
#include "sys.h"
#include "thread_new.h"
#include "uaccess.h"

#define STACKS      (WINDOW_BASE + 0x200000000)
#define STACK_ORDER 2 /* 16 KiB, as the first thread's */
#define STACK_SIZE  (PAGE_SIZE << STACK_ORDER)
#define STACK_SPAN  0x10000 /* the rest of it is the guard */
#define MAX_THREADS 4096
#define KEPT        16 /* dead threads whose memory waits for the next ones */
#define TID_MAX     32768 /* pid_max */

void thread_switch(void **save_sp, void *sp);
void thread_start(void);
void thread_begin(void);
void idle_start(void);
_Noreturn void idle_begin(void);

static u64 slots[MAX_THREADS / 64]; /* stacks in use */
static struct list kept = { &kept, &kept };
static unsigned kept_count;
static struct thread *dead; /* to be freed */
static int last_tid = 1;

/* ---- memory ---- */

static u64 stack_bottom(unsigned slot)
{
	return STACKS + (u64)slot * STACK_SPAN + STACK_SPAN - STACK_SIZE;
}

static int take_slot(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
		if (slots[i] == UINT64_MAX)
			continue;
		unsigned bit = __builtin_ctzll(~slots[i]);
		slots[i] |= 1ull << bit;
		return i * 64 + bit;
	}
	return -EAGAIN;
}

static void free_slot(unsigned slot)
{
	slots[slot / 64] &= ~(1ull << slot % 64);
}

/* A mapped stack: its top, or NULL. */
static void *stack_new(void)
{
	int slot = take_slot();
	if (slot < 0)
		return NULL;
	u64 bottom = stack_bottom(slot);
	paddr_t pa = frames_alloc(STACK_ORDER);
	if (pa && !pages_map(bottom, pa, PTE_P | PTE_W | PTE_NX, 1 << STACK_ORDER))
		return (void *)(bottom + STACK_SIZE);
	if (pa)
		frames_free(pa, STACK_ORDER);
	free_slot(slot);
	return NULL;
}

static void stack_free(void *top)
{
	u64 bottom = (u64)top - STACK_SIZE, size;
	paddr_t pa = page_entry(bottom, &size) & PTE_ADDR;
	kcall(KCALL_UNMAP, bottom, 1 << STACK_ORDER, 0);
	cpus_flush();
	frames_free(pa, STACK_ORDER);
	free_slot((bottom - STACKS) / STACK_SPAN);
}

/* Where its FPU state is kept: 0 or -ENOMEM. */
static int fpu_new(struct thread *thread)
{
	thread->fpu_memory = kalloc(fpu_state_size() + 64);
	thread->fpu = (void *)ALIGN_UP((u64)thread->fpu_memory, 64);
	return thread->fpu_memory ? 0 : -ENOMEM;
}

int thread_share(void)
{
	struct thread *thread = current();
	if (!thread->fpu && fpu_new(thread))
		return -ENOMEM;
	return cpus_share();
}

static void thread_free(struct thread *thread)
{
	bool of_image = thread->stack && (u64)thread->stack >= IMAGE_BASE; /* the first one */
	kfree(thread->fpu_memory);
	if (of_image)
		return;
	if (thread->stack)
		stack_free(thread->stack);
	kfree(thread);
}

/* The frame that thread_switch() finds: six registers and where to start, which
 * has the stack aligned for a call. */
static void prepare_stack(struct thread *thread, void (*start)(void))
{
	u64 *sp = (u64 *)((u64)thread->stack - 16);
	*--sp = 0;
	*--sp = 0;
	*--sp = (u64)start;
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	thread->sp = sp;
}

struct thread *thread_of_cpu(void *stack_top, bool begins)
{
	struct thread *thread = kalloc(sizeof(*thread));
	if (!thread)
		return NULL;
	thread->process = current_process();
	thread->stack = stack_top;
	thread->state = THREAD_DEAD; /* nobody makes it ready */
	if (begins)
		prepare_stack(thread, idle_start);
	return thread;
}

static struct thread *thread_alloc(void)
{
	struct thread *thread;
	if (!list_empty(&kept)) {
		struct list *first = kept.next;
		list_del(first);
		kept_count--;
		return container_of(first, struct thread, run);
	}
	thread = kalloc(sizeof(*thread));
	if (!thread)
		return NULL;
	thread->stack = stack_new();
	if (!thread->stack || fpu_new(thread)) {
		thread_free(thread);
		return NULL;
	}
	return thread;
}

/* All zero again but for the memory that belongs to it. */
static void thread_keep(struct thread *thread)
{
	void *stack = thread->stack, *fpu = thread->fpu, *memory = thread->fpu_memory;
	memset(thread, 0, sizeof(*thread));
	thread->stack = stack;
	thread->fpu = fpu;
	thread->fpu_memory = memory;
	list_add_tail(&kept, &thread->run);
	kept_count++;
}

/* Whoever runs after a thread's end. */
static void bury(void)
{
	struct thread *thread = dead;
	dead = NULL;
	if (!thread)
		return;
	if (kept_count < KEPT)
		thread_keep(thread);
	else
		thread_free(thread);
}

/* ---- switching ---- */

static u64 fs_base_now(const struct thread *thread)
{
	u64 base;
	if (!can_wrfsbase())
		return thread->fs_base;
	asm volatile("rdfsbase %0" : "=r"(base));
	return base;
}

void thread_switch_to(struct thread *next)
{
	struct thread *me = current();
	struct libos_area *area = libos_area();

	if (me->fpu)
		fpu_save(me->fpu, fpu_features());
	me->fs_base = fs_base_now(me);
	me->work = area->work & ~(u64)(WORK_RESCHED | WORK_SHARE | WORK_POST);
	area->current = next;
	area->regs = &next->regs;
	area->stack = next->stack;
	area->work = next->work | (area->work & WORK_POST);
	area->cpu->running = next == area->cpu->idle ? NULL : next;
	if (next->fpu) {
		if (deliverable(next))
			area->work |= WORK_SIGNAL;
		fpu_restore(next->fpu, fpu_features());
		fs_base_set(next->fs_base);
	}
	thread_switch(&me->sp, next->sp);
	bury();
}

/* A new thread, on its stack, before it goes to the program. */
void thread_begin(void)
{
	bury();
	sched_begin();
}

void idle_begin(void)
{
	bury();
	sched_idle();
}

u64 thread_cpu_ns(const struct thread *thread)
{
	u64 running = thread->state == THREAD_RUNNING ? now_ns() - thread->since : 0;
	return thread->cpu_ns + running;
}

/* ---- for /proc ---- */

int thread_next(const struct process *process, int from)
{
	const struct list *at, *head = &process->signals->threads;
	int lowest = 0;
	list_for_each (at, head) {
		int tid = container_of(at, struct thread_signals, link)->thread->tid;
		if (tid >= from && (!lowest || tid < lowest))
			lowest = tid;
	}
	return lowest;
}

const char *thread_comm(const struct process *process, int tid)
{
	const struct thread *thread = signal_thread((struct process *)process, tid);
	return thread ? thread->comm : "";
}

/* ---- making ---- */

static int next_tid(struct process *process)
{
	do
		last_tid = last_tid < TID_MAX - 1 ? last_tid + 1 : 2;
	while (signal_thread(process, last_tid));
	return last_tid;
}

static bool too_many(const struct process *process)
{
	u64 limit = process->rlimit[RLIMIT_NPROC].rlim_cur;
	if (sched_threads >= frames_total() / 32 || sched_threads >= MAX_THREADS)
		return true; /* Linux's threads-max: an eighth of memory for stacks */
	return process->threads >= limit && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN);
}

/* What it has of the thread that makes it. */
static void inherit(struct thread *thread, const struct thread *parent,
		    const struct thread_new *new)
{
	thread->process = parent->process;
	thread->regs = parent->regs;
	thread->regs.rax = 0;
	if (new->stack)
		thread->regs.rsp = new->stack;
	memcpy(thread->comm, parent->comm, COMM_LEN);
	thread->attr = parent->attr;
	if (thread->attr.policy & SCHED_RESET_ON_FORK)
		thread->attr = (struct thread_attributes){ .affinity = parent->attr.affinity,
							   .nice = MAX(parent->attr.nice, 0) };
	thread->fs_base = new->set_tls ? new->tls : fs_base_now(parent);
	thread->clear_child_tid = new->clear_child_tid;
	thread->timeout.expired = sched_timed_out;
	thread->work = WORK_FULL;
	thread->state = THREAD_SLEEPING;
	thread->signals->mask = parent->signals->mask;
	memset(thread->fpu, 0, fpu_state_size());
	fpu_save(thread->fpu, fpu_features());
}

long thread_new(const struct thread_new *new)
{
	struct thread *parent = current(), *thread;
	struct process *process = parent->process;

	if (too_many(process))
		return -EAGAIN;
	if (thread_share())
		return -ENOMEM;
	thread = thread_alloc();
	if (!thread)
		return -ENOMEM;
	if (signals_init(process, thread)) {
		thread_keep(thread);
		return -ENOMEM;
	}
	inherit(thread, parent, new);
	thread->tid = next_tid(process);
	prepare_stack(thread, thread_start);
	process->threads++;
	sched_threads++;
	thread_ready(thread);
	return thread->tid;
}

/* ---- ending ---- */

/* Tells the program, whose pthread_join() waits for it. */
static void clear_tid(struct thread *thread)
{
	u64 address = thread->clear_child_tid;
	thread->clear_child_tid = 0;
	if (address && !put_user((int *)address, 0))
		futex_wake(address, 1);
}

void thread_exit(int status)
{
	struct thread *thread = current();
	struct process *process = thread->process;

	futex_thread_exit(thread);
	if (process->threads == 1)
		process_exit(status);
	clear_tid(thread);
	posix_timers_thread_exit(thread);
	signals_thread_exit(thread);
	process->ended_ns += thread_cpu_ns(thread);
	process->threads--;
	sched_threads--;
	if (thread != process->leader || process->only) { /* else it is /proc's */
		kfree(thread->signals);
		dead = thread;
	}
	wake_all(&process->ended);
	sched_leave();
}

/* A signal that nothing holds up gets them out of their waits; they end when
 * they are about to return to the program (signal_deliver). */
static void end_others(struct process *process)
{
	struct list *at;
	list_for_each (at, &process->signals->threads) {
		struct thread *other = container_of(at, struct thread_signals, link)->thread;
		if (other != process->only)
			signal_queue(process, other, SIGKILL, NULL);
	}
}

int thread_end_others(void)
{
	struct thread *thread = current();
	struct process *process = thread->process;
	struct thread *leader = process->leader;

	if (process->only)
		return -EAGAIN;
	if (leader != thread && leader->state == THREAD_DEAD) {
		kfree(leader->signals); /* it ended long ago */
		thread_free(leader);
	}
	process->only = thread;
	end_others(process);
	while (process->threads > 1)
		wait_uninterruptible(&process->ended);
	process->only = NULL;
	process->leader = thread;
	thread->tid = process->pid;
	return 0;
}
