/*
 * Mappings of files in the current directory: says what is not as on Linux. Run in
 * VMs on ext2 and on shares, and on the host, where it must find nothing, too.
 *
 *   mapped DISK WHAT...   mounts /dev/vda at /mnt and goes there first, if DISK is
 *                         its file system; "-": goes nowhere; else a directory
 *     small    everything on small files
 *     large N  a file of N MiB: read, written here and there, compared
 *     copied FILE  reads a file of some pages by a mapping while it is opened to be
 *              written, which makes a copy of it in an overlay
 *     cut FILE  writes to 3 MiB of it, once before and once after a line of input, that
 *              comes when somebody else has made the file shorter
 *     leave    leaves a file "left", written by a mapping only, for who looks later
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "expect.h"

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)

static sigjmp_buf back;
static char page[PAGE], zeroes[PAGE];

static void caught(int sig)
{
	siglongjmp(back, sig);
}

/* The signal of an access, or 0. */
static int touch(volatile char *p, int write)
{
	int sig = sigsetjmp(back, 1);

	if (sig)
		return sig;
	if (write)
		*p = 1;
	else
		(void)*p;
	return 0;
}

/* n pages and `extra` bytes: page k is full of 'a' + k % 26, the rest of '#'. */
static int new_file(const char *name, size_t n, size_t extra)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

	expect(fd >= 0, "create %s", name);
	for (size_t k = 0; k < n; k++) {
		memset(page, 'a' + (int)(k % 26), PAGE);
		expect(write(fd, page, PAGE) == (ssize_t)PAGE, "write");
	}
	memset(page, '#', PAGE);
	expect(write(fd, page, extra) == (ssize_t)extra, "write");
	return fd;
}

static char *map(int fd, size_t n, int prot, int flags, size_t at)
{
	char *p = mmap(NULL, n * PAGE, prot, flags, fd, (off_t)(at * PAGE));

	expect(p != MAP_FAILED, "mmap");
	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static int byte_at(int fd, size_t at)
{
	unsigned char c;

	return pread(fd, &c, 1, (off_t)at) == 1 ? c : -1;
}

static void both_ways(void)
{
	int fd = new_file("f", 40, 100);
	char *p = map(fd, 41, RW, MAP_SHARED, 0), *q = map(fd, 20, PROT_READ, MAP_SHARED, 3);

	for (size_t k = 0; k < 40; k++)
		expect(p[k * PAGE + k] == 'a' + (int)(k % 26), "page %zu", k);
	expect(p[40 * PAGE + 99] == '#' && p[40 * PAGE + 100] == 0, "tail");
	for (size_t k = 0; k < 41; k++)
		p[k * PAGE + 7] = (char)(k + 1);
	for (size_t k = 0; k < 41; k++)
		expect(byte_at(fd, k * PAGE + 7) == (int)k + 1, "read of page %zu", k);
	expect(pwrite(fd, "written", 7, 5 * PAGE - 3) == 7, "pwrite");
	expect(!memcmp(p + 5 * PAGE - 3, "written", 7), "write seen in the mapping");
	expect(!memcmp(q + 2 * PAGE - 3, "written", 7), "write seen in another mapping");
	expect(msync(p, 41 * PAGE, MS_SYNC) == 0, "msync");
	p[9 * PAGE] = '1'; /* once more, after it was written */
	expect(byte_at(fd, 9 * PAGE) == '1' && q[6 * PAGE] == '1', "changed again");
	expect(fsync(fd) == 0, "fsync");
	p[9 * PAGE] = '2';
	munmap(p, 41 * PAGE);
	expect(byte_at(fd, 9 * PAGE) == '2' && q[6 * PAGE] == '2', "after munmap");
	expect(touch(q, 1) == SIGSEGV, "write to a read-only mapping");
	munmap(q, 20 * PAGE);
	close(fd);
}

static void private(void)
{
	int fd = new_file("f", 20, 0);
	char *p = map(fd, 20, RW, MAP_PRIVATE, 0), *q = map(fd, 20, RW, MAP_SHARED, 0);

	expect(pwrite(fd, "new", 3, PAGE) == 3 && !memcmp(p + PAGE, "new", 3), "seen unread");
	expect(pwrite(fd, "two", 3, PAGE) == 3 && !memcmp(p + PAGE, "two", 3), "seen when read");
	p[PAGE] = 'X';
	p[7 * PAGE] = 'Y';
	q[8 * PAGE] = 'Z';
	expect(byte_at(fd, PAGE) == 't' && q[7 * PAGE] == 'h' && p[8 * PAGE] == 'Z', "own copies");
	expect(ftruncate(fd, 6 * PAGE + 10) == 0, "ftruncate");
	expect(touch(p + 7 * PAGE, 0) == SIGBUS, "a copy behind the end");
	expect(p[PAGE] == 'X' && p[6 * PAGE + 9] == 'g' && p[6 * PAGE + 10] == 0, "what is left");
	munmap(p, 20 * PAGE);
	munmap(q, 20 * PAGE);
	close(fd);
}

static long blocks(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (long)st.st_blocks : -1;
}

static void holes(int counts)
{
	int fd = new_file("f", 0, 0);
	char *p;
	long before;

	expect(ftruncate(fd, 64 * PAGE - 100) == 0, "ftruncate");
	before = blocks(fd);
	p = map(fd, 64, RW, MAP_SHARED, 0);
	for (size_t k = 0; k < 64; k++)
		expect(!memcmp(p + k * PAGE, zeroes, PAGE), "hole %zu", k);
	expect(!counts || blocks(fd) == before, "reading holes took blocks");
	p[5 * PAGE + 2000] = 'h';
	p[63 * PAGE] = 'l';
	expect(byte_at(fd, 5 * PAGE + 2000) == 'h' && byte_at(fd, 5 * PAGE) == 0, "filled");
	expect(pwrite(fd, "w", 1, 6 * PAGE + 1500) == 1 && p[6 * PAGE + 1500] == 'w', "by write");
	p[6 * PAGE + 3000] = 'm';
	expect(byte_at(fd, 6 * PAGE + 3000) == 'm' && byte_at(fd, 6 * PAGE + 1500) == 'w', "both");
	expect(pwrite(fd, "x", 1, 5 * PAGE + 10) == 1, "pwrite");
	expect(p[5 * PAGE + 10] == 'x' && p[5 * PAGE + 2000] == 'h', "both again");
	munmap(p, 64 * PAGE);
	close(fd);
}

/* tmpfs keeps what a mapping wrote behind the end, and shows it when the file grows. */
static void the_end(int clears)
{
	int fd = new_file("f", 2, 100);
	char *p = map(fd, 8, RW, MAP_SHARED, 0);

	p[2 * PAGE + 200] = 'z'; /* nobody's */
	expect(touch(p + 3 * PAGE, 0) == SIGBUS && touch(p + 3 * PAGE, 1) == SIGBUS, "behind");
	expect(ftruncate(fd, 5 * PAGE) == 0, "grow");
	expect(!clears || byte_at(fd, 2 * PAGE + 200) == 0, "the gap");
	expect(p[2 * PAGE + 200] == byte_at(fd, 2 * PAGE + 200) && p[4 * PAGE] == 0,
	       "the gap in the mapping");
	expect(byte_at(fd, 2 * PAGE + 99) == '#', "what is before it");
	p[4 * PAGE + 1] = 'e';
	expect(byte_at(fd, 4 * PAGE + 1) == 'e', "written in what has grown");
	expect(ftruncate(fd, PAGE + 5) == 0, "shrink");
	expect(touch(p + 2 * PAGE, 1) == SIGBUS && p[PAGE + 4] == 'b' && p[PAGE + 5] == 0, "cut");
	p[PAGE + 6] = '!';
	expect(pwrite(fd, "end", 3, 3 * PAGE) == 3, "write behind the end");
	expect(p[PAGE + 6] == byte_at(fd, PAGE + 6) && (!clears || p[PAGE + 6] == 0),
	       "the gap before it");
	expect(!memcmp(p + 3 * PAGE, "end", 4), "appended");
	expect(touch(p + 4 * PAGE, 0) == SIGBUS, "behind the new end");
	munmap(p, 8 * PAGE);
	close(fd);
}

/* A mapping as the memory of system calls on the same file system. */
static void as_buffer(void)
{
	int fd = new_file("f", 8, 0), to = new_file("g", 0, 0), pair[2];
	char *p = map(fd, 8, RW, MAP_SHARED, 0), *q;

	expect(write(to, p, 8 * PAGE) == 8 * (ssize_t)PAGE, "write from a mapping");
	expect(pwrite(fd, p + PAGE, 2 * PAGE, 4 * PAGE) == 2 * (ssize_t)PAGE, "to itself");
	expect(p[4 * PAGE] == 'b' && p[5 * PAGE] == 'c', "moved");
	expect(ftruncate(to, 10 * PAGE) == 0, "ftruncate");
	q = map(to, 11, RW, MAP_SHARED, 0);
	expect(pread(fd, q + 8 * PAGE, 2 * PAGE, 2 * PAGE) == 2 * (ssize_t)PAGE, "into holes");
	expect(byte_at(to, 8 * PAGE) == 'c' && byte_at(to, 9 * PAGE + 1) == 'd', "came");
	expect(pread(fd, q + 9 * PAGE, 2 * PAGE, 0) >= 0 || errno == EFAULT, "over the end");
	expect(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0, "socketpair");
	p[3] = '3';
	expect(sendfile(pair[0], fd, &(off_t){ 0 }, 100) == 100, "sendfile");
	expect(read(pair[1], page, 100) == 100 && page[3] == '3' && page[99] == 'a', "sent");
	munmap(q, 11 * PAGE);
	munmap(p, 8 * PAGE);
	close(fd);
	close(to);
}

static void gone(void)
{
	int fd = new_file("f", 4, 0);
	char *p = map(fd, 4, RW, MAP_SHARED, 0), *q;

	close(fd);
	expect(unlink("f") == 0, "unlink");
	p[PAGE] = '1';
	q = map(new_file("other", 4, 0), 4, RW, MAP_SHARED, 0);
	expect(p[2 * PAGE] == 'c' && p[PAGE] == '1' && q[PAGE] == 'b', "after the name is gone");
	munmap(p, 4 * PAGE);
	munmap(q, 4 * PAGE);
}

/* More files are closed than a share's ring has room for. */
static void many(void)
{
	int fd[200];

	for (unsigned i = 0; i < 200; i++)
		fd[i] = open("f", O_RDONLY | O_CREAT, 0644);
	expect(fd[199] >= 0, "200 open files");
	for (unsigned i = 0; i < 200; i++)
		close(fd[i]);
}

static void large(size_t n)
{
	int fd = new_file("large", n * 256, 0);
	char *p = map(fd, n * 256, RW, MAP_SHARED, 0);

	for (size_t k = 0; k < n * 256; k++)
		expect(p[k * PAGE + 5] == 'a' + (int)(k % 26), "page %zu", k);
	for (size_t k = 0; k < n * 256; k += 7)
		p[k * PAGE + k % PAGE] = '!';
	for (size_t k = 0; k < n * 256; k++)
		expect(byte_at(fd, k * PAGE + k % PAGE) == (k % 7 ? 'a' + (int)(k % 26) : '!'),
		       "read of page %zu", k);
	munmap(p, n * 256 * PAGE);
	close(fd);
	unlink("large");
}

static void copied(const char *name)
{
	int fd = open(name, O_RDONLY), out;
	unsigned char *p = (unsigned char *)map(fd, 40, PROT_READ, MAP_SHARED, 0);

	for (size_t k = 0; k < 40; k += 2)
		expect(byte_at(fd, k * PAGE + k) == p[k * PAGE + k], "page %zu", k);
	out = open(name, O_RDWR);
	expect(out >= 0 && pwrite(out, "new", 3, 6 * PAGE) == 3, "write to the copy");
	for (size_t k = 0; k < 40; k++)
		expect(byte_at(out, k * PAGE + k) == p[k * PAGE + k], "page %zu of the copy", k);
	munmap(p, 40 * PAGE);
	close(fd);
	close(out);
}

static void cut(const char *name)
{
	int fd = open(name, O_RDWR);
	volatile char *p = map(fd, 768, RW, MAP_SHARED, 0);

	p[0] = 'A';
	p[600 * PAGE] = 'B';
	printf("ready\n");
	fflush(stdout);
	getchar();
	p[600 * PAGE] = 'C';
	p[1] = 'D';
	printf("done\n");
}

static void leave(void)
{
	int fd = open("left", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *p;

	expect(ftruncate(fd, 3 * PAGE) == 0, "ftruncate");
	p = map(fd, 3, RW, MAP_SHARED, 0);
	strcpy(p, "first\n");
	expect(msync(p, PAGE, MS_SYNC) == 0, "msync");
	strcpy(p + 6, "second\n");
	strcpy(p + 2 * PAGE, "third\n");
}

int main(int argc, char **argv)
{
	const char *where = argc > 1 ? argv[1] : "-";
	struct sigaction action = { .sa_handler = caught };

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	if (where[0] != '-' && where[0] != '/' && mount("/dev/vda", "/mnt", where, 0, NULL)) {
		printf("mount: %s\n", strerror(errno));
		return 2;
	}
	if (where[0] != '-' && chdir(where[0] == '/' ? where : "/mnt"))
		return 3;
	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "small")) {
			both_ways();
			private();
			holes(where[0] != '-');
			the_end(where[0] != '-');
			as_buffer();
			gone();
			many();
		} else if (!strcmp(argv[i], "large") && i + 1 < argc) {
			large(strtoul(argv[++i], NULL, 10));
		} else if (!strcmp(argv[i], "copied") && i + 1 < argc) {
			copied(argv[++i]);
		} else if (!strcmp(argv[i], "cut") && i + 1 < argc) {
			cut(argv[++i]);
		} else if (!strcmp(argv[i], "leave")) {
			leave();
		}
	}
	return wrong > 0;
}
