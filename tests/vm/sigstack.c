/*
 * sigstack FILE: threads that get signals on stacks in a private mapping of FILE,
 * each on pages that were not there before: to write the frame, and what the
 * program has in its vector registers, the disk has to be waited for, while others
 * get signals too. Prints "good", or how many registers were another thread's.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS 4
#define STACK   65536

static char *file;
static size_t stacks; /* in the file */
static atomic_int wrong, handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

/* A signal to this thread: what is in a vector register afterwards. */
static uint64_t signalled(uint64_t value)
{
	long result = SYS_tgkill;
	asm volatile("movq %[value], %%xmm6\n\t"
		     "syscall\n\t"
		     "movq %%xmm6, %[value]"
		     : "+a"(result), [value] "+r"(value)
		     : "D"((long)getpid()), "S"((long)gettid()), "d"((long)SIGUSR1)
		     : "rcx", "r11", "xmm6", "memory");
	return value;
}

static void *work(void *number)
{
	uint64_t me = (uintptr_t)number;
	for (size_t i = me; i < stacks; i += THREADS) {
		const stack_t s = { .ss_sp = file + i * STACK, .ss_size = STACK };
		uint64_t value = me << 32 | i;
		if (sigaltstack(&s, NULL))
			abort();
		wrong += signalled(value) != value;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK };
	pthread_t t[THREADS];
	struct stat st;
	int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;

	if (fd < 0 || fstat(fd, &st) || sigaction(SIGUSR1, &action, NULL)) {
		perror("sigstack FILE");
		return 2;
	}
	file = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	stacks = (size_t)st.st_size / STACK;
	if (file == MAP_FAILED || !stacks)
		return 2;
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_create(&t[i], NULL, work, (void *)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	if (wrong || handled != (int)stacks)
		printf("%d registers of others, %d signals of %zu\n", wrong, handled, stacks);
	else
		printf("good\n");
	return wrong || handled != (int)stacks;
}
