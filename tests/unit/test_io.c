// link: vmm/io.c vmm/io_ring.c vmm/io_poll.c
// libs: -luring -pthread
/*
 * The I/O loop, once with io_uring and once with poll(2): what comes back,
 * from which thread, more operations than fit, and cancelling.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/fail.h"
#include "../../vmm/io.h"

#define MANY 700 /* more than the loop has room for at once */

_Noreturn void fail(int status, const char *format, ...)
{
	(void)status;
	(void)format;
	abort();
}

/* An operation whose end can be waited for. */
struct waited {
	struct io_op op;
	int result;
	int ends;
	bool own_thread;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static pthread_t test_thread;

static void done(struct io_op *op, int result)
{
	struct waited *w = (struct waited *)op;

	pthread_mutex_lock(&lock);
	w->result = result;
	w->own_thread = !pthread_equal(pthread_self(), test_thread);
	w->ends++;
	pthread_cond_broadcast(&ended);
	pthread_mutex_unlock(&lock);
}

/* Waits up to 5 s for the nth end of the operation; its result. */
static int result_of(struct waited *w, int n)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	pthread_mutex_lock(&lock);
	while (w->ends < n && !r)
		r = pthread_cond_timedwait(&ended, &lock, &until);
	pthread_mutex_unlock(&lock);
	assert_int_equal(w->ends, n);
	assert_true(w->own_thread);
	return w->result;
}

static struct waited new_op(void)
{
	return (struct waited){ .op.done = done };
}

static int set_up(void **state)
{
	(void)state;
	test_thread = pthread_self();
	return 0;
}

static int set_up_poll(void **state)
{
	io_use_poll();
	return set_up(state);
}

static int tear_down(void **state)
{
	(void)state;
	io_stop();
	return 0;
}

static void pipes(void **state)
{
	struct waited r = new_op(), w = new_op();
	char got[16] = "";
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	io_read(NULL, &r.op, p[0], got, sizeof(got), IO_POSITION);
	io_write(NULL, &w.op, p[1], "data", 4, IO_POSITION);
	assert_int_equal(result_of(&w, 1), 4);
	assert_int_equal(result_of(&r, 1), 4);
	assert_string_equal(got, "data");
	close(p[1]);
	io_read(NULL, &r.op, p[0], got, sizeof(got), IO_POSITION);
	assert_int_equal(result_of(&r, 2), 0);
	close(p[0]);
}

static void files(void **state)
{
	struct waited op = new_op();
	char name[] = "/tmp/test_io_XXXXXX", got[16] = "";
	int fd = mkstemp(name);

	(void)state;
	unlink(name);
	io_write(NULL, &op.op, fd, "0123456789", 10, IO_POSITION);
	assert_int_equal(result_of(&op, 1), 10);
	io_write(NULL, &op.op, fd, "ab", 2, 4);
	assert_int_equal(result_of(&op, 2), 2);
	io_read(NULL, &op.op, fd, got, sizeof(got), 3);
	assert_int_equal(result_of(&op, 3), 7);
	assert_string_equal(got, "3ab6789");
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 10);
	lseek(fd, 8, SEEK_SET);
	io_read(NULL, &op.op, fd, got, sizeof(got), IO_POSITION);
	assert_int_equal(result_of(&op, 4), 2);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 10);
	close(fd);
}

/* What disks use: vectors, write-through, flushes, holes. */
static void vectors(void **state)
{
	struct waited op = new_op();
	char name[] = "/tmp/test_io_XXXXXX", a[3] = "", b[8] = "";
	struct iovec out[] = { { "01234", 5 }, { "56789", 5 } };
	struct iovec in[] = { { a, 2 }, { b, 4 } };
	int fd = mkstemp(name);

	(void)state;
	unlink(name);
	io_writev(NULL, &op.op, fd, out, 2, 4096, RWF_DSYNC);
	assert_int_equal(result_of(&op, 1), 10);
	io_readv(NULL, &op.op, fd, in, 2, 4096 + 3);
	assert_int_equal(result_of(&op, 2), 6);
	assert_string_equal(a, "34");
	assert_string_equal(b, "5678");
	io_datasync(NULL, &op.op, fd);
	assert_int_equal(result_of(&op, 3), 0);
	io_fallocate(NULL, &op.op, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 7);
	assert_int_equal(result_of(&op, 4), 0);
	io_readv(NULL, &op.op, fd, in, 2, 4096 + 3);
	assert_int_equal(result_of(&op, 5), 6);
	assert_memory_equal(b,
			    "\0\0"
			    "78",
			    4);
	io_writev(NULL, &op.op, fd, out, 2, 0, 1 << 30); /* no such flag */
	assert_int_equal(result_of(&op, 6), -EOPNOTSUPP);
	close(fd);
	io_datasync(NULL, &op.op, 999);
	assert_int_equal(result_of(&op, 7), -EBADF);
}

static void errors(void **state)
{
	struct waited op = new_op();
	int full = open("/dev/full", O_WRONLY);
	char byte = 0;

	(void)state;
	io_read(NULL, &op.op, 999, &byte, 1, IO_POSITION);
	assert_int_equal(result_of(&op, 1), -EBADF);
	io_poll(NULL, &op.op, 999, POLLIN);
	assert_true(result_of(&op, 2) == -EBADF);
	io_write(NULL, &op.op, full, "x", 1, IO_POSITION);
	assert_int_equal(result_of(&op, 3), -ENOSPC);
	close(full);
}

static void polling(void **state)
{
	const struct timespec soon = { .tv_nsec = 10000000 };
	struct waited op = new_op();
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	io_poll(NULL, &op.op, p[0], POLLIN);
	nanosleep(&soon, NULL);
	assert_int_equal(op.ends, 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_true(result_of(&op, 1) & POLLIN);
	close(p[1]);
	io_poll(NULL, &op.op, p[0], POLLIN);
	assert_true(result_of(&op, 2) > 0);
	close(p[0]);
}

static void deferring(void **state)
{
	struct waited op = new_op();

	(void)state;
	for (int i = 1; i <= 100; i++) {
		io_defer(NULL, &op.op);
		assert_int_equal(result_of(&op, i), 0);
	}
}

static void cancelling(void **state)
{
	struct waited op = new_op();
	char byte;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	io_cancel(NULL, &op.op); /* nothing to cancel */
	for (int i = 1; i <= 50; i++) { /* queued or flying, as it happens */
		const struct timespec soon = { .tv_nsec = i % 2 ? 0 : 1000000 };

		if (i % 3)
			io_poll(NULL, &op.op, p[0], POLLIN);
		else
			io_read(NULL, &op.op, p[0], &byte, 1, IO_POSITION);
		nanosleep(&soon, NULL);
		io_cancel(NULL, &op.op);
		io_cancel(NULL, &op.op);
		assert_int_equal(result_of(&op, i), -ECANCELED);
	}
	close(p[0]);
	close(p[1]);
}

/* All end, also those that had to wait for room. */
static void more_than_fit(void **state)
{
	static struct waited ops[MANY];
	struct waited defer = new_op();
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	for (int i = 0; i < MANY; i++) {
		ops[i] = new_op();
		io_poll(NULL, &ops[i].op, p[0], POLLIN);
	}
	io_cancel(NULL, &ops[MANY - 1].op); /* one that waits for room */
	io_cancel(NULL, &ops[0].op);
	assert_int_equal(result_of(&ops[0], 1), -ECANCELED);
	assert_int_equal(write(p[1], "x", 1), 1);
	io_defer(NULL, &defer.op);
	for (int i = 1; i < MANY - 1; i++)
		assert_true(result_of(&ops[i], 1) & POLLIN);
	assert_int_equal(result_of(&ops[MANY - 1], 1), -ECANCELED);
	assert_int_equal(result_of(&defer, 1), 0);
	close(p[0]);
	close(p[1]);
}

/* ---- an op that gives itself again from done() */

struct again {
	struct waited w;
	int fd, left;
	char byte;
};

static void read_again(struct io_op *op, int result)
{
	struct again *a = (struct again *)op;

	if (result == 1 && --a->left)
		io_read(NULL, op, a->fd, &a->byte, 1, IO_POSITION);
	else
		done(op, result);
}

static void from_done(void **state)
{
	struct again a = { .w.op.done = read_again, .left = 1000 };
	char bytes[1000] = "";
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	a.fd = p[0];
	io_read(NULL, &a.w.op, p[0], &a.byte, 1, IO_POSITION);
	assert_int_equal(write(p[1], bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(result_of(&a.w, 1), 1);
	assert_int_equal(a.left, 0);
	close(p[0]);
	close(p[1]);
}

/* An op that always goes on must not keep others from ending. */
static atomic_bool stop;

static void defer_again(struct io_op *op, int result)
{
	if (stop)
		done(op, result);
	else
		io_defer(NULL, op);
}

static void no_starvation(void **state)
{
	struct waited busy = { .op.done = defer_again }, r = new_op();
	char byte;
	int p[2];

	(void)state;
	stop = false;
	assert_int_equal(pipe(p), 0);
	io_defer(NULL, &busy.op);
	io_read(NULL, &r.op, p[0], &byte, 1, IO_POSITION);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(result_of(&r, 1), 1);
	stop = true;
	assert_int_equal(result_of(&busy, 1), 0);
	close(p[0]);
	close(p[1]);
}

/* ---- several threads */

static void *ping(void *arg)
{
	int p[2];

	(void)arg;
	if (pipe(p))
		return NULL;
	for (int i = 0; i < 300; i++) {
		struct waited r = new_op(), w = new_op();
		char out = i, in = ~i;

		io_read(NULL, &r.op, p[0], &in, 1, IO_POSITION);
		io_write(NULL, &w.op, p[1], &out, 1, IO_POSITION);
		if (result_of(&r, 1) != 1 || result_of(&w, 1) != 1 || in != out)
			abort();
	}
	close(p[0]);
	close(p[1]);
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, ping, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

#define TEST(f)                                               \
	{ #f, f, set_up, tear_down, NULL },                   \
	{                                                     \
#f " (poll)", f, set_up_poll, tear_down, NULL \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pipes),         TEST(files),         TEST(vectors),    TEST(errors),
		TEST(polling),       TEST(deferring),     TEST(cancelling), TEST(from_done),
		TEST(no_starvation), TEST(more_than_fit), TEST(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
