/*
 * Descriptors: which are taken, what they share, fcntl, ioctl, sync.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

/* ---- descriptors ---- */

CASE(open_takes_lowest, IN_DIR)
{
	make_file("f", "");
	int a = open("f", O_RDONLY), b = open("f", O_RDONLY);
	int c = open("f", O_RDONLY);

	say("%d %d %d", a, b, c);
	SHOW(close(b));
	SHOW(open("f", O_RDONLY));
	SHOW(dup(a));
	close(a);
	close(b);
	close(c);
	close(6);
}

CASE(close_errors, IN_DIR)
{
	int fd = digits();

	SHOW(close(fd));
	SHOW(close(fd));
	SHOW(close(-1));
	SHOW(close(INT_MAX));
}

CASE(dup_shares_offset, IN_DIR)
{
	char c[2];
	int fd = digits();
	int copy = dup(fd);

	SHOW(read(fd, c, 2));
	SHOW(read(copy, c, 2));
	say("%.2s", c);
	SHOW(lseek(copy, 7, SEEK_SET));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(close(fd));
	SHOW(read(copy, c, 1));
	close(copy);
}

CASE(dup2_cases, IN_DIR)
{
	int fd = digits();

	SHOW(dup2(fd, 10));
	SHOW(dup2(fd, fd));
	SHOW(lseek(10, 3, SEEK_SET));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(dup2(-1, 10));
	SHOW(dup2(fd, -1));
	SHOW(dup2(99, 99));
	SHOW(dup2(fd, INT_MAX));
	SHOW(fcntl(10, F_GETFD));
	close(10);
	close(fd);
}

CASE(dup2_replaces, IN_DIR)
{
	int a = digits();

	make_file("other", "other");
	int b = NEED(open("other", O_RDONLY));
	char c;

	SHOW(dup2(a, b));
	SHOW(read(b, &c, 1));
	say("%c", c);
	close(a);
	close(b);
}

CASE(dup3_cases, IN_DIR)
{
	int fd = digits();

	SHOW(dup3(fd, 10, O_CLOEXEC));
	SHOW(fcntl(10, F_GETFD));
	SHOW(dup3(fd, 11, 0));
	SHOW(fcntl(11, F_GETFD));
	SHOW(dup3(fd, fd, 0));
	SHOW(dup3(fd, 12, O_APPEND));
	SHOW(dup3(-1, 13, 0));
	for (int i = 10; i < 13; i++)
		close(i);
	close(fd);
}

CASE(stdout_redirected, IN_DIR)
{
	int file = NEED(open("out", O_WRONLY | O_CREAT, 0644));
	int saved = NEED(dup(STDOUT_FILENO));

	NEED(dup2(file, STDOUT_FILENO));
	say("into the file");
	NEED(dup2(saved, STDOUT_FILENO));
	close(saved);
	close(file);
	show_file("out");
}

CASE(stderr_apart)
{
	static const char text[] = "on stderr\n";

	say("on stdout");
	SHOW(write(STDERR_FILENO, text, sizeof(text) - 1));
}

CASE(stdin_at_end)
{
	char c;

	SHOW(read(STDIN_FILENO, &c, 1));
}

CASE(descriptors_run_out, IN_DIR, ALONE)
{
	struct rlimit lim = { 20, 20 };
	int n = 0, p[2] = { -7, -7 };

	make_file("f", "");
	NEED(getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = 20;
	NEED(setrlimit(RLIMIT_NOFILE, &lim));
	while (open("f", O_RDONLY) >= 0)
		n++;
	say("opened %d, then %s", n, errno_name(errno));
	SHOW(dup(0));
	SHOW(dup2(0, 20));
	SHOW(dup2(0, 19));
	SHOW(fcntl(0, F_DUPFD, 0));
	SHOW(fcntl(0, F_DUPFD, 20));
	SHOW(close(10));
	SHOW(pipe(p));
	say("%d %d", p[0], p[1]);
	SHOW(open("f", O_RDONLY));
}

CASE(many_descriptors, IN_DIR)
{
	int last = 0, n = 0;

	make_file("f", "x");
	for (; n < 200 && (last = open("f", O_RDONLY)) >= 0; n++)
		;
	say("%d, last %d", n, last);
	for (int fd = 3; fd <= last; fd++)
		close(fd);
	SHOW(close(last));
}

/* ---- fcntl ---- */

CASE(fcntl_dupfd, IN_DIR)
{
	int fd = digits();

	SHOW(fcntl(fd, F_DUPFD, 10));
	SHOW(fcntl(fd, F_DUPFD, 10));
	SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 10));
	SHOW(fcntl(10, F_GETFD));
	SHOW(fcntl(12, F_GETFD));
	SHOW(fcntl(fd, F_DUPFD, -1));
	SHOW(fcntl(fd, F_DUPFD, INT_MAX));
	SHOW(fcntl(99, F_DUPFD, 0));
	for (int i = 10; i < 13; i++)
		close(i);
	close(fd);
}

CASE(fcntl_fd_flags, IN_DIR)
{
	int fd = digits();
	int copy = dup(fd);

	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_SETFD, FD_CLOEXEC));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(copy, F_GETFD));
	SHOW(fcntl(fd, F_SETFD, 0));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(-1, F_GETFD));
	SHOW(fcntl(-1, F_SETFD, 0));
	close(fd);
	close(copy);
}

/* The bit that Linux keeps for large files is a matter of the C library. */
static long status_flags(int fd)
{
	long flags = fcntl(fd, F_GETFL);

	return flags < 0 ? flags : flags & ~0100000L;
}

CASE(fcntl_status_flags, IN_DIR)
{
	make_file("f", "");
	int a = NEED(open("f", O_RDONLY));
	int b = NEED(open("f", O_WRONLY | O_APPEND));
	int c = NEED(open("f", O_RDWR | O_NONBLOCK | O_CLOEXEC | O_CREAT | O_TRUNC, 0600));

	CHECK(status_flags(a) == O_RDONLY);
	CHECK(status_flags(b) == (O_WRONLY | O_APPEND));
	CHECK(status_flags(c) == (O_RDWR | O_NONBLOCK));
	SHOW(fcntl(-1, F_GETFL));
	close(a);
	close(b);
	close(c);
}

CASE(fcntl_set_status, IN_DIR)
{
	int fd = digits();
	int copy = dup(fd);

	SHOW(fcntl(fd, F_SETFL, O_APPEND));
	CHECK(status_flags(fd) == (O_RDWR | O_APPEND));
	CHECK(status_flags(copy) == (O_RDWR | O_APPEND));
	SHOW(write(fd, "Z", 1));
	SHOW(fcntl(fd, F_SETFL, O_WRONLY | O_CREAT | O_EXCL));
	CHECK(status_flags(fd) == O_RDWR);
	SHOW(fcntl(-1, F_SETFL, 0));
	close(fd);
	close(copy);
	show_file("digits");
}

CASE(fcntl_bad_command, IN_DIR)
{
	int fd = digits();

	SHOW(fcntl(fd, 9999));
	SHOW(fcntl(fd, F_GETPIPE_SZ));
	close(fd);
}

/* ---- ioctl, sync ---- */

CASE(ioctl_not_terminal, IN_DIR)
{
	struct winsize ws;
	struct termios t;
	int p[2], fd = digits();

	NEED(pipe(p));
	SHOW(ioctl(fd, TIOCGWINSZ, &ws));
	SHOW(tcgetattr(fd, &t));
	SHOW(isatty(fd));
	SHOW(isatty(p[0]));
	SHOW(isatty(-1));
	SHOW(ioctl(-1, TIOCGWINSZ, &ws));
	SHOW(ioctl(fd, 0x12345678, 0));
	close(fd);
	close(p[0]);
	close(p[1]);
}

CASE(ioctl_common, IN_DIR)
{
	int n = -1, on = 1, p[2], fd = digits();

	NEED(pipe(p));
	SHOW(ioctl(p[0], FIONREAD, &n));
	SHOW(n);
	NEED(write(p[1], "12345", 5));
	SHOW(ioctl(p[0], FIONREAD, &n));
	SHOW(n);
	SHOW(ioctl(p[0], FIONREAD, bad_ptr()));
	SHOW(ioctl(p[0], FIONBIO, &on));
	CHECK(fcntl(p[0], F_GETFL) == O_NONBLOCK);
	SHOW(ioctl(fd, FIOCLEX));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(ioctl(fd, FIONCLEX));
	SHOW(fcntl(fd, F_GETFD));
	NEED(lseek(fd, 4, SEEK_SET));
	SHOW(ioctl(fd, FIONREAD, &n));
	SHOW(n);
	close(fd);
	close(p[0]);
	close(p[1]);
}

CASE(sync_calls, IN_DIR)
{
	int p[2], fd = digits();
	int dir = NEED(open(".", O_RDONLY));

	NEED(pipe(p));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(fsync(dir));
	SHOW(fsync(-1));
	SHOW(fdatasync(-1));
	SHOW(fsync(p[0]));
	close(fd);
	close(dir);
	close(p[0]);
	close(p[1]);
}

CASE(fadvise_calls, IN_DIR)
{
	int p[2], fd = digits();

	NEED(pipe(p));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	say("%s", errno_name(posix_fadvise(fd, 0, 0, 99)));
	say("%s", errno_name(posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL)));
	say("%s", errno_name(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL)));
	close(fd);
	close(p[0]);
	close(p[1]);
}
