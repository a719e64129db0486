/*
 * What a program inside the VM sees and does, one act a run: probe ACT [ARG].
 * Built static, so that it runs on Linux and in the guest alike.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int act_exit(const char *arg)
{
	return atoi(arg);
}

static int act_crash(const char *arg)
{
	int *volatile nowhere = (int *)(uintptr_t)atoi(arg);

	*nowhere = 1;
	return 0;
}

static int act_abort(const char *arg)
{
	(void)arg;
	abort();
}

static int act_raise(const char *arg)
{
	raise(atoi(arg));
	return 0;
}

static int act_env(const char *arg)
{
	(void)arg;
	for (char **e = environ; *e; e++)
		puts(*e);
	return 0;
}

static int act_where(const char *arg)
{
	char cwd[4096] = "?", host[256] = "?";

	(void)arg;
	if (!getcwd(cwd, sizeof(cwd)) || gethostname(host, sizeof(host)))
		return 1;
	printf("%s %s\n", cwd, host);
	return 0;
}

/* Writes to each `step` bytes of so many MiB, and reads them back. */
static int touch_each(const char *arg, size_t step)
{
	size_t len = (size_t)atoi(arg) << 20;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		printf("refused: %s\n", strerror(errno));
		return 0;
	}
	for (size_t i = 0; i < len; i += step)
		*(uint64_t *)(p + i) = i * 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < len; i += step)
		if (*(uint64_t *)(p + i) != i * 0x9e3779b97f4a7c15)
			return 1;
	puts("touched");
	return 0;
}

static int act_touch(const char *arg)
{
	return touch_each(arg, 4096);
}

static int act_skim(const char *arg)
{
	return touch_each(arg, 1 << 20);
}

static void handler(int sig)
{
	printf("got signal %d\n", sig);
	exit(7);
}

/* Waits for a signal that it handles. */
static _Noreturn int act_handle(const char *arg)
{
	signal(atoi(arg), handler);
	puts("ready");
	fflush(stdout);
	for (;;)
		pause();
}

/* Never calls the system: only an interrupt gets it off the CPU. */
static _Noreturn int act_spin(const char *arg)
{
	(void)arg;
	for (volatile int i = 0;;)
		i = !i;
}

/* Sleeps so many ms and prints how long it was by the clock. */
static int act_sleep(const char *arg)
{
	struct timespec a, b, r = { atoi(arg) / 1000, atoi(arg) % 1000 * 1000000L };

	clock_gettime(CLOCK_MONOTONIC, &a);
	if (nanosleep(&r, NULL))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%ld\n", (b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000);
	return 0;
}

static _Noreturn int act_idle(const char *arg)
{
	(void)arg;
	puts("idle");
	fflush(stdout);
	for (;;)
		pause();
}

static int act_both(const char *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		fprintf(stdout, "out %d\n", i);
		fflush(stdout);
		fprintf(stderr, "err %d\n", i);
	}
	return 0;
}

/* What can be done with a descriptor, told on another one; open() fills a gap. */
static int act_descriptor(const char *arg)
{
	int fd = atoi(arg), flags = fcntl(fd, F_GETFL), lowest = open("/dev/zero", O_RDONLY);
	FILE *to = fd == 1 ? stderr : stdout;
	bool ours = lowest == fd;
	struct stat st;
	char byte;
	long r;

	fprintf(to, "access mode %d, was closed %d\n", flags < 0 ? flags : flags & O_ACCMODE, ours);
	if (fd == 0 || (flags & O_ACCMODE) == O_WRONLY) {
		r = read(fd, &byte, 1);
		fprintf(to, "read: %ld %s\n", r, r < 0 ? strerror(errno) : "");
	}
	r = write(fd, "", 0);
	fprintf(to, "write: %ld %s\n", r, r < 0 ? strerror(errno) : "");
	r = fstat(fd, &st);
	fprintf(to, "fstat: %ld, a directory: %d\n", r, S_ISDIR(st.st_mode));
	r = fchdir(fd);
	fprintf(to, "fchdir: %ld %s\n", r, r < 0 ? strerror(errno) : "");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*act)(const char *arg);
	} acts[] = {
		{ "exit", act_exit },     { "crash", act_crash },
		{ "abort", act_abort },   { "raise", act_raise },
		{ "env", act_env },       { "where", act_where },
		{ "touch", act_touch },   { "skim", act_skim },
		{ "handle", act_handle }, { "spin", act_spin },
		{ "sleep", act_sleep },   { "idle", act_idle },
		{ "both", act_both },     { "descriptor", act_descriptor },
	};

	if (argc > 1 && !strcmp(argv[1], "args")) {
		for (int i = 2; i < argc; i++)
			printf("[%s]\n", argv[i]);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < sizeof(acts) / sizeof(acts[0]); i++)
		if (!strcmp(argv[1], acts[i].name))
			return acts[i].act(argc > 2 ? argv[2] : "0");
	fprintf(stderr, "usage: probe ACT [ARG]\n");
	return 2;
}
