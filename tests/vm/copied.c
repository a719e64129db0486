/*
 * What a program can do with files of --copy: copied COMMAND FILE. Prints "ok",
 * or what was wrong, and ends with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK(what)                                                                     \
	do {                                                                            \
		if (!(what)) {                                                          \
			printf("line %d: %s (%s)\n", __LINE__, #what, strerror(errno)); \
			exit(1);                                                        \
		}                                                                       \
	} while (0)

static const char *path;
static int fd;
static uint64_t size;
static uint8_t first[4096], page[4096];

static void begin(void)
{
	struct stat st;

	fd = open(path, O_RDWR);
	CHECK(fd >= 0);
	CHECK(fstat(fd, &st) == 0);
	size = (uint64_t)st.st_size;
	CHECK(size > 3 * 4096);
	CHECK(pread(fd, first, 4096, 0) == 4096);
}

/* Writes in the middle, at both ends and beyond; the rest stays. */
static void change(void)
{
	uint8_t last;

	CHECK(pread(fd, &last, 1, (off_t)size - 1) == 1);
	CHECK(pwrite(fd, "changed", 7, 100) == 7);
	for (unsigned i = 0; i < 7; i++)
		first[100 + i] = (uint8_t) "changed"[i];
	CHECK(pread(fd, page, 4096, 0) == 4096 && !memcmp(page, first, 4096));
	CHECK(pwrite(fd, "end", 3, (off_t)size + 5000) == 3);
	CHECK(pread(fd, page, 4096, (off_t)size - 1) == 4096);
	CHECK(page[0] == last);
	for (unsigned i = 1; i < 4096; i++)
		CHECK(page[i] == 0);
	CHECK(ftruncate(fd, 4096 + 10) == 0);
	CHECK(ftruncate(fd, 3 * 4096) == 0);
	CHECK(pread(fd, page, 4096, 4096) == 4096);
	for (unsigned i = 10; i < 4096; i++)
		CHECK(page[i] == 0);
	CHECK(pread(fd, page, 4096, 0) == 4096 && !memcmp(page, first, 4096));
	CHECK(unlink(path) == 0);
	CHECK(pread(fd, page, 4096, 0) == 4096 && !memcmp(page, first, 4096));
	CHECK(close(fd) == 0);
	CHECK(open(path, O_RDONLY) < 0 && errno == ENOENT);
}

static uint64_t sum_of(const uint8_t *p, uint64_t n)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < n; i++)
		sum = sum * 31 + p[i];
	return sum;
}

/* A private mapping: shows the file, can be made writable, moved and cut,
 * and nothing of that reaches the file. */
static void map(void)
{
	const uint64_t n = size & -(uint64_t)4096;
	uint8_t *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0), *q;
	uint64_t sum;

	CHECK(p != MAP_FAILED);
	CHECK(!memcmp(p, first, 4096));
	sum = sum_of(p, size);
	CHECK(mprotect(p, 2 * 4096, PROT_READ | PROT_WRITE) == 0);
	CHECK(sum_of(p, size) == sum);
	p[0] ^= 0xff;
	p[4096] ^= 0xff;
	CHECK((p[0] ^ first[0]) == 0xff);
	CHECK(pread(fd, page, 4096, 0) == 4096 && !memcmp(page, first, 4096));
	CHECK(mprotect(p, 2 * 4096, PROT_READ) == 0);
	CHECK((p[0] ^ first[0]) == 0xff);
	q = mremap(p + 2 * 4096, n - 2 * 4096, n - 2 * 4096, MREMAP_MAYMOVE | MREMAP_FIXED,
		   mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	CHECK(q != MAP_FAILED);
	CHECK(mprotect(q, n - 2 * 4096, PROT_READ | PROT_WRITE) == 0);
	q[0] ^= 0xff;
	q[4096] ^= 0; /* stays what it was */
	CHECK(pread(fd, page, 4096, 2 * 4096) == 4096 && (q[0] ^ page[0]) == 0xff);
	CHECK(!memcmp(q + 1, page + 1, 4095));
	CHECK(pread(fd, page, 4096, (off_t)n - 4096) == 4096);
	CHECK(!memcmp(q + n - 3 * 4096, page, 4096));
	CHECK(munmap(q, n - 2 * 4096) == 0);
}

/* Reads a mapping of it for ever, or calls what is in it. */
static void spin(void)
{
	const volatile uint8_t *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	puts("spinning");
	fflush(stdout);
	for (;;)
		for (uint64_t i = 0; i < size; i += 4096)
			(void)p[i];
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} command[] = { { "change", change }, { "map", map }, { "spin", spin } };

	if (argc != 3)
		return 2;
	path = argv[2];
	begin();
	for (unsigned i = 0; i < sizeof(command) / sizeof(command[0]); i++) {
		if (strcmp(argv[1], command[i].name) == 0) {
			command[i].run();
			puts("ok");
			return 0;
		}
	}
	return 2;
}
