/*
 * Large programs: much bss, much stack, much initialised data. A file of
 * its own, so that only its cases pay for the size.
 */
#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi.h"

#define MIB ((size_t)1 << 20)

static unsigned char large_bss[64 * MIB];
/* Not zero, so it is in the file. */
static unsigned char large_data[2 * MIB] = { [0] = 1, [2 * MIB - 1] = 2 };
static const unsigned char large_const[2 * MIB] = { [MIB] = 3 };

CASE(bss_64_mib)
{
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(large_bss); i += 4096)
		sum += large_bss[i] + large_bss[i + 4095];
	SHOW(sum);
}

CASE(bss_written, ALONE)
{
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(large_bss); i += 4096)
		large_bss[i] = (unsigned char)(i >> 12);
	for (size_t i = 0; i < sizeof(large_bss); i += 4096)
		sum += large_bss[i];
	SHOW(sum);
}

CASE(bss_given_back, ALONE)
{
	/* DONTNEED works on bss as on any anonymous memory */
	uintptr_t from = ((uintptr_t)large_bss + 4095) & ~4095ul;

	memset((void *)from, 7, MIB);
	SHOW(madvise((void *)from, MIB, MADV_DONTNEED));
	SHOW(*(volatile char *)from);
	SHOW(*(volatile char *)(from + MIB - 1));
}

CASE(data_large)
{
	volatile unsigned char *data = large_data;
	volatile const unsigned char *constant = large_const;
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(large_data); i++)
		sum += data[i] + constant[i];
	SHOW(sum);
	say("%d %d %d", data[0], data[2 * MIB - 1], constant[MIB]);
}

CASE(data_written, ALONE)
{
	size_t sum = 0;

	for (size_t i = 0; i < sizeof(large_data); i += 512)
		large_data[i] = 5;
	for (size_t i = 0; i < sizeof(large_data); i += 512)
		sum += large_data[i];
	SHOW(sum);
}

static size_t __attribute__((noinline)) recurse(size_t depth)
{
	volatile unsigned char space[200];

	space[0] = (unsigned char)depth;
	if (depth == 0)
		return 0;
	return recurse(depth - 1) + (space[0] == (unsigned char)depth);
}

CASE(recursion_deep)
{
	/* about 3 MiB of frames of some 250 bytes */
	SHOW(recurse(12000));
}

static size_t __attribute__((noinline)) use_stack(size_t size)
{
	volatile unsigned char *p = alloca(size);
	size_t sum = 0;

	for (size_t i = 0; i < size; i += 4096)
		p[i] = 1;
	for (size_t i = 0; i < size; i += 4096)
		sum += p[i];
	return sum;
}

CASE(stack_alloca_3_mib)
{
	SHOW(use_stack(3 * MIB));
}

static int __attribute__((noinline)) touch_far_end(void)
{
	volatile char space[3 * MIB];

	/* from the far end at once: no page between was touched before */
	space[0] = 5;
	return space[0];
}

CASE(stack_far_end_first)
{
	SHOW(touch_far_end());
}

CASE(stack_zero_below)
{
	/* each round finds again what fits, whatever lay there before */
	size_t sum = 0;

	for (int i = 0; i < 10; i++)
		sum += use_stack(100000 * (size_t)i + 1);
	SHOW(sum);
}

CASE(stack_limit_is_enough)
{
	struct rlimit lim;

	NEED(getrlimit(RLIMIT_STACK, &lim));
	CHECK(lim.rlim_cur >= 4 * MIB);
}

CASE(heap_32_mib)
{
	unsigned char *p = malloc(32 * MIB);
	size_t sum = 0;

	CHECK(p != NULL);
	for (size_t i = 0; i < 32 * MIB; i += 4096)
		p[i] = 1;
	for (size_t i = 0; i < 32 * MIB; i += 4096)
		sum += p[i];
	SHOW(sum);
	free(p);
}
