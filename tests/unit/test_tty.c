// clang-format off
// link: tests/unit/fake_libos.c guest/libos/tty.c guest/libos/tty_edit.c guest/libos/tty_file.c guest/libos/console_tty.c
// clang-format on
/*
 * The line discipline: bytes typed go in by tty_input(), what a read gets and
 * what the user sees (the echo) come out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <asm/signal.h>
#include "fake_libos.h"
#include "../../shared/abi.h"
#include "../../guest/drv/console.h"
#include "../../guest/libos/poll.h"
#include "../../guest/libos/tty.h"

static struct file file;
static char got[8192];

/* stdio.c's: the way around output processing */
long console_copy_out(struct file *f, int out, struct uio *uio)
{
	char buf[256];
	long n = uio_from(uio, buf, sizeof(buf));

	(void)f;
	return n > 0 ? console_write(out, buf, n, false) : n;
}

void poll_wait(struct poll_table *table, struct waitq *q)
{
	(void)table;
	(void)q;
}

static int begin(void **state)
{
	(void)state;
	fake_begin();
	memset(&console_tty, 0, sizeof(console_tty));
	console_tty_init();
	fake_kind[0] = fake_kind[1] = fake_kind[2] = STDIO_TTY;
	file = (struct file){ .ops = &tty_ops, .flags = O_RDWR | O_NONBLOCK };
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_end();
	return 0;
}

static void type(const char *text)
{
	tty_input(text, strlen(text));
}

static long take(size_t n)
{
	struct iovec iov = { got, n };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = n };

	memset(got, 0, sizeof(got));
	return tty_ops.read(&file, &uio, NULL);
}

static long put(const char *text)
{
	struct iovec iov = { (char *)text, strlen(text) };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = iov.iov_len };

	return tty_ops.write(&file, &uio, NULL);
}

#define READS(text)                                                \
	do {                                                       \
		assert_int_equal(take(sizeof(got)), strlen(text)); \
		assert_string_equal(got, text);                    \
	} while (0)

static void shows(const char *text)
{
	fake_output[fake_output_len] = 0;
	assert_string_equal(fake_output, text);
	fake_output_len = 0;
}

static void change(u32 iflag_off, u32 lflag_off, u32 lflag_on)
{
	struct termios2 t = console_tty.t;

	t.c_iflag &= ~iflag_off;
	t.c_lflag = (t.c_lflag & ~lflag_off) | lflag_on;
	tty_set_modes(&console_tty, &t);
}

static void raw(u8 min, u8 time)
{
	change(ICRNL | IXON, ICANON | ECHO | ISIG | IEXTEN, 0);
	console_tty.t.c_cc[VMIN] = min;
	console_tty.t.c_cc[VTIME] = time;
}

/* ---- canonical mode ---- */

static void a_line_at_a_time(void **state)
{
	(void)state;
	type("one\rtwo\nthr");
	shows("one\r\ntwo\r\nthr");
	READS("one\n");
	assert_int_equal(take(2), 2);
	assert_string_equal(got, "tw");
	READS("o\n");
	assert_int_equal(take(10), -EAGAIN);
	type("ee\n");
	READS("three\n");
}

static void end_of_file_ends_a_read(void **state)
{
	(void)state;
	type("\4");
	READS("");
	type("abc\4def\n");
	READS("abc");
	READS("def\n");
	/* one that follows exactly what was read goes with it */
	type("abc\4\n");
	assert_int_equal(take(3), 3);
	READS("\n");
	shows("abcdef\r\nabc\r\n");
}

static void editing(void **state)
{
	static const struct {
		const char *typed, *read, *shown;
	} cases[] = {
		{ "ab\177c\n", "ac\n", "ab\b \bc\r\n" },
		{ "\177\177a\n", "a\n", "a\r\n" },
		{ "abc\25x\n", "x\n", "abc\b \b\b \b\b \bx\r\n" },
		{ "one two\27x\n", "one x\n", "one two\b \b\b \b\b \bx\r\n" },
		{ "one  \27x\n", "x\n", "one  \b \b\b \b\b \b\b \b\b \bx\r\n" },
		{ "a\1b\177\177c\n", "ac\n", "a^Ab\b \b\b \b\b \bc\r\n" },
		{ "gr\xc3\xbc\177u\n", "gru\n", "gr\xc3\xbc\b \bu\r\n" },
		{ "a\tb\177\177c\n", "ac\n", "a\tb\b \b\b\b\b\b\b\b\bc\r\n" },
		{ "\26\3x\n", "\3x\n", "^\b^Cx\r\n" },
		{ "\26\177\n", "\177\n", "^\b^?\r\n" },
		{ "ab\22c\n", "abc\n", "ab^R\r\nabc\r\n" },
		{ "\33[A\n", "\33[A\n", "^[[A\r\n" },
	};
	(void)state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		type(cases[i].typed);
		READS(cases[i].read);
		shows(cases[i].shown);
	}
}

static void less_echo(void **state)
{
	(void)state;
	change(0, ECHO, 0);
	type("secret\177\n");
	READS("secre\n");
	shows("");
	change(0, 0, ECHONL);
	type("x\n");
	READS("x\n");
	shows("\r\n");
	change(0, ECHOE | ECHOK, ECHO);
	type("ab\177\25c\n");
	READS("c\n");
	shows("ab^?^Uc\r\n");
	change(0, ECHOCTL, ECHOE);
	type("a\1\177\n");
	READS("a\n");
	shows("a\1\r\n");
}

static void long_lines_keep_their_end(void **state)
{
	static char text[TTY_BUFFER + 100];
	(void)state;

	change(0, ECHO, 0);
	memset(text, 'x', sizeof(text) - 1);
	type(text);
	type("\n");
	assert_int_equal(take(sizeof(got)), TTY_BUFFER);
	assert_int_equal(got[TTY_BUFFER - 1], '\n');
	type("more\n");
	READS("more\n");
}

static void many_lines_go_around_the_ring(void **state)
{
	char line[12];
	(void)state;

	for (unsigned i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "line %u\n", i);
		type(line);
		READS(line);
		fake_output_len = 0;
	}
}

/* ---- signals, flow ---- */

static void signals_come_from_keys(void **state)
{
	(void)state;
	type("half\3");
	assert_int_equal(fake_signals[SIGINT], 1);
	type("\34\32");
	assert_int_equal(fake_signals[SIGQUIT], 1);
	assert_int_equal(fake_signals[SIGTSTP], 1);
	type("rest\n");
	READS("rest\n");
	shows("half^C^\\^Zrest\r\n");
	change(0, 0, NOFLSH);
	type("kept\3\n");
	READS("kept\n");
	change(0, ISIG, 0);
	type("\3\n");
	READS("\3\n");
	assert_int_equal(fake_signals[SIGINT], 2);
}

static int resume(u64 deadline)
{
	(void)deadline;
	type("\21");
	return 0;
}

static void output_can_be_stopped(void **state)
{
	(void)state;
	type("\23");
	assert_int_equal(put("text"), -EAGAIN);
	type("echo");
	shows("");
	file.flags = O_RDWR;
	fake_wait = resume;
	assert_int_equal(put("text"), 4);
	shows("echotext");
}

static void background_is_stopped(void **state)
{
	(void)state;
	console_tty.session = 1;
	console_tty.pgrp = 7;
	type("x\n");
	assert_int_equal(take(10), -EINTR);
	assert_int_equal(fake_signals[SIGTTIN], 1);
	assert_int_equal(put("x"), 1);
	change(0, 0, TOSTOP);
	assert_int_equal(put("x"), -EINTR);
	assert_int_equal(fake_signals[SIGTTOU], 1);
}

/* ---- raw mode ---- */

static void raw_mode_passes_everything(void **state)
{
	(void)state;
	raw(1, 0);
	type("\3\4\r\177\23");
	READS("\3\4\r\177\23");
	shows("");
	assert_int_equal(take(1), -EAGAIN);
	raw(0, 0);
	assert_int_equal(take(1), 0);
}

static u64 waited_for;
static const char *to_type;

static int type_or_time_out(u64 deadline)
{
	waited_for = deadline == NEVER ? 0 : deadline - fake_clock;
	if (to_type == NULL)
		return -ETIMEDOUT;
	type(to_type);
	to_type = NULL;
	return 0;
}

static void minimum_and_time(void **state)
{
	(void)state;
	file.flags = O_RDWR;
	fake_wait = type_or_time_out;
	raw(3, 0); /* three bytes, however long it takes */
	type("a");
	to_type = "bcd";
	READS("abcd");
	assert_int_equal(waited_for, 0);
	raw(0, 5); /* any byte within half a second */
	to_type = "x";
	READS("x");
	assert_int_equal(waited_for, 500000000);
	READS("");
	raw(3, 2); /* three bytes, or a pause after the first */
	to_type = "y";
	READS("y");
	assert_int_equal(waited_for, 200000000);
	raw(5, 0); /* fewer were asked for */
	type("12345");
	assert_int_equal(take(2), 2);
	assert_int_equal(take(3), 3);
}

static void modes_change_with_input_waiting(void **state)
{
	(void)state;
	type("line\nhalf");
	raw(1, 0);
	READS("line\nhalf");
	type("more");
	change(0, 0, ICANON);
	READS("more");
	type("x\n");
	READS("x\n");
}

/* ---- output ---- */

static void output_is_processed(void **state)
{
	(void)state;
	assert_int_equal(put("a\nb\tc\n"), 6);
	shows("a\r\nb\tc\r\n");
	console_tty.t.c_oflag |= XTABS;
	put("abc\tx\b\ty\n");
	shows("abc     x\b        y\r\n");
	console_tty.t.c_oflag = OPOST | OCRNL;
	put("a\r\n");
	shows("a\n\n");
	console_tty.t.c_oflag = 0;
	put("a\n\t");
	shows("a\n\t");
	console_tty.t.c_oflag = OPOST | ONLCR;
	fake_output_error = -EIO;
	assert_int_equal(put("x"), -EIO);
}

static void host_terminal_does_the_work_without_input(void **state)
{
	(void)state;
	fake_kind[0] = STDIO_PIPE;
	assert_int_equal(put("a\n"), 2);
	shows("a\n");
	assert_int_equal(take(1), -EIO);
}

/* ---- ioctl, poll ---- */

static long ioctl(unsigned int cmd, void *arg)
{
	return tty_ops.ioctl(&file, cmd, (unsigned long)arg);
}

static void ioctls(void **state)
{
	struct termios t;
	struct winsize w = { 0, 0, 0, 0 };
	int n = 0;
	(void)state;

	assert_int_equal(ioctl(TCGETS, &t), 0);
	assert_int_equal(t.c_lflag & ICANON, ICANON);
	t.c_lflag &= ~ECHO;
	type("dropped\n");
	assert_int_equal(ioctl(TCSETSF, &t), 0);
	assert_int_equal(take(10), -EAGAIN);
	assert_int_equal(console_tty.t.c_lflag & ECHO, 0);
	assert_int_equal(ioctl(TIOCGWINSZ, &w), 0);
	assert_int_equal(w.ws_col, 80);
	w.ws_col = 132;
	assert_int_equal(ioctl(TIOCSWINSZ, &w), 0);
	assert_int_equal(ioctl(TIOCSWINSZ, &w), 0);
	assert_int_equal(fake_signals[SIGWINCH], 1);
	type("abc\nde");
	assert_int_equal(ioctl(FIONREAD, &n), 0);
	assert_int_equal(n, 4);
	assert_int_equal(tty_ops.ioctl(&file, TCFLSH, TCIFLUSH), 0);
	assert_int_equal(tty_ops.ioctl(&file, TCFLSH, 9), -EINVAL);
	assert_int_equal(take(10), -EAGAIN);
	assert_int_equal(ioctl(TIOCGPGRP, &n), -ENOTTY);
	assert_int_equal(tty_ops.ioctl(&file, TIOCSCTTY, 0), 0);
	assert_int_equal(ioctl(TIOCGPGRP, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(ioctl(TCGETS, (void *)8), -EFAULT);
	assert_int_equal(ioctl(0x12345678, NULL), -ENOTTY);
}

static void poll_tells_readiness(void **state)
{
	(void)state;
	assert_int_equal(tty_ops.poll(&file, NULL) & POLLIN, 0);
	type("x");
	assert_int_equal(tty_ops.poll(&file, NULL) & POLLIN, 0);
	type("\n");
	assert_int_equal(tty_ops.poll(&file, NULL) & POLLIN, POLLIN);
	take(10);
	raw(2, 0);
	type("x");
	assert_int_equal(tty_ops.poll(&file, NULL) & POLLIN, 0);
	type("y");
	assert_int_equal(tty_ops.poll(&file, NULL) & POLLIN, POLLIN);
	tty_input(NULL, 0);
	assert_int_equal(fake_signals[SIGHUP], 1);
	READS("xy");
	READS("");
	assert_int_equal(tty_ops.poll(&file, NULL) & POLLHUP, POLLHUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
		TEST(a_line_at_a_time),
		TEST(end_of_file_ends_a_read),
		TEST(editing),
		TEST(less_echo),
		TEST(long_lines_keep_their_end),
		TEST(many_lines_go_around_the_ring),
		TEST(signals_come_from_keys),
		TEST(output_can_be_stopped),
		TEST(background_is_stopped),
		TEST(raw_mode_passes_everything),
		TEST(minimum_and_time),
		TEST(modes_change_with_input_waiting),
		TEST(output_is_processed),
		TEST(host_terminal_does_the_work_without_input),
		TEST(ioctls),
		TEST(poll_tells_readiness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
