/*
 * /proc/self/smaps, smaps_rollup and pagemap: what is told about a process's memory.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

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

/* 6.1 has other columns and flags; from when on these, is not known. */
CASE(smaps_lines, SINCE(6, 18))
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
	char *p = map_pages(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	char *part = map_pages(PAGES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1);

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
	char *p = map_pages(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);

	memset(p, 1, PAGES * PAGE);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	SHOW(number_at(p, "Private_Dirty"));
	munmap(p, PAGES * PAGE);
}

CASE(smaps_file, IN_DIR)
{
	int fd = file_of_pages("f", PAGES, O_RDWR);
	char *p = map_pages(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd);

	CHECK(number_at(p, "Rss") == 0);
	touch(p, PAGES);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	p[5 * PAGE] = 'x';
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	CHECK(strstr(block_of(p), "/f\n") != NULL);
	munmap(p, PAGES * PAGE);
	p = map_pages(PAGES, PROT_READ | PROT_WRITE, MAP_SHARED, fd);
	memset(p, 'y', PAGES * PAGE);
	SHOW(number_at(p, "Rss"));
	SHOW(number_at(p, "Anonymous"));
	SHOW(number_at(p, "Private_Dirty"));
	munmap(p, PAGES * PAGE);
	close(fd);
}

CASE(smaps_flags, IN_DIR, SINCE(6, 18))
{
	int rw = file_of_pages("f", 2, O_RDWR), ro = NEED(open("f", O_RDONLY));
	char here, *p = pages(1);

	show_flags("pages", p, "");
	show_flags("guard", p + PAGE, "");
	show_flags("stack", &here, "");
	show_flags("code", (const void *)(uintptr_t)show_flags, "");
	munmap(p, 2 * PAGE);
	p = map_pages(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
	show_flags("shared memory", p, "");
	munmap(p, 2 * PAGE);
	for (int prot = PROT_NONE; prot <= (PROT_READ | PROT_WRITE); prot++) {
		p = map_pages(2, prot, MAP_PRIVATE, ro);
		show_flags("private file", p, "me");
		munmap(p, 2 * PAGE);
		p = map_pages(2, prot, MAP_SHARED, rw);
		show_flags("shared file", p, "me");
		munmap(p, 2 * PAGE);
	}
	p = map_pages(2, PROT_READ, MAP_SHARED, ro);
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
	char *p = map_pages(4 * PAGES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
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
	p = map_pages(2, PROT_READ, MAP_PRIVATE, f);
	touch(p, 2);
	show_page("page of a file", fd, p);
	NEED(mprotect(p, 2 * PAGE, PROT_READ | PROT_WRITE));
	p[PAGE] = 'x';
	show_page("private copy", fd, p + PAGE);
	munmap(p, 2 * PAGE);
	p = map_pages(2, PROT_READ | PROT_WRITE, MAP_SHARED, f);
	p[PAGE] = 'x';
	show_page("shared file", fd, p + PAGE);
	munmap(p, 2 * PAGE);
	p = map_pages(2, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
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
	char *p = map_pages(PAGES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
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

CASE(pagemap_of_threads)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/pagemap", getpid(), getpid());
	fd = NEED(open(path, O_RDONLY));
	show_page("its stack", fd, path);
	close(fd);
}
