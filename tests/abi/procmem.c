/*
 * /proc/self/mem: a process's memory, reached by its addresses.
 */
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

#define PAGE 4096ul

static char text[4 * PAGE];

static off_t address(const volatile void *p)
{
	return (off_t)(uintptr_t)p;
}

CASE(mem_read)
{
	static const char here[] = "these words";
	int fd = NEED(open("/proc/self/mem", O_RDONLY));
	char buf[32] = "",
	     *p = map_pages(3, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

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
	p = map_pages(4, PROT_NONE, MAP_PRIVATE, f);
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
	char buf[8] = "", *p = map_pages(4, PROT_READ, MAP_PRIVATE, f);

	say("%c", p[PAGE]);
	SHOW(pwrite(fd, "XY", 2, address(p + PAGE - 1)));
	say("%c%c %c", p[PAGE - 1], p[PAGE], p[2 * PAGE]);
	say("%s", try_write(p + PAGE));
	SHOW(pwrite(fd, "Z", 1, address(p + 3 * PAGE)));
	SHOW(pread(f, buf, 1, PAGE));
	say("%s", buf);
	NEED(mprotect(p, 4 * PAGE, PROT_READ | PROT_WRITE));
	p[PAGE + 1] = '!';
	say("%c%.2s %c", p[PAGE - 1], p + PAGE, p[3 * PAGE]);
	NEED(madvise(p, 4 * PAGE, MADV_DONTNEED));
	say("%c%c", p[PAGE], p[3 * PAGE]);
	munmap(p, 4 * PAGE);
	p = map_pages(2, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1);
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
	char *p = map_pages(n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	unsigned right = 0;

	memset(p, 'a', n * PAGE);
	NEED(mprotect(p, n * PAGE, PROT_READ));
	for (size_t i = 0; i < n; i += 100)
		NEED(pwrite(fd, "bcd", 3, address(p + i * PAGE + 4094 * (i > 0))) - 3);
	for (size_t i = 0; i < n; i += 100)
		right += memcmp(p + i * PAGE + 4094 * (i > 0), "bcda", 4) == 0;
	SHOW(right);
	say("%s", try_write(p));
	munmap(p, n * PAGE);
	close(fd);
}

CASE(mem_write_shared, IN_DIR)
{
	int fd = NEED(open("/proc/self/mem", O_RDWR)), rw = file_of_pages("f", 2, O_RDWR);
	int ro = NEED(open("f", O_RDONLY));
	char buf[8] = "", *p = map_pages(2, PROT_READ, MAP_SHARED, rw);

	SHOW(pwrite(fd, "x", 1, address(p)));
	NEED(mprotect(p, PAGE, PROT_READ | PROT_WRITE));
	SHOW(pwrite(fd, "shared", 7, address(p)));
	SHOW(pwrite(fd, "both", 4, address(p + PAGE - 2)));
	SHOW(pread(rw, buf, 7, 0));
	say("%s %s", buf, p + PAGE - 2);
	munmap(p, 2 * PAGE);
	p = map_pages(2, PROT_READ, MAP_SHARED, ro);
	SHOW(pwrite(fd, "x", 1, address(p)));
	SHOW(pread(fd, buf, 6, address(p)));
	say("%s", buf);
	munmap(p, 2 * PAGE);
	p = map_pages(2, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1);
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
	char *p = map_pages(1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

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
