/*
 * What threads wait on: locks and other things made of futexes, files, and the
 * futexes themselves.
 */
#include <limits.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

/* musl-gcc has no <linux/...> */
#define PRIVATE                    128
#define FUTEX_WAIT_PRIVATE         (0 | PRIVATE)
#define FUTEX_WAKE_PRIVATE         (1 | PRIVATE)
#define FUTEX_REQUEUE_PRIVATE      (3 | PRIVATE)
#define FUTEX_CMP_REQUEUE_PRIVATE  (4 | PRIVATE)
#define FUTEX_WAKE_OP_PRIVATE      (5 | PRIVATE)
#define FUTEX_WAIT_BITSET_PRIVATE  (9 | PRIVATE)
#define FUTEX_WAKE_BITSET_PRIVATE  (10 | PRIVATE)
#define FUTEX_OP(op, arg, cmp, to) ((op) << 28 | (cmp) << 24 | (arg) << 12 | (to))
enum { OP_SET, OP_ADD };
enum { CMP_EQ, CMP_GT = 4 };
/* ---- locks and their like ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static void *counts(void *arg)
{
	for (long i = 0; i < (long)arg; i++) {
		pthread_mutex_lock(&mutex);
		long c = counter;
		if (i % 64 == 0)
			sched_yield();
		counter = c + 1;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

CASE(mutex_counts)
{
	pthread_t t[6];
	counter = 0;
	for (int i = 0; i < 6; i++)
		start(&t[i], counts, (void *)2000L);
	for (int i = 0; i < 6; i++)
		finish(t[i]);
	SHOW(counter);
}

CASE(mutex_errors)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t m;
	struct timespec ts = after(CLOCK_REALTIME, 5);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &attr);
	ERROR(pthread_mutex_unlock(&m));
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_trylock(&m));
	ERROR(pthread_mutex_unlock(&m));
	pthread_mutex_destroy(&m);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_NORMAL);
	pthread_mutex_init(&m, &attr);
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_timedlock(&m, &ts));
	ERROR(pthread_mutex_unlock(&m));
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m, &attr);
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_lock(&m));
	ERROR(pthread_mutex_unlock(&m));
	ERROR(pthread_mutex_unlock(&m));
}

static pthread_mutex_t robust;
static void *dies_holding(void *arg)
{
	pthread_mutex_lock(&robust);
	nap((long)arg);
	return NULL;
}

static void robust_init(void)
{
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
}

CASE(robust_mutex)
{
	pthread_t t;
	robust_init();
	start(&t, dies_holding, (void *)0L);
	finish(t);
	ERROR(pthread_mutex_lock(&robust));
	ERROR(pthread_mutex_consistent(&robust));
	ERROR(pthread_mutex_unlock(&robust));
	ERROR(pthread_mutex_lock(&robust));
	ERROR(pthread_mutex_unlock(&robust));
}

CASE(robust_mutex_waiter)
{
	pthread_t t;
	robust_init();
	start(&t, dies_holding, (void *)20L);
	until_all_wait();
	ERROR(pthread_mutex_lock(&robust)); /* it dies while this waits */
	ERROR(pthread_mutex_unlock(&robust)); /* not made consistent */
	ERROR(pthread_mutex_lock(&robust));
	finish(t);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;
static void *takes_turns(void *arg)
{
	for (int i = 0; i < 200; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != (int)(long)arg)
			pthread_cond_wait(&cond, &mutex);
		turn = (turn + 1) % 4;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

CASE(cond_turns)
{
	pthread_t t[4];
	turn = 0;
	for (long i = 0; i < 4; i++)
		start(&t[i], takes_turns, (void *)i);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	SHOW(turn);
}

CASE(cond_timeout)
{
	struct timespec ts = after(CLOCK_REALTIME, 10);
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	pthread_mutex_lock(&mutex);
	ERROR(pthread_cond_timedwait(&cond, &mutex, &ts));
	pthread_mutex_unlock(&mutex);
	CHECK(clock_ns(CLOCK_MONOTONIC) - begin >= 9 * MS);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static atomic_int readers, writers, wrong;
static void *reads_and_writes(void *arg)
{
	for (int i = 0; i < 200; i++) {
		if ((i + (long)arg) % 5) {
			pthread_rwlock_rdlock(&rwlock);
			readers++;
			wrong += writers != 0;
			sched_yield();
			readers--;
		} else {
			pthread_rwlock_wrlock(&rwlock);
			writers++;
			wrong += writers != 1 || readers != 0;
			sched_yield();
			writers--;
		}
		pthread_rwlock_unlock(&rwlock);
	}
	return NULL;
}

CASE(rwlock_excludes)
{
	pthread_t t[5];
	wrong = 0;
	for (long i = 0; i < 5; i++)
		start(&t[i], reads_and_writes, (void *)i);
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	SHOW(wrong);
	ERROR(pthread_rwlock_wrlock(&rwlock));
	ERROR(pthread_rwlock_tryrdlock(&rwlock));
	ERROR(pthread_rwlock_unlock(&rwlock));
}

static sem_t items, places;
static int box[4];
static void *produces(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 500; i++) {
		sem_wait(&places);
		box[i % 4] = i;
		sem_post(&items);
	}
	return NULL;
}

CASE(semaphores)
{
	pthread_t t;
	long sum = 0;
	struct timespec ts = after(CLOCK_REALTIME, 5);
	sem_init(&items, 0, 0);
	sem_init(&places, 0, 4);
	SHOW(sem_timedwait(&items, &ts));
	SHOW(sem_trywait(&items));
	start(&t, produces, NULL);
	for (int i = 1; i <= 500; i++) {
		sem_wait(&items);
		sum += box[i % 4];
		sem_post(&places);
	}
	finish(t);
	SHOW(sum);
}

static atomic_int once_runs;
static void runs_once(void)
{
	nap(2);
	once_runs++;
}
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void *calls_once(void *arg)
{
	pthread_once(&once, runs_once);
	return (void *)(long)(once_runs == 1 && !arg);
}

CASE(once_only)
{
	pthread_t t[4];
	void *good;
	for (int i = 0; i < 4; i++)
		start(&t[i], calls_once, NULL);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
}

/* ---- waiting of all kinds, several at once ---- */

static int pipe_fd[2];
static atomic_int got;
static void *reads_one(void *arg)
{
	char c;
	(void)arg;
	if (read(pipe_fd[0], &c, 1) == 1)
		got++;
	return NULL;
}

CASE(readers_of_one_pipe)
{
	pthread_t t[4];
	got = 0;
	NEED(pipe(pipe_fd));
	for (int i = 0; i < 4; i++)
		start(&t[i], reads_one, NULL);
	until_all_wait();
	SHOW(write(pipe_fd[1], "abcd", 4));
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	SHOW(got);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

static void *pumps(void *arg)
{
	int *fd = arg;
	char buf[512];
	long n, all = 0;
	while ((n = read(fd[0], buf, sizeof(buf))) > 0) {
		all += n;
		for (long done = 0, m; done < n; done += m)
			if ((m = write(fd[1], buf + done, n - done)) < 0)
				return NULL;
	}
	close(fd[1]);
	return (void *)all;
}

CASE(pipeline)
{
	enum { STAGES = 4 };
	int p[STAGES + 1][2], ends[STAGES][2];
	pthread_t t[STAGES];
	static char out[3000], in[3000];
	void *n;
	long total = 0;
	for (int i = 0; i <= STAGES; i++)
		NEED(i % 2 ? socketpair(AF_UNIX, SOCK_STREAM, 0, p[i]) : pipe(p[i]));
	for (int i = 0; i < STAGES; i++) {
		ends[i][0] = p[i][0];
		ends[i][1] = p[i + 1][1];
		start(&t[i], pumps, ends[i]);
	}
	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7);
	SHOW(write(p[0][1], out, sizeof(out)));
	close(p[0][1]);
	for (long m; (m = read(p[STAGES][0], in + total, sizeof(in) - total)) > 0;)
		total += m;
	SHOW(total);
	CHECK(!memcmp(in, out, sizeof(in)));
	for (int i = 0; i < STAGES; i++) {
		pthread_join(t[i], &n);
		SHOW((long)n);
		close(p[i][0]);
	}
	close(p[STAGES][0]);
}

static void *polls(void *arg)
{
	struct pollfd p[2] = { { .fd = ((int *)arg)[0], .events = POLLIN },
			       { .fd = ((int *)arg)[1], .events = POLLIN } };
	return (void *)(long)(poll(p, 2, 2000) == 1 && p[0].revents == POLLIN);
}

static void *epolls(void *arg)
{
	struct epoll_event e = { 0 };
	return (void *)(long)(epoll_wait(*(int *)arg, &e, 1, 2000) == 1 && e.data.u32 == 77);
}

CASE(pollers)
{
	int a[2], b[2], set = epoll_create1(0);
	int fds[2];
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 77 };
	pthread_t t[4];
	void *good;
	NEED(pipe(a));
	NEED(pipe(b));
	NEED(epoll_ctl(set, EPOLL_CTL_ADD, a[0], &e));
	fds[0] = a[0];
	fds[1] = b[0];
	for (int i = 0; i < 4; i++)
		start(&t[i], i % 2 ? polls : epolls, i % 2 ? (void *)fds : &set);
	until_all_wait();
	SHOW(write(a[1], "x", 1));
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
	close(a[0]), close(a[1]), close(b[0]), close(b[1]), close(set);
}

static void *naps(void *arg)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	nap((long)arg);
	int64_t took = clock_ns(CLOCK_MONOTONIC) - begin;
	return (void *)(long)(took >= (long)arg * MS);
}

CASE(sleepers)
{
	pthread_t t[6];
	void *good;
	int64_t begin = clock_ns(CLOCK_MONOTONIC);
	for (long i = 0; i < 6; i++)
		start(&t[i], naps, (void *)(30 - i * 4));
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &good);
		CHECK(good != NULL);
	}
	CHECK(clock_ns(CLOCK_MONOTONIC) - begin < 1000l * MS);
}

/* ---- futexes ---- */

static uint32_t word, word2;
static long futex(uint32_t *addr, int op, uint32_t val, const void *timeout, uint32_t *addr2,
		  uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static atomic_int woken, in_wait;
static void *waits_on_word(void *arg)
{
	struct timespec ts = { 3, 0 };
	in_wait++;
	if (!futex(&word, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0))
		woken++;
	return arg;
}

static void *waits_on_bits(void *arg)
{
	in_wait++;
	if (!futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(long)arg))
		woken += (int)(long)arg;
	return NULL;
}

static void wait_for(int n)
{
	while (in_wait < n)
		nap(1);
	until_all_wait();
}

CASE(futex_wake_counts)
{
	pthread_t t[5];
	in_wait = woken = 0;
	word = 0;
	for (int i = 0; i < 5; i++)
		start(&t[i], waits_on_word, NULL);
	wait_for(5);
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	SHOW(woken);
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
}

CASE(futex_bitset)
{
	pthread_t t[3];
	in_wait = woken = 0;
	word = 0;
	for (long i = 0; i < 3; i++)
		start(&t[i], waits_on_bits, (void *)(1l << i));
	wait_for(3);
	SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 8));
	SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 2));
	finish(t[1]);
	SHOW(woken);
	SHOW(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 10, NULL, NULL, 5));
	finish(t[0]);
	finish(t[2]);
	SHOW(woken);
}

CASE(futex_requeue)
{
	pthread_t t[5];
	in_wait = woken = 0;
	word = word2 = 0;
	for (int i = 0; i < 5; i++)
		start(&t[i], waits_on_word, NULL);
	wait_for(5);
	SHOW(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &word2, 1));
	SHOW(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2L, &word2, 0));
	SHOW(futex(&word2, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)10L, &word2, 0));
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	SHOW(futex(&word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 5; i++)
		finish(t[i]);
	SHOW(woken);
}

CASE(futex_wake_op)
{
	pthread_t t[3];
	in_wait = woken = 0;
	word = 0;
	word2 = 5;
	for (int i = 0; i < 3; i++)
		start(&t[i], waits_on_word, NULL);
	wait_for(3);
	SHOW(futex(&word2, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &word,
		   FUTEX_OP(OP_ADD, 3, CMP_EQ, 0)));
	SHOW(word);
	SHOW(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &word2,
		   FUTEX_OP(OP_SET, 9, CMP_GT, 7)));
	SHOW(word2);
	SHOW(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	SHOW(woken);
}
