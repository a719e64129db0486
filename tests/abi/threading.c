/* For the programs about threads, see threading.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

void start(pthread_t *t, void *(*f)(void *), void *arg)
{
	int error = pthread_create(t, NULL, f, arg);
	if (error) {
		say("cannot make a thread: %s", errno_name(error));
		_exit(99);
	}
}

void finish(pthread_t t)
{
	NEED(pthread_join(t, NULL) ? -1 : 0);
}

void nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * MS };
	nanosleep(&ts, NULL);
}

/* The letter in /proc; 0: the thread is gone. */
static char state_of(const char *tid)
{
	char name[64], text[256], *state;
	snprintf(name, sizeof(name), "/proc/self/task/%s/stat", tid);
	int fd = open(name, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	text[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
	state = strrchr(text, ')');
	return state ? state[2] : 0;
}

void until_it_waits(const volatile int *tid)
{
	char digits[16], state;

	while (!*tid)
		nap(1);
	snprintf(digits, sizeof(digits), "%d", *tid);
	do {
		nap(1);
		state = state_of(digits);
	} while (state && state != 'S');
}

static bool all_wait(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	bool all = true;

	while ((task = readdir(tasks))) {
		bool other = task->d_name[0] != '.' &&
			     strtol(task->d_name, NULL, 10) != syscall(SYS_gettid);
		char state = other ? state_of(task->d_name) : 'S';
		all &= !state || state == 'S';
	}
	closedir(tasks);
	return all;
}

void until_all_wait(void)
{
	do
		nap(1);
	while (!all_wait());
}

void show_error(const char *label, int error)
{
	say("%s: %s", label, error ? errno_name(error) : "0");
}

struct timespec after(int clock, long ms)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * MS;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}
