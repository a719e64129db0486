/*
 * Moving bytes: read and write in all their forms, copies between files. Offsets and
 * holes are in offsets.c, descriptors in descriptors.c.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

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
