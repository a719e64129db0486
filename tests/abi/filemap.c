/*
 * Mappings of files: what is read, written, shared, cut off and refused.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)

/* A file of n pages and `extra` bytes; byte i of page k is 'a' + k % 26, but the first: k. */
static int paged_file(const char *name, size_t n, size_t extra)
{
	static char page[PAGE];
	int fd = (int)NEED(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));

	for (size_t k = 0; k < n; k++) {
		memset(page, 'a' + (int)(k % 26), PAGE);
		page[0] = (char)k;
		NEED(write(fd, page, PAGE));
	}
	memset(page, '#', PAGE);
	NEED(write(fd, page, extra));
	return fd;
}

static char *map_fd(int fd, size_t n, int prot, int flags, size_t page)
{
	char *p = mmap(NULL, n * PAGE, prot, flags, fd, (off_t)(page * PAGE));

	NEED(p == MAP_FAILED ? -1 : 0);
	return p;
}

static void show_access(const char *label, void *p)
{
	const char *r = try_read(p);
	char text[64];

	snprintf(text, sizeof(text), "%s", r);
	say("%s: read %s, write %s", label, text, try_write(p));
}

CASE(private_reads, IN_DIR)
{
	int fd = paged_file("f", 40, 0);
	char *p = map_fd(fd, 40, PROT_READ, MAP_PRIVATE, 0);
	bool same = true;

	for (size_t k = 0; k < 40; k++)
		same = same && p[k * PAGE] == (char)k && p[k * PAGE + 4095] == 'a' + (int)(k % 26);
	CHECK(same);
	show_access("read-only", p);
	CHECK(munmap(p, 40 * PAGE) == 0);
	show_access("unmapped", p);
	close(fd);
}

CASE(private_at_offset, IN_DIR)
{
	int fd = paged_file("f", 5, 0);
	char *p = map_fd(fd, 2, PROT_READ, MAP_PRIVATE, 3);

	say("pages %d and %d", p[0], p[PAGE]);
	munmap(p, 2 * PAGE);
	close(fd);
}

CASE(private_copy_on_write, IN_DIR)
{
	int fd = paged_file("f", 20, 0);
	char *p = map_fd(fd, 20, RW, MAP_PRIVATE, 0), *q = map_fd(fd, 20, RW, MAP_PRIVATE, 0);
	char c;

	CHECK(p[3 * PAGE] == 3); /* first read, then written */
	p[3 * PAGE] = 'X';
	p[7 * PAGE + 1] = 'Y'; /* written at once */
	say("own: %c %c, neighbour %d", p[3 * PAGE], p[7 * PAGE + 1], p[4 * PAGE]);
	say("other: %d %c", q[3 * PAGE], q[7 * PAGE + 1]);
	NEED(pread(fd, &c, 1, 3 * PAGE));
	say("file: %d", c);
	munmap(p, 20 * PAGE);
	munmap(q, 20 * PAGE);
	close(fd);
}

CASE(private_sees_writes_before_touch, IN_DIR)
{
	int fd = paged_file("f", 4, 0);
	char *p = map_fd(fd, 4, PROT_READ, MAP_PRIVATE, 0);

	NEED(pwrite(fd, "new", 3, PAGE));
	say("%.3s", p + PAGE);
	NEED(pwrite(fd, "two", 3, PAGE));
	say("%.3s", p + PAGE);
	munmap(p, 4 * PAGE);
	close(fd);
}

CASE(private_stays_after_close_and_unlink, IN_DIR)
{
	int fd = paged_file("f", 4, 0);
	char *p = map_fd(fd, 4, PROT_READ, MAP_PRIVATE, 0);

	close(fd);
	SHOW(unlink("f"));
	say("%d %c", p[2 * PAGE], p[2 * PAGE + 1]);
	munmap(p, 4 * PAGE);
}

CASE(shared_write_is_the_files, IN_DIR)
{
	int fd = paged_file("f", 4, 0);
	char *p = map_fd(fd, 4, RW, MAP_SHARED, 0), *q = map_fd(fd, 2, PROT_READ, MAP_SHARED, 1);
	char buf[8] = "";

	memcpy(p + PAGE, "shared", 6);
	NEED(pread(fd, buf, 6, PAGE));
	say("read %s, other mapping %.6s", buf, q);
	NEED(pwrite(fd, "written", 7, 2 * PAGE));
	say("mapping %.7s, other %.7s", p + 2 * PAGE, q + PAGE);
	show_access("read-only view", q);
	SHOW(msync(p, 4 * PAGE, MS_SYNC));
	munmap(p, 4 * PAGE);
	say("after munmap %.6s", q);
	munmap(q, 2 * PAGE);
	close(fd);
}

CASE(shared_hole, IN_DIR)
{
	int fd = (int)NEED(open("f", O_RDWR | O_CREAT, 0644));
	char c = 1;

	NEED(ftruncate(fd, 64 * PAGE));
	char *p = map_fd(fd, 64, RW, MAP_SHARED, 0);
	say("hole reads %d", p[5 * PAGE]);
	p[5 * PAGE] = 'h';
	for (size_t k = 20; k < 64; k++)
		p[k * PAGE] = (char)k;
	NEED(pread(fd, &c, 1, 5 * PAGE));
	say("%c", c);
	NEED(pread(fd, &c, 1, 63 * PAGE));
	say("%d", c);
	NEED(pread(fd, &c, 1, 10 * PAGE));
	say("%d", c);
	munmap(p, 64 * PAGE);
	close(fd);
}

CASE(beyond_the_end, IN_DIR)
{
	int fd = paged_file("f", 1, 100);
	char *p = map_fd(fd, 4, RW, MAP_PRIVATE, 0), *q = map_fd(fd, 4, RW, MAP_SHARED, 0);

	say("tail %c %d", p[PAGE + 99], p[PAGE + 100]);
	q[PAGE + 200] = 'z'; /* beyond the end, in its page: nobody's */
	show_access("private, last page", p + PAGE + 4095);
	show_access("private, beyond", p + 2 * PAGE);
	show_access("shared, beyond", q + 3 * PAGE);
	SHOW(read(fd, p + 2 * PAGE, 1));
	lseek(fd, 0, SEEK_SET);
	SHOW(read(fd, p + 2 * PAGE, 1));
	SHOW(write(fd, q + 2 * PAGE, 1));
	NEED(ftruncate(fd, 4 * PAGE));
	show_access("private, grown", p + 2 * PAGE);
	show_access("shared, grown", q + 3 * PAGE);
	munmap(p, 4 * PAGE);
	munmap(q, 4 * PAGE);
	close(fd);
}

CASE(truncated, IN_DIR)
{
	int fd = paged_file("f", 8, 0);
	char *p = map_fd(fd, 8, RW, MAP_PRIVATE, 0), *q = map_fd(fd, 8, RW, MAP_SHARED, 0);

	p[5 * PAGE] = 'P';
	q[6 * PAGE] = 'Q';
	q[2 * PAGE + 10] = 'x';
	NEED(ftruncate(fd, 2 * PAGE + 5));
	show_access("own copy behind the new end", p + 5 * PAGE);
	show_access("shared behind the new end", q + 6 * PAGE);
	say("last page %d %d", q[2 * PAGE], q[2 * PAGE + 10]);
	NEED(ftruncate(fd, 8 * PAGE));
	say("grown again %d %d", p[5 * PAGE], q[6 * PAGE]);
	munmap(p, 8 * PAGE);
	munmap(q, 8 * PAGE);
	close(fd);
}

CASE(opened_with_truncation, IN_DIR)
{
	int fd = paged_file("f", 2, 0), again;
	char *p = map_fd(fd, 2, PROT_READ, MAP_SHARED, 0);

	say("%d", p[PAGE]);
	again = (int)NEED(open("f", O_WRONLY | O_TRUNC));
	show_access("truncated", p);
	close(again);
	close(fd);
	munmap(p, 2 * PAGE);
}

CASE(rights, IN_DIR)
{
	int fd = paged_file("f", 2, 0), rd = (int)NEED(open("f", O_RDONLY)),
	    wr = (int)NEED(open("f", O_WRONLY)), path = (int)NEED(open("f", O_PATH)),
	    dir = (int)NEED(open(".", O_RDONLY | O_DIRECTORY)), p[2];

	NEED(pipe(p));
	SHOW_MAP(mmap(NULL, PAGE, RW, MAP_SHARED, rd, 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, wr, 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wr, 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wr, 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, path, 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, p[0], 0));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, p[1], 0));
	SHOW_MAP(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, fd, 0));
	SHOW_MAP(mmap(NULL, 0, PROT_READ, MAP_PRIVATE, 999, 0));
	SHOW_MAP((void *)syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, 0, fd, 0));
	SHOW_MAP(mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE, rd, 0));
	SHOW_MAP((void *)syscall(SYS_mmap, NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd,
				 0x7ffffffffffff000));
	for (unsigned i = 0; i < 2; i++)
		close(p[i]);
	close(dir);
	close(path);
	close(wr);
	close(rd);
	close(fd);
}

CASE(private_write_needs_no_write_right, IN_DIR)
{
	int fd = paged_file("f", 2, 0), rd = (int)NEED(open("f", O_RDONLY));
	char *p = map_fd(rd, 2, RW, MAP_PRIVATE, 0);

	p[0] = 'W';
	say("%c", p[0]);
	munmap(p, 2 * PAGE);
	close(rd);
	close(fd);
}

CASE(protection_changes, IN_DIR)
{
	int fd = paged_file("f", 4, 0);
	char *p = map_fd(fd, 4, PROT_READ, MAP_PRIVATE, 0), c;

	say("%d", p[PAGE]);
	SHOW(mprotect(p + PAGE, PAGE, RW));
	p[PAGE] = 'm';
	NEED(pread(fd, &c, 1, PAGE));
	say("own %c, file %d", p[PAGE], c);
	SHOW(mprotect(p, 4 * PAGE, PROT_NONE));
	show_access("none", p + PAGE);
	SHOW(mprotect(p, 4 * PAGE, PROT_READ));
	say("%d %c %d", p[0], p[PAGE], p[2 * PAGE]);
	SHOW(mprotect(p, 4 * PAGE, RW | PROT_EXEC));
	p[0] = 'n';
	NEED(pread(fd, &c, 1, 0));
	say("own %c, file %d", p[0], c);
	munmap(p, 4 * PAGE);
	close(fd);
}

CASE(shared_protection, IN_DIR)
{
	int fd = paged_file("f", 2, 0), rd = (int)NEED(open("f", O_RDONLY));
	char *p = map_fd(rd, 2, PROT_READ, MAP_SHARED, 0);
	char *q = map_fd(fd, 2, PROT_READ, MAP_SHARED, 0);

	SHOW(mprotect(p, PAGE, RW));
	SHOW(mprotect(q, PAGE, RW));
	q[1] = '!';
	say("%c", p[1]);
	munmap(p, 2 * PAGE);
	munmap(q, 2 * PAGE);
	close(rd);
	close(fd);
}

CASE(hole_in_a_mapping, IN_DIR)
{
	int fd = paged_file("f", 6, 0);
	char *p = map_fd(fd, 6, PROT_READ, MAP_PRIVATE, 0);

	NEED(munmap(p + 2 * PAGE, PAGE));
	show_access("hole", p + 2 * PAGE);
	say("%d %d %d", p[PAGE], p[3 * PAGE], p[5 * PAGE]);
	CHECK(mmap(p + 4 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_FIXED, fd, 0) == p + 4 * PAGE);
	say("%d %d", p[4 * PAGE], p[5 * PAGE]);
	SHOW_MAP(mmap(p, PAGE, RW, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0));
	munmap(p, 6 * PAGE);
	close(fd);
}

CASE(remap, IN_DIR)
{
	int fd = paged_file("f", 6, 0);
	char *p = map_fd(fd, 3, RW, MAP_SHARED, 0), *q, c;

	p[PAGE] = 'r';
	q = mremap(p, 3 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	say("%d %c %d %d", q[0], q[PAGE], q[2 * PAGE], q[5 * PAGE]);
	p = mremap(q, 0, 2 * PAGE, MREMAP_MAYMOVE);
	CHECK(p != MAP_FAILED && p != q);
	p[0] = 's';
	say("%c %c", q[0], p[PAGE]);
	char *r = mremap(q + PAGE, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	CHECK(r != MAP_FAILED);
	say("%c %c", r[0], q[PAGE]);
	SHOW_MAP(mremap(q, 6 * PAGE, PAGE, MREMAP_DONTUNMAP));
	SHOW_MAP(mremap(q, 6 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	NEED(pread(fd, &c, 1, 0));
	say("file %c", c);
	munmap(r, PAGE);
	munmap(p, 2 * PAGE);
	munmap(q, 6 * PAGE);
	p = map_fd(fd, 2, RW, MAP_PRIVATE, 0);
	SHOW_MAP(mremap(p, 0, PAGE, MREMAP_MAYMOVE));
	p[1] = 'k';
	q = mremap(p + PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE);
	say("moved half: %c %d", q[0], q[PAGE]);
	munmap(q, 2 * PAGE);
	munmap(p, PAGE);
	close(fd);
}

CASE(advice, IN_DIR)
{
	int fd = paged_file("f", 4, 0);
	char *p = map_fd(fd, 4, RW, MAP_PRIVATE, 0), *q = map_fd(fd, 4, RW, MAP_SHARED, 0);

	p[0] = 'p';
	q[PAGE] = 'q';
	SHOW(madvise(p, 4 * PAGE, MADV_DONTNEED));
	SHOW(madvise(q, 4 * PAGE, MADV_DONTNEED));
	say("%d %c", p[0], q[PAGE]);
	SHOW(madvise(p, 4 * PAGE, MADV_FREE));
	SHOW(madvise(q, 4 * PAGE, MADV_WILLNEED));
	SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
	SHOW(mlock(q, 4 * PAGE));
	SHOW(munlock(q, 4 * PAGE));
	SHOW(msync(q, 4 * PAGE, MS_ASYNC));
	SHOW(msync(q, 4 * PAGE, MS_ASYNC | MS_SYNC));
	SHOW(msync(q + 1, PAGE, MS_SYNC));
	munmap(q, 4 * PAGE);
	SHOW(msync(q, 4 * PAGE, MS_SYNC));
	munmap(p, 4 * PAGE);
	close(fd);
}

CASE(populate, IN_DIR)
{
	int fd = paged_file("f", 20, 0);
	char *p = map_fd(fd, 20, RW, MAP_SHARED | MAP_POPULATE, 0);
	char *q = map_fd(fd, 20, RW, MAP_PRIVATE | MAP_POPULATE, 0);

	p[19 * PAGE] = 'w';
	q[18 * PAGE] = 'v';
	say("%c %d", p[19 * PAGE], p[18 * PAGE]);
	munmap(p, 20 * PAGE);
	munmap(q, 20 * PAGE);
	close(fd);
}

CASE(write_from_own_mapping, IN_DIR)
{
	int fd = paged_file("f", 2, 0);
	char *p;

	NEED(ftruncate(fd, 4 * PAGE));
	p = map_fd(fd, 4, RW, MAP_SHARED, 0);
	SHOW(pwrite(fd, p, PAGE, 2 * PAGE)); /* onto a hole */
	SHOW(pwrite(fd, p + 3 * PAGE, PAGE, 3 * PAGE)); /* a hole onto itself */
	SHOW(pread(fd, p + PAGE, PAGE, 0));
	say("%c %c %d", p[2 * PAGE + 1], p[PAGE + 1], p[3 * PAGE]);
	munmap(p, 4 * PAGE);
	close(fd);
}

CASE(memfd_mapped)
{
	int fd = (int)NEED(syscall(SYS_memfd_create, "m", 0));
	char *p, c = 0;

	NEED(ftruncate(fd, 3 * PAGE));
	p = map_fd(fd, 3, RW, MAP_SHARED, 0);
	p[2 * PAGE] = 'M';
	NEED(pread(fd, &c, 1, 2 * PAGE));
	say("%c", c);
	close(fd);
	say("%c", p[2 * PAGE]);
	munmap(p, 3 * PAGE);
}

CASE(zero_device_mapped)
{
	int fd = (int)NEED(open("/dev/zero", O_RDWR));
	char *p = map_fd(fd, 2, RW, MAP_PRIVATE, 0), *q = map_fd(fd, 2, RW, MAP_SHARED, 0);

	say("%d %d", p[PAGE], q[PAGE]);
	p[0] = q[0] = 1;
	say("%d %d", p[0], q[0]);
	munmap(p, 2 * PAGE);
	munmap(q, 2 * PAGE);
	close(fd);
}

CASE(punched, IN_DIR)
{
	int fd = paged_file("f", 4, 0);
	char *p = map_fd(fd, 4, RW, MAP_SHARED, 0);

	p[PAGE] = 'x';
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE, PAGE));
	say("%d %d %d", p[0], p[PAGE], p[2 * PAGE]);
	p[PAGE] = 'y';
	munmap(p, 4 * PAGE);
	char c = 0;
	NEED(pread(fd, &c, 1, PAGE));
	say("%c", c);
	close(fd);
}

/* The line of /proc/self/maps with the file: rights, offset and name. */
CASE(maps_line, IN_DIR)
{
	int fd = paged_file("mapped-file", 4, 0);
	char *p = map_fd(fd, 2, PROT_READ, MAP_SHARED, 1), line[512], rights[8], name[256];
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned long start, end, offset, ino;
	struct stat st;

	NEED(fstat(fd, &st));
	while (fgets(line, sizeof(line), maps)) {
		if (!strstr(line, "mapped-file"))
			continue;
		sscanf(line, "%lx-%lx %7s %lx %*s %lu %255s", &start, &end, rights, &offset, &ino,
		       name);
		say("%s %lx %s, %lu pages", rights, offset, strrchr(name, '/'),
		    (end - start) / PAGE);
		CHECK((char *)start == p);
		CHECK(ino == st.st_ino);
	}
	fclose(maps);
	munmap(p, 2 * PAGE);
	close(fd);
}

CASE(large, IN_DIR)
{
	const size_t n = 1500; /* blocks of 2 MiB and odd ends */
	int fd = paged_file("f", n, 17);
	char *p = map_fd(fd, n + 1, PROT_READ, MAP_PRIVATE, 0);
	char *q = map_fd(fd, n + 1, RW, MAP_SHARED, 0);
	unsigned long sum = 0;

	for (size_t k = 0; k <= n; k++)
		q[k * PAGE + 7] = (char)k;
	for (size_t k = 0; k <= n; k++)
		sum += (unsigned char)p[k * PAGE + 7] * (k + 1);
	say("%lu", sum);
	munmap(p, (n + 1) * PAGE);
	munmap(q, (n + 1) * PAGE);
	close(fd);
}

/* Of a length that is no whole number of pages, where little more than that is free:
 * holes of as many pages, none of them where a large page could begin. */
CASE(odd_length_in_a_hole, IN_DIR)
{
	const size_t length = 0x219880, hole = 0x21a000, step = 0x800000;
	int fd = NEED(open("file", O_RDWR | O_CREAT, 0600)), odd = 0;
	char *room = mmap(NULL, 8 * step, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(ftruncate(fd, length));
	for (int i = 0; i < 7; i++)
		NEED(munmap(room + i * step + 0x1e7000, hole));
	for (int i = 0; i < 12; i++) {
		char *at = mmap(NULL, length, PROT_READ, MAP_PRIVATE, fd, 0);

		odd += at == MAP_FAILED || (uintptr_t)at % 4096 != 0;
		odd += mmap(at + 0x99000, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) !=
		       at + 0x99000;
	}
	SHOW(odd);
	close(fd);
}
