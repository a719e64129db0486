/* For the programs about threads, see threading.h. */
#include <stdio.h>
#include <string.h>
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

/* S is its state then. */
void until_it_waits(const volatile int *tid)
{
	char name[64], text[256], *state;

	while (!*tid)
		nap(1);
	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", *tid);
	do {
		FILE *f = fopen(name, "r");
		size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

		text[n] = 0;
		if (f)
			fclose(f);
		state = strrchr(text, ')');
		nap(1);
	} while (state && state[2] != 'S');
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
