/*
 * Signals that take effect, on the way back to the program: handler, death or
 * nothing; and the faults that become signals.
 */
#include <asm/unistd.h>
#include "fpu.h"
#include "patch.h"
#include "rseq.h"
#include "sigstate.h"
#include "uaccess.h"

/* SIGFPE's codes of x87 and SSE exceptions that are raised and not masked
 * (SDM volume 1, 8.1.3 and 10.2.3: the same bits). */
static int fpe_code(u32 raised)
{
	if (raised & 0x01)
		return FPE_FLTINV;
	if (raised & 0x04)
		return FPE_FLTDIV;
	if (raised & 0x08)
		return FPE_FLTOVF;
	if (raised & 0x12)
		return FPE_FLTUND;
	return raised & 0x20 ? FPE_FLTRES : 0;
}

static void page_fault(const struct thread_signals *s, siginfo_t *info, bool mapped,
		       bool beyond_file)
{
	info->si_signo = beyond_file ? SIGBUS : SIGSEGV;
	info->si_addr = (void *)s->cr2;
	if (beyond_file)
		info->si_code = BUS_ADRERR;
	else
		info->si_code = mapped ? SEGV_ACCERR : SEGV_MAPERR;
}

/* Linux's arch/x86/kernel/traps.c in a table; without si_code: SI_KERNEL and
 * no address. */
static const struct trap {
	u8 vector, sig, code;
	bool address; /* si_addr = RIP */
} traps[] = {
	{ EXC_DE, SIGFPE, FPE_INTDIV, true },  { EXC_DB, SIGTRAP, TRAP_TRACE, true },
	{ EXC_BP, SIGTRAP, SI_KERNEL, false }, { EXC_OF, SIGSEGV, SI_KERNEL, false },
	{ EXC_BR, SIGSEGV, SI_KERNEL, false }, { EXC_UD, SIGILL, ILL_ILLOPN, true },
	{ EXC_TS, SIGSEGV, SI_KERNEL, false }, { EXC_NP, SIGBUS, SI_KERNEL, false },
	{ EXC_SS, SIGBUS, SI_KERNEL, false },  { EXC_GP, SIGSEGV, SI_KERNEL, false },
	{ EXC_AC, SIGBUS, BUS_ADRALN, false }, { EXC_MF, SIGFPE, 0, true },
	{ EXC_XM, SIGFPE, 0, true },
};

/* False when there is nothing to signal. */
static bool trap_info(siginfo_t *info, u64 vector, u64 rip)
{
	info->si_signo = SIGSEGV;
	info->si_code = SI_KERNEL;
	for (unsigned i = 0; i < ARRAY_SIZE(traps); i++) {
		const struct trap *t = &traps[i];
		if (t->vector != vector)
			continue;
		info->si_signo = t->sig;
		info->si_code = t->code;
		if (t->address)
			info->si_addr = (void *)rip;
	}
	if (vector == EXC_MF)
		info->si_code = fpe_code(fpu_x87_raised());
	if (vector == EXC_XM)
		info->si_code = fpe_code(fpu_sse_raised());
	return info->si_code != 0;
}

/* INT n gives #UD on the soft flavour, where it should give #GP with the
 * number of the gate (SDM 6.4.2, 6.13); INT 3 and INT 4 have gates. */
static void correct_interrupt(const struct regs *regs, u64 *vector, u64 *error)
{
	u8 code[2];
	if (*vector != EXC_UD || copy_from_user(code, (void *)regs->rip, sizeof(code)) ||
	    code[0] != 0xcd || code[1] == EXC_BP || code[1] == EXC_OF)
		return;
	*vector = EXC_GP;
	*error = code[1] * 8 + 2;
}

void signal_fault(struct regs *regs, u64 vector, u64 error, u64 cr2, bool mapped, bool beyond_file)
{
	struct thread_signals *s = current()->signals;
	siginfo_t info = { 0 };

	correct_interrupt(regs, &vector, &error);
	s->trap = vector;
	s->error = error;
	if (vector == EXC_PF) {
		s->error |= PFERR_U | (cr2 >= USER_END ? PFERR_P : 0); /* as Linux shows it */
		s->cr2 = cr2;
		page_fault(s, &info, mapped, beyond_file);
	} else if (!trap_info(&info, vector, regs->rip)) {
		return;
	}
	signal_force(info.si_signo, &info);
}

/*
 * The next signal with a handler, and that handler; 0 when there is none.
 * Ends the process for a signal that does so.
 */
static int next_handled(struct thread *thread, siginfo_t *info, struct sigaction *action)
{
	for (;;) {
		int sig = signal_take_synchronous(thread, info);
		if (!sig)
			sig = signal_take(thread, thread->signals->mask, info);
		if (!sig)
			return 0;
		struct sigaction *a = &thread->process->signals->action[sig - 1];
		if (a->sa_handler == SIG_IGN)
			continue;
		if (a->sa_handler == SIG_DFL) {
			if (signal_ignored_by_default(sig))
				continue;
			process_exit(128 + sig);
		}
		*action = *a;
		if (a->sa_flags & SA_RESETHAND)
			a->sa_handler = SIG_DFL;
		return sig;
	}
}

/* action: of the handler that will run, or NULL. */
static void restart_call(struct regs *regs, const struct sigaction *action)
{
	if ((i64)regs->orig_rax < 0)
		return;
	u64 nr = regs->orig_rax;
	regs->orig_rax = -1; /* this is decided once */
	switch (restart_decide(nr, (long)regs->rax, action,
			       action && (action->sa_flags & SA_RESTART))) {
	case RESTART_NOT:
		return;
	case RESTART_FAIL:
		regs->rax = -EINTR;
		return;
	case RESTART_AGAIN:
		regs->rax = nr;
		break;
	case RESTART_BLOCK:
		regs->rax = __NR_restart_syscall;
		break;
	}
	regs->rip -= 2; /* SYSCALL is two bytes long */
	libos_area()->work |= WORK_FULL;
}

static void run_handler(struct thread *thread, int sig, const struct sigaction *action,
			const siginfo_t *info)
{
	struct thread_signals *s = thread->signals;
	u64 mask = s->mask | action->sa_mask;

	restart_call(&thread->regs, action);
	if (rseq_signal(thread) || sigframe_push(thread, sig, action, info)) {
		if (sig == SIGSEGV)
			thread->process->signals->action[SIGSEGV - 1].sa_handler = SIG_DFL;
		signal_force(SIGSEGV, NULL);
		return;
	}
	if (!(action->sa_flags & SA_NODEFER))
		mask |= SIG_BIT(sig);
	s->restore_mask = false;
	signal_set_mask(mask);
	libos_area()->work |= WORK_FULL;
}

void signal_deliver(void)
{
	struct thread *thread = current();
	struct thread_signals *s = thread->signals;
	struct sigaction action;
	siginfo_t info;

	if (unlikely(thread->process->only && thread->process->only != thread))
		thread_exit(0);
	patch_leave_thunk(&thread->regs);
	for (;;) {
		int sig = next_handled(thread, &info, &action);
		if (sig) {
			run_handler(thread, sig, &action, &info);
			continue;
		}
		restart_call(&thread->regs, NULL);
		if (!s->restore_mask)
			break;
		s->restore_mask = false;
		s->mask = s->saved_mask;
	}
	libos_area()->work &= ~WORK_SIGNAL;
}
