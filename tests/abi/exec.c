/*
 * execve(2) and execveat(2): what the new program has of the old one, and what it
 * has not; scripts. Errors are in exec_errors.c.
 *
 * A case that succeeds begins this program anew with EXEC_STAGE in its
 * environment, which names what is to be told there, before main().
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "abi.h"
#include "tiny.h"

/* Becomes this program, at `what`, with one argument; path NULL: by its own name. */
static void again(const char *path, const char *what, const char *arg)
{
	char stage[64];
	char *args[] = { "again", (char *)(uintptr_t)arg, NULL };
	char *env[] = { stage, "ONE=1", NULL };

	snprintf(stage, sizeof(stage), "EXEC_STAGE=%s", what);
	show("execve", execve(path ? path : SELF, args, env));
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

/* ---- what the new program tells */

static char cmdline[4096];

/* argv as /proc has it: constructors are not given it by every libc. */
static int words(char **word, int most)
{
	int fd = open("/proc/self/cmdline", O_RDONLY), n = 0;
	ssize_t len = read(fd, cmdline, sizeof(cmdline) - 1);

	close(fd);
	for (ssize_t at = 0; at < len && n < most; at += strlen(cmdline + at) + 1)
		word[n++] = cmdline + at;
	return n;
}

/* The one that again() was given, a number. */
static long argument(void)
{
	char *word[3] = { "", "", "" };

	words(word, 3);
	return strtol(word[1], NULL, 10);
}

static void tell_args(void)
{
	char *word[64];
	int n = words(word, 64);

	for (int i = 0; i < n; i++)
		say("argv[%d] = \"%s\"", i, base_name(word[i]));
	for (char **e = environ; *e; e++)
		say("env \"%s\"", *e);
	say("AT_EXECFN ends in %s", base_name((char *)getauxval(AT_EXECFN)));
}

static void tell_fn(void)
{
	char link[512] = "", comm[32] = "";

	say("AT_EXECFN = %s", (char *)getauxval(AT_EXECFN));
	prctl(PR_GET_NAME, comm);
	say("comm = %s", comm);
	CHECK(readlink(SELF, link, sizeof(link) - 1) > 0);
	say("exe ends in %s", base_name(link));
	show_file("/proc/self/comm");
}

static void tell_signals(void)
{
	struct sigaction sa;
	sigset_t set;
	stack_t stack;

	for (int sig = 1; sig < 32; sig++) {
		sigaction(sig, NULL, &sa);
		if (sa.sa_handler != SIG_DFL || sa.sa_flags)
			say("%s: %s, flags %x", signal_name(sig),
			    sa.sa_handler == SIG_IGN ? "ignored" : "other", sa.sa_flags);
	}
	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int sig = 1; sig < 32; sig++)
		if (sigismember(&set, sig))
			say("%s blocked", signal_name(sig));
	sigpending(&set);
	for (int sig = 1; sig < 32; sig++)
		if (sigismember(&set, sig))
			say("%s pending", signal_name(sig));
	sigaltstack(NULL, &stack);
	say("altstack: flags %d size %zu", stack.ss_flags, stack.ss_size);
}

static void tell_pending(void)
{
	sigset_t set;

	sigemptyset(&set);
	say("unblocking");
	sigprocmask(SIG_SETMASK, &set, NULL);
	say("not reached");
}

static void tell_timers(void)
{
	struct itimerval value;
	struct itimerspec spec;

	SHOW(getitimer(ITIMER_REAL, &value));
	CHECK(value.it_value.tv_sec > 50 && value.it_value.tv_sec <= 100);
	CHECK(value.it_interval.tv_sec == 7);
	SHOW(syscall(SYS_timer_gettime, 0, &spec));
}

static void tell_fds(void)
{
	char text[8] = "";

	for (int fd = 3; fd < 10; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			say("%d is open, flags %d", fd, fcntl(fd, F_GETFD));
	SHOW(read(5, text, 2));
	say("read \"%s\"", text);
	SHOW(read(6, text, sizeof(text)));
}

static void tell_process(void)
{
	char cwd[64] = "";
	struct rlimit limit;

	check("the same pid", getpid() == argument());
	CHECK(gettid() == getpid());
	CHECK(getcwd(cwd, sizeof(cwd)) != NULL);
	say("cwd %s", cwd);
	say("umask %o", umask(0));
	getrlimit(RLIMIT_NOFILE, &limit);
	say("files %ld of %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
	say("nice %d", getpriority(PRIO_PROCESS, 0));
	say("persona %x", personality(0xffffffff));
	say("dumpable %d", prctl(PR_GET_DUMPABLE));
	say("keepcaps %d", prctl(PR_GET_KEEPCAPS));
	say("no new privileges %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void tell_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	char comm[32] = "";
	int n = 0;

	for (struct dirent *e = readdir(d); e; e = readdir(d))
		n += e->d_name[0] != '.';
	closedir(d);
	say("%d thread", n);
	CHECK(gettid() == getpid());
	prctl(PR_GET_NAME, comm);
	say("comm = %s", comm);
}

static void tell_memory(void)
{
	unsigned char state;
	unsigned mxcsr;
	unsigned short control;

	SHOW(mincore((void *)0x500000000000, 4096, &state));
	__asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(control));
	say("MXCSR %x, x87 %x", mxcsr, control);
	CHECK(sbrk(0) != (void *)-1);
}

static void tell_busy(void)
{
	SHOW(open(SELF, O_WRONLY));
	SHOW(open(SELF, O_RDONLY | O_TRUNC));
	SHOW(truncate(SELF, 0));
}

static void tell_count(void)
{
	char next[24];

	long n = argument();
	snprintf(next, sizeof(next), "%ld", n - 1);
	if (n > 0)
		again(NULL, "count", next);
	say("done");
}

static void tell_proc(void)
{
	unsigned long aux[80];
	int fd = open("/proc/self/auxv", O_RDONLY), same = 0;
	ssize_t n = read(fd, aux, sizeof(aux)) / 16;

	close(fd);
	for (ssize_t i = 0; i < n && aux[2 * i]; i++)
		same += getauxval(aux[2 * i]) == aux[2 * i + 1];
	CHECK(n > 10 && same == n - 1);
	show_file("/proc/self/cmdline");
	show_file("/proc/self/environ");
}

static const struct {
	const char *name;
	void (*tell)(void);
} stages[] = {
	{ "args", tell_args },       { "fn", tell_fn },           { "signals", tell_signals },
	{ "pending", tell_pending }, { "timers", tell_timers },   { "fds", tell_fds },
	{ "process", tell_process }, { "threads", tell_threads }, { "memory", tell_memory },
	{ "count", tell_count },     { "proc", tell_proc },       { "busy", tell_busy },
};

__attribute__((constructor)) static void begin(void)
{
	const char *stage = getenv("EXEC_STAGE");

	for (size_t i = 0; stage && i < sizeof(stages) / sizeof(stages[0]); i++)
		if (strcmp(stage, stages[i].name) == 0) {
			stages[i].tell();
			_exit(7);
		}
}

/* ---- what it has of the old one */

CASE(args, ALONE)
{
	char *args[] = { "zero", "", "two words", "three", NULL };
	char *env[] = { "EXEC_STAGE=args", "EMPTY=", "X=y=z", "no equals", NULL };

	SHOW(execve(SELF, args, env));
}

CASE(args_none, ALONE, IN_DIR)
{
	make_tiny("tiny", NULL, EM_X86_64);
	SHOW(execveat_raw(AT_FDCWD, "tiny", NULL, NULL,
			  0)); /* ends with 1: there is always argv[0] */
}

CASE(args_empty, ALONE, IN_DIR)
{
	make_tiny("tiny", NULL, EM_X86_64);
	SHOW(execve("tiny", no_words, no_words));
}

CASE(args_many, ALONE, IN_DIR)
{
	static char *args[100001];

	for (int i = 0; i < 100000; i++)
		args[i] = "0123456";
	make_tiny("tiny", NULL, EM_X86_64);
	SHOW(execve("tiny", args, no_words)); /* 100000 & 255 */
}

CASE(names, ALONE, IN_DIR)
{
	prctl(PR_SET_NAME, "former");
	NEED(symlink(SELF, "a-long-name-of-a-link"));
	again("./a-long-name-of-a-link", "fn", "");
}

CASE(proc, ALONE)
{
	again(NULL, "proc", "first argument");
}

static void nothing(int sig)
{
	(void)sig;
}

CASE(signals, ALONE)
{
	struct sigaction sa = { .sa_handler = nothing, .sa_flags = SA_RESTART | SA_ONSTACK };
	stack_t stack = { .ss_sp = pages(16), .ss_size = 65536 };
	sigset_t set;

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGHUP);
	NEED(sigprocmask(SIG_SETMASK, &set, NULL));
	NEED(sigaltstack(&stack, NULL));
	raise(SIGTERM);
	kill(getpid(), SIGUSR1);
	again(NULL, "signals", "");
}

CASE(signal_waits, ALONE)
{
	sigset_t set;

	signal(SIGTERM, nothing);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	NEED(sigprocmask(SIG_SETMASK, &set, NULL));
	kill(getpid(), SIGTERM);
	again(NULL, "pending", "");
}

CASE(timers, ALONE)
{
	struct itimerval value = { .it_value.tv_sec = 100, .it_interval.tv_sec = 7 };
	int id;

	NEED(setitimer(ITIMER_REAL, &value, NULL));
	NEED(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id));
	again(NULL, "timers", "");
}

CASE(descriptors, ALONE)
{
	int fd = NEED(open(SELF, O_RDONLY | O_CLOEXEC)), ends[2];

	NEED(pipe(ends));
	for (int i = 20; i < 22; i++)
		NEED(dup2(ends[i - 20], i));
	NEED(dup2(fd, 20 + 2));
	for (int i = 3; i < 10; i++)
		close(i);
	NEED(dup2(20, 5));
	NEED(dup3(20, 7, O_CLOEXEC));
	NEED(dup3(22, 8, O_CLOEXEC));
	NEED(dup2(22, 9));
	NEED(dup3(21, 4, O_CLOEXEC));
	NEED(write(21, "hi", 2));
	for (int i = 20; i < 23; i++)
		close(i);
	again(NULL, "fds", "");
}

CASE(process, ALONE)
{
	struct rlimit limit = { 123, 456 };
	char pid[16];

	NEED(chdir("/proc"));
	umask(0123);
	NEED(setrlimit(RLIMIT_NOFILE, &limit));
	NEED(setpriority(PRIO_PROCESS, 0, 5));
	NEED(personality(ADDR_NO_RANDOMIZE));
	NEED(prctl(PR_SET_DUMPABLE, 0));
	NEED(prctl(PR_SET_KEEPCAPS, 1));
	NEED(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	snprintf(pid, sizeof(pid), "%d", getpid());
	again(NULL, "process", pid);
}

CASE(memory, ALONE)
{
	unsigned mxcsr = 0x1f80 | 0x6000;
	unsigned short control = 0x0f7f;

	SHOW_MAP(mmap((void *)0x500000000000, 4096, PROT_READ | PROT_WRITE,
		      MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	__asm__ volatile("ldmxcsr %0\n\tfldcw %1" : : "m"(mxcsr), "m"(control));
	again(NULL, "memory", "");
}

CASE(many_times, ALONE)
{
	again(NULL, "count", "40");
}

CASE(runs_busy, ALONE)
{
	again(NULL, "busy", "");
}

/* The one that the VM began with, too. */
CASE(is_busy)
{
	tell_busy();
}

/* ---- threads end */

static int block_pipe[2];
static volatile int started;

static void *reads(void *arg)
{
	char c;

	started++;
	(void)!read(block_pipe[0], &c, 1);
	return arg;
}

static void *sleeps(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	started++;
	sleep(1000);
	return arg;
}

static void *spins(void *arg)
{
	started++;
	for (;;)
		__asm__ volatile("pause");
	return arg;
}

static char own_path[256]; /* a dead leader has no /proc/self/exe */

static void *becomes(void *arg)
{
	prctl(PR_SET_NAME, "worker");
	again(own_path, "threads", "");
	return arg;
}

static void start(void *(*run)(void *))
{
	pthread_t thread;

	NEED(pthread_create(&thread, NULL, run, NULL) ? -1 : 0);
}

static void start_some(void)
{
	NEED(readlink(SELF, own_path, sizeof(own_path) - 1));
	NEED(pipe(block_pipe));
	start(reads);
	start(sleeps);
	start(spins);
	while (started < 3)
		sched_yield();
}

CASE(threads_end, ALONE)
{
	start_some();
	becomes(NULL);
}

CASE(threads_lead, ALONE)
{
	start_some();
	start(becomes);
	sleep(1000);
}

CASE(threads_lead_dead, ALONE)
{
	start_some();
	start(becomes);
	pthread_exit(NULL);
}

/* ---- scripts */

static void make_show_script(const char *path, const char *args)
{
	char self[256] = "", text[512];

	NEED(readlink(SELF, self, sizeof(self) - 1));
	snprintf(text, sizeof(text), "#!%s%s", self, args);
	make_script(path, text);
}

static void run_script(const char *path)
{
	char *args[] = { "zero", "one", "two", NULL };
	char *env[] = { "EXEC_STAGE=args", NULL };

	show("execve", execve(path, args, env));
}

CASE(script, ALONE, IN_DIR)
{
	make_show_script("script", "\necho not this\n");
	run_script("./script");
}

CASE(script_argument, ALONE, IN_DIR)
{
	make_show_script("script", " \t one and  more\t \n");
	run_script("script");
}

CASE(script_no_newline, ALONE, IN_DIR)
{
	make_show_script("script", " last");
	run_script("./script");
}

CASE(script_of_script, ALONE, IN_DIR)
{
	make_show_script("first", " deepest\n");
	make_script("second", "#!first upper\n");
	make_script("third", "#! second\n");
	run_script("./third");
}

CASE(script_depth, IN_DIR)
{
	make_script("s1", "#!missing\n");
	make_script("s2", "#!s1\n");
	make_script("s3", "#!s2\n");
	make_script("s4", "#!s3\n");
	make_script("s5", "#!s4\n");
	make_script("s6", "#!s5\n");
	make_script("self", "#!self\n");
	SHOW(execve("s5", no_words, no_words));
	SHOW(execve("s6", no_words, no_words));
	SHOW(execve("self", no_words, no_words));
}

/* ---- by descriptor */

CASE(by_fd, ALONE)
{
	char *args[] = { "fd", NULL }, *env[] = { "EXEC_STAGE=fn", NULL };
	int fd = NEED(open(SELF, O_RDONLY));

	NEED(dup2(fd, 60));
	SHOW(execveat_raw(60, "", args, env, AT_EMPTY_PATH));
}

CASE(by_path_fd, ALONE)
{
	char *args[] = { "fd", NULL }, *env[] = { "EXEC_STAGE=args", NULL };
	int fd = NEED(open(SELF, O_PATH | O_CLOEXEC));

	SHOW(execveat_raw(fd, "", args, env, AT_EMPTY_PATH));
}

CASE(by_proc_fd, ALONE)
{
	char *args[] = { "fd", NULL }, *env[] = { "EXEC_STAGE=args", NULL };
	int fd = NEED(open(SELF, O_RDONLY));

	NEED(dup2(fd, 60));
	SHOW(execve("/proc/self/fd/60", args, env));
}

CASE(by_dirfd, ALONE, IN_DIR)
{
	char *args[] = { "at", NULL }, *env[] = { "EXEC_STAGE=fn", NULL };

	NEED(mkdir("d", 0755));
	NEED(symlink(SELF, "d/link"));
	int fd = NEED(open("d", O_PATH));
	NEED(dup2(fd, 61));
	NEED(chdir("/"));
	SHOW(execveat_raw(61, "link", args, env, AT_SYMLINK_NOFOLLOW));
	SHOW(execveat_raw(61, "link", args, env, 0));
}

CASE(by_memfd, ALONE, IN_DIR)
{
	char text[1024], *args[] = { "a", "b", "c", NULL };
	int fd = NEED(syscall(SYS_memfd_create, "program", 1));

	make_tiny("tiny", NULL, EM_X86_64);
	int from = NEED(open("tiny", O_RDONLY));
	ssize_t n = NEED(read(from, text, sizeof(text)));
	NEED(write(fd, text, n));
	NEED(fchmod(fd, 0755));
	SHOW(execveat_raw(fd, "", args, no_words, AT_EMPTY_PATH)); /* open for writing */
}

CASE(script_by_fd, ALONE, IN_DIR)
{
	make_show_script("script", "\n");
	char *args[] = { "zero", "one", NULL }, *env[] = { "EXEC_STAGE=args", NULL };
	int closed = NEED(open("script", O_RDONLY | O_CLOEXEC)), fd;

	SHOW(execveat_raw(closed, "", args, env, AT_EMPTY_PATH));
	fd = NEED(open("script", O_RDONLY));
	NEED(dup2(fd, 62));
	SHOW(execveat_raw(62, "", args, env, AT_EMPTY_PATH));
}
