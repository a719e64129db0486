/*
 * Which thread runs on which vCPU, and events. Events only set bits in the
 * vCPU's pending word; they are handled here, when the library OS is about to
 * return to the program or waits, so nothing in it is ever interrupted.
 *
 * Each vCPU has a queue of the threads that could run there, who had least of it
 * first: a thread's vtime is the time that it ran, more for the nice ones, and a
 * vCPU's vclock is that of the thread that is furthest behind. Who slept is a
 * little behind when it wakes, never much, and goes before one that has just run.
 *
 * Who becomes ready goes to the queue of the vCPU that made him so: when that waits
 * next, it hands over without an interrupt. If it returns to the program instead,
 * it gives those who wait to vCPUs that have nothing to do, or less (share). A vCPU
 * that has nothing takes from the others' queues, then halts. Only while others
 * wait in its queue has a thread a time slice. Real-time threads (SCHED_FIFO,
 * SCHED_RR) go before all others, by priority, and only those of the same priority
 * take turns.
 *
 * With a single thread, and on a VM's only vCPU, a thread that waits looks for
 * events on its own stack; else that is done on a stack of the vCPU's own, since
 * another vCPU may go on with the thread.
 */
#include <linux/sched.h>
#include "../drv/console.h"
#include "../drv/virtio.h"
#include "cpus.h"
#include "rseq.h"
#include "signal.h"
#include "thread.h"
#include "timer.h"

#define SLICE_NS    3000000
#define SLICE_RR_NS 100000000
#define BEHIND_NS   3000000 /* the most that a thread's vtime is behind its vCPU's clock, */
#define AHEAD_NS    30000000 /* and before it, when it comes to another vCPU */
#define PREEMPT_NS  1000000 /* who is behind by that much does not wait for a slice's end */
#define IDLE_WEIGHT 300 /* SCHED_IDLE: Linux's 1024 to 3 */

#define WORK_AGAIN (WORK_RESCHED | WORK_SHARE | WORK_RSEQ | WORK_POST)

static unsigned held;
static struct thread *last_one; /* nobody else is to run any more */
bool (*sched_idle_work)(void);
unsigned sched_threads = 1;

void return_work(void);

/* ---- events ---- */

static void fetch_host_signals(void)
{
	long sig;
	while ((sig = kcall(KCALL_PORT, EXIT_PORT | 4 << 16, 0, 0)) > 0)
		signal_from_host(sig);
}

static bool handle(u64 pending)
{
	if (!pending)
		return false;
	if (pending & 1ull << (VECTOR_TIMER - VECTOR_BASE))
		timers_run();
	if (pending & 1ull << (VECTOR_SIGNAL - VECTOR_BASE))
		fetch_host_signals();
	if (pending & 1ull << (VECTOR_IPI - VECTOR_BASE))
		cpus_feed();
	for (unsigned i = 0; i < VIRTIO_MMIO_MAX; i++)
		if (pending & 1ull << i)
			virtio_interrupt(i);
	return true;
}

bool sched_events(void)
{
	return handle(__atomic_exchange_n(&vcpu()->pending, 0, __ATOMIC_ACQ_REL));
}

/* Before every return to the program that does not take the short way. */
static void share(struct cpu *me);
void return_work(void)
{
	do {
		while (sched_events())
			;
		if (libos_area()->work & WORK_SHARE)
			share(this_cpu());
		if (libos_area()->work & WORK_RESCHED)
			sched_yield();
		if (libos_area()->work & WORK_RSEQ)
			rseq_return();
		if (libos_area()->work & WORK_SIGNAL)
			signal_deliver();
		if (libos_area()->work & WORK_POST)
			cpus_post();
	} while (vcpu()->pending || libos_area()->work & WORK_AGAIN);
}

/* ---- queues ---- */

static bool allowed(const struct thread *thread, const struct cpu *cpu)
{
	return !thread->attr.affinity || thread->attr.affinity & 1ull << cpu->number;
}

static unsigned load(const struct cpu *cpu)
{
	return cpu->nready + (cpu->running != NULL);
}

static int policy_of(const struct thread *thread)
{
	return thread->attr.policy & ~SCHED_RESET_ON_FORK;
}

static bool realtime(const struct thread *thread)
{
	return policy_of(thread) == SCHED_FIFO || policy_of(thread) == SCHED_RR;
}

/* Who has more goes first. */
static int rank(const struct thread *thread)
{
	return realtime(thread) ? thread->attr.priority : 0;
}

/* Time that it runs as its vtime counts it: a quarter more for each step that it
 * is nicer, as on Linux. */
static u64 weighted(const struct thread *thread, u64 ns)
{
	if (policy_of(thread) == SCHED_IDLE)
		return ns * IDLE_WEIGHT;
	for (int nice = thread->attr.nice; nice > 0; nice--)
		ns += ns / 4;
	for (int nice = thread->attr.nice; nice < 0; nice++)
		ns -= ns / 5;
	return ns;
}

static bool goes_before(const struct thread *a, const struct thread *b)
{
	if (rank(a) != rank(b))
		return rank(a) > rank(b);
	return !rank(a) && (i64)(a->vtime - b->vtime) < 0;
}

static struct thread *first_of(struct cpu *cpu)
{
	return cpu->nready ? container_of(cpu->ready.next, struct thread, run) : NULL;
}

/* The thread is the vCPU's from now on, as far behind or before as it was. */
static void settle(struct thread *thread, struct cpu *cpu)
{
	i64 lag = thread->cpu ? (i64)(thread->vtime - thread->cpu->vclock) : 0;
	lag = MAX(lag, -(i64)BEHIND_NS);
	if (thread->cpu != cpu)
		lag = MIN(lag, (i64)AHEAD_NS);
	thread->vtime = cpu->vclock + (u64)lag;
	thread->cpu = cpu;
}

static void enqueue(struct cpu *cpu, struct thread *thread)
{
	struct list *behind = &cpu->ready;
	settle(thread, cpu);
	while (behind->prev != &cpu->ready &&
	       goes_before(thread, container_of(behind->prev, struct thread, run)))
		behind = behind->prev;
	list_add_tail(behind, &thread->run);
	cpu->nready++;
}

static void dequeue(struct thread *thread)
{
	list_del(&thread->run);
	thread->cpu->nready--;
}

static void reschedule(struct cpu *cpu)
{
	cpu->libos->work |= WORK_RESCHED;
	if (cpu != this_cpu())
		cpu_kick(cpu);
}

/* Who is next of those in a queue that may run on a vCPU. One that may not waits there
 * for its own, which has not started yet. */
static struct thread *first_allowed(struct cpu *from, const struct cpu *to)
{
	struct list *at;
	list_for_each (at, &from->ready) {
		struct thread *thread = container_of(at, struct thread, run);
		if (allowed(thread, to) && (!last_one || thread == last_one))
			return thread;
	}
	return NULL;
}

/* How long the vCPU's thread may keep it, from `since` on, when this one waits. */
static u64 slice_of(const struct thread *thread, const struct thread *other)
{
	if (rank(other) != rank(thread))
		return rank(other) > rank(thread) ? 0 : NEVER;
	if (realtime(thread))
		return policy_of(thread) == SCHED_FIFO ? NEVER : SLICE_RR_NS;
	u64 vtime = thread->vtime + weighted(thread, now_ns() - thread->since);
	return (i64)(vtime - other->vtime) > PREEMPT_NS ? 0 : SLICE_NS;
}

/* Others wait for the vCPU: its thread keeps it for its slice, for good, or gives
 * it up at once. */
static void compete(struct cpu *cpu)
{
	const struct thread *thread = cpu->running, *other = first_allowed(cpu, cpu);
	if (!thread || thread->state != THREAD_RUNNING || !other)
		return;
	u64 slice = slice_of(thread, other);
	if (slice == NEVER)
		return;
	u64 end = thread->since + slice;
	if (!slice || end <= now_ns())
		reschedule(cpu);
	else if (!cpu->slice.armed || end < cpu->slice.deadline)
		timer_arm(&cpu->slice, end);
}

void sched_slice_over(struct timer *timer)
{
	compete(container_of(timer, struct cpu, slice));
}

/* The vCPU with the least to do, of those where the thread may run; the one
 * where it was if that is as good. If none of its set has started yet, here, where
 * that one will find it. */
static struct cpu *least_loaded(const struct thread *thread)
{
	struct cpu *best = thread->cpu && allowed(thread, thread->cpu) ? thread->cpu : NULL;
	for (unsigned i = 0; i < MAX_CPUS && cpus[i]; i++)
		if (cpus[i]->up && allowed(thread, cpus[i]) &&
		    (!best || load(cpus[i]) < load(best)))
			best = cpus[i];
	return best ? best : this_cpu();
}

static void give(struct cpu *cpu, struct thread *thread)
{
	enqueue(cpu, thread);
	if (cpu->running)
		compete(cpu);
	else
		cpu_kick(cpu);
}

/* Those who wait here go where there is less to do, who is next first. */
static void share(struct cpu *me)
{
	struct list *at, *next;
	libos_area()->work &= ~WORK_SHARE;
	for (at = me->ready.next; at != &me->ready; at = next) {
		struct thread *thread = container_of(at, struct thread, run);
		struct cpu *best = least_loaded(thread);
		next = at->next;
		if (best == me || load(best) + 1 >= load(me))
			continue;
		dequeue(thread);
		give(best, thread);
	}
}

void thread_ready(struct thread *thread)
{
	struct cpu *me = this_cpu();
	if (thread->state != THREAD_SLEEPING)
		return;
	thread->state = THREAD_READY;
	if (!allowed(thread, me)) {
		give(least_loaded(thread), thread);
		return;
	}
	enqueue(me, thread);
	compete(me);
	if (libos_smp)
		libos_area()->work |= WORK_SHARE;
}

/* The next thread for this vCPU, out of its queue or, if there is none, out of the
 * longest that has one for it; or NULL. */
static struct thread *next_thread(struct cpu *me)
{
	struct thread *next = first_allowed(me, me);
	unsigned longest = 0;
	for (unsigned i = 0; !next && i < MAX_CPUS && cpus[i]; i++)
		longest = MAX(longest, cpus[i]->nready);
	for (; longest && !next; longest--)
		for (unsigned i = 0; !next && i < MAX_CPUS && cpus[i]; i++)
			if (cpus[i]->nready == longest)
				next = first_allowed(cpus[i], me);
	if (!next)
		return NULL;
	dequeue(next);
	if (next->cpu != me)
		settle(next, me);
	return next;
}

/* ---- running and waiting ---- */

/* The current thread stops, or goes on, using the CPU. */
static void account(struct thread *thread)
{
	struct cpu *me = this_cpu();
	const struct thread *first = first_of(me);
	u64 now = now_ns(), ran = now - thread->since;
	thread->cpu_ns += ran;
	thread->vtime += weighted(thread, ran);
	thread->since = now;
	u64 least = first && goes_before(first, thread) ? first->vtime : thread->vtime;
	if (!rank(thread) && (!first || !rank(first)) && (i64)(least - me->vclock) > 0)
		me->vclock = least;
}

static void resume(struct thread *thread)
{
	struct cpu *me = this_cpu();
	thread->state = THREAD_RUNNING;
	thread->since = now_ns();
	rseq_resumed(thread);
	if (!me->nready)
		return;
	compete(me);
	if (libos_smp)
		libos_area()->work |= WORK_SHARE;
}

static void wake_up(struct cpu *me)
{
	if (me->halted_since)
		me->idle_ns += now_ns() - me->halted_since;
	me->halted = false;
	me->halted_since = 0;
}

/* Others take the vCPU for halted: what they have for it ends the wait. */
bool sched_spin(bool (*there)(void), u64 ns)
{
	struct cpu *me = this_cpu();
	u64 until = now_ns() + ns;
	bool found = false;
	if (!flavour_soft)
		return false;
	me->halted = true;
	cpus_post_unlocking();
	while (!(found = there()) && !vcpu()->pending && now_ns() < until)
		for (int i = 0; i < 20; i++)
			__builtin_ia32_pause();
	libos_lock();
	me->halted = false;
	return found;
}

bool sched_attend(u64 ns)
{
	struct cpu *me = this_cpu();
	u64 start = now_ns(), end = MIN(start + ns, timers_next());
	if (end > start) {
		me->halted = me->attends = true;
		me->halted_since = start;
		cpus_attend((end - start) / 1000 + 1);
		me->attends = false;
		wake_up(me);
	}
	u64 now = now_ns();
	if (timers_next() > now)
		return now < start + ns;
	timers_run();
	return true;
}

static void halt(void)
{
	struct cpu *me = this_cpu();
	if (sched_idle_work && sched_idle_work())
		return;
	/* The lock may have been let go, and what ended that wait is no event. */
	if (first_allowed(me, me))
		return;
	timers_arm();
	me->halted = true;
	me->halted_since = now_ns();
	cpus_post_unlocking();
	kcall(KCALL_WAIT, 0, 0, 0);
	libos_lock();
	wake_up(me);
}

void sched_idle(void)
{
	wake_up(this_cpu());
	for (;;) {
		struct cpu *me = this_cpu();
		struct thread *next = next_thread(me);
		if (next) {
			thread_switch_to(next);
		} else if (!sched_events()) {
			halt();
		}
	}
}

/* Who is to run instead of the current thread, which may be itself. */
static struct thread *pick(void)
{
	for (;;) {
		struct thread *next = next_thread(this_cpu());
		if (next)
			return next;
		if (libos_smp)
			return this_cpu()->idle;
		if (!sched_events())
			halt();
	}
}

static void run_others(struct thread *thread)
{
	struct thread *next = pick();
	if (next != thread)
		thread_switch_to(next);
}

/* While nobody else may run: devices interrupt vCPU 0, which may be waiting for
 * the lock. */
static void wait_alone(struct thread *thread)
{
	const u64 devices = (1ull << VIRTIO_MMIO_MAX) - 1;
	u64 *pending = &cpus[0]->area->pending;
	while (thread->state == THREAD_SLEEPING) {
		cpus_post_locked();
		if (sched_events() ||
		    handle(__atomic_fetch_and(pending, ~devices, __ATOMIC_ACQ_REL) & devices))
			continue;
		if (this_cpu() == cpus[0])
			kcall(KCALL_WAIT, 0, 0, 0);
		else
			__builtin_ia32_pause();
	}
	dequeue(thread);
}

/* How much later than asked a sleep may end (PR_SET_TIMERSLACK). */
static u64 slack_of(const struct thread *thread)
{
	if (realtime(thread))
		return 0;
	return thread->attr.timer_slack ? thread->attr.timer_slack : TIMER_SLACK_NS;
}

void sched_block(u64 deadline)
{
	struct thread *thread = current();
	account(thread);
	thread->state = THREAD_SLEEPING;
	thread->timeout.slack = slack_of(thread);
	if (deadline != NEVER)
		timer_arm(&thread->timeout, deadline);
	if (held)
		wait_alone(thread);
	else
		run_others(thread);
	timer_cancel(&thread->timeout);
	resume(thread);
}

void sched_timed_out(struct timer *timer)
{
	thread_ready(container_of(timer, struct thread, timeout));
}

void sched_hold(void)
{
	held++;
}

void sched_release(void)
{
	held--;
}

void sched_step_back(void)
{
	struct thread *thread = current();
	const struct cpu *me = this_cpu();
	account(thread);
	if (me->nready) {
		u64 last = container_of(me->ready.prev, struct thread, run)->vtime;
		if ((i64)(last - thread->vtime) > 0)
			thread->vtime = last;
	}
	sched_yield();
}

void sched_yield(void)
{
	struct thread *thread = current();
	struct cpu *me = this_cpu();
	libos_area()->work &= ~WORK_RESCHED;
	if (!me->nready && allowed(thread, me) && !last_one)
		return;
	account(thread);
	thread->state = THREAD_SLEEPING;
	thread_ready(thread);
	run_others(thread);
	resume(thread);
}

void sched_leave(void)
{
	current()->state = THREAD_DEAD;
	thread_switch_to(pick());
	panic("a thread runs after its end");
}

void sched_begin(void)
{
	resume(current());
}

void sched_alone(void)
{
	if (last_one)
		sched_yield(); /* another one was first */
	last_one = current();
	for (unsigned i = 0; i < MAX_CPUS && cpus[i]; i++)
		if (cpus[i] != this_cpu() && cpus[i]->running)
			reschedule(cpus[i]);
	cpus_post_locked();
}

/* ---- other threads ---- */

void thread_kick(struct thread *thread)
{
	thread_ready(thread);
	if (thread->state != THREAD_RUNNING || thread == current())
		return;
	thread->cpu->libos->work |= WORK_SIGNAL;
	cpu_kick(thread->cpu);
}

void sched_changed(struct thread *thread)
{
	struct cpu *cpu = thread->cpu;
	if (thread->state == THREAD_READY) {
		dequeue(thread);
		give(allowed(thread, cpu) ? cpu : least_loaded(thread), thread);
	} else if (thread->state == THREAD_RUNNING) {
		if (allowed(thread, cpu))
			compete(cpu);
		else
			reschedule(cpu);
	}
}

u64 idle_ns(unsigned n)
{
	const struct cpu *cpu = cpus[n];
	if (!cpu)
		return now_ns(); /* nobody has had it run anything */
	return cpu->idle_ns + (cpu->halted_since ? now_ns() - cpu->halted_since : 0);
}
