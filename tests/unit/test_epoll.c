// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/xattr.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c
// link: guest/libos/pipe.c guest/libos/eventfd.c guest/libos/iovec.c guest/libos/fcntl.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/epoll.c guest/libos/sys_epoll.c
// clang-format on
/*
 * epoll against a model of itself, sets in sets in every order of closing, and
 * without memory. What programs see is compared with Linux in tests/abi.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <asm/fcntl.h>
#include "fake_libos.h"
#include "../../guest/fs/vfs.h"
#include "../../guest/libos/epoll.h"
#include "../../guest/libos/signal.h"
#include "../../guest/libos/sys.h"

#define EFD_NONBLOCK O_NONBLOCK
#define FILES        40

int signal_mask_set(const void *mask, size_t size)
{
	(void)mask;
	return size == 8 ? 0 : -EINVAL;
}

void signal_mask_restore(bool keep)
{
	(void)keep;
}

u32 file_poll(struct file *file, struct poll_table *table)
{
	return file->ops->poll(file, table);
}

static long ctl(int ep, int op, int fd, u32 events)
{
	struct epoll_event e = { .events = events, .data = fd };

	return sys_epoll_ctl(ep, op, fd, &e);
}

static void add_one(int fd)
{
	u64 one = 1;

	assert_int_equal(sys_write(fd, &one, sizeof(one)), sizeof(one));
}

static bool drain(int fd)
{
	u64 value;

	return sys_read(fd, &value, sizeof(value)) == sizeof(value);
}

/* ---- a model ---- */

static u32 seed;

static u32 pick(u32 n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

struct watched {
	int fd; /* -1: closed */
	bool in, edge, oneshot;
	bool full; /* the eventfd is readable */
	bool armed; /* an edge, or a shot, is still to be reported */
};

static bool expected(const struct watched *w)
{
	if (w->fd < 0 || !w->in || !w->full)
		return false;
	return w->edge || w->oneshot ? w->armed : true;
}

static void change(int ep, struct watched *w)
{
	u32 events = EPOLLIN;
	int op = w->in ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	w->edge = pick(2);
	w->oneshot = pick(3) == 0;
	events |= (w->edge ? (u32)EPOLLET : 0) | (w->oneshot ? EPOLLONESHOT : 0);
	assert_int_equal(ctl(ep, op, w->fd, events), 0);
	w->in = true;
	w->armed = true;
}

static void act(int ep, struct watched *w)
{
	if (w->fd < 0) {
		*w = (struct watched){ .fd = sys_eventfd2(0, EFD_NONBLOCK) };
		assert_true(w->fd >= 0);
		return;
	}
	switch (pick(8)) {
	case 0:
		sys_close(w->fd);
		w->fd = -1;
		break;
	case 1:
		if (w->in)
			assert_int_equal(ctl(ep, EPOLL_CTL_DEL, w->fd, 0), 0);
		else
			assert_int_equal(ctl(ep, EPOLL_CTL_DEL, w->fd, 0), -ENOENT);
		w->in = false;
		break;
	case 2:
	case 3:
		change(ep, w);
		break;
	case 4:
	case 5:
		assert_true(drain(w->fd) == w->full);
		w->full = false;
		break;
	default:
		add_one(w->fd);
		w->full = true;
		if (w->edge && !w->oneshot)
			w->armed = true;
	}
}

/* A reported edge or shot is spent; an edge found not ready is, too. */
static void compare(int ep, struct watched *all)
{
	struct epoll_event events[2 * FILES];
	long n = sys_epoll_wait(ep, events, 2 * FILES, 0), want = 0;

	for (unsigned i = 0; i < FILES; i++)
		want += expected(&all[i]);
	assert_int_equal(n, want);
	for (long e = 0; e < n; e++) {
		struct watched *w = NULL;

		for (unsigned i = 0; i < FILES; i++)
			if (all[i].fd == (int)events[e].data)
				w = &all[i];
		assert_non_null(w);
		assert_true(expected(w));
		assert_int_equal(events[e].events, EPOLLIN);
		if (w->edge || w->oneshot)
			w->armed = false;
	}
	for (unsigned i = 0; i < FILES; i++)
		if (all[i].edge && !all[i].oneshot && !all[i].full)
			all[i].armed = false;
}

static void behaves_as_the_model(void **state)
{
	struct watched all[FILES];
	int ep = sys_epoll_create1(0);
	(void)state;

	for (unsigned i = 0; i < FILES; i++)
		all[i] = (struct watched){ .fd = -1 };
	for (seed = 1; fake_clock < 1000020000; fake_clock++) {
		for (unsigned n = pick(6); n > 0; n--)
			act(ep, &all[pick(FILES)]);
		compare(ep, all);
	}
	for (unsigned i = 0; i < FILES; i++)
		if (all[i].fd >= 0)
			sys_close(all[i].fd);
	assert_int_equal(sys_epoll_wait(ep, (struct epoll_event[1]){ 0 }, 1, 0), 0);
	sys_close(ep);
}

/* ---- the table ---- */

static void thousands_of_items(void **state)
{
	static struct epoll_event events[700];
	int ep = sys_epoll_create1(0), fd = sys_eventfd2(0, EFD_NONBLOCK);
	(void)state;

	for (int i = 0; i < 600; i++) {
		assert_int_equal(sys_fcntl(fd, F_DUPFD, 300 + i), 300 + i);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, 300 + i, EPOLLIN), 0);
		assert_int_equal(ctl(ep, EPOLL_CTL_ADD, 300 + i, EPOLLIN), -EEXIST);
	}
	assert_int_equal(sys_epoll_wait(ep, events, 700, 0), 0);
	add_one(fd);
	assert_int_equal(sys_epoll_wait(ep, events, 700, 0), 600);
	for (int i = 0; i < 600; i += 3)
		assert_int_equal(ctl(ep, EPOLL_CTL_DEL, 300 + i, 0), 0);
	assert_int_equal(sys_epoll_wait(ep, events, 700, 0), 400);
	/* the open file goes with its last descriptor, and takes all along */
	sys_close(fd);
	for (int i = 0; i < 600; i++)
		sys_close(300 + i);
	assert_int_equal(sys_epoll_wait(ep, events, 700, 0), 0);
	sys_close(ep);
}

/* ---- sets in sets ---- */

static void nested_sets_close_in_any_order(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 24; order++) {
		struct epoll_event e;
		int fds[4] = { sys_epoll_create1(0), sys_epoll_create1(0), sys_epoll_create1(0),
			       sys_eventfd2(0, EFD_NONBLOCK) };
		unsigned left = order;

		for (int i = 0; i < 3; i++)
			assert_int_equal(ctl(fds[i], EPOLL_CTL_ADD, fds[i + 1], EPOLLIN), 0);
		assert_int_equal(ctl(fds[0], EPOLL_CTL_ADD, fds[3], EPOLLIN), 0);
		add_one(fds[3]);
		assert_int_equal(sys_epoll_wait(fds[0], &e, 1, 0), 1);
		for (unsigned n = 4; n > 0; n--) {
			unsigned which = left % n;

			left /= n;
			sys_close(fds[which]);
			memmove(&fds[which], &fds[which + 1], (3 - which) * sizeof(fds[0]));
		}
	}
}

static void loops_are_refused(void **state)
{
	int fds[7];
	(void)state;

	for (int i = 0; i < 7; i++)
		fds[i] = sys_epoll_create1(0);
	assert_int_equal(ctl(fds[0], EPOLL_CTL_ADD, fds[0], EPOLLIN), -EINVAL);
	for (int i = 0; i < 4; i++)
		assert_int_equal(ctl(fds[i], EPOLL_CTL_ADD, fds[i + 1], EPOLLIN), 0);
	assert_int_equal(ctl(fds[4], EPOLL_CTL_ADD, fds[0], EPOLLIN), -ELOOP);
	assert_int_equal(ctl(fds[2], EPOLL_CTL_ADD, fds[0], EPOLLIN), -ELOOP);
	/* too deep */
	assert_int_equal(ctl(fds[4], EPOLL_CTL_ADD, fds[5], EPOLLIN), -ELOOP);
	/* once the chain is cut, it is allowed */
	assert_int_equal(ctl(fds[1], EPOLL_CTL_DEL, fds[2], 0), 0);
	assert_int_equal(ctl(fds[4], EPOLL_CTL_ADD, fds[5], EPOLLIN), 0);
	assert_int_equal(ctl(fds[2], EPOLL_CTL_ADD, fds[0], EPOLLIN), 0);
	for (int i = 0; i < 7; i++)
		sys_close(fds[i]);
}

/* ---- waiting ---- */

static int waking_fd;

static int wake_it(u64 deadline)
{
	(void)deadline;
	add_one(waking_fd);
	return 0;
}

static int time_out(u64 deadline)
{
	fake_clock = deadline;
	return -ETIMEDOUT;
}

static int interrupt(u64 deadline)
{
	(void)deadline;
	return -EINTR;
}

static void waits_end(void **state)
{
	int ep = sys_epoll_create1(0);
	struct epoll_event e;
	(void)state;

	waking_fd = sys_eventfd2(0, EFD_NONBLOCK);
	assert_int_equal(ctl(ep, EPOLL_CTL_ADD, waking_fd, EPOLLIN), 0);
	fake_wait = wake_it;
	assert_int_equal(sys_epoll_wait(ep, &e, 1, -1), 1);
	assert_true(drain(waking_fd));
	fake_wait = time_out;
	assert_int_equal(sys_epoll_wait(ep, &e, 1, 1000), 0);
	assert_int_equal(fake_clock, 2000000000);
	fake_wait = interrupt;
	assert_int_equal(sys_epoll_wait(ep, &e, 1, -1), -EINTR);
	sys_close(waking_fd);
	sys_close(ep);
}

/* ---- running out of memory ---- */

static void scenario(void)
{
	int ep = sys_epoll_create1(0), p[2];

	if (ep < 0)
		return;
	if (sys_pipe(p) == 0) {
		for (int i = 0; i < 30; i++) {
			int fd = sys_fcntl(p[0], F_DUPFD, 10 + i);

			if (fd >= 0)
				ctl(ep, EPOLL_CTL_ADD, fd, EPOLLIN);
		}
		p[1] = sys_eventfd2(0, 0);
		if (p[1] >= 0)
			ctl(ep, EPOLL_CTL_ADD, p[1], EPOLLIN | EPOLLOUT);
	}
	sys_close(ep);
}

static void any_allocation_may_fail(void **state)
{
	assert_true(fake_each_allocation_fails(state, fake_setup_files, scenario,
					       fake_teardown_files) > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup_files, fake_teardown_files)
		TEST(behaves_as_the_model),
		TEST(thousands_of_items),
		TEST(nested_sets_close_in_any_order),
		TEST(loops_are_refused),
		TEST(waits_end),
		TEST(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
