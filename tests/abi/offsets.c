/*
 * File offsets, holes, large files, sizes that change.
 */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

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
