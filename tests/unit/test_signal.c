// link: guest/libos/signal.c guest/libos/sigdeliver.c guest/libos/sigrestart.c
// link: guest/libos/sigframe.c guest/libos/sigcalls.c guest/libos/fpu.c
// link: tests/unit/signal_fake.c
// libs: -no-pie guest/libos/xsave.S
/*
 * Signals on the host: delivery, frames, restarts. test_sigqueue.c has sending
 * and waiting.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "signal_fake.h"
#include <cmocka.h>
#include <asm/prctl.h>
#include <asm/sigcontext.h>
#include <asm/unistd.h>
#include <linux/signal.h>
#include <asm/ucontext.h>
#include "../../guest/libos/fpu.h"
#include "../../guest/libos/uaccess.h"

long syscall(long number, ...);

/* The program's RET from the handler, then rt_sigreturn(2). */
static void handler_returns(void)
{
	thread.regs.rsp += 8;
	thread.regs.rax = sys_rt_sigreturn();
}

/* ---- delivery ---- */

static void default_action_ends(void **state)
{
	(void)state;
	sys_kill(7, SIGTERM);
	if (!setjmp(ended)) {
		signal_deliver();
		fail();
	}
	assert_int_equal(end_status, 128 + SIGTERM);
	signal_flush(&process, UINT64_MAX);
}

/* ---- restarts ---- */

static void restarts(void **state)
{
	(void)state;
	assert_int_equal(restart_decide(__NR_read, -EINTR, true, true), RESTART_AGAIN);
	assert_int_equal(restart_decide(__NR_read, -EINTR, true, false), RESTART_FAIL);
	assert_int_equal(restart_decide(__NR_read, -EINTR, false, false), RESTART_AGAIN);
	assert_int_equal(restart_decide(__NR_poll, -EINTR, true, true), RESTART_FAIL);
	assert_int_equal(restart_decide(__NR_epoll_wait, -EINTR, true, true), RESTART_NOT);
	assert_int_equal(restart_decide(__NR_read, 5, true, true), RESTART_NOT);
	assert_int_equal(restart_decide(__NR_futex, -ERESTARTSYS, true, true), RESTART_AGAIN);
	assert_int_equal(restart_decide(__NR_nanosleep, -ERESTART_RESTARTBLOCK, true, true),
			 RESTART_FAIL);
	assert_int_equal(restart_decide(__NR_nanosleep, -ERESTART_RESTARTBLOCK, false, false),
			 RESTART_BLOCK);
}

static void restart_rewinds(void **state)
{
	(void)state;
	handle(SIGUSR1, SA_RESTART);
	thread.regs.orig_rax = __NR_read;
	thread.regs.rax = -EINTR;
	sys_kill(7, SIGUSR1);
	signal_deliver();
	assert_int_equal(thread.regs.rip, 0x402000);
	handler_returns();
	assert_int_equal(thread.regs.rip, (u64)code + 8 - 2);
	assert_int_equal(thread.regs.rax, __NR_read);
	assert_int_equal((i64)thread.regs.orig_rax, -1);
}

/* ---- frames ---- */

static void frame_round_trip(void **state)
{
	struct regs before;
	(void)state;
	handle(SIGUSR1, 0);
	for (unsigned i = 0; i < 15; i++)
		((u64 *)&thread.regs)[i] = 0x1000 + i;
	before = thread.regs;
	sys_kill(7, SIGUSR1);
	assert_true(libos_area()->work & WORK_SIGNAL);
	signal_deliver();
	assert_int_equal(libos_area()->work, WORK_FULL);
	assert_int_equal(thread.regs.rdi, SIGUSR1);
	assert_int_equal(thread.regs.rsp % 16, 8);
	assert_true(thread.regs.rsp < before.rsp - 128);
	assert_int_equal(*(u64 *)thread.regs.rsp, 0x403000);
	siginfo_t *info = (siginfo_t *)thread.regs.rsi;
	assert_int_equal(info->si_pid, 7);
	assert_int_equal(thread.signals->mask, SIG_BIT(SIGUSR1));
	handler_returns();
	assert_memory_equal(&thread.regs, &before, sizeof(before));
	assert_int_equal(thread.signals->mask, 0);
}

static bool keeps_floating_point(void)
{
	u64 in = 0x4000123412341234, cleared = 0, out = 0;
	void *frame = stack + 1024;
	asm volatile("movq %0, %%xmm5" : : "r"(in) : "xmm5");
	if (fpu_to_user(frame))
		return false;
	fpu_reset();
	asm volatile("movq %%xmm5, %0" : "=r"(cleared));
	if (fpu_from_user(frame))
		return false;
	asm volatile("movq %%xmm5, %0" : "=r"(out));
	return !cleared && out == in;
}

/* In a process of its own, since fpu.c asks the CPU only once. */
static void frame_without_xsave(void **state)
{
	int status = -1;
	(void)state;
	if (!syscall(__NR_fork)) {
		area.xsave = 0;
		bool good = keeps_floating_point() && fpu_frame_size() == 512;
		syscall(__NR_exit_group, good ? 0 : 1);
	}
	syscall(__NR_wait4, -1, &status, 0, NULL);
	assert_int_equal(status, 0);
}

static void frame_keeps_floating_point(void **state)
{
	(void)state;
	assert_true(keeps_floating_point());
	assert_true(fpu_extended());
}

static void bad_floating_point_is_refused(void **state)
{
	struct _xstate *x = (struct _xstate *)(stack + 1024);
	(void)state;
	fpu_to_user(x);
	x->fpstate.mxcsr |= 0x80000000;
	assert_int_equal(fpu_from_user(x), -EINVAL);
	x->fpstate.mxcsr = 0x1f80;
	x->xstate_hdr.xfeatures |= 1ull << 62;
	assert_int_equal(fpu_from_user(x), -EINVAL);
	x->xstate_hdr.xfeatures = 3;
	x->xstate_hdr.reserved1[0] = 1ull << 63; /* XCOMP_BV: compacted */
	assert_int_equal(fpu_from_user(x), -EINVAL);
	x->xstate_hdr.reserved1[0] = 0;
	assert_int_equal(fpu_from_user(x), 0);
	assert_int_equal(fpu_from_user((u8 *)x + 8), -EINVAL);
	assert_int_equal(fpu_from_user((void *)8), -EINVAL);
	assert_int_equal(fpu_from_user((void *)64), -EFAULT);
	/* without the second magic number it is an old, short frame */
	x->xstate_hdr.reserved1[0] = 1;
	*(u32 *)((u8 *)x + x->fpstate.sw_reserved.xstate_size) = 0;
	assert_int_equal(fpu_from_user(x), 0);
}

static void bad_frames_give_sigsegv(void **state)
{
	(void)state;
	handle(SIGSEGV, 0);
	/* rt_sigreturn with no frame */
	u64 sp = thread.regs.rsp;
	thread.regs.rsp = 16;
	sys_rt_sigreturn();
	assert_true(signal_pending());
	thread.regs.rsp = sp;
	signal_deliver();
	assert_int_equal(thread.regs.rdi, SIGSEGV);
	/* an address that cannot be jumped to */
	struct ucontext *uc = (struct ucontext *)thread.regs.rdx;
	uc->uc_mcontext.rip = 0x8000000000000000;
	handler_returns();
	signal_deliver();
	assert_int_equal(thread.regs.rip, 0x402000);
	assert_int_equal(((siginfo_t *)thread.regs.rsi)->si_code, SI_KERNEL);
	/* a second fault in the handler, whose signal is blocked */
	siginfo_t info = { .si_code = SEGV_MAPERR };
	signal_force(SIGSEGV, &info);
	if (!setjmp(ended)) {
		signal_deliver();
		fail();
	}
	assert_int_equal(end_status, 128 + SIGSEGV);
}

static void no_stack_ends(void **state)
{
	(void)state;
	handle(SIGUSR1, 0);
	thread.regs.rsp = 4000;
	sys_kill(7, SIGUSR1);
	if (!setjmp(ended)) {
		signal_deliver();
		fail();
	}
	assert_int_equal(end_status, 128 + SIGSEGV);
}

static void alternate_stack(void **state)
{
	stack_t small = { .ss_sp = stack, .ss_size = 2048 }, old;
	stack_t ss = { .ss_sp = stack, .ss_size = 16384 };
	(void)state;
	assert_int_equal(sys_sigaltstack(&ss, &old), 0);
	assert_int_equal(old.ss_flags, SS_DISABLE);
	handle(SIGUSR1, SA_ONSTACK);
	sys_kill(7, SIGUSR1);
	signal_deliver();
	assert_true(thread.regs.rsp < (u64)stack + 16384);
	assert_int_equal(sys_sigaltstack(&small, NULL), -EPERM);
	assert_int_equal(sys_sigaltstack(NULL, &old), 0);
	assert_int_equal(old.ss_flags, SS_ONSTACK);
	handler_returns();
	assert_int_equal(sys_sigaltstack(NULL, &old), 0);
	assert_int_equal(old.ss_flags, 0);
	assert_ptr_equal(old.ss_sp, stack);
	/* one that the frame doesn't fit: never written below it */
	small.ss_sp = stack + 32768;
	assert_int_equal(sys_sigaltstack(&small, NULL), 0);
	if (signal_frame_size() > 2048) {
		sys_kill(7, SIGUSR1);
		if (!setjmp(ended)) {
			signal_deliver();
			fail();
		}
		assert_int_equal(stack[32767], 0);
	}
}

static void suspend_restores_mask(void **state)
{
	u64 none = 0, blocked = SIG_BIT(SIGUSR1);
	(void)state;
	handle(SIGUSR1, 0);
	signal_set_mask(blocked);
	sys_kill(7, SIGUSR1);
	thread.regs.orig_rax = __NR_rt_sigsuspend;
	thread.regs.rax = sys_rt_sigsuspend(&none, 8);
	signal_deliver();
	assert_int_equal(thread.regs.rdi, SIGUSR1);
	handler_returns();
	assert_int_equal((i64)thread.regs.rax, -EINTR);
	assert_int_equal(thread.signals->mask, blocked);
}

static void waiting_takes(void **state)
{
	u64 set = SIG_BIT(SIGUSR1);
	struct __kernel_timespec zero = { 0, 0 };
	siginfo_t info;
	(void)state;
	signal_set_mask(set);
	assert_int_equal(sys_rt_sigtimedwait(&set, &info, &zero, 8), -EAGAIN);
	assert_int_equal(sys_rt_sigtimedwait(&set, &info, NULL, 8), -EAGAIN);
	sys_kill(7, SIGUSR1);
	assert_int_equal(sys_rt_sigtimedwait(&set, &info, &zero, 8), SIGUSR1);
	assert_int_equal(libos_area()->work & WORK_SIGNAL, 0);
	assert_int_equal(thread.signals->mask, set);
}

static void faults(void **state)
{
	static const struct {
		u64 vector;
		int sig, code;
	} expected[] = {
		{ EXC_DE, SIGFPE, FPE_INTDIV }, { EXC_UD, SIGILL, ILL_ILLOPN },
		{ EXC_BP, SIGTRAP, SI_KERNEL }, { EXC_GP, SIGSEGV, SI_KERNEL },
		{ EXC_AC, SIGBUS, BUS_ADRALN }, { EXC_PF, SIGSEGV, SEGV_MAPERR },
	};
	siginfo_t info;
	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(expected); i++) {
		signal_fault(&thread.regs, expected[i].vector, 0, 0x1234, false, false);
		assert_int_equal(signal_take_synchronous(&thread, &info), expected[i].sig);
		assert_int_equal(info.si_code, expected[i].code);
	}
	assert_int_equal((u64)info.si_addr, 0x1234);
	code[8] = 0xcd; /* INT 0x20 */
	code[9] = 0x20;
	signal_fault(&thread.regs, EXC_UD, 0, 0, false, false);
	code[8] = code[9] = 0;
	assert_int_equal(signal_take_synchronous(&thread, &info), SIGSEGV);
	assert_int_equal(thread.signals->trap, EXC_GP);
	assert_int_equal(thread.signals->error, 0x102);
}

/* ---- the same from the host's Linux ---- */

static struct ucontext host_uc;
static u64 host_distance; /* from the frame to its floating-point state */
static u64 host_sp;
static struct _fpx_sw_bytes host_sw;

static void host_handler(int sig, siginfo_t *info, void *context)
{
	u64 frame = (u64)context - 8;
	(void)sig;
	(void)info;
	host_uc = *(struct ucontext *)context;
	host_sw = ((struct _xstate *)host_uc.uc_mcontext.fpstate)->fpstate.sw_reserved;
	host_distance = (u64)host_uc.uc_mcontext.fpstate - frame;
	host_sp = frame;
}

asm("host_restorer: mov $15, %eax\n\tsyscall");
void host_restorer(void);

static void frame_is_linux_s(void **state)
{
	struct sigaction sa = { .sa_handler = (__sighandler_t)(void *)host_handler,
				.sa_flags = SA_SIGINFO | SA_RESTORER,
				.sa_restorer = host_restorer };
	(void)state;
	syscall(__NR_rt_sigaction, SIGUSR1, &sa, NULL, 8);
	syscall(__NR_tgkill, syscall(__NR_getpid), syscall(__NR_gettid), SIGUSR1);
	assert_true(host_sp);

	handle(SIGUSR1, SA_SIGINFO);
	sys_kill(7, SIGUSR1);
	signal_deliver();
	struct ucontext *uc = (struct ucontext *)thread.regs.rdx;
	struct _xstate *x = (struct _xstate *)uc->uc_mcontext.fpstate;
	assert_int_equal((u64)uc - 8, thread.regs.rsp);
	assert_int_equal(uc->uc_flags, host_uc.uc_flags);
	assert_int_equal(uc->uc_mcontext.cs, host_uc.uc_mcontext.cs);
	assert_int_equal(uc->uc_mcontext.ss, host_uc.uc_mcontext.ss);
	assert_int_equal((u64)x % 64, 0);
	assert_in_range(host_distance, sizeof(*uc) + 136, sizeof(*uc) + 136 + 16);
	assert_in_range((u64)x - thread.regs.rsp, sizeof(*uc) + 136, sizeof(*uc) + 136 + 16);
	assert_int_equal(x->fpstate.sw_reserved.magic1, host_sw.magic1);
	assert_int_equal(x->fpstate.sw_reserved.xfeatures, host_sw.xfeatures);
	assert_int_equal(x->fpstate.sw_reserved.xstate_size, host_sw.xstate_size);
	assert_int_equal(x->fpstate.sw_reserved.extended_size, host_sw.extended_size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* first, before the CPU was asked */
		cmocka_unit_test_setup_teardown(frame_without_xsave, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(default_action_ends, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(restarts, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(restart_rewinds, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(frame_round_trip, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(frame_keeps_floating_point, signal_setup,
						signal_teardown),
		cmocka_unit_test_setup_teardown(bad_floating_point_is_refused, signal_setup,
						signal_teardown),
		cmocka_unit_test_setup_teardown(bad_frames_give_sigsegv, signal_setup,
						signal_teardown),
		cmocka_unit_test_setup_teardown(no_stack_ends, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(alternate_stack, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(suspend_restores_mask, signal_setup,
						signal_teardown),
		cmocka_unit_test_setup_teardown(waiting_takes, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(faults, signal_setup, signal_teardown),
		cmocka_unit_test_setup_teardown(frame_is_linux_s, signal_setup, signal_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
