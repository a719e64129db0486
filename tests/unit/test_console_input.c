// link: vmm/console.c vmm/stream.c vmm/virtio.c vmm/promote.c vmm/queue.c
// link: vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: vmm/mem.c tests/unit/driver.c tests/unit/console_rig.c
// libs: -luring -pthread
/*
 * What the console device reads: from pipes, files, terminals and sockets.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "console_rig.h"
#include "driver.h"
#include "../../vmm/console.h"
#include "../../vmm/io.h"

static void one_read_a_buffer(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(p[0], -1);
	assert_int_equal(write(p[1], "abcdefgh", 8), 8);
	post(0, 3);
	assert_int_equal(driver_used(CONSOLE_RX)->idx, 1);
	assert_int_equal(used(CONSOLE_RX, 0).len, 3);
	assert_memory_equal(buffer(0), "abc", 3);
	post(1, 100);
	assert_int_equal(used(CONSOLE_RX, 1).len, 5);
	assert_memory_equal(buffer(1), "defgh", 5);
	close(p[0]);
	close(p[1]);
}

static void nothing_is_read_ahead(void **state)
{
	const struct timespec soon = { .tv_nsec = 20000000 };
	int p[2];
	char got[16];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(p[0], -1);
	post(0, 4);
	assert_int_equal(write(p[1], "onetwo", 6), 6);
	assert_true(driver_wait(CONSOLE_RX, 1));
	nanosleep(&soon, NULL);
	assert_int_equal(read(p[0], got, sizeof(got)), 2);
	close(p[0]);
	close(p[1]);
}

static void late_input_interrupts(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(p[0], -1);
	post(0, 100);
	post(1, 100);
	assert_int_equal(driver_used(CONSOLE_RX)->idx, 0);
	assert_int_equal(driver_interrupts(), 0);
	assert_int_equal(write(p[1], "late", 4), 4);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_int_equal(used(CONSOLE_RX, 0).len, 4);
	assert_memory_equal(buffer(0), "late", 4);
	close(p[1]);
	assert_true(driver_wait(CONSOLE_RX, 2));
	assert_int_equal(used(CONSOLE_RX, 1).len, 0);
	assert_true(driver_interrupts() >= 1);
	close(p[0]);
}

static void end_of_file_repeats(void **state)
{
	int null = open("/dev/null", O_RDONLY);

	(void)state;
	start(null, -1);
	for (unsigned i = 0; i < 5; i++) {
		post(i, 100);
		assert_int_equal(driver_used(CONSOLE_RX)->idx, i + 1);
		assert_int_equal(used(CONSOLE_RX, i).len, 0);
	}
	close(null);
}

static void end_of_file_is_silent_for_others(void **state)
{
	const struct timespec soon = { .tv_nsec = 20000000 };
	int null = open("/dev/null", O_RDONLY);

	(void)state;
	dev = console_add(&driver_vm, null, -1, false);
	driver_start(dev, 0, SIZE);
	post(0, 100);
	post(1, 100);
	nanosleep(&soon, NULL);
	assert_int_equal(driver_used(CONSOLE_RX)->idx, 0);
	close(null);
}

static void read_error_is_the_end(void **state)
{
	int directory = open("/", O_RDONLY);

	(void)state;
	start(directory, -1);
	post(0, 100);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_int_equal(used(CONSOLE_RX, 0).len, 0);
	close(directory);
}

/* As much as fits from a file, and its position is exactly behind that. */
static void file_input(void **state)
{
	char name[] = "/tmp/test_console_XXXXXX", *text = malloc(300000);
	int fd = mkstemp(name);

	(void)state;
	for (int i = 0; i < 300000; i++)
		text[i] = i * 7 / 3;
	assert_int_equal(write(fd, text, 300000), 300000);
	fsync(fd);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* so that the page cache has nothing */
	lseek(fd, 0, SEEK_SET);
	start(fd, -1);
	post(0, 0x30000);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_int_equal(used(CONSOLE_RX, 0).len, 0x30000);
	assert_memory_equal(buffer(0), text, 0x30000);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0x30000);
	post(8, 0x30000);
	assert_true(driver_wait(CONSOLE_RX, 2));
	assert_int_equal(used(CONSOLE_RX, 1).len, 300000 - 0x30000);
	assert_memory_equal(buffer(8), text + 0x30000, 300000 - 0x30000);
	post(1, 100);
	assert_true(driver_wait(CONSOLE_RX, 3));
	assert_int_equal(used(CONSOLE_RX, 2).len, 0);
	close(fd);
	unlink(name);
	free(text);
}

/* Without RWF_NOWAIT: the I/O loop reads. */
static void file_without_nowait(void **state)
{
	int fd = open("/proc/self/status", O_RDONLY);

	(void)state;
	start(fd, -1);
	post(0, 0x10000);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_true(used(CONSOLE_RX, 0).len > 100);
	assert_memory_equal(buffer(0), "Name:\t", 6);
	close(fd);
}

static void terminal_input(void **state)
{
	int master, tty = open_terminal(&master);

	(void)state;
	start(tty, -1);
	post(0, 100);
	assert_int_equal(driver_used(CONSOLE_RX)->idx, 0);
	assert_int_equal(write(master, "line\n", 5), 5);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_int_equal(used(CONSOLE_RX, 0).len, 5);
	post(1, 100);
	assert_int_equal(write(master, "\4", 1), 1); /* ^D */
	assert_true(driver_wait(CONSOLE_RX, 2));
	assert_int_equal(used(CONSOLE_RX, 1).len, 0);
	post(2, 100);
	close(master); /* hung up */
	assert_true(driver_wait(CONSOLE_RX, 3));
	assert_int_equal(used(CONSOLE_RX, 2).len, 0);
	close(tty);
}

static void socket_input(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	start(p[0], -1);
	post(0, 100);
	assert_int_equal(write(p[1], "wire", 4), 4);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_int_equal(used(CONSOLE_RX, 0).len, 4);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_read_a_buffer),
		TEST(nothing_is_read_ahead),
		TEST(late_input_interrupts),
		TEST(end_of_file_repeats),
		TEST(end_of_file_is_silent_for_others),
		TEST(read_error_is_the_end),
		TEST(file_input),
		TEST(file_without_nowait),
		TEST(terminal_input),
		TEST(socket_input),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
