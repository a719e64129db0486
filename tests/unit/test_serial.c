// link: vmm/serial.c vmm/stream.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// libs: -luring -pthread
/*
 * The UART as Linux's 8250 driver meets it: probing, sending, interrupts,
 * input.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/serial_reg.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/fail.h"
#include "../../vmm/serial.h"

static struct serial s;
static int in[2], out[2];
static volatile int level; /* of the interrupt line; -1: never changed */

_Noreturn void fail(int status, const char *format, ...)
{
	(void)status;
	(void)format;
	abort();
}

static void irq(struct vm *vm, bool l)
{
	(void)vm;
	level = l;
}

static int set_up(void **state)
{
	(void)state;
	level = -1;
	if (pipe(in) || pipe(out))
		return -1;
	serial_init(&s, NULL, in[0], out[1], irq);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	io_stop();
	for (int i = 0; i < 2; i++) {
		close(in[i]);
		close(out[i]);
	}
	return 0;
}

static bool wait_level(int l)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && level != l; i++)
		nanosleep(&ms, NULL);
	return level == l;
}

static void sends(void **state)
{
	char got[8] = "";

	(void)state;
	for (const char *p = "hello"; *p; p++) {
		assert_int_equal(serial_read(&s, UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
		serial_write(&s, UART_TX, *p);
	}
	assert_int_equal(read(out[0], got, sizeof(got)), 5);
	assert_string_equal(got, "hello");
	assert_int_equal(level, -1);
}

static void nobody_listens(void **state)
{
	(void)state;
	serial_init(&s, NULL, -1, -1, NULL);
	serial_write(&s, UART_TX, 'x');
	serial_write(&s, UART_IER, UART_IER_RDI | UART_IER_THRI);
	assert_int_equal(serial_read(&s, UART_IIR) & 0xf, UART_IIR_THRI);
}

/* autoconfig() in 8250_port.c */
static void probing(void **state)
{
	(void)state;
	serial_write(&s, UART_IER, 0);
	assert_int_equal(serial_read(&s, UART_IER) & 0xf, 0);
	serial_write(&s, UART_IER, 0xff);
	assert_int_equal(serial_read(&s, UART_IER), 0xf);
	serial_write(&s, UART_IER, 0);
	serial_write(&s, UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(serial_read(&s, UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_CTS);
	serial_write(&s, UART_MCR, 0);
	serial_write(&s, UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(serial_read(&s, UART_IIR) >> 6, 3); /* a 16550A */
	serial_write(&s, UART_SCR, 0x5a);
	assert_int_equal(serial_read(&s, UART_SCR), 0x5a);
	serial_write(&s, UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	serial_write(&s, UART_DLL, 1);
	serial_write(&s, UART_DLM, 2);
	assert_int_equal(serial_read(&s, UART_DLL), 1);
	assert_int_equal(serial_read(&s, UART_DLM), 2);
	serial_write(&s, UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(serial_read(&s, UART_LCR), UART_LCR_WLEN8);
	assert_int_equal(serial_read(&s, UART_IER), 0); /* not the divisor */
}

/* serial8250_do_startup(): THRE must interrupt each time it is enabled. */
static void transmit_interrupts(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		serial_write(&s, UART_IER, UART_IER_THRI);
		assert_int_equal(level, 1);
		assert_int_equal(serial_read(&s, UART_IIR) & 0xf, UART_IIR_THRI);
		assert_int_equal(level, 0);
		assert_int_equal(serial_read(&s, UART_IIR) & 0xf, UART_IIR_NO_INT);
		serial_write(&s, UART_IER, 0);
	}
	serial_write(&s, UART_IER, UART_IER_THRI);
	serial_read(&s, UART_IIR);
	serial_write(&s, UART_TX, 'x');
	assert_int_equal(level, 1);
	serial_write(&s, UART_IER, 0);
	assert_int_equal(level, 0);
}

static void loopback(void **state)
{
	(void)state;
	serial_write(&s, UART_MCR, UART_MCR_LOOP);
	for (int i = 0; i < 2 * SERIAL_FIFO; i++)
		serial_write(&s, UART_TX, i);
	for (int i = 0; i < SERIAL_FIFO; i++) {
		assert_true(serial_read(&s, UART_LSR) & UART_LSR_DR);
		assert_int_equal(serial_read(&s, UART_RX), i);
	}
	assert_false(serial_read(&s, UART_LSR) & UART_LSR_DR);
}

static void input_on_request(void **state)
{
	const struct timespec soon = { .tv_nsec = 10000000 };
	char rest[64];

	(void)state;
	assert_int_equal(write(in[1], "not yet", 7), 7);
	nanosleep(&soon, NULL);
	assert_false(serial_read(&s, UART_LSR) & UART_LSR_DR);
	assert_int_equal(read(in[0], rest, sizeof(rest)), 7);
}

static void input(void **state)
{
	const char *text = "a line that is longer than the FIFO\n";

	(void)state;
	serial_write(&s, UART_IER, UART_IER_RDI);
	assert_int_equal(level, -1);
	assert_int_equal(write(in[1], text, strlen(text)), strlen(text));
	for (const char *p = text; *p; p++) {
		assert_true(wait_level(1));
		assert_int_equal(serial_read(&s, UART_IIR) & 0xf, UART_IIR_RDI);
		assert_true(serial_read(&s, UART_LSR) & UART_LSR_DR);
		assert_int_equal(serial_read(&s, UART_RX), *p);
	}
	assert_int_equal(level, 0);
	close(in[1]);
	in[1] = dup(in[0]);
	assert_int_equal(serial_read(&s, UART_IIR) & 0xf, UART_IIR_NO_INT);
}

static void input_from_a_file(void **state)
{
	int file = open("/proc/self/status", O_RDONLY);
	char got[6];

	(void)state;
	serial_init(&s, NULL, file, out[1], irq);
	serial_write(&s, UART_IER, UART_IER_RDI);
	for (int i = 0; i < 6; i++)
		got[i] = serial_read(&s, UART_RX);
	assert_memory_equal(got, "Name:\t", 6);
	close(file);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(sends),    TEST(nobody_listens),      TEST(probing),
		TEST(loopback), TEST(transmit_interrupts), TEST(input_on_request),
		TEST(input),    TEST(input_from_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
