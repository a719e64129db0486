/*
 * Very many mappings, and very large ranges in which there are few.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

#define PAGE 4096ul
#define MANY 65600ul /* more pages than there may be mappings */
#define TIB  (1ul << 40)

static char *reserve(size_t len, int prot)
{
	char *p = mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	NEED(p == MAP_FAILED ? -1 : 0);
	return p;
}

/* By the calls themselves: between these nothing may ask for memory. */
static long protect(char *p, size_t n)
{
	return syscall(SYS_mprotect, p, n * PAGE, PROT_READ);
}

static long map_one(void)
{
	return syscall(SYS_mmap, 0, PAGE, PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0L);
}

static long error_of(long result)
{
	return result < 0 ? -errno : 0;
}

/* vm.max_map_count: what makes more of them is refused, what makes fewer is not. */
CASE(mappings_most)
{
	char *large = reserve(MANY * PAGE, PROT_NONE);
	char *other = reserve(8 * PAGE, PROT_READ | PROT_WRITE);
	long got[9], n = 0, i = 0;

	while (!protect(large + 2 * n * PAGE, 1))
		n++;
	got[i++] = -errno;
	got[i++] = error_of(map_one()); /* up to one more */
	got[i++] = error_of(map_one());
	got[i++] = error_of(syscall(SYS_munmap, other + PAGE, PAGE)); /* into two */
	got[i++] = error_of(syscall(SYS_mremap, other, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	got[i++] = error_of(syscall(SYS_munmap, other, PAGE)); /* shorter */
	got[i++] = error_of(protect(other + 2 * PAGE, 1));
	got[i++] = error_of(protect(large, 2 * n - 2)); /* one of all */
	got[i++] = error_of(syscall(SYS_munmap, other + 3 * PAGE, PAGE));
	munmap(large, MANY * PAGE);
	munmap(other, 8 * PAGE);
	CHECK(n > 32700 && n <= 32765);
	for (long j = 0; j < i; j++)
		say("%ld: %s", j, errno_name((int)-got[j]));
}

static char text[1 << 16];

/* Lines of /proc/self/maps with addresses in [start, end), which are in order; reads
 * from `from` on. */
static long count_lines(int fd, long from, char *start, char *end)
{
	char line[256], *low, *last = NULL;
	long lines = 0, got;
	size_t len = 0;

	while ((got = NEED(pread(fd, text, sizeof(text), from))) > 0) {
		from += got;
		for (long i = 0; i < got; i++) {
			line[len++] = text[i];
			if (text[i] != '\n')
				continue;
			line[len] = 0;
			len = 0;
			if (sscanf(line, "%p-", (void **)&low) != 1 || low < start || low >= end)
				continue;
			lines += low > last;
			last = low;
		}
	}
	return lines;
}

/* More text than there is memory in one piece. */
CASE(mappings_listed)
{
	long n = 45000, lines;
	char *p = reserve((size_t)n * PAGE, PROT_NONE);
	int fd = NEED(open("/proc/self/maps", O_RDONLY));

	for (long i = 0; i < n; i += 2)
		NEED(protect(p + i * (long)PAGE, 1));
	lines = count_lines(fd, 0, p, p + n * (long)PAGE);
	CHECK(lines == n);
	lines = count_lines(fd, 1000000, p, p + n * (long)PAGE);
	CHECK(lines > n / 10 && lines < n * 9 / 10);
	close(fd);
	munmap(p, (size_t)n * PAGE);
}

/* Where there is nothing, nothing is to be looked for page by page. */
CASE(mappings_few)
{
	char *p = reserve(TIB, PROT_NONE);

	NEED(munmap(p, TIB));
	SHOW(madvise(p, TIB, MADV_DONTNEED));
	SHOW(madvise(p, TIB, MADV_FREE));
	SHOW(msync(p, TIB, MS_SYNC));
	SHOW(mprotect(p, TIB, PROT_READ));
	SHOW(munmap(p, TIB));
}
