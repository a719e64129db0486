// link: vmm/console.c vmm/stream.c vmm/virtio.c vmm/promote.c vmm/queue.c
// link: vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: vmm/mem.c tests/unit/driver.c tests/unit/console_rig.c
// libs: -luring -pthread
/*
 * The console device between a driver and pipes, files, terminals and
 * sockets: every byte, in order, and errors and ends as shared/abi.h has them. What it
 * reads is in test_console_input.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/virtio_console.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "console_rig.h"
#include "driver.h"
#include "../../vmm/console.h"
#include "../../vmm/io.h"

/* ---- output */

static void hello_is_done_in_the_kick(void **state)
{
	int p[2];
	char got[16];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(-1, p[1]);
	write_text(0, "hello\n");
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 1); /* no waiting */
	assert_int_equal(used(CONSOLE_TX, 0).len, 0);
	assert_int_equal(read(p[0], got, sizeof(got)), 6);
	assert_memory_equal(got, "hello\n", 6);
	assert_int_equal(driver_interrupts(), 1);
	close(p[0]);
	close(p[1]);
}

static void no_interrupt_when_suppressed(void **state)
{
	int null = open("/dev/null", O_WRONLY);

	(void)state;
	start(-1, null);
	driver_avail(CONSOLE_TX)->ring[SIZE] = 0x8000; /* used_event, far away */
	write_text(0, "hello\n");
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 1);
	assert_int_equal(driver_interrupts(), 0);
	close(null);
}

/* Offers BIG bytes in pieces, several requests at a time, to a reader that
 * starts late and reads odd amounts. */
static void push_big(int out, int in, uint32_t piece)
{
	uint8_t *source = driver_at(DRIVER_DATA), *got = malloc(BIG);
	uint32_t sent = 0, seen = 0;
	unsigned heads = 0;

	for (uint32_t i = 0; i < BIG; i++)
		source[i] = i * 2654435761u >> 24;
	start(-1, out);
	while (seen < BIG) {
		uint16_t done = __atomic_load_n(&driver_used(CONSOLE_TX)->idx, __ATOMIC_ACQUIRE);
		struct pollfd p = { .fd = in, .events = POLLIN };

		while (sent < BIG && (uint16_t)(heads - done) < SIZE) {
			uint32_t n = BIG - sent < piece ? BIG - sent : piece;

			driver_put(CONSOLE_TX, heads % SIZE, DRIVER_DATA + sent, n, 0, 0);
			driver_send(dev, CONSOLE_TX, heads++ % SIZE);
			sent += n;
		}
		assert_int_equal(poll(&p, 1, 5000), 1);
		seen += read(in, got + seen, BIG - seen < 7777 ? BIG - seen : 7777);
	}
	assert_memory_equal(source, got, BIG);
	assert_true(driver_wait(CONSOLE_TX, heads));
	free(got);
}

static void full_pipe(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	push_big(p[1], p[0], 100000);
	close(p[0]);
	close(p[1]);
}

static void full_socket(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
	push_big(p[1], p[0], 65536);
	close(p[0]);
	close(p[1]);
}

static void full_terminal(void **state)
{
	int master, tty = open_terminal(&master);
	struct termios t;

	(void)state;
	tcgetattr(tty, &t);
	cfmakeraw(&t);
	tcsetattr(tty, TCSANOW, &t);
	push_big(tty, master, 30000);
	assert_int_equal(fcntl(tty, F_GETFL) & O_NONBLOCK, 0);
	close(tty);
	close(master);
}

/* The buffer is given back only when all of it is written. */
static void back_pressure(void **state)
{
	const struct timespec soon = { .tv_nsec = 20000000 };
	int p[2];
	char *got = malloc(BIG);
	size_t seen = 0;

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(-1, p[1]);
	driver_put(CONSOLE_TX, 0, DRIVER_DATA, 200000, 0, 0);
	driver_send(dev, CONSOLE_TX, 0);
	write_text(5, "next");
	nanosleep(&soon, NULL);
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 0);
	while (seen < 200004)
		seen += read(p[0], got + seen, BIG - seen);
	assert_memory_equal(got + 200000, "next", 4);
	assert_true(driver_wait(CONSOLE_TX, 2));
	assert_int_equal(used(CONSOLE_TX, 1).id, 5);
	free(got);
	close(p[0]);
	close(p[1]);
}

static void closed_pipe(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	close(p[0]);
	start(-1, p[1]);
	write_text(0, "nobody");
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 1);
	assert_int_equal(used(CONSOLE_TX, 0).len, EPIPE);
	close(p[1]);
}

static void pipe_closed_while_waiting(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(-1, p[1]);
	driver_put(CONSOLE_TX, 0, DRIVER_DATA, 200000, 0, 0);
	driver_send(dev, CONSOLE_TX, 0);
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 0);
	close(p[0]);
	assert_true(driver_wait(CONSOLE_TX, 1));
	assert_int_equal(used(CONSOLE_TX, 0).len, EPIPE);
	close(p[1]);
}

static void full_device(void **state)
{
	int full = open("/dev/full", O_WRONLY);

	(void)state;
	start(-1, full);
	write_text(0, "no room");
	assert_int_equal(used(CONSOLE_TX, 0).len, ENOSPC);
	close(full);
}

static void closed_descriptor(void **state)
{
	(void)state;
	start(-1, -1);
	write_text(0, "nowhere");
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 1);
	assert_int_equal(used(CONSOLE_TX, 0).len, EBADF);
	post(0, 100);
	assert_int_equal(driver_used(CONSOLE_RX)->idx, 1);
	assert_int_equal(used(CONSOLE_RX, 0).len, 0);
}

/* The position is shared with whoever gave us the file. */
static void file_position_is_kept(void **state)
{
	char name[] = "/tmp/test_console_XXXXXX", got[32] = "";
	int fd = mkstemp(name);

	(void)state;
	assert_int_equal(write(fd, "before ", 7), 7);
	start(-1, fd);
	write_text(0, "guest ");
	assert_int_equal(write(fd, "after", 5), 5);
	assert_int_equal(pread(fd, got, sizeof(got), 0), 18);
	assert_string_equal(got, "before guest after");
	close(fd);
	unlink(name);
}

static void many_buffers_in_one_request(void **state)
{
	int p[2];
	char got[300];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(-1, p[1]);
	for (unsigned i = 0; i < 256; i++) {
		struct vring_desc d = { DRIVER_DATA + i * 16, 1, VRING_DESC_F_NEXT, i + 1 };

		if (i == 255)
			d.flags = 0;
		*(uint8_t *)driver_at(d.addr) = i;
		memcpy(driver_at(0x80000 + i * 16), &d, sizeof(d));
	}
	driver_put(CONSOLE_TX, 0, 0x80000, 256 * 16, VRING_DESC_F_INDIRECT, 0);
	driver_send(dev, CONSOLE_TX, 0);
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 1);
	assert_int_equal(read(p[0], got, sizeof(got)), 256);
	for (unsigned i = 0; i < 256; i++)
		assert_int_equal((uint8_t)got[i], i);
	close(p[0]);
	close(p[1]);
}

/* ---- resets and bad drivers */

static void reset_while_reading(void **state)
{
	const struct timespec soon = { .tv_nsec = 20000000 };
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(p[0], -1);
	memset(buffer(0), 'x', 100);
	post(0, 100);
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(write(p[1], "input", 5), 5);
	nanosleep(&soon, NULL);
	assert_memory_equal(buffer(0), "xxxxx", 5);
	driver_start(dev, 0, SIZE);
	post(1, 100);
	assert_true(driver_wait(CONSOLE_RX, 1));
	assert_int_equal(used(CONSOLE_RX, 0).id, 1);
	assert_int_equal(used(CONSOLE_RX, 0).len, 5);
	close(p[0]);
	close(p[1]);
}

static void reset_while_writing(void **state)
{
	int p[2];
	char *got = malloc(BIG);
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(-1, p[1]);
	driver_put(CONSOLE_TX, 0, DRIVER_DATA, 200000, 0, 0);
	driver_send(dev, CONSOLE_TX, 0);
	driver_start(dev, 0, SIZE); /* resets first */
	write_text(3, "new");
	n = read(p[0], got, BIG);
	assert_true(n > 0 && n < 200000);
	assert_true(driver_wait(CONSOLE_TX, 1));
	assert_int_equal(used(CONSOLE_TX, 0).id, 3);
	assert_int_equal(read(p[0], got, BIG), 3);
	assert_memory_equal(got, "new", 3);
	free(got);
	close(p[0]);
	close(p[1]);
}

static bool broken(void)
{
	return driver_get(dev, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static void wrong_directions(void **state)
{
	int null = open("/dev/null", O_RDWR);

	(void)state;
	start(null, null);
	driver_put(CONSOLE_TX, 0, DRIVER_DATA, 10, VRING_DESC_F_WRITE, 0);
	driver_send(dev, CONSOLE_TX, 0);
	assert_true(broken());
	assert_int_equal(driver_interrupts(), 1); /* of the configuration */
	driver_start(dev, 0, SIZE);
	assert_false(broken());
	driver_put(CONSOLE_RX, 0, DRIVER_DATA, 10, 0, 0);
	driver_send(dev, CONSOLE_RX, 0);
	assert_true(broken());
	/* and then nothing moves until a reset */
	write_text(1, "quiet");
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 0);
	close(null);
}

static void empty_requests(void **state)
{
	int null = open("/dev/null", O_RDWR);

	(void)state;
	start(null, null);
	driver_put(CONSOLE_TX, 0, DRIVER_DATA, 0, 0, 0);
	driver_send(dev, CONSOLE_TX, 0);
	assert_int_equal(driver_used(CONSOLE_TX)->idx, 1);
	post(0, 0);
	assert_int_equal(driver_used(CONSOLE_RX)->idx, 1);
	close(null);
}

/* One request for 256 times the same 2 MiB: the kick comes back, the rest is
 * done elsewhere. */
static void huge_request(void **state)
{
	int null = open("/dev/null", O_RDWR);

	(void)state;
	start(-1, null);
	for (unsigned i = 0; i < 256; i++) {
		struct vring_desc d = { DRIVER_DATA, 2 << 20, VRING_DESC_F_NEXT, i + 1 };

		if (i == 255)
			d.flags = 0;
		memcpy(driver_at(0x80000 + i * 16), &d, sizeof(d));
	}
	driver_put(CONSOLE_TX, 0, 0x80000, 256 * 16, VRING_DESC_F_INDIRECT, 0);
	driver_send(dev, CONSOLE_TX, 0);
	assert_true(driver_wait(CONSOLE_TX, 1));
	close(null);
}

/* ---- the end of the VM */

struct reader {
	int fd;
	size_t total;
};

static void *read_slowly(void *arg)
{
	const struct timespec slow = { .tv_nsec = 3000000 };
	struct reader *r = arg;
	static char got[20000];
	ssize_t n;

	while ((n = read(r->fd, got, sizeof(got))) > 0) {
		r->total += n;
		nanosleep(&slow, NULL);
	}
	return NULL;
}

static void drain(void **state)
{
	struct reader r;
	pthread_t thread;
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	r = (struct reader){ .fd = p[0] };
	pthread_create(&thread, NULL, read_slowly, &r);
	start(-1, p[1]);
	for (unsigned i = 0; i < 3; i++) {
		driver_put(CONSOLE_TX, i, DRIVER_DATA, 150000, 0, 0);
		driver_send(dev, CONSOLE_TX, i);
	}
	/* handed over without a doorbell, as when the device asked for none */
	driver_put(CONSOLE_TX, 3, DRIVER_DATA, 5, 0, 0);
	driver_offer(dev, CONSOLE_TX, 3);
	console_drain(&driver_vm);
	close(p[1]);
	pthread_join(thread, NULL);
	assert_int_equal(r.total, 450005);
	close(p[0]);
}

static void drain_of_nothing(void **state)
{
	int p[2];

	(void)state;
	assert_int_equal(pipe(p), 0);
	start(p[0], p[1]);
	post(0, 100); /* waits, and must not matter */
	console_drain(&driver_vm);
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	console_drain(&driver_vm);
	close(p[0]);
	close(p[1]);
}

/* ---- window size */

static void window_size(void **state)
{
	struct virtio_console_config config;
	struct winsize size = { .ws_row = 50, .ws_col = 132 };
	int master, tty = open_terminal(&master);
	uint32_t generation;

	(void)state;
	dev = console_add(&driver_vm, tty, tty, true);
	driver_start(dev, BIT64(VIRTIO_CONSOLE_F_SIZE), SIZE);
	virtio_mmio_read(dev, VIRTIO_MMIO_CONFIG, &config.cols, 2);
	virtio_mmio_read(dev, VIRTIO_MMIO_CONFIG + 2, &config.rows, 2);
	assert_int_equal(config.cols, 80);
	assert_int_equal(config.rows, 24);
	generation = driver_get(dev, VIRTIO_MMIO_CONFIG_GENERATION);
	console_update_size(&driver_vm);
	assert_int_equal(driver_interrupts(), 0);
	ioctl(master, TIOCSWINSZ, &size);
	console_update_size(&driver_vm);
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_CONFIG), 132 | 50 << 16);
	assert_int_not_equal(driver_get(dev, VIRTIO_MMIO_CONFIG_GENERATION), generation);
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	assert_int_equal(driver_interrupts(), 1);
	close(tty);
	close(master);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hello_is_done_in_the_kick),
		TEST(no_interrupt_when_suppressed),
		TEST(full_pipe),
		TEST(full_socket),
		TEST(full_terminal),
		TEST(back_pressure),
		TEST(closed_pipe),
		TEST(pipe_closed_while_waiting),
		TEST(full_device),
		TEST(closed_descriptor),
		TEST(file_position_is_kept),
		TEST(many_buffers_in_one_request),
		TEST(reset_while_reading),
		TEST(reset_while_writing),
		TEST(wrong_directions),
		TEST(empty_requests),
		TEST(huge_request),
		TEST(drain),
		TEST(drain_of_nothing),
		TEST(window_size),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
