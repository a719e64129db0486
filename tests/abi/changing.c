/*
 * Memory that changes under a call: while a thread waits in one, or at any time, another
 * one takes away what it was given. EFAULT then, or what Linux says, and nothing is lost
 * or done that Linux does not lose or do.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

/* A call that waits, made by a thread of its own, with memory that goes away. */
static struct {
	long nr, arg[6];
	const char *what;
	volatile int tid;
} waiting;
static pthread_t waiter;
static char *memory;

static void *wait_in_call(void *arg)
{
	const long *a = waiting.arg;

	(void)arg;
	waiting.tid = (int)syscall(SYS_gettid);
	show(waiting.what, syscall(waiting.nr, a[0], a[1], a[2], a[3], a[4], a[5]));
	return NULL;
}

static void begin(const char *what, long nr, long a, long b, long c, long d, long e, long f)
{
	waiting.what = what;
	waiting.nr = nr;
	waiting.tid = 0;
	memcpy(waiting.arg, (long[]){ a, b, c, d, e, f }, sizeof(waiting.arg));
	start(&waiter, wait_in_call, NULL);
	until_it_waits(&waiting.tid);
}
#define BEGIN(name, ...) BEGIN_(name, __VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define BEGIN_(name, a, b, c, d, e, f, ...) \
	begin(#name, SYS_##name, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static void new_memory(void)
{
	memory = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need("mmap", memory == MAP_FAILED ? -1 : 0);
}

static void no_memory(void)
{
	NEED(munmap(memory, 8192));
}

static int pipes[2];

static void new_pipe(void)
{
	NEED(pipe(pipes));
}

static void no_pipe(void)
{
	close(pipes[0]);
	close(pipes[1]);
}

/* What is left to be read. */
static void show_rest(int fd)
{
	char text[64] = "";

	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("the rest", read(fd, text, sizeof(text) - 1));
	say("\"%s\"", text);
}

/* ---- reading */

CASE(pipe_read)
{
	new_memory();
	new_pipe();
	BEGIN(read, pipes[0], memory, 100);
	no_memory();
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	show_rest(pipes[0]);
	no_pipe();
}

CASE(pipe_read_protected)
{
	new_memory();
	new_pipe();
	BEGIN(read, pipes[0], memory, 100);
	NEED(mprotect(memory, 8192, PROT_READ));
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	show_rest(pipes[0]);
	no_memory();
	no_pipe();
}

CASE(pipe_read_half)
{
	new_memory();
	new_pipe();
	BEGIN(read, pipes[0], memory + 4093, 100);
	NEED(munmap(memory + 4096, 4096));
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	show_rest(pipes[0]);
	NEED(munmap(memory, 4096));
	no_pipe();
}

/* New memory at the same place is as good as the old. */
CASE(pipe_read_replaced)
{
	new_memory();
	new_pipe();
	BEGIN(read, pipes[0], memory, 100);
	need("mmap", mmap(memory, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED ?
			     -1 :
			     0);
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	say("\"%s\"", memory);
	no_memory();
	no_pipe();
}

/* The list of pieces was taken when the call began, the pieces were not. */
CASE(vector)
{
	struct iovec *iov;

	new_memory();
	new_pipe();
	iov = (struct iovec *)memory;
	iov[0] = (struct iovec){ memory + 4096, 3 };
	iov[1] = (struct iovec){ memory + 100, 10 };
	BEGIN(readv, pipes[0], iov, 2);
	iov[0].iov_base = bad_ptr();
	iov[1].iov_len = 1;
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	say("\"%s\" \"%s\"", memory + 4096, memory + 100);
	no_memory();
	no_pipe();
}

CASE(sockets)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int pair[2];

	for (int i = 0; i < 3; i++) {
		new_memory();
		NEED(socketpair(AF_UNIX, types[i], 0, pair));
		BEGIN(recvfrom, pair[0], memory, 100);
		no_memory();
		NEED(write(pair[1], "bytes", 5));
		finish(waiter);
		show_rest(pair[0]);
		close(pair[0]);
		close(pair[1]);
	}
}

static int listener(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));

	NEED(bind(fd, (struct sockaddr *)&name, sizeof(name)));
	NEED(listen(fd, 5));
	return fd;
}

CASE(accepted, IN_DIR)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	int fd = listener(), client = NEED(socket(AF_UNIX, SOCK_STREAM, 0));

	new_memory();
	*(int *)memory = 100;
	BEGIN(accept, fd, memory + 4096, memory);
	no_memory();
	NEED(connect(client, (struct sockaddr *)&name, sizeof(name)));
	finish(waiter);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("another", accept(fd, NULL, NULL));
	show_rest(client);
	close(fd);
	close(client);
}

CASE(events)
{
	int fd = NEED(eventfd(0, 0));

	new_memory();
	BEGIN(read, fd, memory, 8);
	no_memory();
	NEED(write(fd, (long[]){ 7 }, 8));
	finish(waiter);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("again", read(fd, (long[1]){ 0 }, 8));
	close(fd);
}

CASE(timers)
{
	const struct itimerspec soon = { .it_value.tv_nsec = 60 * MS };
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, 0));

	new_memory();
	NEED(timerfd_settime(fd, 0, &soon, NULL));
	BEGIN(read, fd, memory, 8);
	no_memory();
	finish(waiter);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("again", read(fd, (long[1]){ 0 }, 8));
	close(fd);
}

CASE(watched, IN_DIR)
{
	int fd = NEED(inotify_init());

	new_memory();
	NEED(inotify_add_watch(fd, ".", IN_CREATE));
	BEGIN(read, fd, memory, 4096);
	no_memory();
	make_file("new", "");
	finish(waiter);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("again", read(fd, (char[100]){ 0 }, 100));
	close(fd);
}

/* ---- waiting for files */

CASE(epoll_events)
{
	struct epoll_event wanted = { .events = EPOLLIN }, got;
	int fd = NEED(epoll_create1(0));

	new_memory();
	new_pipe();
	NEED(epoll_ctl(fd, EPOLL_CTL_ADD, pipes[0], &wanted));
	BEGIN(epoll_wait, fd, memory, 4, -1);
	no_memory();
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	SHOW(epoll_wait(fd, &got, 1, 0));
	close(fd);
	no_pipe();
}

CASE(poll_list)
{
	new_memory();
	new_pipe();
	*(struct pollfd *)memory = (struct pollfd){ pipes[0], POLLIN, 0 };
	BEGIN(poll, memory, 1, -1);
	no_memory();
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	no_pipe();
}

CASE(select_sets)
{
	new_memory();
	new_pipe();
	FD_SET(pipes[0], (fd_set *)memory);
	BEGIN(select, pipes[0] + 1, memory, 0, 0, 0);
	NEED(mprotect(memory, 4096, PROT_READ));
	NEED(write(pipes[1], "bytes", 5));
	finish(waiter);
	no_memory();
	no_pipe();
}

/* ---- writing */

CASE(pipe_write)
{
	static char old[65536];

	new_memory();
	new_pipe();
	memset(memory, 'm', 8192);
	NEED(write(pipes[1], old, sizeof(old)));
	BEGIN(write, pipes[1], memory, 8192);
	NEED(munmap(memory + 4096, 4096));
	NEED(read(pipes[0], old, sizeof(old)));
	finish(waiter);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	SHOW(read(pipes[0], old, sizeof(old)));
	NEED(munmap(memory, 4096));
	no_pipe();
}

/* ---- signals and sleep */

static void nothing(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
}

CASE(time_left, ALONE)
{
	struct timespec *ts;

	on_signal(SIGUSR1, nothing, 0);
	new_memory();
	ts = (struct timespec *)memory;
	ts->tv_sec = 100;
	BEGIN(nanosleep, ts, ts + 1);
	no_memory();
	NEED(pthread_kill(waiter, SIGUSR1) ? -1 : 0);
	finish(waiter);
}

CASE(signal_waited_for, ALONE)
{
	sigset_t *set, now;

	new_memory();
	set = (sigset_t *)memory;
	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, set, NULL));
	BEGIN(rt_sigtimedwait, set, memory + 4096, 0, 8);
	no_memory();
	NEED(kill(getpid(), SIGUSR1));
	finish(waiter);
	NEED(sigpending(&now));
	check("it is still there", sigismember(&now, SIGUSR1));
}

CASE(signals_read, ALONE)
{
	sigset_t set;
	int fd;

	new_memory();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	fd = NEED(signalfd(-1, &set, 0));
	BEGIN(read, fd, memory, 128);
	no_memory();
	NEED(kill(getpid(), SIGUSR1));
	finish(waiter);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("again", read(fd, (char[128]){ 0 }, 128));
}

/* ---- words of threads */

/* Threads wait for a word of their own by its address, mapped or not. */
CASE(futex_word)
{
	long woken;

	new_memory();
	BEGIN(futex, memory, 128, 0, 0);
	no_memory();
	woken = syscall(SYS_futex, memory, 129, 10);
	finish(waiter);
	SHOW(woken);
}

/* The end of a thread whose words are gone. */
static void *end_badly(void *arg)
{
	char *mine = pages(1);

	*(char **)mine = mine; /* a list of robust locks that holds none */
	syscall(SYS_set_robust_list, mine, 24);
	munmap(mine, 8192);
	return arg;
}

CASE(robust_list)
{
	pthread_t t;

	start(&t, end_badly, NULL);
	finish(t);
	say("alive");
}

/* ---- at any time */

static volatile bool stop;

static void *flip(void *arg)
{
	for (unsigned i = 0; !stop; i++) {
		char *p = mmap(arg, 8192, i & 1 ? PROT_NONE : PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

		need("mmap", p == MAP_FAILED ? -1 : 0);
	}
	return NULL;
}

/* Either it is done or it is not; part of it where that is allowed. */
static long odd(long ret, long most)
{
	return ret < -1 || ret > most || (ret == -1 && errno != EFAULT);
}

CASE(all_the_time, IN_DIR)
{
	int zero = NEED(open("/dev/zero", O_RDWR)), file;
	long wrong = 0;
	pthread_t t;

	new_memory();
	make_file("file", "content");
	file = NEED(open("file", O_RDWR));
	stop = false;
	start(&t, flip, memory);
	for (int i = 0; i < 3000; i++) {
		wrong += odd(read(zero, memory + 4000, 200), 200);
		wrong += odd(pread(file, memory, 7, 0), 7);
		wrong += odd(pwrite(file, memory + 4090, 7, 0), 7);
		wrong += odd(syscall(SYS_stat, "file", memory), 0);
		wrong += odd(syscall(SYS_getcwd, memory, 4096), 4096);
		wrong += odd(syscall(SYS_uname, memory + 4000), 0);
	}
	stop = true;
	finish(t);
	SHOW(wrong);
	no_memory();
	close(zero);
	close(file);
}
