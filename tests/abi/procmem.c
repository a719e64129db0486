/*
 * /proc/self/smaps, smaps_rollup, pagemap and mem: a process's memory as it is told
 * about, and reached by its addresses.
 */
#include <ctype.h>
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define PAGE  4096ul
#define PAGES 64ul

static char text[1 << 19];

static const char *slurp(const char *path)
{
	int fd = NEED(open(path, O_RDONLY));
	size_t at = 0;
	long n;

	while ((n = read(fd, text + at, sizeof(text) - 1 - at)) > 0)
		at += (size_t)n;
	close(fd);
	text[at] = 0;
	return text;
}

static char *map(size_t n, int prot, int flags, int fd)
{
	char *p = mmap(NULL, n * PAGE, prot, flags, fd, 0);

	NEED(p == MAP_FAILED ? -1 : 0);
	return p;
}

/* n pages of a new file, each beginning with a letter. */
static int file_of_pages(const char *path, size_t n, int flags)
{
	int fd = NEED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));

	NEED(ftruncate(fd, (off_t)(n * PAGE)));
	for (size_t i = 0; i < n; i++)
		NEED(pwrite(fd, &"abcdefghijklmnopqrstuvwxyz"[i % 26], 1, (off_t)(i * PAGE)));
	close(fd);
	return (int)NEED(open(path, flags));
}

static unsigned touch(const char *p, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (unsigned char)*(const volatile char *)(p + i * PAGE);
	return sum;
}

/* ---- smaps ---- */

static bool is_header(const char *line)
{
	return isdigit((unsigned char)*line) || (*line >= 'a' && *line <= 'f');
}

static const char *next_line(const char *line)
{
	line = strchr(line, '\n');
	return line != NULL && line[1] != 0 ? line + 1 : NULL;
}

/* What smaps says about the mapping that holds p: its header, or NULL. */
static const char *block_of(const void *p)
{
	unsigned long from, to;

	for (const char *line = slurp("/proc/self/smaps"); line; line = next_line(line))
		if (is_header(line) && sscanf(line, "%lx-%lx", &from, &to) == 2 &&
		    (uintptr_t)p >= from && (uintptr_t)p < to)
			return line;
	return NULL;
}

/* A number in kB of a block, -1: not there. */
static long in_block(const char *block, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = next_line(block); line && !is_header(line); line = next_line(line))
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			return atol(line + n + 1);
	return -1;
}

static long number_at(const void *p, const char *name)
{
	const char *block = block_of(p);

	return block != NULL ? in_block(block, name) : -2;
}

/* Over all blocks of what slurp() has read. */
static long sum_of(const char *name)
{
	long sum = 0;

	for (const char *line = text; line; line = next_line(line))
		if (is_header(line))
			sum += in_block(line, name);
	return sum;
}

/* The rights, of all VmFlags. `without`: what depends on how files are mounted. */
static void show_flags(const char *what, const void *p, const char *without)
{
	static const char known[] = " rd wr ex sh mr mw me ms gd ac ";
	const char *line = block_of(p);
	char word[3], shown[100] = "", padded[8];
	int n;

	while (line && strncmp(line, "VmFlags:", 8) != 0)
		line = next_line(line);
	CHECK(line != NULL);
	for (line += 8; sscanf(line, " %2[a-z]%n", word, &n) == 1 && line[0] != '\n'; line += n) {
		snprintf(padded, sizeof(padded), " %s ", word);
		if (strstr(known, padded) && !strstr(without, word))
			strcat(shown, padded + (shown[0] != 0 ? 0 : 1));
		if (line[n] == ' ' && line[n + 1] == '\n')
			break;
	}
	say("%s: %s", what, shown);
}

/* Names that came to Linux of late, or that depend on the CPU, are left out. */
static void show_names(const char *line)
{
	static const char *const not_everywhere[] = { "Pss_Dirty", "KSM", "ProtectionKey" };

	for (line = next_line(line); line && !is_header(line); line = next_line(line)) {
		char name[64] = "";
		bool shown = true;
		int column = 0;

		sscanf(line, "%63[^:]:%n", name, &column);
		for (size_t i = 0; i < 3; i++)
			shown = shown && strcmp(name, not_everywhere[i]) != 0;
		column += (int)strspn(line + column, " 0123456789");
		if (shown)
			say("%s, to column %d: %.2s", name, strcmp(name, "VmFlags") ? column : 0,
			    strcmp(name, "VmFlags") ? line + column : "");
	}
}

CASE(smaps_lines)
{
	char *p = pages(1);

	show_names(block_of(p));
	munmap(p, 2 * PAGE);
}

CASE(smaps_rollup_lines)
{
	show_names(slurp("/proc/self/smaps_rollup"));
}

CASE(smaps_headers_are_maps)
{
	static char maps[1 << 16];
	bool same = true;
	size_t at = 0;

	strncpy(maps, slurp("/proc/self/maps"), sizeof(maps) - 1);
	slurp("/proc/self/smaps");
	for (const char *line = text; line; line = next_line(line)) {
		size_t n = strcspn(line, "\n") + 1;

		if (!is_header(line))
			continue;
		same = same && strncmp(line, maps + at, n) == 0;
		at += n;
	}
	CHECK(same);
	CHECK(maps[at] == 0);
}

CASE(smaps_anonymous)
{
	char *p = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *part = map(PAGES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	touch(text, sizeof(text) / PAGE);
	SHOW(number_at(p, "Size"));
	SHOW(number_at(p, "KernelPageSize"));
	SHOW(number_at(p, "MMUPageSize"));
	SHOW(number_at(p, "Rss"));
	for (size_t i = 0; i < PAGES / 4; i++)
		p[i * PAGE] = 1;
	CHECK(number_at(p, "Rss") >= (long)PAGES);
	CHECK(number_at(p, "Rss") == number_at(p, "Anonymous"));
	memset(p, 1, PAGES * PAGE);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Pss"));
	SHOW(number_at(p, "Anonymous"));
	SHOW(number_at(p, "Private_Dirty"));
	SHOW(number_at(p, "Private_Clean"));
	SHOW(number_at(p, "Shared_Dirty"));
	SHOW(number_at(p, "Shared_Clean"));
	NEED(mprotect(p, PAGES * PAGE, PROT_NONE));
	SHOW(number_at(p, "Rss"));
	NEED(madvise(p, PAGES * PAGE, MADV_DONTNEED));
	SHOW(number_at(p, "Rss"));
	CHECK(number_at(part, "Rss") == 0);
	munmap(part, PAGES * PAGE);
	munmap(p, PAGES * PAGE);
	SHOW(number_at(p, "Size"));
}

CASE(smaps_shared_memory)
{
	char *p = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);

	memset(p, 1, PAGES * PAGE);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	SHOW(number_at(p, "Private_Dirty"));
	munmap(p, PAGES * PAGE);
}

CASE(smaps_file, IN_DIR)
{
	int fd = file_of_pages("f", PAGES, O_RDWR);
	char *p = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);

	CHECK(number_at(p, "Rss") == 0);
	touch(p, PAGES);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	p[5 * PAGE] = 'x';
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	CHECK(strstr(block_of(p), "/f\n") != NULL);
	munmap(p, PAGES * PAGE);
	p = map(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	memset(p, 'y', PAGES * PAGE);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	SHOW(number_at(p, "Private_Dirty"));
	munmap(p, PAGES * PAGE);
	close(fd);
}

CASE(smaps_flags, IN_DIR)
{
	int rw = file_of_pages("f", 2, O_RDWR), ro = NEED(open("f", O_RDONLY));
	char here, *p = pages(1);

	show_flags("pages", p, "");
	show_flags("guard", p + PAGE, "");
	show_flags("stack", &here, "");
	show_flags("code", (const void *)(uintptr_t)show_flags, "");
	munmap(p, 2 * PAGE);
	p = map(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	show_flags("shared memory", p, "");
	munmap(p, 2 * PAGE);
	for (int prot = PROT_NONE; prot <= (PROT_READ | PROT_WRITE); prot++) {
		p = map(2, prot, MAP_PRIVATE, ro);
		show_flags("private file", p, "me");
		munmap(p, 2 * PAGE);
		p = map(2, prot, MAP_SHARED, rw);
		show_flags("shared file", p, "me");
		munmap(p, 2 * PAGE);
	}
	p = map(2, PROT_READ, MAP_SHARED, ro);
	show_flags("shared file that cannot be written", p, "me");
	munmap(p, 2 * PAGE);
	close(rw);
	close(ro);
}

CASE(smaps_sum_is_rollup)
{
	static const char *const names[] = { "Rss",           "Shared_Clean",  "Shared_Dirty",
					     "Private_Clean", "Private_Dirty", "Referenced",
					     "Anonymous",     "Swap",          "Locked",
					     "AnonHugePages" };
	long sum[10], pss, blocks = 0;

	memset(text, 1, sizeof(text));
	slurp("/proc/self/smaps");
	slurp("/proc/self/smaps");
	for (size_t i = 0; i < 10; i++)
		sum[i] = sum_of(names[i]);
	pss = sum_of("Pss");
	for (const char *line = text; line; line = next_line(line))
		blocks += is_header(line);
	slurp("/proc/self/smaps_rollup");
	for (size_t i = 0; i < 10; i++)
		say("%s: %s", names[i], sum[i] == in_block(text, names[i]) ? "the sum" : "not");
	/* parts of a kB are lost in each mapping */
	CHECK(pss <= in_block(text, "Pss") && pss + blocks >= in_block(text, "Pss"));
	CHECK(in_block(text, "Rss") ==
	      in_block(text, "Shared_Clean") + in_block(text, "Shared_Dirty") +
		      in_block(text, "Private_Clean") + in_block(text, "Private_Dirty"));
	CHECK(in_block(text, "Rss") > 100);
	CHECK(strstr(text, " ---p 00000000 00:00 0    ") != NULL);
	CHECK((size_t)(strstr(text, "[rollup]\n") - text) >= 73);
}

CASE(smaps_of_threads)
{
	static const char *const names[] = { "maps", "smaps", "smaps_rollup" };
	char path[64], line[2][64];

	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", getpid(), names[i]);
		snprintf(line[0], 20, "%s", slurp(path));
		snprintf(path, sizeof(path), "/proc/self/task/%d/%s", getpid(), names[i]);
		snprintf(line[1], 20, "%s", slurp(path));
		say("%s: %s", names[i], strcmp(line[0], line[1]) == 0 ? "the same" : "others");
	}
}

CASE(smaps_of_many)
{
	char *p = map(4 * PAGES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned found = 0;

	for (size_t i = 0; i < 4 * PAGES; i += 2)
		NEED(mprotect(p + i * PAGE, PAGE, PROT_READ | PROT_WRITE));
	for (size_t i = 0; i < 4 * PAGES; i++)
		found += i % 37 != 0 || number_at(p + i * PAGE, "Size") == 4;
	SHOW(found);
	munmap(p, 4 * PAGES * PAGE);
}

/* ---- pagemap ---- */

#define PM_PRESENT   (1ull << 63)
#define PM_SWAP      (1ull << 62)
#define PM_FILE      (1ull << 61)
#define PM_EXCLUSIVE (1ull << 56)

static uint64_t pagemap_at(int fd, const void *p)
{
	uint64_t entry = 1;

	NEED(pread(fd, &entry, 8, (off_t)((uintptr_t)p / PAGE * 8)) - 8);
	return entry;
}

static void show_page(const char *what, int fd, const void *p)
{
	uint64_t entry = pagemap_at(fd, p);

	say("%s:%s%s%s%s", what, entry & PM_PRESENT ? " present" : "",
	    entry & PM_SWAP ? " swapped" : "", entry & PM_FILE ? " file" : "",
	    entry & PM_EXCLUSIVE ? " exclusive" : "");
}

CASE(pagemap_pages, IN_DIR)
{
	int fd = NEED(open("/proc/self/pagemap", O_RDONLY)), f = file_of_pages("f", 2, O_RDWR);
	char *p = pages(1);

	show_page("untouched", fd, p);
	*p = 1;
	show_page("written", fd, p);
	show_page("guard", fd, p + PAGE);
	NEED(mprotect(p, PAGE, PROT_NONE));
	show_page("without rights", fd, p);
	munmap(p, 2 * PAGE);
	show_page("unmapped", fd, p);
	show_page("stack", fd, &p);
	show_page("nothing", fd, bad_ptr());
	p = map(2, PROT_READ, MAP_PRIVATE, f);
	touch(p, 2);
	show_page("page of a file", fd, p);
	NEED(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
	p[PAGE] = 'x';
	show_page("private copy", fd, p + PAGE);
	munmap(p, 2 * PAGE);
	p = map(2, PROT_READ | PROT_WRITE, MAP_SHARED, f);
	p[PAGE] = 'x';
	show_page("shared file", fd, p + PAGE);
	munmap(p, 2 * PAGE);
	p = map(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	*p = 1;
	show_page("shared memory", fd, p);
	munmap(p, 2 * PAGE);
	close(f);
	close(fd);
}

CASE(pagemap_is_mincore)
{
	static uint64_t entry[PAGES];
	static unsigned char core[PAGES];
	int fd = NEED(open("/proc/self/pagemap", O_RDONLY));
	char *p = map(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned differ = 0;

	for (size_t i = 20; i < 30; i++)
		p[i * PAGE] = 1;
	NEED(lseek(fd, (off_t)((uintptr_t)p / PAGE * 8), SEEK_SET));
	SHOW(read(fd, entry, sizeof(entry)));
	NEED(mincore(p, PAGES * PAGE, core));
	for (size_t i = 0; i < PAGES; i++)
		differ += (entry[i] & PM_PRESENT) / PM_PRESENT != (core[i] & 1u);
	SHOW(differ);
	CHECK(lseek(fd, 0, SEEK_CUR) == (off_t)(((uintptr_t)p / PAGE + PAGES) * 8));
	munmap(p, PAGES * PAGE);
	close(fd);
}

#define USER_PAGES 0x7fffffffful

CASE(pagemap_positions)
{
	static uint64_t entry[PAGES];
	int fd = NEED(open("/proc/self/pagemap", O_RDONLY));

	SHOW(read(fd, entry, 0));
	SHOW(read(fd, entry, 7));
	SHOW(read(fd, entry, 12));
	SHOW(read(fd, entry, 16));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, 5, SEEK_SET));
	SHOW(read(fd, entry, 8));
	SHOW(pread(fd, entry, 8, 3));
	SHOW(pread(fd, entry, 8, -8));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(lseek(fd, 11, SEEK_CUR));
	SHOW(pread(fd, entry, 64, USER_PAGES * 8));
	SHOW(pread(fd, entry, 64, (USER_PAGES - 2) * 8));
	SHOW(pread(fd, entry, 64, (USER_PAGES - 2) * 8 + 1));
	SHOW(pread(fd, entry, 64, 1l << 60));
	SHOW(pread(fd, entry, 64, 0x7ffffffffffffff8 - 64));
	SHOW(pread(fd, bad_ptr(), 64, 0));
	SHOW(pread(fd, bad_ptr(), 64, (off_t)((uintptr_t)entry / PAGE * 8)));
	SHOW(write(fd, entry, 8));
	SHOW(close(fd));
	fd = open("/proc/self/task/self/pagemap", O_RDONLY);
	SHOW(fd);
}

CASE(pagemap_of_all_lower_memory)
{
	static uint64_t entry[1 << 16];
	int fd = NEED(open("/proc/self/pagemap", O_RDONLY));
	unsigned present = 0;
	long n = pread(fd, entry, sizeof(entry), 0x400000 / PAGE * 8);

	SHOW(n);
	for (size_t i = 0; i < sizeof(entry) / 8; i++)
		present += entry[i] / PM_PRESENT;
	CHECK(present >= 10);
	CHECK(present < 5000);
	close(fd);
}

/* ---- mem ---- */

static off_t address(const volatile void *p)
{
	return (off_t)(uintptr_t)p;
}

CASE(mem_read)
{
	static const char here[] = "these words";
	int fd = NEED(open("/proc/self/mem", O_RDONLY));
	char buf[32] = "", *p = map(3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	SHOW(pread(fd, buf, sizeof(here), address(here)));
	say("%s", buf);
	CHECK(lseek(fd, address(here) + 6, SEEK_SET) == address(here) + 6);
	SHOW(read(fd, buf, 6));
	say("%s", buf);
	CHECK(lseek(fd, 0, SEEK_CUR) == address(here) + 12);
	memset(p + PAGE - 4, 'x', 8);
	SHOW(pread(fd, buf, 10, address(p + PAGE - 5)));
	say("%d %.8s %d", buf[0], buf + 1, buf[9]);
	memset(p, 'y', 3 * PAGE);
	NEED(munmap(p + 2 * PAGE, PAGE));
	SHOW(pread(fd, text, 3 * PAGE, address(p + 1)));
	CHECK(text[0] == 'y' && text[2 * PAGE - 2] == 'y');
	SHOW(pread(fd, text, 3, address(p + 2 * PAGE)));
	SHOW(pread(fd, text, 0, address(p + 2 * PAGE)));
	SHOW(pread(fd, bad_ptr(), 3, address(p)));
	SHOW(pread(fd, p, PAGE, address(p)));
	SHOW(pwrite(fd, "x", 1, address(p)));
	SHOW_MAP(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	munmap(p, 2 * PAGE);
	close(fd);
}

CASE(mem_positions)
{
	int fd = NEED(open("/proc/self/mem", O_RDWR));
	char buf[16] = "";

	SHOW(read(fd, buf, 1));
	SHOW(write(fd, buf, 1));
	SHOW(lseek(fd, 0, SEEK_END));
	SHOW(pread(fd, buf, 1, -1));
	SHOW(pread(fd, buf, 1, 0x7fffffffffffffff));
	SHOW(pread(fd, buf, 1, address(kernel_ptr()) & INT64_MAX));
	SHOW(pread(fd, buf, 4, 0x7ffffffff000 - 2));
	SHOW(lseek(fd, -8192, SEEK_SET));
	SHOW(read(fd, buf, 16));
	SHOW(write(fd, buf, 16));
	SHOW(read(fd, buf, 8192));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, 8192 + 5, SEEK_CUR));
	SHOW(pread(fd, bad_ptr(), 1, 0));
	SHOW(pwrite(fd, bad_ptr(), 1, 0));
	SHOW(pwrite(fd, bad_ptr(), 1, address(buf)));
	close(fd);
	fd = NEED(open("/proc/self/mem", O_WRONLY));
	SHOW(pread(fd, buf, 1, address(buf)));
	SHOW(pwrite(fd, "written", 8, address(buf)));
	say("%s", buf);
	close(fd);
}

CASE(mem_without_rights, IN_DIR)
{
	int fd = NEED(open("/proc/self/mem", O_RDWR)), f = file_of_pages("f", 2, O_RDWR);
	char buf[8] = "", *p = pages(1);

	strcpy(p, "hidden");
	NEED(mprotect(p, PAGE, PROT_NONE));
	SHOW(pread(fd, buf, 7, address(p)));
	say("%s", buf);
	SHOW(pread(fd, buf, 1, address(p + PAGE)));
	SHOW(buf[0]);
	SHOW(pwrite(fd, "forced", 7, address(p)));
	SHOW(pwrite(fd, "guard", 6, address(p + PAGE)));
	say("%s %s", try_read(p), try_read(p + PAGE));
	NEED(mprotect(p, 2 * PAGE, PROT_READ));
	say("%s %s", p, p + PAGE);
	say("%s %s", try_write(p), try_write(p + PAGE));
	munmap(p, 2 * PAGE);
	p = map(4, PROT_NONE, MAP_PRIVATE, f);
	SHOW(pread(fd, buf, 1, address(p + PAGE)));
	say("%c", buf[0]);
	SHOW(pread(fd, buf, 1, address(p + 2 * PAGE)));
	SHOW(pwrite(fd, buf, 1, address(p + 2 * PAGE)));
	SHOW(pwrite(fd, "x", 1, address(p)));
	NEED(mprotect(p, PAGE, PROT_READ));
	say("%c", *p);
	munmap(p, 4 * PAGE);
	close(f);
	close(fd);
}

CASE(mem_write_private, IN_DIR)
{
	int fd = NEED(open("/proc/self/mem", O_RDWR)), f = file_of_pages("f", 4, O_RDONLY);
	char buf[8] = "", *p = map(4, PROT_READ, MAP_PRIVATE, f);

	say("%c", p[PAGE]);
	SHOW(pwrite(fd, "XY", 2, address(p + PAGE - 1)));
	say("%c%c %c", p[PAGE - 1], p[PAGE], p[2 * PAGE]);
	say("%s", try_write(p + PAGE));
	SHOW(pwrite(fd, "Z", 1, address(p + 3 * PAGE)));
	SHOW(pread(f, buf, 1, PAGE));
	say("%s", buf);
	SHOW(number_at(p, "Anonymous"));
	NEED(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE));
	p[PAGE + 1] = '!';
	say("%c%.2s %c", p[PAGE - 1], p + PAGE, p[3 * PAGE]);
	NEED(madvise(p, 4 * PAGE, MADV_DONTNEED));
	say("%c%c", p[PAGE], p[3 * PAGE]);
	munmap(p, 4 * PAGE);
	p = map(2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	SHOW(pwrite(fd, "new", 4, address(p)));
	say("%s, %s", p, try_write(p));
	NEED(munmap(p + PAGE, PAGE));
	memset(text, 'p', 2 * PAGE);
	SHOW(pwrite(fd, text, 2 * PAGE, address(p + 100)));
	say("%c%c", p[99] + '0', p[100]);
	munmap(p, PAGE);
	close(f);
	close(fd);
}

/* A large mapping, which may lie in a page of 2 MiB. */
CASE(mem_write_large)
{
	size_t n = 2048;
	int fd = NEED(open("/proc/self/mem", O_RDWR));
	char *p = map(n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned right = 0;

	memset(p, 'a', n * PAGE);
	NEED(mprotect(p, n * PAGE, PROT_READ));
	for (size_t i = 0; i < n; i += 100)
		NEED(pwrite(fd, "bcd", 3, address(p + i * PAGE + 4094 * (i > 0))) - 3);
	for (size_t i = 0; i < n; i += 100)
		right += memcmp(p + i * PAGE + 4094 * (i > 0), "bcda", 4) == 0;
	SHOW(right);
	say("%s", try_write(p));
	SHOW(number_at(p, "Rss"));
	munmap(p, n * PAGE);
	close(fd);
}

CASE(mem_write_shared, IN_DIR)
{
	int fd = NEED(open("/proc/self/mem", O_RDWR)), rw = file_of_pages("f", 2, O_RDWR);
	int ro = NEED(open("f", O_RDONLY));
	char buf[8] = "", *p = map(2, PROT_READ, MAP_SHARED, rw);

	SHOW(pwrite(fd, "x", 1, address(p)));
	NEED(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	SHOW(pwrite(fd, "shared", 7, address(p)));
	SHOW(pwrite(fd, "both", 4, address(p + PAGE - 2)));
	SHOW(pread(rw, buf, 7, 0));
	say("%s %s", buf, p + PAGE - 2);
	munmap(p, 2 * PAGE);
	p = map(2, PROT_READ, MAP_SHARED, ro);
	SHOW(pwrite(fd, "x", 1, address(p)));
	SHOW(pread(fd, buf, 6, address(p)));
	say("%s", buf);
	munmap(p, 2 * PAGE);
	p = map(2, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1);
	SHOW(pwrite(fd, "x", 1, address(p)));
	SHOW(pread(fd, buf, 1, address(p)));
	munmap(p, 2 * PAGE);
	close(ro);
	close(rw);
	close(fd);
}

/* ---- text ---- */

typedef long call_fn(void);

/* mov $SYS_getpid,%eax; syscall; ret, and room for patches around it */
static const uint8_t code[64] = { 0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05, 0xc3 };
#define NUMBER 1

static char *map_code(void)
{
	char *p = map(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	memcpy(p, code, sizeof(code));
	NEED(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	return p;
}

static unsigned calls_that_give(const char *p, long wanted)
{
	unsigned n = 0;

	for (int i = 0; i < 100; i++)
		n += ((call_fn *)(uintptr_t)p)() == wanted;
	return n;
}

/* The library OS makes jumps of system calls that are made often. */
CASE(mem_text)
{
	uint8_t seen[sizeof(code)];
	int fd = NEED(open("/proc/self/mem", O_RDWR));
	char *p = map_code();

	for (int i = 0; i < 3; i++) {
		SHOW(calls_that_give(p, getpid()));
		SHOW(pread(fd, seen, sizeof(seen), address(p)));
		CHECK(memcmp(seen, code, sizeof(code)) == 0);
		SHOW(pread(fd, seen, 3, address(p + 2)));
		CHECK(memcmp(seen, code + 2, 3) == 0);
		SHOW(pwrite(fd, &(uint8_t){ SYS_getuid }, 1, address(p + NUMBER)));
		SHOW(calls_that_give(p, (long)getuid()));
		SHOW(pwrite(fd, code, sizeof(code), address(p)));
	}
	SHOW(calls_that_give(p, getpid()));
	/* hlt, as a breakpoint, and back */
	SHOW(pread(fd, seen, 1, address(p)));
	SHOW(pwrite(fd, "\xf4", 1, address(p)));
	say("%s", try_exec(p));
	SHOW(pwrite(fd, seen, 1, address(p)));
	SHOW(calls_that_give(p, getpid()));
	SHOW(pwrite(fd, "\x31\xc0\xc3", 3, address(p + 5)));
	SHOW(calls_that_give(p, 0));
	munmap(p, PAGE);
	close(fd);
}

/* The program's own, of a file. */
__attribute__((noipa)) static int answer(void)
{
	return 0x123456;
}

CASE(mem_text_of_program)
{
	uint8_t seen[32];
	int fd = NEED(open("/proc/self/mem", O_RDWR));
	const void *at = (const void *)(uintptr_t)answer;
	const uint8_t *number;

	NEED(pread(fd, seen, sizeof(seen), address(at)) - 32);
	number = memmem(seen, sizeof(seen), "\x56\x34\x12", 3);
	CHECK(number != NULL);
	SHOW(answer());
	SHOW(pwrite(fd, "\x99", 1, address(at) + (number - seen)));
	SHOW(answer());
	SHOW(pwrite(fd, seen, sizeof(seen), address(at)));
	SHOW(answer());
	CHECK(number_at(at, "Anonymous") >= 4);
	close(fd);
}

static volatile bool stop;

static void *call_always(void *p)
{
	long others = 0;

	while (!stop) {
		long r = ((call_fn *)(uintptr_t)p)();

		others += r != getpid() && r != (long)getuid();
	}
	return (void *)others;
}

CASE(mem_text_that_runs)
{
	int fd = NEED(open("/proc/self/mem", O_RDWR));
	char *p = map_code();
	pthread_t thread;
	void *others;

	stop = false;
	NEED(pthread_create(&thread, NULL, call_always, p));
	for (int i = 0; i < 2000; i++) {
		uint8_t number = i % 2 ? SYS_getpid : SYS_getuid;

		NEED(pwrite(fd, &number, 1, address(p + NUMBER)) - 1);
		if (i % 10 == 0)
			usleep(100);
	}
	stop = true;
	NEED(pthread_join(thread, &others));
	SHOW((long)others);
	SHOW(calls_that_give(p, getpid()));
	munmap(p, PAGE);
	close(fd);
}

CASE(mem_of_threads)
{
	char path[64], buf[8] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/mem", getpid());
	fd = NEED(open(path, O_RDWR));
	SHOW(pwrite(fd, "thread", 7, address(buf)));
	say("%s", buf);
	close(fd);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/pagemap", getpid(), getpid());
	fd = NEED(open(path, O_RDONLY));
	show_page("its stack", fd, buf);
	close(fd);
}

/* A mapping that no file and no call of ours has made. */
CASE(mem_of_vdso)
{
	const char *vdso = (const char *)getauxval(AT_SYSINFO_EHDR);
	int fd = NEED(open("/proc/self/mem", O_RDWR));
	char buf[EI_NIDENT] = "";

	SHOW(pread(fd, buf, 4, address(vdso)));
	CHECK(memcmp(buf, ELFMAG, 4) == 0);
	SHOW(pwrite(fd, "!", 1, address(vdso + EI_NIDENT - 1)));
	CHECK(vdso[EI_NIDENT - 1] == '!');
	CHECK(clock_ns(CLOCK_MONOTONIC) > 0);
	SHOW(pwrite(fd, "", 1, address(vdso + EI_NIDENT - 1)));
	CHECK(memcmp(vdso, ELFMAG, 4) == 0);
	close(fd);
}
