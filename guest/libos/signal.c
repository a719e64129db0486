/*
 * Signals that wait: sending, queueing, masks.
 *
 * A signal waits in a set and, with its siginfo, in a queue: the thread's for
 * those sent to a thread, else the process's. What is ignored is dropped when
 * sent, unless blocked. Standard signals wait once, real-time ones as often
 * as sent, up to RLIMIT_SIGPENDING entries; a standard signal without a place
 * in the queue only loses its siginfo.
 *
 * WORK_SIGNAL of the vCPU says that its current thread has something to
 * deliver; sigdeliver.c does it on the way back to the program.
 *
 * Stop signals are ignored by default here: nobody could continue the VM's
 * only process.
 */
#include "heap.h"
#include "sigstate.h"
#include "uaccess.h"

#define STOP_SIGNALS (SIG_BIT(SIGSTOP) | SIG_BIT(SIGTSTP) | SIG_BIT(SIGTTIN) | SIG_BIT(SIGTTOU))
#define IGNORED_BY_DEFAULT \
	(STOP_SIGNALS | SIG_BIT(SIGCONT) | SIG_BIT(SIGCHLD) | SIG_BIT(SIGWINCH) | SIG_BIT(SIGURG))
#define SYNCHRONOUS                                                                \
	(SIG_BIT(SIGSEGV) | SIG_BIT(SIGBUS) | SIG_BIT(SIGILL) | SIG_BIT(SIGTRAP) | \
	 SIG_BIT(SIGFPE) | SIG_BIT(SIGSYS))

static struct process *host_target; /* of the signals that the VMM gets */

static void pending_init(struct pending_signals *pending)
{
	pending->set = 0;
	list_init(&pending->queue);
}

static long nothing_to_restart(struct restart_block *block)
{
	(void)block;
	return -EINTR;
}

int signals_init(struct process *process, struct thread *thread)
{
	struct thread_signals *s = kalloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	if (!process->signals) {
		process->signals = kalloc(sizeof(*process->signals));
		if (!process->signals) {
			kfree(s);
			return -ENOMEM;
		}
		pending_init(&process->signals->shared);
		list_init(&process->signals->threads);
		waitq_init(&process->signals->arrived);
	}
	pending_init(&s->pending);
	s->restart.again = nothing_to_restart;
	s->thread = thread;
	thread->signals = s;
	list_add_tail(&process->signals->threads, &s->link);
	if (!host_target)
		host_target = process;
	return 0;
}

bool signal_ignored_by_default(int sig)
{
	return IGNORED_BY_DEFAULT & SIG_BIT(sig);
}

struct thread *signal_thread(struct process *process, int tid)
{
	struct list *at;
	list_for_each (at, &process->signals->threads) {
		struct thread_signals *s = container_of(at, struct thread_signals, link);
		if (s->thread->tid == tid)
			return s->thread;
	}
	return NULL;
}

bool signal_pending(void)
{
	return deliverable(current()) != 0;
}

void signal_recalc(void)
{
	if (deliverable(current()))
		libos_area()->work |= WORK_SIGNAL;
	else
		libos_area()->work &= ~WORK_SIGNAL;
}

static void retarget(struct process *process, u64 set);

void signal_set_mask(u64 mask)
{
	struct thread_signals *s = current()->signals;
	u64 blocked = mask & SIG_BLOCKABLE & ~s->mask;
	s->mask = mask & SIG_BLOCKABLE;
	signal_recalc();
	retarget(current_process(), blocked);
}

long signal_restart_block(long (*again)(struct restart_block *), u64 deadline)
{
	struct restart_block *block = &current()->signals->restart;
	block->again = again;
	block->deadline = deadline;
	return signal_restart(ERESTART_RESTARTBLOCK);
}

/* Lets a thread know that a signal waits: the one that it was sent to, or the
 * first that doesn't block it. */
static void announce(struct process *process, struct thread *thread, int sig)
{
	struct list *at;
	wake_all(&process->signals->arrived);
	list_for_each (at, &process->signals->threads) {
		struct thread_signals *s = container_of(at, struct thread_signals, link);
		if ((thread && s->thread != thread) || (s->mask & SIG_BIT(sig)))
			continue;
		if (s->thread == current())
			signal_recalc();
		thread_kick(s->thread);
		return;
	}
}

/* Signals of the process that a thread will not take after all. */
static void retarget(struct process *process, u64 set)
{
	set &= process->signals->shared.set;
	for (; set; set &= set - 1)
		announce(process, NULL, __builtin_ctzll(set) + 1);
}

static bool ignored(struct process *process, int sig)
{
	const struct sigaction *action = &process->signals->action[sig - 1];
	struct list *at;
	if (action->sa_handler != SIG_IGN &&
	    !(action->sa_handler == SIG_DFL && signal_ignored_by_default(sig)))
		return false;
	list_for_each (at, &process->signals->threads) {
		struct thread_signals *s = container_of(at, struct thread_signals, link);
		if ((s->mask | s->waited) & SIG_BIT(sig))
			return false;
	}
	return true;
}

static void discard(struct process *process, struct queued *q)
{
	list_del(&q->link);
	if (q->taken) {
		q->taken(q, NULL);
		return;
	}
	process->signals->queued--;
	kfree(q);
}

static void flush(struct process *process, struct pending_signals *pending, u64 set)
{
	struct list *at = pending->queue.next;
	if (!(pending->set & set))
		return;
	pending->set &= ~set;
	while (at != &pending->queue) {
		struct queued *q = container_of(at, struct queued, link);
		at = at->next;
		if (SIG_BIT(q->info.si_signo) & set)
			discard(process, q);
	}
}

void signal_flush(struct process *process, u64 set)
{
	struct list *at;
	flush(process, &process->signals->shared, set);
	list_for_each (at, &process->signals->threads)
		flush(process, &container_of(at, struct thread_signals, link)->pending, set);
}

void signals_thread_exit(struct thread *thread)
{
	struct process *process = thread->process;
	struct thread_signals *s = thread->signals;
	flush(process, &s->pending, UINT64_MAX);
	list_del(&s->link);
	retarget(process, ~s->mask);
}

void signals_exec(struct process *process, struct thread *thread)
{
	struct thread_signals *s = thread->signals;
	for (int i = 0; i < SIG_COUNT; i++) {
		struct sigaction *action = &process->signals->action[i];
		bool ignored = action->sa_handler == SIG_IGN;
		memset(action, 0, sizeof(*action));
		action->sa_handler = ignored ? SIG_IGN : SIG_DFL;
	}
	memset(&s->altstack, 0, sizeof(s->altstack));
	s->restart.again = nothing_to_restart;
	s->trap = s->error = s->cr2 = 0;
}

/* A stop and a continue signal undo each other. */
static void cancel_opposite(struct process *process, int sig)
{
	if (SIG_BIT(sig) & STOP_SIGNALS)
		signal_flush(process, SIG_BIT(SIGCONT));
	else if (sig == SIGCONT)
		signal_flush(process, STOP_SIGNALS);
}

static struct queued *new_entry(struct process *process, int sig, const siginfo_t *info)
{
	struct signal_state *state = process->signals;
	bool unlimited = sig < SIGRTMIN && (!info || info->si_code >= 0);
	struct queued *q;

	if (!unlimited && state->queued >= process->rlimit[RLIMIT_SIGPENDING].rlim_cur)
		return NULL;
	q = kalloc(sizeof(*q));
	if (!q)
		return NULL;
	state->queued++;
	if (info)
		q->info = *info;
	else
		q->info.si_code = SI_KERNEL;
	q->info.si_signo = sig;
	return q;
}

static struct pending_signals *pending_of(struct process *process, struct thread *thread)
{
	return thread ? &thread->signals->pending : &process->signals->shared;
}

int signal_queue(struct process *process, struct thread *thread, int sig, const siginfo_t *info)
{
	struct pending_signals *pending = pending_of(process, thread);
	cancel_opposite(process, sig);
	if (ignored(process, sig))
		return 0;
	if (sig < SIGRTMIN && (pending->set & SIG_BIT(sig)))
		return 0;
	struct queued *q = new_entry(process, sig, info);
	if (q)
		list_add_tail(&pending->queue, &q->link);
	else if (sig >= SIGRTMIN && info && info->si_code != SI_USER)
		return -EAGAIN;
	pending->set |= SIG_BIT(sig);
	announce(process, thread, sig);
	return 0;
}

int signal_queue_owned(struct process *process, struct thread *thread, struct queued *q)
{
	struct pending_signals *pending = pending_of(process, thread);
	int sig = q->info.si_signo;
	cancel_opposite(process, sig);
	if (ignored(process, sig))
		return 1;
	list_add_tail(&pending->queue, &q->link);
	pending->set |= SIG_BIT(sig);
	announce(process, thread, sig);
	return 0;
}

static struct queued *find(struct pending_signals *pending, int sig)
{
	struct list *at;
	list_for_each (at, &pending->queue) {
		struct queued *q = container_of(at, struct queued, link);
		if (q->info.si_signo == sig)
			return q;
	}
	return NULL;
}

void signal_unqueue(struct pending_signals *pending, struct queued *q)
{
	list_del(&q->link);
	if (!find(pending, q->info.si_signo))
		pending->set &= ~SIG_BIT(q->info.si_signo);
}

static int take(struct process *process, struct pending_signals *pending, u64 set, siginfo_t *info)
{
	set &= pending->set;
	if (!set)
		return 0;
	int sig = __builtin_ctzll(set & SYNCHRONOUS ? set & SYNCHRONOUS : set) + 1;
	struct queued *q = find(pending, sig);
	if (!q) {
		pending->set &= ~SIG_BIT(sig);
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		return sig;
	}
	signal_unqueue(pending, q);
	*info = q->info;
	if (q->taken) {
		q->taken(q, info);
		return sig;
	}
	process->signals->queued--;
	kfree(q);
	return sig;
}

int signal_take(struct thread *thread, u64 blocked, siginfo_t *info)
{
	struct process *process = thread->process;
	int sig = take(process, &thread->signals->pending, ~blocked, info);
	if (sig)
		return sig;
	sig = take(process, &process->signals->shared, ~blocked, info);
	if (sig == SIGALRM)
		itimer_real_taken(process);
	return sig;
}

int signal_take_synchronous(struct thread *thread, siginfo_t *info)
{
	struct thread_signals *s = thread->signals;
	struct list *at;
	if (!(s->pending.set & ~s->mask & SYNCHRONOUS))
		return 0;
	list_for_each (at, &s->pending.queue) {
		struct queued *q = container_of(at, struct queued, link);
		u64 bit = SIG_BIT(q->info.si_signo);
		if (q->info.si_code > 0 && (bit & SYNCHRONOUS & ~s->mask))
			return take(thread->process, &s->pending, bit, info);
	}
	return 0;
}

void signal_force(int sig, siginfo_t *info)
{
	struct thread *thread = current();
	struct thread_signals *s = thread->signals;
	struct sigaction *action = &thread->process->signals->action[sig - 1];
	if (action->sa_handler == SIG_IGN || (s->mask & SIG_BIT(sig)))
		action->sa_handler = SIG_DFL;
	s->mask &= ~SIG_BIT(sig);
	signal_queue(thread->process, thread, sig, info);
	signal_recalc();
}

int signal_send(struct thread *thread, int sig, const siginfo_t *info)
{
	return signal_queue(thread ? thread->process : current_process(), thread, sig, info);
}

void signal_send_kernel(int sig)
{
	signal_queue(current_process(), NULL, sig, NULL);
}

void signal_send_self(int sig)
{
	siginfo_t info = { .si_code = SI_USER };
	info.si_pid = current_process()->pid;
	info.si_uid = current_process()->cred.uid.real;
	signal_queue(current_process(), current(), sig, &info);
}

void signal_from_host(int sig)
{
	siginfo_t info = { .si_code = SI_USER };
	if (sig >= 1 && sig <= SIG_COUNT && host_target)
		signal_queue(host_target, NULL, sig, &info);
}

int signal_mask_set(const void *user_mask, size_t size)
{
	struct thread_signals *s = current()->signals;
	u64 mask;
	if (!user_mask)
		return 0;
	if (size != sizeof(mask))
		return -EINVAL;
	if (copy_from_user(&mask, user_mask, sizeof(mask)))
		return -EFAULT;
	s->saved_mask = s->mask;
	s->restore_mask = true;
	signal_set_mask(mask);
	return 0;
}

void signal_mask_restore(bool interrupted)
{
	struct thread_signals *s = current()->signals;
	if (!s->restore_mask)
		return;
	if (interrupted) {
		libos_area()->work |= WORK_SIGNAL;
		return;
	}
	s->restore_mask = false;
	signal_set_mask(s->saved_mask);
}
