/*
 * Address space: brk, mmap and its kin, what each page then allows.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

#define PAGE 4096ul
#define RW   (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static char *map(size_t n)
{
	return mmap(NULL, n * PAGE, RW, ANON, -1, 0);
}

/* Room for n pages where nothing is mapped, found by mapping and freeing. */
static char *gap(size_t n)
{
	char *p = map(n);

	munmap(p, n * PAGE);
	return p;
}

static bool all_zero(const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void show_access(const char *label, void *p)
{
	const char *r = try_read(p);
	char text[64];

	snprintf(text, sizeof(text), "%s", r);
	say("%s: read %s, write %s", label, text, try_write(p));
}

/* ---- brk ---- */

static uintptr_t brk_to(uintptr_t to)
{
	return (uintptr_t)syscall(SYS_brk, to);
}

CASE(brk_query, ALONE)
{
	uintptr_t now = brk_to(0);

	CHECK(now != 0);
	CHECK(brk_to(0) == now);
	CHECK(brk_to(1) == now);
	CHECK(brk_to((uintptr_t)-1) == now);
	CHECK(brk_to(0x7fffffffffff) == now);
}

CASE(brk_grow, ALONE)
{
	uintptr_t start = brk_to(0);
	char *p = (char *)start;

	CHECK(brk_to(start + 100000) == start + 100000);
	CHECK(all_zero(p, 100000));
	memset(p, 'x', 100000);
	CHECK(brk_to(0) == start + 100000);
	CHECK(brk_to(start + 200000) == start + 200000);
	CHECK(p[99999] == 'x' && p[100000] == 0);
}

CASE(brk_shrink, ALONE)
{
	uintptr_t start = brk_to(0);
	char *p = (char *)start;

	brk_to(start + 16 * PAGE);
	memset(p, 'x', 16 * PAGE);
	CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE);
	CHECK(p[4 * PAGE - 1] == 'x');
	show_access("past the break", p + 8 * PAGE);
	CHECK(brk_to(start + 16 * PAGE) == start + 16 * PAGE);
	CHECK(all_zero(p + 5 * PAGE, 11 * PAGE));
}

CASE(brk_large, ALONE)
{
	uintptr_t start = brk_to(0);
	char *p = (char *)start;

	CHECK(brk_to(start + (16 << 20)) == start + (16 << 20));
	for (size_t i = 0; i < 16 << 20; i += PAGE)
		p[i] = 1;
	CHECK(brk_to(start) == start);
}

CASE(brk_blocked, ALONE)
{
	uintptr_t start = (brk_to(0) + PAGE - 1) & ~(PAGE - 1);

	SHOW_MAP(mmap((void *)(start + 4 * PAGE), PAGE, RW, ANON | MAP_FIXED, -1, 0));
	CHECK(brk_to(start + 8 * PAGE) != start + 8 * PAGE);
	CHECK(brk_to(start + 4 * PAGE) == start + 4 * PAGE || brk_to(0) <= start);
}

CASE(sbrk_calls, ALONE)
{
	char *a = sbrk(0);

	CHECK(a != (void *)-1);
	CHECK(sbrk(0) == a);
#ifdef __GLIBC__
	/* musl's sbrk refuses any other increment */
	CHECK(sbrk(5000) == a);
	CHECK(sbrk(0) == a + 5000);
	a[4999] = 1;
	CHECK(sbrk(-5000) == a + 5000);
#endif
}

/* ---- mmap ---- */

CASE(mmap_anonymous)
{
	char *p = map(3);

	SHOW_MAP(p);
	CHECK((uintptr_t)p % PAGE == 0);
	CHECK(all_zero(p, 3 * PAGE));
	memset(p, 7, 3 * PAGE);
	CHECK(p[3 * PAGE - 1] == 7);
	SHOW(munmap(p, 3 * PAGE));
	show_access("after munmap", p);
}

CASE(mmap_shared_anonymous)
{
	char *p = mmap(NULL, PAGE, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	SHOW_MAP(p);
	CHECK(all_zero(p, PAGE));
	p[0] = 1;
	SHOW(munmap(p, PAGE));
}

CASE(mmap_length_rounded)
{
	char *p = mmap(NULL, 5000, RW, ANON, -1, 0);

	SHOW_MAP(p);
	p[2 * PAGE - 1] = 1;
	SHOW(munmap(p, 4097));
	show_access("second page", p + PAGE);
}

CASE(mmap_errors)
{
	char *p = map(1);

	SHOW_MAP(mmap(NULL, 0, RW, ANON, -1, 0));
	SHOW_MAP(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0));
	SHOW_MAP(mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0));
	SHOW_MAP(mmap(NULL, PAGE, RW, MAP_PRIVATE, 999, 0));
	SHOW_MAP(mmap(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_MAP((void *)syscall(SYS_mmap, NULL, PAGE, RW, ANON, -1, 1));
	SHOW_MAP(mmap(NULL, 1ul << 47, RW, ANON, -1, 0));
	SHOW_MAP((void *)syscall(SYS_mmap, NULL, -1ul, RW, ANON, -1, 0));
	SHOW_MAP(mmap((void *)0x7ffffffff000, PAGE, RW, ANON | MAP_FIXED, -1, 0));
	SHOW_MAP(mmap(wild_ptr(), PAGE, RW, ANON | MAP_FIXED, -1, 0));
	munmap(p, PAGE);
}

CASE(mmap_hint)
{
	char *free_place = gap(4);

	char *p = mmap(free_place, PAGE, RW, ANON, -1, 0);
	CHECK(p == free_place);
	/* taken: some other place */
	char *q = mmap(free_place, PAGE, RW, ANON, -1, 0);
	CHECK(q != MAP_FAILED && q != p);
	/* a hint is rounded, not refused */
	char *r = mmap(free_place + 2 * PAGE + 5, PAGE, RW, ANON, -1, 0);
	CHECK(r != MAP_FAILED && (uintptr_t)r % PAGE == 0);
	munmap(p, PAGE);
	munmap(q, PAGE);
	munmap(r, PAGE);
}

CASE(mmap_fixed_replaces)
{
	char *p = map(3);

	memset(p, 'x', 3 * PAGE);
	CHECK(mmap(p + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p + PAGE);
	CHECK(p[PAGE - 1] == 'x');
	CHECK(all_zero(p + PAGE, PAGE));
	CHECK(p[2 * PAGE] == 'x');
	munmap(p, 3 * PAGE);
}

CASE(mmap_fixed_noreplace)
{
	char *p = map(2);
	int flags = ANON | MAP_FIXED_NOREPLACE;

	p[0] = 'x';
	SHOW_MAP(mmap(p, PAGE, RW, flags, -1, 0));
	SHOW_MAP(mmap(p - PAGE, 2 * PAGE, RW, flags, -1, 0));
	CHECK(p[0] == 'x');
	munmap(p + PAGE, PAGE);
	CHECK(mmap(p + PAGE, PAGE, RW, flags, -1, 0) == p + PAGE);
	munmap(p, 2 * PAGE);
}

CASE(mmap_low_32_bits)
{
	char *p = mmap(NULL, PAGE, RW, ANON | MAP_32BIT, -1, 0);

	SHOW_MAP(p);
	CHECK((uintptr_t)p < 1ul << 31);
	munmap(p, PAGE);
}

CASE(mmap_flag_variants)
{
	char *p = mmap(NULL, PAGE, RW, ANON | MAP_POPULATE, -1, 0);

	SHOW_MAP(p);
	munmap(p, PAGE);
	p = mmap(NULL, PAGE, RW, ANON | MAP_STACK | MAP_NORESERVE, -1, 0);
	SHOW_MAP(p);
	p[0] = 1;
	munmap(p, PAGE);
	/* the offset of an anonymous mapping means nothing */
	p = mmap(NULL, PAGE, RW, ANON, -1, 0x7000);
	SHOW_MAP(p);
	munmap(p, PAGE);
}

CASE(mmap_many)
{
	static char *p[500];
	bool good = true;

	for (int i = 0; i < 500; i++) {
		/* differing rights keep the neighbours from merging */
		p[i] = mmap(NULL, PAGE, i % 2 ? RW : PROT_READ, ANON, -1, 0);
		good &= p[i] != MAP_FAILED;
	}
	for (int i = 1; i < 500; i += 2)
		*(int *)p[i] = i;
	for (int i = 1; i < 500; i += 2)
		good &= *(int *)p[i] == i;
	for (int i = 0; i < 500; i++)
		good &= munmap(p[i], PAGE) == 0;
	CHECK(good);
}

CASE(mmap_reserve_huge)
{
	/* Go and others set aside much more than there is, to fill later */
	size_t size = 64ul << 30;
	char *p = mmap(NULL, size, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);

	SHOW_MAP(p);
	show_access("reserved", p + (size >> 1));
	SHOW(mprotect(p + (size >> 1), PAGE, RW));
	show_access("made usable", p + (size >> 1));
	CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
	p[0] = 1;
	SHOW(munmap(p, size));
}

CASE(mmap_16_megabytes)
{
	size_t size = 16 << 20;
	char *p = mmap(NULL, size, RW, ANON, -1, 0);
	bool good = true;

	for (size_t i = 0; i < size; i += PAGE)
		*(size_t *)(p + i) = i;
	for (size_t i = 0; i < size; i += PAGE)
		good &= *(size_t *)(p + i) == i;
	CHECK(good);
	SHOW(munmap(p, size));
}

CASE(mmap_memory_returned)
{
	bool good = true;

	/* 1 GiB in all: more than the machine has, if nothing comes back */
	for (int i = 0; i < 64; i++) {
		char *p = mmap(NULL, 16 << 20, RW, ANON, -1, 0);

		good &= p != MAP_FAILED;
		if (!good)
			break;
		for (size_t j = 0; j < 16 << 20; j += 16 * PAGE)
			p[j] = 1;
		munmap(p, 16 << 20);
	}
	CHECK(good);
}

/* ---- munmap ---- */

CASE(munmap_errors)
{
	char *p = map(1);

	SHOW(munmap(p, 0));
	SHOW(munmap(p + 1, PAGE));
	SHOW(munmap(wild_ptr(), PAGE));
	SHOW(munmap(p, -1ul));
	SHOW(munmap(p, PAGE));
	SHOW(munmap(p, PAGE));
}

CASE(munmap_middle)
{
	char *p = map(5);

	memset(p, 'x', 5 * PAGE);
	SHOW(munmap(p + 2 * PAGE, PAGE));
	show_access("before", p + PAGE);
	show_access("hole", p + 2 * PAGE);
	show_access("after", p + 3 * PAGE);
	CHECK(p[2 * PAGE - 1] == 'x' && p[3 * PAGE] == 'x');
	/* across the hole */
	SHOW(munmap(p, 5 * PAGE));
	show_access("all", p + 4 * PAGE);
}

CASE(munmap_then_fresh)
{
	char *p = map(1);

	p[0] = 'x';
	munmap(p, PAGE);
	char *q = mmap(p, PAGE, RW, ANON, -1, 0);
	CHECK(p == q && q[0] == 0);
	munmap(q, PAGE);
}

/* ---- mprotect ---- */

CASE(mprotect_rights)
{
	char *p = map(1);

	p[0] = 'x';
	SHOW(mprotect(p, PAGE, PROT_READ));
	show_access("PROT_READ", p);
	SHOW(mprotect(p, PAGE, PROT_NONE));
	show_access("PROT_NONE", p);
	SHOW(mprotect(p, PAGE, RW));
	show_access("PROT_READ|PROT_WRITE", p);
	CHECK(p[0] == 'x');
	munmap(p, PAGE);
}

CASE(mprotect_part)
{
	char *p = map(4);

	memset(p, 'x', 4 * PAGE);
	SHOW(mprotect(p + PAGE, 2 * PAGE, PROT_READ));
	show_access("0", p);
	show_access("1", p + PAGE);
	show_access("2", p + 3 * PAGE - 1);
	show_access("3", p + 3 * PAGE);
	SHOW(mprotect(p, 4 * PAGE, RW));
	show_access("1 again", p + PAGE);
	CHECK(p[PAGE] == 'x');
	munmap(p, 4 * PAGE);
}

CASE(mprotect_before_touch)
{
	char *p = map(2);

	SHOW(mprotect(p, 2 * PAGE, PROT_READ));
	show_access("never written", p);
	SHOW(mprotect(p, PAGE, RW));
	show_access("now writable", p);
	munmap(p, 2 * PAGE);
}

CASE(mprotect_errors)
{
	char *p = map(3);

	SHOW(mprotect(p + 1, PAGE, PROT_READ));
	SHOW(mprotect(p, 0, PROT_READ));
	SHOW(mprotect(p, PAGE, 0x1000));
	SHOW(mprotect(wild_ptr(), PAGE, PROT_READ));
	munmap(p + PAGE, PAGE);
	SHOW(mprotect(p + PAGE, PAGE, PROT_READ));
	/* up to the hole it is done */
	SHOW(mprotect(p, 3 * PAGE, PROT_READ));
	show_access("before the hole", p);
	show_access("after the hole", p + 2 * PAGE);
	munmap(p, 3 * PAGE);
}

CASE(mprotect_text, ALONE)
{
	static const char constant[] = "constant";

	show_access("a constant", (void *)(uintptr_t)constant);
	show_access("the program", (void *)(uintptr_t)map);
}

/* mov $42, %eax; ret */
static const unsigned char code42[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

CASE(exec_generated)
{
	char *p = map(1);

	memcpy(p, code42, sizeof(code42));
	say("data page: %s", try_exec(p));
	SHOW(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	SHOW(((int (*)(void))(uintptr_t)p)());
	say("write: %s", try_write(p));
	SHOW(mprotect(p, PAGE, RW));
	say("data again: %s", try_exec(p));
	munmap(p, PAGE);
}

CASE(exec_rewritten)
{
	char *p = mmap(NULL, PAGE, RW | PROT_EXEC, ANON, -1, 0);
	int sum = 0;

	SHOW_MAP(p);
	memcpy(p, code42, sizeof(code42));
	for (char i = 1; i <= 100; i++) {
		p[1] = i;
		sum += ((int (*)(void))(uintptr_t)p)();
	}
	SHOW(sum);
	munmap(p, PAGE);
}

CASE(exec_syscall_generated)
{
	/* mov $39, %eax; syscall; ret: patched in memory that the program owns */
	static const unsigned char code[] = { 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3 };
	char *p = mmap(NULL, PAGE, RW | PROT_EXEC, ANON, -1, 0);
	bool same = true;

	memcpy(p, code, sizeof(code));
	for (int i = 0; i < 10; i++)
		same &= ((int (*)(void))(uintptr_t)p)() == getpid();
	CHECK(same);
	p[1] = 110;
	for (int i = 0; i < 10; i++)
		same &= ((int (*)(void))(uintptr_t)p)() == getppid();
	CHECK(same);
	munmap(p, PAGE);
}

CASE(exec_stack)
{
	char code[64];

	memcpy(code, code42, sizeof(code42));
	say("stack: %s", try_exec(launder(code)));
}

CASE(null_pages)
{
	show_access("null", launder((void *)8));
	show_access("page 1", bad_ptr());
	show_access("kernel", kernel_ptr());
	/* no si_addr and no reason for an address of no canonical form */
	show_access("wild", wild_ptr());
	show_access("top", launder((void *)-8l));
}

/* ---- mremap ---- */

CASE(mremap_shrink)
{
	char *p = map(4);

	memset(p, 'x', 4 * PAGE);
	CHECK(mremap(p, 4 * PAGE, 2 * PAGE, 0) == p);
	CHECK(p[2 * PAGE - 1] == 'x');
	show_access("cut off", p + 2 * PAGE);
	munmap(p, 2 * PAGE);
}

CASE(mremap_grow_in_place)
{
	char *p = map(4);

	munmap(p + 2 * PAGE, 2 * PAGE);
	p[0] = 'x';
	CHECK(mremap(p, 2 * PAGE, 4 * PAGE, 0) == p);
	CHECK(p[0] == 'x' && all_zero(p + 2 * PAGE, 2 * PAGE));
	munmap(p, 4 * PAGE);
}

CASE(mremap_grow_blocked)
{
	char *p = map(3);

	mprotect(p + PAGE, PAGE, PROT_READ);
	SHOW_MAP(mremap(p, PAGE, 2 * PAGE, 0));
	show_access("still there", p);
	munmap(p, 3 * PAGE);
}

CASE(mremap_move)
{
	char *p = map(3);

	mprotect(p + PAGE, PAGE, PROT_READ);
	strcpy(p, "moved");
	char *q = mremap(p, PAGE, 5 * PAGE, MREMAP_MAYMOVE);
	SHOW_MAP(q);
	CHECK(q != p);
	say("%s", q);
	CHECK(all_zero(q + PAGE, 4 * PAGE));
	show_access("the old place", p);
	munmap(p, 3 * PAGE);
	munmap(q, 5 * PAGE);
}

CASE(mremap_fixed)
{
	char *p = map(2), *target = map(2);

	strcpy(p, "first");
	strcpy(p + PAGE, "second");
	strcpy(target, "gone");
	CHECK(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
	say("%s %s", target, target + PAGE);
	show_access("the old place", p);
	munmap(target, 2 * PAGE);
}

CASE(mremap_large)
{
	size_t size = 4 << 20;
	char *p = mmap(NULL, size, RW, ANON, -1, 0);
	bool good = true;

	for (size_t i = 0; i < size; i += PAGE)
		*(size_t *)(p + i) = i;
	p = mremap(p, size, 2 * size, MREMAP_MAYMOVE);
	SHOW_MAP(p);
	for (size_t i = 0; i < size; i += PAGE)
		good &= *(size_t *)(p + i) == i;
	CHECK(good);
	munmap(p, 2 * size);
}

CASE(mremap_errors)
{
	char *p = map(4);

	SHOW_MAP(mremap(p + 1, PAGE, PAGE, 0));
	SHOW_MAP(mremap(p, PAGE, 0, 0));
	SHOW_MAP(mremap(p, PAGE, PAGE, 0x100));
	SHOW_MAP(mremap(p, PAGE, PAGE, MREMAP_FIXED, p));
	SHOW_MAP(mremap(p, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE));
	SHOW_MAP(mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + PAGE + 1));
	SHOW_MAP(mremap(p, 0, PAGE, MREMAP_MAYMOVE));
	munmap(p, 4 * PAGE);
	SHOW_MAP(mremap(p, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
}

/* ---- madvise and the rest ---- */

CASE(madvise_dontneed)
{
	char *p = map(4);

	memset(p, 'x', 4 * PAGE);
	SHOW(madvise(p + PAGE, 2 * PAGE, MADV_DONTNEED));
	CHECK(p[PAGE - 1] == 'x');
	CHECK(all_zero(p + PAGE, 2 * PAGE));
	CHECK(p[3 * PAGE] == 'x');
	p[PAGE] = 'y';
	CHECK(p[PAGE] == 'y');
	munmap(p, 4 * PAGE);
}

CASE(madvise_others)
{
	char *p = map(2);

	p[0] = 'x';
	SHOW(madvise(p, 2 * PAGE, MADV_NORMAL));
	SHOW(madvise(p, 2 * PAGE, MADV_WILLNEED));
	SHOW(madvise(p, 2 * PAGE, MADV_SEQUENTIAL));
	SHOW(madvise(p, 2 * PAGE, MADV_RANDOM));
	CHECK(p[0] == 'x');
	SHOW(madvise(p, 2 * PAGE, MADV_FREE));
	p[0] = 'y';
	CHECK(p[0] == 'y');
	munmap(p, 2 * PAGE);
}

CASE(madvise_errors)
{
	char *p = map(3);

	SHOW(madvise(p, PAGE, 9999));
	SHOW(madvise(p + 1, PAGE, MADV_DONTNEED));
	SHOW(madvise(p, 0, MADV_DONTNEED));
	munmap(p + PAGE, PAGE);
	p[2 * PAGE] = 'x';
	SHOW(madvise(p, 3 * PAGE, MADV_DONTNEED));
	/* the hole is reported, and the rest done all the same */
	CHECK(p[2 * PAGE] == 0);
	munmap(p, 3 * PAGE);
}

CASE(mincore_cases)
{
	unsigned char vec[4] = { 0 };
	char *p = map(3);

	p[0] = 1;
	SHOW(mincore(p, PAGE, vec));
	SHOW(vec[0] & 1);
	SHOW(mincore(p + 1, PAGE, vec));
	SHOW(mincore(p, PAGE, bad_ptr()));
	munmap(p + PAGE, PAGE);
	SHOW(mincore(p, 3 * PAGE, vec));
	munmap(p, 3 * PAGE);
}

CASE(mlock_cases)
{
	char *p = map(2);

	SHOW(mlock(p, PAGE));
	SHOW(munlock(p, PAGE));
	SHOW(mlock(p + 100, 10));
	SHOW(munlock(p, 2 * PAGE));
	SHOW(mlock(p, 0));
	munmap(p, 2 * PAGE);
	SHOW(mlock(p, PAGE));
	SHOW(munlock(p, PAGE));
}

CASE(msync_cases)
{
	char *p = map(1);

	SHOW(msync(p, PAGE, MS_SYNC));
	SHOW(msync(p, PAGE, MS_ASYNC));
	SHOW(msync(p, PAGE, MS_SYNC | MS_ASYNC));
	SHOW(msync(p, PAGE, 0x100));
	SHOW(msync(p + 1, PAGE, MS_SYNC));
	munmap(p, PAGE);
	SHOW(msync(p, PAGE, MS_SYNC));
}

CASE(syscall_into_protected)
{
	char *p = pages(1);
	int pipe_fds[2];

	/* each page's rights hold for the system calls too */
	NEED(pipe(pipe_fds));
	NEED(write(pipe_fds[1], "abcdef", 6));
	SHOW(read(pipe_fds[0], p + PAGE, 2));
	NEED(mprotect(p, PAGE, PROT_READ));
	SHOW(read(pipe_fds[0], p, 2));
	SHOW(write(pipe_fds[1], p, 2));
	NEED(mprotect(p, PAGE, PROT_NONE));
	SHOW(write(pipe_fds[1], p, 2));
	NEED(mprotect(p, PAGE, RW));
	SHOW(read(pipe_fds[0], p, 2));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	munmap(p, 2 * PAGE);
}
