/*
 * Futexes that are locks, with priority inheritance in their names, and waiting
 * for several at once.
 */
#include <limits.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "threading.h"

/* musl-gcc has no <linux/...> */
#define PRIVATE         128
#define WAKE            (1 | PRIVATE)
#define REQUEUE         (3 | PRIVATE)
#define LOCK_PI         (6 | PRIVATE)
#define UNLOCK_PI       (7 | PRIVATE)
#define TRYLOCK_PI      (8 | PRIVATE)
#define WAIT_REQUEUE_PI (11 | PRIVATE)
#define CMP_REQUEUE_PI  (12 | PRIVATE)
#define LOCK_PI2        (13 | PRIVATE)
#define WAITERS         0x80000000u
#define OWNER_DIED      0x40000000u
#define TID             0x3fffffffu

static _Atomic uint32_t lock, other_lock, condition;
static atomic_int started, held, order;

static long futex(_Atomic uint32_t *at, int op, uint32_t val, const void *timeout,
		  _Atomic uint32_t *at2, uint32_t val3)
{
	return syscall(SYS_futex, at, op, val, timeout, at2, val3);
}

static uint32_t tid(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

static void wait_until(atomic_int *what, int n)
{
	while (*what < n)
		nap(1);
}

static void wait_for_waiter(const _Atomic uint32_t *at)
{
	while (!(*at & WAITERS))
		nap(1);
	until_all_wait(); /* it is queued right after */
}

/* ---- one thread ---- */

CASE(pi_one_thread)
{
	lock = 0;
	SHOW(futex(&lock, LOCK_PI, 0, NULL, NULL, 0));
	CHECK(lock == tid());
	SHOW(futex(&lock, LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(lock);
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0));
	CHECK(lock == tid());
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	lock = OWNER_DIED;
	SHOW(futex(&lock, LOCK_PI, 0, NULL, NULL, 0));
	CHECK(lock == (tid() | OWNER_DIED));
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
}

CASE(pi_errors)
{
	struct timespec bad = { 0, 1000000000 };
	_Atomic uint32_t *odd = (void *)((char *)&lock + 1);
	lock = 0x3ffffff0; /* larger than any tid */
	SHOW(futex(&lock, LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	lock = 0;
	SHOW(futex(odd, LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(odd, UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(bad_ptr(), LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(bad_ptr(), TRYLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(bad_ptr(), UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, LOCK_PI, 0, &bad, NULL, 0));
	SHOW(futex(&lock, LOCK_PI2, 0, bad_ptr(), NULL, 0));
	SHOW(futex(&lock, WAIT_REQUEUE_PI, 0, NULL, &lock, 0));
	SHOW(futex(&condition, WAIT_REQUEUE_PI, 99, NULL, &lock, 0));
	SHOW(futex(&condition, CMP_REQUEUE_PI, 2, NULL, &lock, 0));
	SHOW(futex(&condition, CMP_REQUEUE_PI, 1, NULL, &condition, 0));
	SHOW(futex(&condition, CMP_REQUEUE_PI, 1, NULL, &lock, 99));
	SHOW(lock);
}

/* ---- several ---- */

/* A thread that owns the lock until `held` is 0. */
static void *holds(void *arg)
{
	futex(&lock, LOCK_PI, 0, NULL, NULL, 0);
	held = 1;
	while (held)
		nap(1);
	if (!arg)
		futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

static void *locks(void *arg)
{
	started++;
	long result = futex(&lock, LOCK_PI, 0, NULL, NULL, 0);
	order = order * 10 + (int)(long)arg;
	if (result || (lock & TID) != tid())
		order = -1000000;
	futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

CASE(pi_in_order)
{
	pthread_t t[3];
	lock = tid();
	started = order = 0;
	for (long i = 0; i < 3; i++) {
		start(&t[i], locks, (void *)(i + 1));
		wait_until(&started, (int)i + 1);
		until_all_wait();
	}
	wait_for_waiter(&lock);
	CHECK(lock == (tid() | WAITERS));
	SHOW(futex(&lock, WAKE, 1, NULL, NULL, 0));
	SHOW(futex(&lock, REQUEUE, 0, (void *)1L, &other_lock, 0));
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		finish(t[i]);
	SHOW(order);
	SHOW(lock & TID);
}

CASE(pi_timeouts)
{
	pthread_t t;
	lock = 0;
	held = 0;
	start(&t, holds, NULL);
	wait_until(&held, 1);
	struct timespec wall = after(CLOCK_REALTIME, 20), steady = after(CLOCK_MONOTONIC, 20);
	struct timespec past = { 1, 0 };
	SHOW(futex(&lock, TRYLOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, LOCK_PI, 0, &past, NULL, 0));
	SHOW(futex(&lock, LOCK_PI, 0, &wall, NULL, 0));
	SHOW(futex(&lock, LOCK_PI2, 0, &steady, NULL, 0));
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	held = 0;
	finish(t);
	SHOW(lock & TID);
}

CASE(pi_owner_dies)
{
	pthread_t t;
	lock = 0;
	held = 0;
	start(&t, holds, (void *)1);
	wait_until(&held, 1);
	held = 0;
	SHOW(futex(&lock, LOCK_PI, 0, NULL, NULL, 0));
	finish(t);
	CHECK((lock & TID) == tid());
	CHECK(lock & OWNER_DIED);
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	SHOW(lock & TID);
}

/* Owns other_lock and waits for lock. */
static void *waits_for_lock(void *arg)
{
	other_lock = tid();
	held = 1;
	if (futex(&lock, LOCK_PI, 0, NULL, NULL, 0))
		say("the lock is not had");
	futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0);
	futex(&other_lock, UNLOCK_PI, 0, NULL, NULL, 0);
	return arg;
}

CASE(pi_deadlock)
{
	pthread_t t;
	lock = tid();
	other_lock = 0;
	held = 0;
	start(&t, waits_for_lock, NULL);
	wait_until(&held, 1);
	wait_for_waiter(&lock);
	SHOW(futex(&other_lock, LOCK_PI, 0, NULL, NULL, 0));
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	finish(t);
	SHOW(lock & TID);
	SHOW(other_lock & TID);
}

static atomic_int handled;
static void handler(int sig)
{
	(void)sig;
	handled++;
}

static void *locks_with_signals(void *arg)
{
	started = 1;
	order = (int)futex(&lock, LOCK_PI, 0, NULL, NULL, 0);
	futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0);
	return arg;
}

/* Without SA_RESTART too: the lock is waited for all the same. */
CASE(pi_signals, ALONE)
{
	struct sigaction action = { .sa_handler = handler };
	pthread_t t;
	sigaction(SIGUSR1, &action, NULL);
	lock = tid();
	started = handled = 0;
	order = 99;
	start(&t, locks_with_signals, NULL);
	wait_for_waiter(&lock);
	for (int i = 0; i < 3; i++) {
		pthread_kill(t, SIGUSR1);
		wait_until(&handled, i + 1);
	}
	until_all_wait();
	SHOW(order);
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	finish(t);
	SHOW(order);
	SHOW(handled);
}

/* ---- libc's mutexes ---- */

static pthread_mutex_t mutex;
static long counter;

static void *counts(void *arg)
{
	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return arg;
}

static void *dies_with_mutex(void *arg)
{
	pthread_mutex_lock(&mutex);
	held = 1;
	nap(20);
	return arg;
}

static void make_mutex(bool robust)
{
	pthread_mutexattr_t attr;
	pthread_mutexattr_init(&attr);
	ERROR(pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT));
	if (robust)
		ERROR(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
	ERROR(pthread_mutex_init(&mutex, &attr));
}

CASE(pi_mutex_counts)
{
	pthread_t t[4];
	counter = 0;
	make_mutex(false);
	for (int i = 0; i < 4; i++)
		start(&t[i], counts, NULL);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	SHOW(counter);
	ERROR(pthread_mutex_destroy(&mutex));
}

CASE(pi_mutex_robust)
{
	pthread_t t;
	make_mutex(true);
	held = 0;
	start(&t, dies_with_mutex, NULL);
	wait_until(&held, 1);
	ERROR(pthread_mutex_lock(&mutex)); /* waits for it to die */
	finish(t);
	ERROR(pthread_mutex_consistent(&mutex));
	ERROR(pthread_mutex_unlock(&mutex));
	held = 0;
	start(&t, dies_with_mutex, NULL);
	finish(t);
	ERROR(pthread_mutex_lock(&mutex)); /* it died before */
	ERROR(pthread_mutex_unlock(&mutex)); /* not consistent */
	ERROR(pthread_mutex_lock(&mutex));
}

/* ---- from a condition to a lock ---- */

static void *waits_for_condition(void *arg)
{
	started++;
	long result = futex(&condition, WAIT_REQUEUE_PI, 0, NULL, &lock, 0);
	if (!result && (lock & TID) == tid())
		order = order * 10 + (int)(long)arg;
	futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

CASE(pi_requeue)
{
	struct timespec soon = after(CLOCK_MONOTONIC, 20);
	pthread_t t[3];
	condition = 0;
	order = started = 0;
	lock = tid();
	SHOW(futex(&condition, WAIT_REQUEUE_PI, 0, &soon, &lock, 0));
	for (long i = 0; i < 3; i++) {
		start(&t[i], waits_for_condition, (void *)(i + 1));
		wait_until(&started, (int)i + 1);
		until_all_wait();
	}
	SHOW(futex(&condition, WAKE, 1, NULL, NULL, 0));
	SHOW(futex(&condition, CMP_REQUEUE_PI, 1, (void *)1L, &other_lock, 0));
	SHOW(futex(&condition, CMP_REQUEUE_PI, 1, (void *)1L, &lock, 0));
	until_all_wait();
	SHOW(order);
	SHOW(futex(&lock, UNLOCK_PI, 0, NULL, NULL, 0));
	finish(t[0]);
	finish(t[1]);
	SHOW(order);
	SHOW(futex(&condition, CMP_REQUEUE_PI, 1, (void *)1L, &lock, 0));
	finish(t[2]);
	SHOW(order);
	SHOW(lock & TID);
}

/* ---- several futexes at once ---- */

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};
#define SIZE_U32 2
static _Atomic uint32_t words[4];
static struct waitv vec[129];

static long waitv(const struct waitv *v, unsigned n, unsigned flags, const void *timeout, int clock)
{
	return syscall(449, v, n, flags, timeout, clock);
}

static void make_vec(void)
{
	memset(vec, 0, sizeof(vec));
	for (int i = 0; i < 129; i++)
		vec[i] = (struct waitv){ 0, (uint64_t)&words[i % 4], SIZE_U32 | PRIVATE, 0 };
	memset((void *)words, 0, sizeof(words));
}

static void *waits_for_words(void *arg)
{
	started = 1;
	order = (int)waitv(vec, 4, 0, NULL, 0);
	return arg;
}

CASE(waitv_woken)
{
	pthread_t t;
	for (int i = 0; i < 4; i++) {
		make_vec();
		started = 0;
		start(&t, waits_for_words, NULL);
		wait_until(&started, 1);
		until_all_wait();
		SHOW(futex(&words[i], WAKE, 1, NULL, NULL, 0));
		finish(t);
		SHOW(order);
		SHOW(futex(&words[3 - i], WAKE, INT_MAX, NULL, NULL, 0));
	}
}

CASE(waitv_errors)
{
	struct timespec soon = after(CLOCK_MONOTONIC, 20), wall = after(CLOCK_REALTIME, 20);
	struct timespec past = { 0, 0 }, bad = { 0, -1 };
	make_vec();
	SHOW(waitv(vec, 2, 0, &soon, CLOCK_MONOTONIC));
	SHOW(waitv(vec, 2, 0, &wall, CLOCK_REALTIME));
	SHOW(waitv(vec, 128, 0, &past, CLOCK_MONOTONIC));
	SHOW(waitv(vec, 129, 0, &past, CLOCK_MONOTONIC));
	SHOW(waitv(vec, 0, 0, &past, CLOCK_MONOTONIC));
	SHOW(waitv(vec, 1, 1, &past, CLOCK_MONOTONIC));
	SHOW(waitv(vec, 1, 0, &past, CLOCK_PROCESS_CPUTIME_ID));
	SHOW(waitv(vec, 1, 0, &bad, CLOCK_MONOTONIC));
	SHOW(waitv(vec, 1, 0, bad_ptr(), CLOCK_MONOTONIC));
	SHOW(waitv(NULL, 1, 0, &past, CLOCK_MONOTONIC));
	SHOW(waitv(bad_ptr(), 1, 0, &past, CLOCK_MONOTONIC));
	vec[1].val = 5;
	SHOW(waitv(vec, 2, 0, NULL, 0));
	make_vec();
	vec[1].flags = PRIVATE;
	SHOW(waitv(vec, 2, 0, &past, CLOCK_MONOTONIC));
	vec[1].flags = SIZE_U32 | 0x1000;
	SHOW(waitv(vec, 2, 0, &past, CLOCK_MONOTONIC));
	make_vec();
	vec[1].reserved = 1;
	SHOW(waitv(vec, 2, 0, &past, CLOCK_MONOTONIC));
	make_vec();
	vec[1].uaddr = (uint64_t)bad_ptr();
	SHOW(waitv(vec, 2, 0, &past, CLOCK_MONOTONIC));
	vec[1].uaddr = (uint64_t)&words[0] + 2;
	SHOW(waitv(vec, 2, 0, &past, CLOCK_MONOTONIC));
}
