/*
 * Pipes and eventfds within one process.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"

static int ends[2];

static void open_pipe(int flags)
{
	NEED(pipe2(ends, flags));
}

static void close_pipe(void)
{
	close(ends[0]);
	close(ends[1]);
}

/* ---- making ---- */

CASE(pipe_basic)
{
	char buf[16] = "";

	SHOW(pipe(ends));
	say("%d %d", ends[0], ends[1]);
	SHOW(write(ends[1], "hello", 5));
	SHOW(read(ends[0], buf, sizeof(buf)));
	say("%s", buf);
	close_pipe();
}

CASE(pipe_flags)
{
	SHOW(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
	SHOW(fcntl(ends[0], F_GETFD));
	SHOW(fcntl(ends[1], F_GETFD));
	CHECK(fcntl(ends[0], F_GETFL) == (O_RDONLY | O_NONBLOCK));
	CHECK(fcntl(ends[1], F_GETFL) == (O_WRONLY | O_NONBLOCK));
	close_pipe();
	SHOW(pipe2(ends, 0));
	CHECK(fcntl(ends[0], F_GETFL) == O_RDONLY);
	CHECK(fcntl(ends[1], F_GETFL) == O_WRONLY);
	close_pipe();
}

CASE(pipe_errors)
{
	SHOW(syscall(SYS_pipe, bad_ptr()));
	SHOW(syscall(SYS_pipe2, bad_ptr(), 0));
	SHOW(pipe2(ends, O_APPEND));
	SHOW(pipe2(ends, 0x40000000));
	/* nothing was left open */
	SHOW(pipe(ends));
	say("%d %d", ends[0], ends[1]);
	close_pipe();
}

CASE(pipe_wrong_end)
{
	char c;

	open_pipe(0);
	SHOW(write(ends[0], "x", 1));
	SHOW(read(ends[1], &c, 1));
	SHOW(read(ends[0], bad_ptr(), 0));
	SHOW(write(ends[1], bad_ptr(), 0));
	SHOW(write(ends[1], bad_ptr(), 1));
	SHOW(write(ends[1], "y", 1));
	SHOW(read(ends[0], bad_ptr(), 1));
	/* still there after the fault */
	SHOW(read(ends[0], &c, 1));
	say("%c", c);
	close_pipe();
}

CASE(pipe_stat)
{
	struct stat a, b;

	open_pipe(0);
	SHOW(fstat(ends[0], &a));
	SHOW(fstat(ends[1], &b));
	CHECK(S_ISFIFO(a.st_mode));
	CHECK(a.st_ino == b.st_ino);
	say("mode %#o, size %ld, links %ld", a.st_mode & 0777, (long)a.st_size, (long)a.st_nlink);
	close_pipe();
}

/* ---- order and boundaries ---- */

CASE(pipe_keeps_order)
{
	char buf[16];

	open_pipe(0);
	NEED(write(ends[1], "abc", 3));
	NEED(write(ends[1], "def", 3));
	SHOW(read(ends[0], buf, 2));
	say("%.2s", buf);
	SHOW(read(ends[0], buf, 16));
	say("%.4s", buf);
	close_pipe();
}

CASE(pipe_vectors)
{
	char a[2], b[5] = "";
	struct iovec out[] = { { "one", 3 }, { "two", 3 } };
	struct iovec in[] = { { a, 2 }, { b, 4 } };

	open_pipe(0);
	SHOW(writev(ends[1], out, 2));
	SHOW(readv(ends[0], in, 2));
	say("%.2s %s", a, b);
	close_pipe();
}

CASE(pipe_through_large)
{
	static char in[60000], out[60000];
	size_t at = 0;
	long n;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 13 + (i >> 8));
	open_pipe(O_NONBLOCK);
	SHOW(write(ends[1], in, sizeof(in)));
	while ((n = read(ends[0], out + at, 7777)) > 0)
		at += (size_t)n;
	SHOW(at);
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	close_pipe();
}

CASE(pipe_many_rounds)
{
	unsigned in = 1, out = 0;
	bool good = true;

	open_pipe(0);
	for (int i = 0; i < 20000; i++) {
		in = in * 1103515245 + 12345;
		good &= write(ends[1], &in, sizeof(in)) == sizeof(in);
		good &= read(ends[0], &out, sizeof(out)) == sizeof(out);
		good &= in == out;
	}
	CHECK(good);
	close_pipe();
}

CASE(pipe_wraps)
{
	static char in[3000], out[3000];
	bool good = true;

	open_pipe(O_NONBLOCK);
	NEED(write(ends[1], in, 1000));
	for (int i = 0; i < 200; i++) {
		memset(in, i, sizeof(in));
		good &= write(ends[1], in, sizeof(in)) == sizeof(in);
		good &= read(ends[0], out, 1000) == 1000;
		good &= i == 0 || out[999] == (char)(i - 1);
		good &= read(ends[0], out, 2000) == 2000;
		good &= out[0] == (char)i && out[1999] == (char)i;
	}
	CHECK(good);
	close_pipe();
}

/* ---- not blocking ---- */

CASE(pipe_nonblock_empty)
{
	char c;

	open_pipe(O_NONBLOCK);
	SHOW(read(ends[0], &c, 1));
	SHOW(write(ends[1], "x", 1));
	SHOW(read(ends[0], &c, 1));
	SHOW(read(ends[0], &c, 1));
	SHOW(read(ends[0], &c, 0));
	close_pipe();
}

CASE(pipe_nonblock_full)
{
	static char buf[100000];

	open_pipe(O_NONBLOCK);
	SHOW(write(ends[1], buf, sizeof(buf)));
	SHOW(write(ends[1], buf, 1));
	SHOW(read(ends[0], buf, 4096));
	/* up to PIPE_BUF: all or nothing */
	SHOW(write(ends[1], buf, 4096));
	SHOW(write(ends[1], buf, 4096));
	SHOW(read(ends[0], buf, sizeof(buf)));
	SHOW(read(ends[0], buf, 1));
	close_pipe();
}

CASE(pipe_nonblock_atomic)
{
	static char buf[65536];

	open_pipe(O_NONBLOCK);
	NEED(write(ends[1], buf, 65536 - 4096));
	SHOW(write(ends[1], buf, 4096));
	SHOW(read(ends[0], buf, 8192));
	SHOW(write(ends[1], buf, 8192));
	SHOW(write(ends[1], buf, 100));
	close_pipe();
}

CASE(pipe_nonblock_set_later)
{
	char c;

	open_pipe(0);
	SHOW(fcntl(ends[0], F_SETFL, O_NONBLOCK));
	SHOW(read(ends[0], &c, 1));
	/* each end has its own flags */
	CHECK((fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
	close_pipe();
}

CASE(pipe_size)
{
	SHOW(pipe(ends));
	SHOW(fcntl(ends[0], F_GETPIPE_SZ));
	SHOW(fcntl(ends[1], F_GETPIPE_SZ));
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(ends[0], F_GETPIPE_SZ));
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, 5000));
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, 1));
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, 1 << 18));
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, -1));
	close_pipe();
	SHOW(fcntl(ends[0], F_GETPIPE_SZ));
}

CASE(pipe_size_holds)
{
	static char buf[20000];

	open_pipe(O_NONBLOCK);
	NEED(fcntl(ends[1], F_SETPIPE_SZ, 8192));
	SHOW(write(ends[1], buf, sizeof(buf)));
	/* smaller than what it holds */
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, 4096));
	SHOW(fcntl(ends[1], F_SETPIPE_SZ, 16384));
	SHOW(write(ends[1], buf, sizeof(buf)));
	SHOW(read(ends[0], buf, sizeof(buf)));
	close_pipe();
}

/* ---- closing ---- */

CASE(pipe_end_of_file)
{
	char buf[8];

	open_pipe(0);
	NEED(write(ends[1], "last", 4));
	close(ends[1]);
	SHOW(read(ends[0], buf, 8));
	SHOW(read(ends[0], buf, 8));
	SHOW(read(ends[0], buf, 8));
	close(ends[0]);
}

CASE(pipe_end_needs_all_closed)
{
	char c;

	open_pipe(O_NONBLOCK);
	int copy = NEED(dup(ends[1]));

	close(ends[1]);
	SHOW(read(ends[0], &c, 1));
	close(copy);
	SHOW(read(ends[0], &c, 1));
	close(ends[0]);
}

static volatile int pipe_signals;

static void count_pipe(int sig, siginfo_t *info, void *context)
{
	(void)context;
	pipe_signals++;
	say("%s %s", signal_name(sig), code_name(sig, info->si_code));
}

CASE(pipe_broken, ALONE)
{
	struct iovec iov = { "x", 1 };

	on_signal(SIGPIPE, count_pipe, 0);
	open_pipe(0);
	close(ends[0]);
	SHOW(write(ends[1], "x", 1));
	SHOW(pipe_signals);
	SHOW(writev(ends[1], &iov, 1));
	SHOW(pipe_signals);
	SHOW(write(ends[1], "x", 0));
}

CASE(pipe_broken_ignored, ALONE)
{
	signal(SIGPIPE, SIG_IGN);
	open_pipe(O_NONBLOCK);
	NEED(write(ends[1], "x", 1));
	close(ends[0]);
	SHOW(write(ends[1], "x", 1));
}

/* ---- named pipes ---- */

CASE(fifo_within_process, IN_DIR)
{
	char buf[8] = "";
	struct stat st;

	SHOW(mkfifo("p", 0644));
	SHOW(mkfifo("p", 0644));
	NEED(stat("p", &st));
	CHECK(S_ISFIFO(st.st_mode));
	SHOW(open("p", O_WRONLY | O_NONBLOCK));
	int in = open("p", O_RDONLY | O_NONBLOCK);
	SHOW(in);
	SHOW(read(in, buf, 8));
	int out = open("p", O_WRONLY | O_NONBLOCK);
	SHOW(out);
	SHOW(read(in, buf, 8));
	SHOW(write(out, "named", 5));
	SHOW(read(in, buf, 8));
	say("%s", buf);
	close(in);
	close(out);
}

CASE(fifo_both_ways, IN_DIR)
{
	char c;

	NEED(mkfifo("p", 0644));
	/* Linux opens both ends at once without waiting */
	int fd = open("p", O_RDWR);
	SHOW(fd);
	SHOW(write(fd, "z", 1));
	SHOW(read(fd, &c, 1));
	say("%c", c);
	close(fd);
}

/* ---- eventfd ---- */

CASE(eventfd_counts)
{
	uint64_t v = 0;
	int fd = eventfd(3, EFD_NONBLOCK);

	SHOW(fd);
	SHOW(read(fd, &v, 8));
	SHOW(v);
	SHOW(read(fd, &v, 8));
	v = 5;
	SHOW(write(fd, &v, 8));
	SHOW(write(fd, &v, 8));
	SHOW(read(fd, &v, 8));
	SHOW(v);
	close(fd);
}

CASE(eventfd_semaphore)
{
	uint64_t v = 0;
	int fd = eventfd(2, EFD_NONBLOCK | EFD_SEMAPHORE);

	SHOW(read(fd, &v, 8));
	SHOW(v);
	SHOW(read(fd, &v, 8));
	SHOW(v);
	SHOW(read(fd, &v, 8));
	close(fd);
}

CASE(eventfd_limits)
{
	uint64_t v = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_NONBLOCK);

	SHOW(write(fd, &v, 8));
	v = 1;
	SHOW(write(fd, &v, 8));
	v = UINT64_MAX;
	SHOW(write(fd, &v, 8));
	SHOW(read(fd, &v, 8));
	CHECK(v == UINT64_MAX - 1);
	v = 0;
	SHOW(write(fd, &v, 8));
	SHOW(read(fd, &v, 8));
	close(fd);
}

CASE(eventfd_errors)
{
	uint64_t v = 1;
	int fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);

	SHOW(fcntl(fd, F_GETFD));
	SHOW(read(fd, &v, 7));
	SHOW(write(fd, &v, 4));
	SHOW(read(fd, bad_ptr(), 8));
	SHOW(write(fd, bad_ptr(), 8));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(pread(fd, &v, 8, 0));
	SHOW(ftruncate(fd, 0));
	SHOW(eventfd(0, 0x1234));
	close(fd);
}
