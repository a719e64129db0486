/*
 * syscall.c: what system calls and what belongs to them cost a program, in a VM
 * or on the host; see bench/METHOD.md.
 *
 *   syscall [--quick] [REGEX]
 *
 * Prints for each case whose name matches: name, nanoseconds of one round (the
 * median over samples of 2 ms and more, each of a number of rounds that was
 * found before).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <regex.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES     15
#define FILE_SIZE   (1 << 20)
#define FAULT_SIZE  (4 << 20)
#define FAULT_PAGES (FAULT_SIZE / 4096)

/* Each runs n rounds of its case. */
struct bench {
	const char *name;
	void (*prepare)(void);
	void (*run)(long n);
	void (*finish)(void);
	long parts; /* of a round, whose cost is printed */
};

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "syscall: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long must(const char *what, long ret)
{
	if (ret < 0)
		die(what);
	return ret;
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the plain ones */

static void run_getpid(long n)
{
	while (n--)
		getpid();
}

static void run_getppid(long n)
{
	while (n--)
		getppid();
}

static void run_clock(long n)
{
	struct timespec t;

	while (n--)
		clock_gettime(CLOCK_MONOTONIC, &t);
}

/* ---- files */

static int fd, out;

static void close_both(void)
{
	close(fd);
	close(out);
}

static void open_pipe(void)
{
	int p[2];

	must("pipe", pipe(p));
	fd = p[0];
	out = p[1];
}

static void run_pipe(long n)
{
	char c = 1;

	while (n--)
		if (write(out, &c, 1) != 1 || read(fd, &c, 1) != 1)
			die("pipe");
}

/* In memory on either side: the guest has only such files. */
static void open_file(void)
{
	static char bytes[FILE_SIZE];

	fd = must("memfd_create", memfd_create("bench", 0));
	out = dup(fd);
	if (write(fd, bytes, sizeof(bytes)) != sizeof(bytes))
		die("write");
	lseek(fd, 0, SEEK_SET);
}

static void run_file_read(long n)
{
	char c;

	while (n--)
		if (read(fd, &c, 1) != 1 && lseek(fd, 0, SEEK_SET) != 0)
			die("read");
}

static void run_file_write(long n)
{
	static long at;
	char c = 1;

	while (n--) {
		if (at++ % FILE_SIZE == 0 && lseek(fd, 0, SEEK_SET) != 0)
			die("lseek");
		if (write(fd, &c, 1) != 1)
			die("write");
	}
}

static void open_devices(void)
{
	fd = must("/dev/zero", open("/dev/zero", O_RDONLY));
	out = must("/dev/null", open("/dev/null", O_WRONLY));
}

static void run_zero(long n)
{
	char c;

	while (n--)
		if (read(fd, &c, 1) != 1)
			die("/dev/zero");
}

static void run_zero_4k(long n)
{
	static char page[4096];

	while (n--)
		if (read(fd, page, sizeof(page)) != sizeof(page))
			die("/dev/zero");
}

static void run_null(long n)
{
	char c = 0;

	while (n--)
		if (write(out, &c, 1) != 1)
			die("/dev/null");
}

static void open_epoll(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	out = must("eventfd", eventfd(0, EFD_NONBLOCK));
	fd = must("epoll_create1", epoll_create1(0));
	must("epoll_ctl", epoll_ctl(fd, EPOLL_CTL_ADD, out, &e));
}

static void run_epoll(long n)
{
	struct epoll_event e;
	uint64_t one = 1;

	while (n--)
		if (write(out, &one, 8) != 8 || epoll_wait(fd, &e, 1, -1) != 1 ||
		    read(out, &one, 8) != 8)
			die("epoll");
}

/* ---- two threads on one CPU */

static pthread_t other;
static uint32_t turn; /* 0: the main thread's, 1: the other's, 2: the end */
static bool stop;

static void futex_wait(uint32_t value)
{
	while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) == value)
		syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_turn(uint32_t value)
{
	__atomic_store_n(&turn, value, __ATOMIC_RELEASE);
	syscall(SYS_futex, &turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *answer(void *unused)
{
	(void)unused;
	for (;;) {
		futex_wait(0);
		if (turn == 2)
			return NULL;
		futex_turn(0);
	}
}

static void *yield(void *unused)
{
	(void)unused;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
		sched_yield();
	return NULL;
}

static void start(void *(*thread)(void *))
{
	errno = pthread_create(&other, NULL, thread, NULL);
	if (errno)
		die("pthread_create");
}

static void start_answer(void)
{
	turn = 0;
	start(answer);
}

static void run_futex(long n)
{
	while (n--) {
		futex_turn(1);
		futex_wait(1);
	}
}

static void end_answer(void)
{
	futex_turn(2);
	pthread_join(other, NULL);
}

static void start_yield(void)
{
	stop = false;
	start(yield);
}

static void run_yield(long n)
{
	while (n--)
		sched_yield();
}

static void end_yield(void)
{
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(other, NULL);
}

/* ---- memory */

static char *area;

static char *map(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static void run_mmap(long n)
{
	while (n--) {
		char *p = map(4096);

		*(volatile char *)p = 1;
		must("munmap", munmap(p, 4096));
	}
}

static void map_area(void)
{
	area = map(FAULT_SIZE);
}

static void run_fault(long n)
{
	while (n--) {
		for (long i = 0; i < FAULT_SIZE; i += 4096)
			*(volatile char *)(area + i) = 1;
		must("madvise", madvise(area, FAULT_SIZE, MADV_DONTNEED));
	}
}

static void unmap_area(void)
{
	munmap(area, FAULT_SIZE);
}

/* ---- signals */

static volatile long delivered;

static void handler(int sig)
{
	(void)sig;
	delivered++;
}

static void take_signals(void)
{
	struct sigaction sa = { .sa_handler = handler };

	must("sigaction", sigaction(SIGUSR1, &sa, NULL));
}

static void run_signal(long n)
{
	long before = delivered, tid = syscall(SYS_gettid);
	pid_t pid = getpid();

	for (long i = 0; i < n; i++)
		syscall(SYS_tgkill, pid, tid, SIGUSR1);
	if (delivered != before + n)
		die("signals");
}

static void nothing(void)
{
}

static const struct bench benches[] = {
	{ "getpid", nothing, run_getpid, nothing, 1 },
	{ "getppid", nothing, run_getppid, nothing, 1 },
	{ "clock_gettime", nothing, run_clock, nothing, 1 },
	{ "zero-read-1", open_devices, run_zero, close_both, 1 },
	{ "zero-read-4096", open_devices, run_zero_4k, close_both, 1 },
	{ "null-write-1", open_devices, run_null, close_both, 1 },
	{ "file-read-1", open_file, run_file_read, close_both, 1 },
	{ "file-write-1", open_file, run_file_write, close_both, 1 },
	{ "pipe-write-read-1", open_pipe, run_pipe, close_both, 1 },
	{ "eventfd-epoll-round", open_epoll, run_epoll, close_both, 1 },
	{ "futex-round-trip", start_answer, run_futex, end_answer, 1 },
	{ "yield-round-trip", start_yield, run_yield, end_yield, 1 },
	{ "mmap-touch-munmap", nothing, run_mmap, nothing, 1 },
	{ "page-first-touch", map_area, run_fault, unmap_area, FAULT_PAGES },
	{ "signal", take_signals, run_signal, nothing, 1 },
};

/* ---- measuring */

static uint64_t sample_ns = 2000000;

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t time_of(const struct bench *b, long n)
{
	uint64_t before = now();

	b->run(n);
	return now() - before;
}

/* The search for n also warms everything up, and sites get patched. */
static double measure(const struct bench *b)
{
	double sample[SAMPLES];
	long n = 1;

	b->prepare();
	while (time_of(b, n) < sample_ns)
		n *= 2;
	for (int i = 0; i < SAMPLES; i++)
		sample[i] = (double)time_of(b, n) / (double)n;
	b->finish();
	qsort(sample, SAMPLES, sizeof(sample[0]), ascending);
	return sample[SAMPLES / 2] / (double)b->parts;
}

/* Both sides have one CPU: what two threads do is then a switch, and not a
 * matter of where the host's scheduler puts them. */
static void stay_on_one_cpu(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		sched_setaffinity(0, sizeof(set), &set);
		return;
	}
}

int main(int argc, char **argv)
{
	const char *only = ".";
	regex_t regex;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--quick") == 0)
			sample_ns = 400000;
		else
			only = argv[i];
	}
	if (regcomp(&regex, only, REG_EXTENDED | REG_NOSUB)) {
		fprintf(stderr, "syscall: %s is no regular expression\n", only);
		return 2;
	}
	stay_on_one_cpu();
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		const struct bench *b = &benches[i];

		if (regexec(&regex, b->name, 0, NULL, 0) == 0)
			printf("%s %.1f\n", b->name, measure(b));
	}
	regfree(&regex);
	return 0;
}
