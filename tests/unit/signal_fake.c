/* What the files about signals need, see signal_fake.h. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "signal_fake.h"
#include <cmocka.h>
#include <asm/prctl.h>
#include <asm/unistd.h>
#include "../../guest/libos/heap.h"
#include "../../guest/libos/patch.h"
#include "../../guest/libos/rseq.h"
#include "../../guest/libos/timespec.h"
#include "../../guest/libos/uaccess.h"

long syscall(long number, ...);
void *calloc(size_t n, size_t size);
void free(void *p);

struct vcpu_area area;
struct process process;
struct thread thread;
jmp_buf ended;
int end_status;
int alarms_taken;
struct thread *kicked;
u8 code[16];
u8 stack[65536] __attribute__((aligned(64)));

void *kalloc(size_t size)
{
	return calloc(1, size);
}
void kfree(void *p)
{
	free(p);
}
int copy_from_user(void *dst, const void *user, size_t n)
{
	if ((u64)user < PAGE_SIZE || (u64)user >= USER_END)
		return -EFAULT;
	memcpy(dst, user, n);
	return 0;
}
int copy_to_user(void *user, const void *src, size_t n)
{
	if ((u64)user < PAGE_SIZE || (u64)user >= USER_END)
		return -EFAULT;
	memcpy(user, src, n);
	return 0;
}
struct process *current_process(void)
{
	return &process;
}
void process_exit(int status)
{
	end_status = status;
	longjmp(ended, 1);
}
void thread_exit(int status)
{
	process_exit(status);
}
void wake_all(struct waitq *q)
{
	(void)q;
}
/* Nothing is patched here. */
void sched_hold(void)
{
}

void sched_release(void)
{
}

int rseq_signal(struct thread *interrupted)
{
	(void)interrupted;
	return 0;
}

void patch_leave_thunk(struct regs *regs)
{
	(void)regs;
}

void thread_kick(struct thread *t)
{
	kicked = t;
}
u64 now_ns(void)
{
	return 1000;
}
int wait_sleep(u64 deadline)
{
	(void)deadline;
	return signal_pending() ? -EINTR : -ETIMEDOUT;
}
void itimer_real_taken(struct process *p)
{
	(void)p;
	alarms_taken++;
}
int timeout_from_user(const struct __kernel_timespec *user, u64 *deadline)
{
	*deadline = user ? 0 : NEVER;
	return 0;
}

int signal_setup(void **state)
{
	(void)state;
	memset(&area, 0, sizeof(area));
	memset(&process, 0, sizeof(process));
	memset(&thread, 0, sizeof(thread));
	memset(stack, 0, sizeof(stack));
	kicked = NULL;
	area.self = &area;
	area.xsave = 1;
	((struct libos_area *)area.libos)->current = &thread;
	syscall(__NR_arch_prctl, ARCH_SET_GS, &area);
	process.pid = 7;
	process.rlimit[RLIMIT_SIGPENDING].rlim_cur = 4;
	thread.process = &process;
	thread.tid = 7;
	thread.regs.rsp = (u64)stack + sizeof(stack) - 4096;
	thread.regs.rip = (u64)code + 8;
	thread.regs.rflags = RFLAGS_FIXED | RFLAGS_IF;
	thread.regs.orig_rax = -1;
	return signals_init(&process, &thread);
}

int signal_teardown(void **state)
{
	(void)state;
	signal_flush(&process, UINT64_MAX);
	assert_int_equal(process.signals->queued, 0);
	free(process.signals);
	free(thread.signals);
	return 0;
}

void handle(int sig, unsigned long flags)
{
	struct sigaction sa = { .sa_handler = (__sighandler_t)0x402000,
				.sa_flags = flags | SA_RESTORER,
				.sa_restorer = (__sigrestore_t)0x403000 };
	assert_int_equal(sys_rt_sigaction(sig, &sa, NULL, 8), 0);
}

long queue(int sig, int value)
{
	siginfo_t info = { .si_code = SI_QUEUE };
	info.si_int = value;
	return sys_rt_sigqueueinfo(7, sig, &info);
}
