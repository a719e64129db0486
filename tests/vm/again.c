/*
 * Becomes itself again and again, by threads and without, and says how much
 * memory is gone by it: again COUNT.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "memory.h"

#define WARM 20 /* times, before anything is compared */

static char *args[6];

static void *become(void *arg)
{
	execv("/proc/self/exe", args);
	perror("execv");
	exit(1);
	return arg;
}

static void *wait_long(void *arg)
{
	sleep(1000);
	return arg;
}

static long number(int argc, char **argv, int i)
{
	return argc > i ? strtol(argv[i], NULL, 10) : 0;
}

/* again COUNT [DONE FREE] */
int main(int argc, char **argv)
{
	long count = number(argc, argv, 1), done = number(argc, argv, 2);
	long before = number(argc, argv, 3);
	static char done_text[24], free_text[24];
	pthread_t thread;

	if (done == WARM)
		before = free_kib();
	if (done >= count) {
		long lost = before - free_kib();
		printf("%ld times, %s\n", done, lost < 256 ? "no memory lost" : "memory lost");
		if (lost >= 256)
			printf("%ld KiB of %ld\n", lost, before);
		return 0;
	}
	snprintf(done_text, sizeof(done_text), "%ld", done + 1);
	snprintf(free_text, sizeof(free_text), "%ld", before);
	args[0] = argv[0];
	args[1] = argv[1];
	args[2] = done_text;
	args[3] = free_text;
	if (done % 8 == 1)
		pthread_create(&thread, NULL, wait_long, NULL);
	if (done % 8 == 2) {
		pthread_create(&thread, NULL, become, NULL);
		wait_long(NULL);
	}
	become(NULL);
}
