// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/xattr.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/fcntl.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_dir.c
// clang-format on
/*
 * Pipes and fifos: slots and atomicity as Linux has them, both ends closing,
 * waiting (the test acts for the other side while a call sleeps).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <asm/ioctls.h>
#include <asm/signal.h>
#include "fake_libos.h"
#include "../../guest/fs/vfs.h"
#include "../../guest/libos/poll.h"
#include "../../guest/libos/sys.h"

static int p[2];
static char data[1 << 20], back[1 << 20];

static int begin(void **state)
{
	(void)state;
	fake_begin_files();
	assert_int_equal(sys_pipe2(p, O_NONBLOCK), 0);
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 251;
	return 0;
}

static u32 poll_of(int fd)
{
	struct file *file = fd_get(fd);
	u32 mask = file->ops->poll(file, NULL);

	file_put(file);
	return mask & (POLLIN | POLLOUT | POLLHUP | POLLERR);
}

static int waiting_bytes(int fd)
{
	int n = -1;

	assert_int_equal(sys_ioctl(fd, FIONREAD, (unsigned long)&n), 0);
	return n;
}

/* ---- slots ---- */

static void small_writes_share_slots(void **state)
{
	unsigned writes = 0;
	(void)state;

	/* four of 1,000 bytes fit a page; the rest of the page is not used */
	while (sys_write(p[1], data, 1000) == 1000)
		writes++;
	assert_int_equal(writes, 16 * 4);
	assert_int_equal(sys_write(p[1], data, 96), 96);
	assert_int_equal(sys_write(p[1], data, 1), -EAGAIN);
	assert_int_equal(waiting_bytes(p[0]), 64096);
	assert_int_equal(poll_of(p[1]), 0);
	/* room comes by whole slots */
	assert_int_equal(sys_read(p[0], back, 3999), 3999);
	assert_int_equal(poll_of(p[1]), 0);
	assert_int_equal(sys_read(p[0], back, 1), 1);
	assert_int_equal(poll_of(p[1]), POLLOUT);
}

static void page_writes_are_atomic(void **state)
{
	(void)state;
	assert_int_equal(sys_write(p[1], data, 65536 + 1), 65536);
	assert_int_equal(sys_write(p[1], data, 4096), -EAGAIN);
	assert_int_equal(sys_read(p[0], back, 100), 100);
	assert_int_equal(sys_write(p[1], data, 4096), -EAGAIN);
	assert_int_equal(sys_read(p[0], back, 3996), 3996);
	assert_int_equal(sys_write(p[1], data, 8192), 4096);
}

static void bytes_come_out_in_order(void **state)
{
	size_t in = 0, out = 0;
	u32 seed = 1;
	(void)state;

	while (out < sizeof(data)) {
		seed = seed * 1103515245 + 12345;
		size_t n = MIN((seed >> 8) % 9000, sizeof(data) - in);
		long w = n > 0 ? sys_write(p[1], data + in, n) : 0;

		in += w > 0 ? w : 0;
		n = (seed >> 16) % 9000 + 1;
		long r = sys_read(p[0], back + out, MIN(n, sizeof(back) - out));

		out += r > 0 ? r : 0;
	}
	assert_memory_equal(data, back, sizeof(data));
}

static void packets_stay_apart(void **state)
{
	int q[2];
	(void)state;

	assert_int_equal(sys_pipe2(q, O_DIRECT | O_NONBLOCK), 0);
	assert_int_equal(sys_write(q[1], "one", 3), 3);
	assert_int_equal(sys_write(q[1], "two", 3), 3);
	assert_int_equal(sys_read(q[0], back, 2), 2); /* and "e" is lost */
	assert_int_equal(sys_read(q[0], back, 100), 3);
	assert_memory_equal(back, "two", 3);
}

static void size_can_be_changed(void **state)
{
	(void)state;
	assert_int_equal(sys_fcntl(p[0], F_GETPIPE_SZ, 0), 65536);
	assert_int_equal(sys_write(p[1], data, 10000), 10000);
	assert_int_equal(sys_read(p[0], back, 5000), 5000);
	assert_int_equal(sys_fcntl(p[1], F_SETPIPE_SZ, 5000), 8192);
	assert_int_equal(sys_fcntl(p[1], F_SETPIPE_SZ, 1), -EBUSY);
	assert_int_equal(sys_fcntl(p[1], F_SETPIPE_SZ, 1 << 20), 1 << 20);
	assert_int_equal(sys_fcntl(p[1], F_SETPIPE_SZ, (1 << 20) + 1), -EPERM);
	assert_int_equal(sys_read(p[0], back, sizeof(back)), 5000);
	assert_memory_equal(back, data + 5000, 5000);
	assert_int_equal(sys_write(p[1], data, sizeof(data)), sizeof(data));
	assert_int_equal(sys_read(p[0], back, sizeof(back)), sizeof(back));
	assert_memory_equal(back, data, sizeof(back));
}

/* ---- ends ---- */

static void both_ends_close(void **state)
{
	(void)state;
	assert_int_equal(poll_of(p[0]), 0);
	assert_int_equal(sys_read(p[0], back, 1), -EAGAIN);
	sys_write(p[1], "x", 1);
	sys_close(p[1]);
	assert_int_equal(poll_of(p[0]), POLLIN | POLLHUP);
	assert_int_equal(sys_read(p[0], back, 10), 1);
	assert_int_equal(sys_read(p[0], back, 10), 0);
	sys_pipe2(p, 0);
	sys_write(p[1], "x", 1);
	sys_close(p[0]);
	assert_int_equal(poll_of(p[1]), POLLOUT | POLLERR);
	assert_int_equal(sys_write(p[1], "x", 1), -EPIPE);
	assert_int_equal(fake_signals[SIGPIPE], 1);
	assert_int_equal(sys_write(p[1], "x", 0), 0);
	assert_int_equal(fake_signals[SIGPIPE], 1);
}

static void faults_lose_nothing(void **state)
{
	(void)state;
	assert_int_equal(sys_write(p[1], data, 10), 10);
	fake_fault_start = back + 4;
	fake_fault_end = back + sizeof(back);
	assert_int_equal(sys_read(p[0], back, 10), -EFAULT); /* a slot or nothing */
	fake_fault_start = data + 5000;
	fake_fault_end = data + sizeof(data);
	assert_int_equal(sys_write(p[1], data, 9000), 9000 - PAGE_SIZE);
	assert_int_equal(sys_write(p[1], data + 4999, 10), -EFAULT);
	fake_fault_start = fake_fault_end = NULL;
	assert_int_equal(sys_read(p[0], back, sizeof(back)), 10 + 9000 - PAGE_SIZE);
	assert_memory_equal(back, data, 10);
	assert_memory_equal(back + 10, data, 9000 - PAGE_SIZE);
}

/* ---- waiting ---- */

static int write_meanwhile(u64 deadline)
{
	(void)deadline;
	assert_int_equal(sys_write(p[1], "late", 4), 4);
	return 0;
}

static int close_meanwhile(u64 deadline)
{
	(void)deadline;
	sys_close(p[1]);
	return 0;
}

static size_t drained;

static int drain_meanwhile(u64 deadline)
{
	long n = sys_read(p[0], back + drained, 30000);

	(void)deadline;
	assert_true(n > 0);
	drained += n;
	return 0;
}

static int interrupt(u64 deadline)
{
	(void)deadline;
	return -EINTR;
}

static void calls_wait_for_the_other_side(void **state)
{
	(void)state;
	sys_close(p[0]);
	sys_close(p[1]);
	sys_pipe2(p, 0);
	fake_wait = write_meanwhile;
	assert_int_equal(sys_read(p[0], back, 100), 4);
	fake_wait = interrupt;
	assert_int_equal(sys_read(p[0], back, 100), -EINTR);
	fake_wait = drain_meanwhile;
	drained = 0;
	assert_int_equal(sys_write(p[1], data, 300000), 300000);
	while (drained < 300000)
		drain_meanwhile(0);
	assert_memory_equal(back, data, 300000);
	fake_wait = interrupt;
	assert_int_equal(sys_write(p[1], data, 100000), 65536);
	assert_int_equal(sys_write(p[1], data, 1), -EINTR);
	sys_read(p[0], back, 65536);
	fake_wait = close_meanwhile;
	assert_int_equal(sys_read(p[0], back, 1), 0);
}

/* ---- fifos ---- */

static int other = -1;

static int open_writer(u64 deadline)
{
	(void)deadline;
	other = sys_open("/fifo", O_WRONLY | O_NONBLOCK, 0);
	assert_true(other >= 0);
	return 0;
}

static int open_and_close_writer(u64 deadline)
{
	open_writer(deadline);
	sys_write(other, "gone", 4);
	sys_close(other);
	return 0;
}

static void fifo_waits_for_the_other_side(void **state)
{
	int fd;
	(void)state;

	sys_mknod("/fifo", S_IFIFO | 0600, 0);
	fake_wait = interrupt;
	assert_int_equal(sys_open("/fifo", O_RDONLY, 0), -EINTR);
	assert_int_equal(sys_open("/fifo", O_WRONLY | O_NONBLOCK, 0), -ENXIO);
	fake_wait = open_writer;
	fd = sys_open("/fifo", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(sys_write(other, "hello", 5), 5);
	assert_int_equal(sys_read(fd, back, 100), 5);
	sys_close(other);
	assert_int_equal(sys_read(fd, back, 100), 0);
	assert_int_equal(poll_of(fd), POLLHUP);
	sys_close(fd);
	/* a writer that came and went lets the open finish all the same */
	fake_wait = open_and_close_writer;
	fd = sys_open("/fifo", O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(sys_read(fd, back, 100), 4);
	sys_close(fd);
	/* nobody has written yet: not hung up */
	fd = sys_open("/fifo", O_RDONLY | O_NONBLOCK, 0);
	assert_int_equal(poll_of(fd), 0);
	assert_int_equal(sys_read(fd, back, 1), 0);
	open_and_close_writer(0);
	assert_int_equal(poll_of(fd), POLLIN | POLLHUP);
	sys_close(fd);
}

/* ---- running out of memory ---- */

static void scenario(void)
{
	int q[2], fd;

	if (sys_pipe(q) == 0) {
		sys_fcntl(q[1], F_SETFL, O_NONBLOCK);
		sys_write(q[1], data, 20000);
		sys_fcntl(q[1], F_SETPIPE_SZ, 1 << 18);
		sys_write(q[1], data, 20000);
		sys_fcntl(q[0], F_SETFL, O_NONBLOCK);
		sys_read(q[0], back, 30000);
		sys_close(q[0]);
		sys_close(q[1]);
	}
	sys_mknod("/fifo", S_IFIFO | 0600, 0);
	fd = sys_open("/fifo", O_RDWR, 0);
	if (fd >= 0)
		sys_close(fd);
}

static void any_allocation_may_fail(void **state)
{
	assert_true(fake_each_allocation_fails(state, begin, scenario, fake_teardown_files) > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, fake_teardown_files)
		TEST(small_writes_share_slots),      TEST(page_writes_are_atomic),
		TEST(bytes_come_out_in_order),       TEST(packets_stay_apart),
		TEST(size_can_be_changed),           TEST(both_ends_close),
		TEST(faults_lose_nothing),           TEST(calls_wait_for_the_other_side),
		TEST(fifo_waits_for_the_other_side), TEST(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
