/*
 * stress THREADS SECONDS: threads that wait for each other in every way for a
 * while, and count. Prints "good", or what was lost; a lost wake-up hangs it.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST 64

static int threads;
static double until;
static atomic_int wrong;

static double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	if (!wrong++)
		printf("%s\n", what);
}

/* Runs f(0) ... f(threads - 1) at once. */
static void all(void *(*f)(void *))
{
	pthread_t t[MOST];
	for (long i = 0; i < threads; i++)
		if (pthread_create(&t[i], NULL, f, (void *)i)) {
			perror("pthread_create");
			exit(1);
		}
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
}

/* ---- a mutex protects what is not atomic */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long unlocked_sum;
static atomic_long sum;

static void *adds(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		pthread_mutex_lock(&mutex);
		unlocked_sum += (long)arg + i;
		pthread_mutex_unlock(&mutex);
		sum += (long)arg + i;
	}
	return NULL;
}

static void mutexes(void)
{
	unlocked_sum = 0;
	sum = 0;
	all(adds);
	if (unlocked_sum != sum)
		fail("a mutex let two in");
}

/* ---- a token goes round, by futex alone */

static _Atomic unsigned token[MOST];
#define ROUNDS 300

static void futex(_Atomic unsigned *word, int op, unsigned value)
{
	syscall(SYS_futex, word, op | 128, value, NULL, NULL, 0);
}

static void *passes_token(void *arg)
{
	long me = (long)arg, next = (me + 1) % threads;
	for (unsigned round = 1; round <= ROUNDS; round++) {
		unsigned seen;
		while ((seen = token[me]) != round)
			futex(&token[me], 0, seen);
		token[next] = me == threads - 1 ? round + 1 : round;
		futex(&token[next], 1, 1);
	}
	return NULL;
}

static void tokens(void)
{
	for (int i = 0; i < threads; i++)
		token[i] = 0;
	token[0] = 1;
	all(passes_token);
	if (token[0] != ROUNDS + 1)
		fail("the token was lost");
}

/* ---- producers and consumers, by condition variables */

static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static long ring[8], head, tail, produced, consumed;
#define ITEMS 1000

static void *trades(void *arg)
{
	long me = (long)arg;
	if (me == threads - 1 && threads % 2)
		return NULL; /* as many of one kind as of the other */
	for (long i = 0; i < ITEMS; i++) {
		pthread_mutex_lock(&mutex);
		if (me % 2) {
			while (head - tail == 8)
				pthread_cond_wait(&not_full, &mutex);
			ring[head++ % 8] = me * i;
			produced += me * i;
			pthread_cond_signal(&not_empty);
		} else {
			while (head == tail)
				pthread_cond_wait(&not_empty, &mutex);
			consumed += ring[tail++ % 8];
			pthread_cond_signal(&not_full);
		}
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static void conditions(void)
{
	head = tail = produced = consumed = 0;
	all(trades);
	if (produced != consumed || head != tail)
		fail("goods were lost");
}

/* ---- bytes through pipes, with poll */

static int ends[MOST][2];

static void *relays(void *arg)
{
	long me = (long)arg, next = (me + 1) % threads;
	for (int i = 0; i < 100; i++) {
		struct pollfd p = { .fd = ends[me][0], .events = POLLIN };
		char c;
		if (poll(&p, 1, -1) != 1 || read(ends[me][0], &c, 1) != 1 ||
		    write(ends[next][1], &c, 1) != 1)
			fail("a pipe failed");
	}
	return NULL;
}

static void pipes(void)
{
	char c = 'x';
	for (int i = 0; i < threads; i++)
		if (pipe(ends[i]))
			fail("no pipe");
	if (write(ends[0][1], "y", 1) != 1)
		fail("a pipe failed");
	all(relays);
	if (read(ends[0][0], &c, 1) != 1 || c != 'y')
		fail("a byte was lost");
	for (int i = 0; i < threads; i++) {
		close(ends[i][0]);
		close(ends[i][1]);
	}
}

/* ---- threads that end while others begin, memory that comes and goes */

static void *touches(void *arg)
{
	for (int i = 0; i < 5; i++) {
		size_t size = 4096 * (1 + ((long)arg + i) % 9);
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);
		if (p == MAP_FAILED || p[0] || p[size - 1])
			fail("memory is not fresh");
		p[0] = p[size - 1] = 1;
		mprotect(p, 4096, PROT_READ);
		munmap(p, size);
	}
	return arg;
}

static void *churns(void *arg)
{
	for (int i = 0; i < 20; i++) {
		pthread_t t;
		void *result;
		if (pthread_create(&t, NULL, touches, arg) || pthread_join(t, &result) ||
		    result != arg)
			fail("a thread was lost");
	}
	return NULL;
}

/* ---- signals */

static atomic_int handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void *signals_itself(void *arg)
{
	for (int i = 0; i < 200; i++)
		pthread_kill(pthread_self(), SIGUSR1);
	return arg;
}

static void signals(void)
{
	handled = 0;
	signal(SIGUSR1, on_signal);
	all(signals_itself);
	if (handled != threads * 200)
		fail("a signal was lost");
}

/* ---- numbers in registers, never leaving the CPU by itself */

static void *computes(void *arg)
{
	double start = (double)(long)arg, x = start;
	for (int i = 0; i < 3000000; i++)
		__asm__ volatile("addsd %1, %0" : "+x"(x) : "x"(1.0));
	if (x != start + 3000000)
		fail("a register changed");
	return NULL;
}

int main(int argc, char **argv)
{
	threads = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 8;
	until = now() + (argc > 2 ? strtod(argv[2], NULL) : 1);
	if (threads < 2 || threads > MOST)
		return 2;
	do {
		mutexes();
		tokens();
		conditions();
		pipes();
		all(churns);
		signals();
		all(computes);
	} while (now() < until && !wrong);
	if (!wrong)
		printf("good\n");
	return wrong != 0;
}
