/*
 * System calls of two sites, COUNT times by each of THREADS threads: one that can be
 * patched (guest/libos/patch.c), one that cannot. Says where they are: calls COUNT
 * THREADS.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

extern long can_be(void), cannot_be(void);
extern const char can_be_call[], cannot_be_call[];

/* What comes before the second is no instruction that means the same elsewhere. */
__asm__(".text\n"
	".balign 64\n"
	".globl can_be, can_be_call, cannot_be, cannot_be_call\n"
	"can_be: mov $110, %eax\n"
	"can_be_call: syscall\n"
	"	ret\n"
	".balign 64\n"
	"cannot_be: mov $110, %eax\n"
	"	lfence\n"
	"cannot_be_call: syscall\n"
	"	ret\n"
	".balign 64\n");

static long count;

static void *call(void *arg)
{
	for (long i = 0; i < count; i++) {
		can_be();
		cannot_be();
	}
	return arg;
}

int main(int argc, char **argv)
{
	long threads = argc > 2 ? strtol(argv[2], NULL, 10) : 1;
	pthread_t t[16];

	if (threads > 16)
		return 1;
	count = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;
	printf("%lx %lx\n", (unsigned long)can_be_call, (unsigned long)cannot_be_call);
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, call, NULL))
			return 2;
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return 0;
}
