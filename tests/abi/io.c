/*
 * Moving bytes: read and write in all their forms, file offsets, duplicated
 * descriptors, fcntl, ioctl, sync, copies between files, holes.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include "abi.h"

/* A file "0123456789" opened read-write. */
static int digits(void)
{
	make_file("digits", "0123456789");
	return (int)NEED(open("digits", O_RDWR));
}

static long size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : (long)st.st_size;
}

/* ---- read and write ---- */

CASE(read_basic, IN_DIR)
{
	char buf[20] = "";
	int fd = digits();

	SHOW(read(fd, buf, 4));
	say("%.4s", buf);
	SHOW(read(fd, buf, 20));
	say("%.6s", buf);
	SHOW(read(fd, buf, 20));
	SHOW(read(fd, buf, 0));
	close(fd);
}

CASE(read_errors, IN_DIR)
{
	char buf[4];
	int fd = digits();
	int dir = NEED(open(".", O_RDONLY));
	int out = NEED(open("digits", O_WRONLY));

	SHOW(read(-1, buf, 4));
	SHOW(read(999, buf, 4));
	SHOW(read(dir, buf, 4));
	SHOW(read(out, buf, 4));
	SHOW(read(fd, bad_ptr(), 4));
	SHOW(read(fd, kernel_ptr(), 4));
	SHOW(read(fd, wild_ptr(), 4));
	SHOW(read(fd, buf, (size_t)-1));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	close(dir);
	close(out);
}

CASE(read_bad_pointer_at_end, IN_DIR)
{
	int fd = digits();

	lseek(fd, 0, SEEK_END);
	/* nothing to copy, so nothing faults */
	SHOW(read(fd, bad_ptr(), 4));
	SHOW(read(fd, bad_ptr(), 0));
	close(fd);
}

CASE(read_into_readonly, IN_DIR)
{
	int fd = digits();
	char *p = pages(1);

	NEED(mprotect(p, 4096, PROT_READ));
	SHOW(read(fd, p, 4));
	NEED(mprotect(p, 4096, PROT_READ | PROT_WRITE));
	SHOW(read(fd, p, 4));
	munmap(p, 8192);
	close(fd);
}

CASE(read_across_bad_page, IN_DIR)
{
	int fd = digits();
	char *p = pages(1);

	SHOW(read(fd, p + 4096 - 6, 10));
	say("%.6s", p + 4096 - 6);
	munmap(p, 8192);
	close(fd);
}

CASE(write_basic, IN_DIR)
{
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(write(fd, "hello", 5));
	SHOW(write(fd, " world", 6));
	SHOW(write(fd, "", 0));
	SHOW(size_of(fd));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	show_file("f");
}

CASE(write_overwrites, IN_DIR)
{
	int fd = digits();

	SHOW(write(fd, "ab", 2));
	SHOW(lseek(fd, 8, SEEK_SET));
	SHOW(write(fd, "WXYZ", 4));
	close(fd);
	show_file("digits");
}

CASE(write_errors, IN_DIR)
{
	int fd = digits();
	int in = NEED(open("digits", O_RDONLY));

	SHOW(write(-1, "x", 1));
	SHOW(write(999, "x", 1));
	SHOW(write(in, "x", 1));
	SHOW(write(fd, bad_ptr(), 4));
	SHOW(write(fd, kernel_ptr(), 4));
	SHOW(write(fd, wild_ptr(), 4));
	SHOW(write(fd, bad_ptr(), 0));
	SHOW(write(fd, "x", (size_t)-1));
	close(fd);
	close(in);
	show_file("digits");
}

CASE(write_from_bad_page, IN_DIR)
{
	int fd = digits();
	char *p = pages(1);

	SHOW(write(fd, p + 4096, 4));
	SHOW(lseek(fd, 0, SEEK_CUR));
	munmap(p, 8192);
	close(fd);
}

CASE(write_large, IN_DIR)
{
	size_t n = 1 << 20;
	char *p = malloc(n), *q = malloc(n);
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 7 + (i >> 12));
	SHOW(write(fd, p, n));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(read(fd, q, n));
	CHECK(memcmp(p, q, n) == 0);
	SHOW(pread(fd, q, 100, 4050));
	CHECK(memcmp(p + 4050, q, 100) == 0);
	close(fd);
	free(p);
	free(q);
}

CASE(write_small_many, IN_DIR)
{
	char buf[4];
	long sum = 0;
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	for (int i = 0; i < 5000; i++)
		sum += write(fd, "abc", 3);
	SHOW(sum);
	SHOW(size_of(fd));
	SHOW(pread(fd, buf, 4, 4095));
	say("%.4s", buf);
	close(fd);
}

CASE(write_append, IN_DIR)
{
	make_file("f", "one");
	int fd = NEED(open("f", O_RDWR | O_APPEND));

	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write(fd, "two", 3));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(write(fd, "three", 5));
	SHOW(lseek(fd, 0, SEEK_CUR));
	/* Linux appends here too, whatever POSIX says */
	SHOW(pwrite(fd, "!", 1, 0));
	close(fd);
	show_file("f");
}

CASE(append_two_descriptors, IN_DIR)
{
	make_file("f", "");
	int a = NEED(open("f", O_WRONLY | O_APPEND));
	int b = NEED(open("f", O_WRONLY | O_APPEND));

	SHOW(write(a, "a", 1));
	SHOW(write(b, "b", 1));
	SHOW(write(a, "A", 1));
	close(a);
	close(b);
	show_file("f");
}

CASE(two_offsets, IN_DIR)
{
	char c[3] = "";
	int a = digits();
	int b = NEED(open("digits", O_RDONLY));

	SHOW(read(a, c, 2));
	SHOW(read(b, c, 1));
	say("%c", c[0]);
	SHOW(write(a, "XY", 2));
	SHOW(lseek(b, 2, SEEK_SET));
	SHOW(read(b, c, 2));
	say("%.2s", c);
	close(a);
	close(b);
}

/* ---- vectors ---- */

CASE(readv_basic, IN_DIR)
{
	char a[3], b[4], c[8] = "";
	struct iovec iov[] = { { a, 3 }, { b, 4 }, { c, 8 } };
	int fd = digits();

	SHOW(readv(fd, iov, 3));
	say("%.3s %.4s %.3s", a, b, c);
	SHOW(readv(fd, iov, 3));
	close(fd);
}

CASE(readv_errors, IN_DIR)
{
	char a[4];
	struct iovec iov[] = { { a, 4 } };
	struct iovec negative[] = { { a, (size_t)-1 } };
	struct iovec bad[] = { { bad_ptr(), 4 } };
	int fd = digits();

	SHOW(readv(-1, iov, 1));
	SHOW(readv(fd, iov, -1));
	SHOW(readv(fd, iov, 0));
	SHOW(readv(fd, bad_ptr(), 1));
	SHOW(readv(fd, negative, 1));
	SHOW(readv(fd, bad, 1));
	SHOW(readv(fd, iov, 1025));
	close(fd);
}

CASE(readv_first_good, IN_DIR)
{
	char a[4];
	struct iovec iov[] = { { a, 4 }, { bad_ptr(), 4 } };
	int fd = digits();

	SHOW(readv(fd, iov, 2));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
}

CASE(writev_basic, IN_DIR)
{
	struct iovec iov[] = { { "one ", 4 }, { "", 0 }, { "two ", 4 }, { "three", 5 } };
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(writev(fd, iov, 4));
	SHOW(writev(fd, iov, 0));
	close(fd);
	show_file("f");
}

CASE(writev_many, IN_DIR)
{
	static struct iovec iov[1024];
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	for (int i = 0; i < 1024; i++)
		iov[i] = (struct iovec){ "xyz", (size_t)i % 4 };
	SHOW(writev(fd, iov, 1024));
	SHOW(size_of(fd));
	close(fd);
}

CASE(writev_errors, IN_DIR)
{
	struct iovec bad[] = { { bad_ptr(), 4 } };
	struct iovec huge[] = { { "a", SSIZE_MAX }, { "b", SSIZE_MAX } };
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));
	int in = NEED(open("f", O_RDONLY));
	struct iovec iov[] = { { "a", 1 } };

	SHOW(writev(-1, iov, 1));
	SHOW(writev(in, iov, 1));
	SHOW(writev(fd, bad_ptr(), 1));
	SHOW(writev(fd, bad, 1));
	SHOW(writev(fd, iov, -1));
	SHOW(writev(fd, huge, 0));
	SHOW(size_of(fd));
	close(fd);
	close(in);
}

CASE(pread_pwrite, IN_DIR)
{
	char buf[11] = "";
	int fd = digits();

	SHOW(pread(fd, buf, 3, 5));
	say("%.3s", buf);
	SHOW(pread(fd, buf, 10, 8));
	SHOW(pread(fd, buf, 10, 10));
	SHOW(pread(fd, buf, 10, 1000));
	SHOW(pwrite(fd, "ab", 2, 4));
	SHOW(pwrite(fd, "end", 3, 12));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(size_of(fd));
	SHOW(pread(fd, buf, 2, 10));
	say("%d %d", buf[0], buf[1]);
	close(fd);
}

CASE(pread_errors, IN_DIR)
{
	char buf[4];
	int p[2], fd = digits();

	NEED(pipe(p));
	SHOW(pread(-1, buf, 4, 0));
	SHOW(pread(fd, buf, 4, -1));
	SHOW(pwrite(fd, buf, 4, -1));
	SHOW(pread(fd, bad_ptr(), 4, 0));
	SHOW(pwrite(fd, bad_ptr(), 4, 0));
	SHOW(pread(p[0], buf, 4, 0));
	SHOW(pwrite(p[1], buf, 4, 0));
	close(fd);
	close(p[0]);
	close(p[1]);
}

CASE(preadv_pwritev, IN_DIR)
{
	char a[2], b[3];
	struct iovec in[] = { { a, 2 }, { b, 3 } };
	struct iovec out[] = { { "AB", 2 }, { "CDE", 3 } };
	int fd = digits();

	SHOW(preadv(fd, in, 2, 4));
	say("%.2s %.3s", a, b);
	SHOW(pwritev(fd, out, 2, 1));
	SHOW(preadv(fd, in, 2, -1));
	SHOW(preadv(-1, in, 2, 0));
	SHOW(pwritev(fd, bad_ptr(), 2, 0));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	show_file("digits");
}

/* ---- offsets ---- */

CASE(lseek_whences, IN_DIR)
{
	int fd = digits();

	SHOW(lseek(fd, 3, SEEK_SET));
	SHOW(lseek(fd, 4, SEEK_CUR));
	SHOW(lseek(fd, -2, SEEK_CUR));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, -10, SEEK_END));
	SHOW(lseek(fd, 100, SEEK_END));
	SHOW(size_of(fd));
	close(fd);
}

CASE(lseek_errors, IN_DIR)
{
	int p[2], fd = digits();

	NEED(pipe(p));
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, -11, SEEK_END));
	SHOW(lseek(fd, 0, 99));
	SHOW(lseek(fd, 0, -1));
	SHOW(lseek(-1, 0, SEEK_SET));
	SHOW(lseek(p[0], 0, SEEK_SET));
	SHOW(lseek(fd, 0, SEEK_CUR));
	close(fd);
	close(p[0]);
	close(p[1]);
}

CASE(lseek_overflow, IN_DIR)
{
	int fd = digits();

	SHOW(lseek(fd, LLONG_MAX, SEEK_SET));
	SHOW(lseek(fd, 1, SEEK_CUR));
	SHOW(lseek(fd, LLONG_MAX, SEEK_END));
	SHOW(lseek(fd, LLONG_MIN, SEEK_CUR));
	SHOW(write(fd, "x", 1));
	close(fd);
}

CASE(lseek_holes, IN_DIR)
{
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(pwrite(fd, "x", 1, 16 * 4096));
	SHOW(lseek(fd, 0, SEEK_DATA));
	SHOW(lseek(fd, 0, SEEK_HOLE));
	SHOW(lseek(fd, 16 * 4096, SEEK_HOLE));
	SHOW(lseek(fd, 16 * 4096 + 1, SEEK_DATA));
	SHOW(lseek(fd, 99 * 4096, SEEK_HOLE));
	close(fd);
}

CASE(lseek_directory, IN_DIR)
{
	int dir = NEED(open(".", O_RDONLY));

	SHOW(lseek(dir, 0, SEEK_SET));
	SHOW(lseek(dir, -1, SEEK_SET));
	close(dir);
}

/* ---- holes and big files ---- */

CASE(sparse_reads_zero, IN_DIR)
{
	char buf[8192];
	struct stat st;
	int sum = 0;
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(pwrite(fd, "start", 5, 0));
	SHOW(pwrite(fd, "end", 3, 1 << 20));
	SHOW(pread(fd, buf, sizeof(buf), 5));
	for (size_t i = 0; i < sizeof(buf); i++)
		sum += buf[i];
	SHOW(sum);
	NEED(fstat(fd, &st));
	SHOW(st.st_size);
	CHECK(st.st_blocks * 512 < st.st_size);
	close(fd);
}

CASE(big_offset, IN_DIR)
{
	char buf[4] = "";
	off_t far = (off_t)1 << 40;
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(pwrite(fd, "far", 3, far));
	SHOW(size_of(fd));
	SHOW(pread(fd, buf, 3, far));
	say("%s", buf);
	SHOW(pread(fd, buf, 3, far - 3));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(ftruncate(fd, 0));
	SHOW(pread(fd, buf, 3, far));
	close(fd);
}

CASE(big_truncate, IN_DIR)
{
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(ftruncate(fd, (off_t)5 << 32));
	SHOW(size_of(fd));
	SHOW(ftruncate(fd, 3));
	SHOW(size_of(fd));
	close(fd);
}

CASE(write_past_largest, IN_DIR)
{
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	SHOW(pwrite(fd, "xy", 2, LLONG_MAX));
	SHOW(pwrite(fd, "xy", 2, LLONG_MAX - 1));
	close(fd);
}

CASE(truncate_zeroes_tail, IN_DIR)
{
	char buf[10];
	int fd = digits();

	SHOW(ftruncate(fd, 4));
	SHOW(ftruncate(fd, 10));
	SHOW(pread(fd, buf, 10, 0));
	say("%.4s %d %d", buf, buf[4], buf[9]);
	close(fd);
}

CASE(truncate_below_offset, IN_DIR)
{
	char buf[12];
	int fd = digits();

	SHOW(lseek(fd, 8, SEEK_SET));
	SHOW(ftruncate(fd, 2));
	SHOW(read(fd, buf, 4));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(write(fd, "Z", 1));
	SHOW(pread(fd, buf, 12, 0));
	say("%.2s %d %d %c", buf, buf[2], buf[7], buf[8]);
	close(fd);
}

CASE(truncate_errors, IN_DIR)
{
	int fd = digits();
	int in = NEED(open("digits", O_RDONLY));
	int p[2];

	NEED(pipe(p));
	SHOW(ftruncate(fd, -1));
	SHOW(ftruncate(in, 1));
	SHOW(ftruncate(-1, 1));
	SHOW(ftruncate(p[1], 1));
	SHOW(truncate("nothing", 1));
	SHOW(truncate(".", 1));
	SHOW(truncate("digits", -1));
	SHOW(truncate(bad_ptr(), 1));
	SHOW(truncate("digits", 5));
	close(fd);
	close(in);
	close(p[0]);
	close(p[1]);
	show_file("digits");
}

CASE(fallocate_extends, IN_DIR)
{
	char buf[4];
	int fd = digits();

	SHOW(fallocate(fd, 0, 0, 5000));
	SHOW(size_of(fd));
	SHOW(pread(fd, buf, 4, 4996));
	SHOW(fallocate(fd, 0, 100, 50));
	SHOW(size_of(fd));
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 20000));
	SHOW(size_of(fd));
	SHOW(posix_fallocate(fd, 0, 6000));
	SHOW(size_of(fd));
	close(fd);
}

CASE(fallocate_punch, IN_DIR)
{
	char buf[4096 * 3];
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	memset(buf, 'x', sizeof(buf));
	SHOW(write(fd, buf, sizeof(buf)));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4000, 200));
	SHOW(pread(fd, buf, sizeof(buf), 0));
	say("%c %d %d %c", buf[3999], buf[4000], buf[4199], buf[4200]);
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 10));
	SHOW(size_of(fd));
	close(fd);
}

CASE(fallocate_errors, IN_DIR)
{
	int fd = digits();
	int in = NEED(open("digits", O_RDONLY));
	int p[2];

	NEED(pipe(p));
	SHOW(fallocate(fd, 0, -1, 10));
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(fallocate(fd, 0, 0, -1));
	SHOW(fallocate(fd, 0x4000, 0, 10));
	SHOW(fallocate(in, 0, 0, 10));
	SHOW(fallocate(-1, 0, 0, 10));
	SHOW(fallocate(p[1], 0, 0, 10));
	SHOW(size_of(fd));
	close(fd);
	close(in);
	close(p[0]);
	close(p[1]);
}

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

/* ---- copies ---- */

CASE(sendfile_to_file, IN_DIR)
{
	off_t at = 2;
	int in = digits();
	int out = NEED(open("out", O_RDWR | O_CREAT, 0644));

	SHOW(sendfile(out, in, &at, 3));
	SHOW(at);
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(sendfile(out, in, NULL, 100));
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(sendfile(out, in, NULL, 100));
	SHOW(sendfile(out, in, &at, 0));
	close(in);
	close(out);
	show_file("out");
}

CASE(sendfile_to_pipe, IN_DIR)
{
	char buf[20] = "";
	int p[2], in = digits();

	NEED(pipe(p));
	SHOW(sendfile(p[1], in, NULL, 6));
	SHOW(read(p[0], buf, 20));
	say("%s", buf);
	close(in);
	close(p[0]);
	close(p[1]);
}

CASE(sendfile_errors, IN_DIR)
{
	off_t minus = -1;
	int in = digits();
	int out = NEED(open("out", O_RDWR | O_CREAT, 0644));
	int only = NEED(open("out", O_RDONLY));

	SHOW(sendfile(-1, in, NULL, 1));
	SHOW(sendfile(out, -1, NULL, 1));
	SHOW(sendfile(only, in, NULL, 1));
	SHOW(sendfile(out, in, bad_ptr(), 1));
	SHOW(sendfile(out, in, &minus, 1));
	close(in);
	close(out);
	close(only);
}

CASE(copy_range, IN_DIR)
{
	off_t from = 3, to = 1;
	int in = digits();
	int out = NEED(open("out", O_RDWR | O_CREAT, 0644));

	SHOW(copy_file_range(in, &from, out, &to, 4, 0));
	say("%ld %ld", (long)from, (long)to);
	SHOW(copy_file_range(in, NULL, out, NULL, 1, 0));
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(lseek(out, 0, SEEK_CUR));
	SHOW(copy_file_range(in, NULL, out, NULL, 100, 0));
	SHOW(copy_file_range(in, NULL, out, NULL, 100, 0));
	close(in);
	close(out);
	show_file("out");
}

CASE(copy_range_errors, IN_DIR)
{
	off_t zero = 0, three = 3;
	int in = digits();
	int out = NEED(open("out", O_RDWR | O_CREAT, 0644));
	int app = NEED(open("out", O_WRONLY | O_APPEND));
	int dir = NEED(open(".", O_RDONLY));

	SHOW(copy_file_range(-1, NULL, out, NULL, 1, 0));
	SHOW(copy_file_range(in, NULL, -1, NULL, 1, 0));
	SHOW(copy_file_range(in, NULL, out, NULL, 1, 1));
	SHOW(copy_file_range(out, NULL, app, NULL, 1, 0));
	SHOW(copy_file_range(dir, NULL, out, NULL, 1, 0));
	SHOW(copy_file_range(in, &zero, in, &three, 5, 0));
	close(in);
	close(out);
	close(app);
	close(dir);
}

/* ---- stdio on top of it ---- */

CASE(stdio_file, IN_DIR)
{
	char line[64];
	FILE *f = fopen("f", "w+");

	for (int i = 0; i < 1000; i++)
		fprintf(f, "line %d\n", i);
	SHOW(ftell(f));
	SHOW(fseek(f, -9, SEEK_END));
	say("%s", fgets(line, sizeof(line), f) ? "line" : "none");
	SHOW(strlen(line));
	rewind(f);
	int count = 0;
	while (fgets(line, sizeof(line), f) != NULL)
		count++;
	SHOW(count);
	SHOW(ungetc('x', f) == 'x');
	SHOW(fclose(f));
	CHECK(fopen("nothing/f", "r") == NULL);
}

CASE(stdio_append_mode, IN_DIR)
{
	make_file("f", "abc");
	FILE *f = fopen("f", "a+");
	char c[8] = "";

	SHOW(fwrite("def", 1, 3, f));
	SHOW(fseek(f, 1, SEEK_SET));
	SHOW(fread(c, 1, 7, f));
	say("%s", c);
	SHOW(fclose(f));
}
