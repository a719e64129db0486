/*
 * How a program ends: exit status, and death by each signal.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "abi.h"

/* ---- exit ---- */

CASE(exit_0, ALONE)
{
	exit(0);
}

CASE(exit_1, ALONE)
{
	exit(1);
}

CASE(exit_255, ALONE)
{
	exit(255);
}

CASE(exit_256, ALONE)
{
	exit(256);
}

CASE(exit_minus_1, ALONE)
{
	exit(-1);
}

CASE(exit_underscore, ALONE)
{
	_exit(17);
}

CASE(exit_raw, ALONE)
{
	syscall(SYS_exit, 18);
}

CASE(exit_group_raw, ALONE)
{
	syscall(SYS_exit_group, 0x12345);
}

static void first(void)
{
	say("first registered");
}

static void second(void)
{
	say("second registered");
}

CASE(exit_handlers, ALONE)
{
	atexit(first);
	atexit(second);
	exit(3);
}

CASE(exit_handlers_skipped, ALONE)
{
	atexit(first);
	_exit(4);
}

static void changes_status(void)
{
	_exit(9);
}

CASE(exit_handler_exits, ALONE)
{
	atexit(changes_status);
	exit(3);
}

CASE(exit_flushes, ALONE)
{
	printf("buffered until exit");
	exit(0);
}

CASE(exit_does_not_flush, ALONE)
{
	static char buffer[4096];

	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	printf("lost");
	_exit(0);
}

CASE(exit_much_output, ALONE)
{
	for (int i = 0; i < 5000; i++)
		printf("line %d of a rather long output\n", i);
	exit(5);
}

CASE(exit_both_streams, ALONE)
{
	fprintf(stderr, "to stderr\n");
	say("to stdout");
	fprintf(stderr, "to stderr again\n");
	exit(6);
}

CASE(exit_binary_output, ALONE)
{
	unsigned char bytes[256];

	for (int i = 0; i < 256; i++)
		bytes[i] = (unsigned char)i;
	write(STDOUT_FILENO, bytes, sizeof(bytes));
	exit(0);
}

CASE(exit_from_handler, ALONE)
{
	signal(SIGUSR1, (void (*)(int))(uintptr_t)_exit);
	/* the handler's argument becomes the status */
	raise(SIGUSR1);
}

CASE(exit_deep_in_stack, ALONE)
{
	volatile char space[100000];

	space[0] = 7;
	exit(space[0]);
}

CASE(exit_closed_stdout, ALONE)
{
	close(STDOUT_FILENO);
	close(STDERR_FILENO);
	say("nobody hears");
	exit(8);
}

/* ---- death by the default action ---- */

static void die_of(int sig)
{
	say("before");
	raise(sig);
	say("not reached");
}

CASE(death_hup, ALONE)
{
	die_of(SIGHUP);
}

CASE(death_int, ALONE)
{
	die_of(SIGINT);
}

CASE(death_quit, ALONE)
{
	die_of(SIGQUIT);
}

CASE(death_usr1, ALONE)
{
	die_of(SIGUSR1);
}

CASE(death_pipe, ALONE)
{
	die_of(SIGPIPE);
}

CASE(death_term, ALONE)
{
	die_of(SIGTERM);
}

CASE(death_stkflt, ALONE)
{
	die_of(16);
}

CASE(death_xcpu, ALONE)
{
	die_of(SIGXCPU);
}

CASE(death_sys, ALONE)
{
	die_of(SIGSYS);
}

CASE(death_realtime, ALONE)
{
	die_of(SIGRTMIN + 3);
}

CASE(death_by_kill, ALONE)
{
	say("before");
	kill(getpid(), SIGTERM);
	say("not reached");
}

CASE(death_not_atexit, ALONE)
{
	atexit(first);
	raise(SIGTERM);
}

CASE(death_while_blocked, ALONE)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGTERM);
	say("blocked, so alive");
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	say("not reached");
}

CASE(death_after_reset, ALONE)
{
	struct sigaction sa = { .sa_flags = (int)SA_RESETHAND };

	sa.sa_handler = (void (*)(int))(uintptr_t)launder((void *)(uintptr_t)first);
	sigaction(SIGTERM, &sa, NULL);
	raise(SIGTERM);
	raise(SIGTERM);
	say("not reached");
}

CASE(death_abort, ALONE)
{
	say("before");
	abort();
}

static void returns(int sig)
{
	say("handler of %s", signal_name(sig));
}

CASE(death_abort_handled, ALONE)
{
	signal(SIGABRT, returns);
	abort();
}

CASE(death_abort_ignored, ALONE)
{
	sigset_t set;

	signal(SIGABRT, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGABRT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	abort();
}

static sigjmp_buf out;

static void jump(int sig)
{
	siglongjmp(out, sig);
}

CASE(abort_escaped, ALONE)
{
	signal(SIGABRT, jump);
	if (sigsetjmp(out, 1) == 0)
		abort();
	say("alive");
	exit(11);
}

CASE(death_alarm, ALONE)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };

	say("before");
	setitimer(ITIMER_REAL, &it, NULL);
	for (;;)
		pause();
}

CASE(death_alarm_in_loop, ALONE)
{
	struct itimerval it = { { 0, 0 }, { 0, 20000 } };

	setitimer(ITIMER_REAL, &it, NULL);
	for (volatile unsigned long n = 0;;)
		n++;
}

CASE(death_pipe_write, ALONE)
{
	int p[2];

	pipe(p);
	close(p[0]);
	say("before");
	write(p[1], "x", 1);
	say("not reached");
}

/* ---- death by exception ---- */

CASE(death_segv, ALONE)
{
	say("before");
	*(volatile char *)bad_ptr() = 1;
}

CASE(death_segv_null_call, ALONE)
{
	((void (*)(void))(uintptr_t)launder(NULL))();
}

CASE(death_segv_ignored, ALONE)
{
	/* an exception cannot be ignored */
	signal(SIGSEGV, SIG_IGN);
	*(volatile char *)bad_ptr() = 1;
	say("not reached");
}

CASE(death_segv_blocked, ALONE)
{
	sigset_t set;

	signal(SIGSEGV, returns);
	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*(volatile char *)bad_ptr() = 1;
	say("not reached");
}

static void faults_again(int sig)
{
	say("handler of %s", signal_name(sig));
	*(volatile char *)bad_ptr() = 1;
}

CASE(death_segv_in_handler, ALONE)
{
	signal(SIGSEGV, faults_again);
	*(volatile char *)bad_ptr() = 1;
}

static int __attribute__((noinline)) recurse(int n)
{
	volatile char space[512];

	space[0] = (char)n;
	return n < 0 ? 0 : recurse(n + 1) + space[0];
}

CASE(death_stack_overflow, ALONE)
{
	say("before");
	exit(recurse(0));
}

CASE(death_stack_overflow_handler, ALONE)
{
	/* without an alternate stack there is no room for the handler */
	signal(SIGSEGV, returns);
	exit(recurse(0));
}

CASE(death_bad_stack_pointer, ALONE)
{
	signal(SIGUSR1, returns);
	say("before");
	__asm__ volatile("mov %0, %%rdi; mov %1, %%esi; mov %2, %%eax;"
			 "mov $0x1000, %%rsp; syscall; ud2" ::"r"((long)getpid()),
			 "i"(SIGUSR1), "i"(SYS_kill)
			 : "rdi", "rsi", "rax", "rcx", "r11");
}

static volatile int seven = 7, zero;

CASE(death_fpe, ALONE)
{
	say("before");
	exit(seven / zero);
}

CASE(death_ill, ALONE)
{
	say("before");
	__asm__ volatile("ud2");
}

CASE(death_trap, ALONE)
{
	say("before");
	__asm__ volatile("int3");
	say("not reached");
}

CASE(death_hlt, ALONE)
{
	say("before");
	__asm__ volatile("hlt");
}

CASE(death_exec_data, ALONE)
{
	static unsigned char code[] = { 0xc3 };

	say("before");
	((void (*)(void))(uintptr_t)launder(code))();
	say("not reached");
}

CASE(death_bad_sigreturn, ALONE)
{
	say("before");
	__asm__ volatile("mov $0x1000, %%rsp; mov $15, %%eax; syscall; hlt" ::
				 : "rax", "rcx", "r11", "memory");
}

CASE(death_file_size, ALONE, IN_DIR)
{
	struct rlimit lim = { 100, 100 };
	static char buf[200];

	NEED(getrlimit(RLIMIT_FSIZE, &lim));
	lim.rlim_cur = 100;
	NEED(setrlimit(RLIMIT_FSIZE, &lim));
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
	SHOW(write(fd, buf, 200));
	SHOW(write(fd, buf, 200));
	say("not reached");
}

CASE(file_size_ignored, ALONE, IN_DIR)
{
	struct rlimit lim;
	static char buf[200];

	signal(SIGXFSZ, SIG_IGN);
	NEED(getrlimit(RLIMIT_FSIZE, &lim));
	lim.rlim_cur = 100;
	NEED(setrlimit(RLIMIT_FSIZE, &lim));
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
	/* nothing may be printed meanwhile: stdout may be a file too */
	long part = write(fd, buf, 200);
	int none = write(fd, buf, 200) < 0 ? errno : 0;
	int longer = ftruncate(fd, 101) < 0 ? errno : 0;
	lim.rlim_cur = lim.rlim_max;
	NEED(setrlimit(RLIMIT_FSIZE, &lim));
	SHOW(part);
	say("then %s, ftruncate %s", errno_name(none), errno_name(longer));
}
