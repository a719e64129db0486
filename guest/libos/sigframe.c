/*
 * The stack frame of a signal handler, as Linux lays it out on x86-64 (its
 * arch/x86/kernel/signal_64.c), from high to low addresses:
 *
 *   the interrupted stack with its red zone, or the alternate stack's end
 *   floating-point state, 64-byte aligned                        fpu.c
 *   struct rt_sigframe, so that the handler sees RSP + 8 aligned to 16
 *
 * rt_sigreturn(2) takes everything back from the program, which may have
 * changed it: what the CPU would not load gives SIGSEGV.
 */
#include <asm/sigcontext.h>
#include <linux/signal.h>
#include <asm/ucontext.h>
#include "fpu.h"
#include "sigstate.h"
#include "sys.h"
#include "uaccess.h"

#define RED_ZONE  128
#define RFLAGS_RF 0x10000
#define RFLAGS_OF 0x800
/* What rt_sigreturn(2) may change: the condition codes, DF, TF, AC, RF. */
#define RFLAGS_RETURNED                                                                  \
	(RFLAGS_AC | RFLAGS_OF | RFLAGS_DF | RFLAGS_TF | 0x80 /* SF */ | 0x40 /* ZF */ | \
	 0x10 /* AF */ | 0x4 /* PF */ | RFLAGS_CF | RFLAGS_RF)
#define ALTSTACK_FLAGS SS_AUTODISARM /* besides the mode */

struct rt_sigframe {
	u64 restorer; /* return address of the handler */
	struct ucontext uc;
	siginfo_t info;
};
_Static_assert(sizeof(struct rt_sigframe) == 440, "Linux's");
_Static_assert(offsetof(struct rt_sigframe, info) == 312, "Linux's");

unsigned long signal_frame_size(void)
{
	return ALIGN_UP(sizeof(struct rt_sigframe) + 8 + fpu_frame_size() + fpu_frame_align(), 16);
}

static bool within_altstack(const stack_t *stack, u64 sp)
{
	return sp > (u64)stack->ss_sp && sp - (u64)stack->ss_sp <= stack->ss_size;
}

/* With SS_AUTODISARM the stack in use is never the registered one. */
static bool on_altstack(const stack_t *stack, u64 sp)
{
	return !(stack->ss_flags & (int)SS_AUTODISARM) && within_altstack(stack, sp);
}

static int altstack_mode(const stack_t *stack, u64 sp)
{
	if (!stack->ss_size)
		return SS_DISABLE;
	return on_altstack(stack, sp) ? SS_ONSTACK : 0;
}

/* Where the frame goes, and its floating-point state; 0 when it would leave
 * the alternate stack. */
static u64 place(const struct thread *thread, const struct sigaction *action, u64 *fpstate)
{
	const stack_t *stack = &thread->signals->altstack;
	u64 sp = thread->regs.rsp;
	bool alternate = on_altstack(stack, sp);

	sp -= RED_ZONE;
	if ((action->sa_flags & SA_ONSTACK) && !altstack_mode(stack, sp)) {
		sp = (u64)stack->ss_sp + stack->ss_size;
		alternate = true;
	}
	*fpstate = ALIGN_DOWN(sp - fpu_frame_size(), fpu_frame_align());
	sp = ALIGN_DOWN(*fpstate - sizeof(struct rt_sigframe), 16) - 8;
	return alternate && !within_altstack(stack, sp) ? 0 : sp;
}

static void save_registers(struct sigcontext *c, const struct thread *thread)
{
	const struct regs *r = &thread->regs;
	const struct thread_signals *s = thread->signals;
	*c = (struct sigcontext){
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rdi = r->rdi,
		.rsi = r->rsi,
		.rbp = r->rbp,
		.rbx = r->rbx,
		.rdx = r->rdx,
		.rax = r->rax,
		.rcx = r->rcx,
		.rsp = r->rsp,
		.rip = r->rip,
		.eflags = r->rflags,
		.cs = USER_CS,
		.ss = USER_SS,
		.err = s->error,
		.trapno = s->trap,
		.oldmask = s->mask,
		.cr2 = s->cr2,
	};
}

static void load_registers(struct regs *r, const struct sigcontext *c)
{
	*r = (struct regs){
		.r8 = c->r8,
		.r9 = c->r9,
		.r10 = c->r10,
		.r11 = c->r11,
		.r12 = c->r12,
		.r13 = c->r13,
		.r14 = c->r14,
		.r15 = c->r15,
		.rdi = c->rdi,
		.rsi = c->rsi,
		.rbp = c->rbp,
		.rbx = c->rbx,
		.rdx = c->rdx,
		.rax = c->rax,
		.rcx = c->rcx,
		.rsp = c->rsp,
		.rip = c->rip,
		.orig_rax = -1,
		.rflags = (r->rflags & ~(u64)RFLAGS_RETURNED) | (c->eflags & RFLAGS_RETURNED),
	};
}

int sigframe_push(struct thread *thread, int sig, const struct sigaction *action,
		  const siginfo_t *info)
{
	struct thread_signals *s = thread->signals;
	struct regs *regs = &thread->regs;
	struct rt_sigframe frame = { .restorer = (u64)action->sa_restorer, .info = *info };
	u64 fpstate, sp = place(thread, action, &fpstate);

	/* The way back jumps in the library OS: an address that the CPU refuses
	 * must not get there. */
	if (!sp || !(action->sa_flags & SA_RESTORER) || (u64)action->sa_handler >= USER_END)
		return -EFAULT;
	frame.uc.uc_flags = UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	if (fpu_extended())
		frame.uc.uc_flags |= UC_FP_XSTATE;
	frame.uc.uc_stack = s->altstack;
	frame.uc.uc_sigmask = s->restore_mask ? s->saved_mask : s->mask;
	save_registers(&frame.uc.uc_mcontext, thread);
	frame.uc.uc_mcontext.fpstate = (void *)fpstate;
	if (fpu_to_user((void *)fpstate) || copy_to_user((void *)sp, &frame, sizeof(frame)))
		return -EFAULT;
	if (s->altstack.ss_flags & (int)SS_AUTODISARM)
		s->altstack = (stack_t){ .ss_flags = SS_DISABLE };
	fpu_reset();
	regs->rdi = sig;
	regs->rsi = sp + offsetof(struct rt_sigframe, info);
	regs->rdx = sp + offsetof(struct rt_sigframe, uc);
	regs->rax = 0;
	regs->rip = (u64)action->sa_handler;
	regs->rsp = sp;
	regs->rflags &= ~(u64)(RFLAGS_DF | RFLAGS_RF | RFLAGS_TF);
	return 0;
}

static int altstack_set(stack_t *stack, const stack_t *new, u64 sp)
{
	int mode = new->ss_flags & ~(int)ALTSTACK_FLAGS;
	if (on_altstack(stack, sp))
		return -EPERM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		*stack = (stack_t){ .ss_flags = new->ss_flags };
		return 0;
	}
	if (new->ss_size < MINSIGSTKSZ)
		return -ENOMEM;
	*stack = (stack_t){ .ss_sp = new->ss_sp,
			    .ss_size = new->ss_size,
			    .ss_flags = new->ss_flags };
	return 0;
}

long sys_sigaltstack(const stack_t *new, stack_t *old)
{
	stack_t *stack = &current()->signals->altstack;
	u64 sp = current()->regs.rsp;
	stack_t before, wanted;

	memset(&before, 0, sizeof(before));
	before.ss_sp = stack->ss_sp;
	before.ss_size = stack->ss_size;
	before.ss_flags = altstack_mode(stack, sp) | (stack->ss_flags & (int)ALTSTACK_FLAGS);
	if (new) {
		if (get_user(wanted, new))
			return -EFAULT;
		int error = altstack_set(stack, &wanted, sp);
		if (error)
			return error;
	}
	return old ? copy_to_user(old, &before, sizeof(before)) : 0;
}

/* Addresses that a jump cannot take are refused as the CPU would do after
 * Linux's IRET: with the registers already loaded. The forced signal either
 * moves RIP to a handler or ends the process, so that it is never jumped to. */
static void check_rip(struct regs *regs)
{
	siginfo_t info = { .si_code = SEGV_MAPERR };
	u64 rip = regs->rip;
	if (rip < USER_END)
		return;
	if ((i64)(rip << 16) >> 16 != (i64)rip)
		info.si_code = SI_KERNEL; /* not canonical: #GP */
	else
		info.si_addr = (void *)rip;
	signal_force(SIGSEGV, &info);
}

long sys_rt_sigreturn(void)
{
	struct thread *thread = current();
	struct regs *regs = &thread->regs;
	struct rt_sigframe frame;

	/* RET has taken the return address off */
	if (copy_from_user(&frame, (void *)(regs->rsp - 8), sizeof(frame)) ||
	    fpu_from_user(frame.uc.uc_mcontext.fpstate)) {
		regs->orig_rax = -1;
		signal_force(SIGSEGV, NULL);
		return 0;
	}
	signal_set_mask(frame.uc.uc_sigmask);
	load_registers(regs, &frame.uc.uc_mcontext);
	altstack_set(&thread->signals->altstack, &frame.uc.uc_stack, regs->rsp);
	check_rip(regs);
	libos_area()->work |= WORK_FULL;
	return regs->rax;
}
