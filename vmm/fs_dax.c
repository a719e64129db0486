/* See fs_dax.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "../shared/abi.h"
#include "../shared/x86.h"
#include "fail.h"
#include "fs_dax.h"
#include "gone.h"
#include "options.h"

#define CHUNK (1ull << DAX_SHIFT)

/* Of all shares, for the handler of SIGBUS. */
static const uint8_t *all;
static uint64_t all_size;
static int zeroes_prot = PROT_READ;

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & -unit;
}

/* Above RAM and what --copy has. */
static uint64_t free_above(const struct guest_mem *mem)
{
	if (mem->contents.size > 0)
		return mem->contents.gpa + mem->contents.size;
	return mem->size > mem->low ? RAM_HOLE_END + mem->size - mem->low : RAM_HOLE_END;
}

void dax_reserve(struct guest_mem *mem, unsigned shares, bool writable)
{
	const uint64_t size = shares * DAX_SIZE;
	void *p;

	if (shares == 0)
		return;
	mem->dax.writable = writable;
	zeroes_prot = PROT_READ | (writable ? PROT_WRITE : 0);
	p = mmap(NULL, size + CHUNK, zeroes_prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		 0);
	if (p == MAP_FAILED)
		fail(EXIT_VMM, "a share needs %llu MiB of address space: %s; raise \"ulimit -v\"",
		     (unsigned long long)size >> 20, strerror(errno));
	/* aligned as in the guest, so that both can use large pages */
	mem->dax.base = (uint8_t *)round_up((uint64_t)p, CHUNK);
	mem->dax.gpa = round_up(free_above(mem), 1ull << 30);
	mem->dax.size = size;
	all = mem->dax.base;
	all_size = size;
}

void dax_init(struct fs_dax *dax, const struct guest_mem *mem, unsigned n)
{
	*dax = (struct fs_dax){ .size = 0 };
	if (n >= mem->dax.size / DAX_SIZE)
		return;
	dax->base = mem->dax.base + n * DAX_SIZE;
	dax->gpa = mem->dax.gpa + n * DAX_SIZE;
	dax->size = DAX_SIZE;
}

/* ---- mapping */

/* Zeroes, which cost no memory until somebody writes there. */
static int put_zeroes(uint8_t *at, uint64_t len)
{
	if (len == 0)
		return 0;
	return mmap(at, len, zeroes_prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
		    -1, 0) == MAP_FAILED ?
		       -errno :
		       0;
}

static bool range_ok(const struct fs_dax *dax, uint64_t moffset, uint64_t len)
{
	return !(moffset & (CHUNK - 1)) && moffset < dax->size && len > 0 &&
	       len <= dax->size - moffset;
}

/* Notes that the chunks from moffset on have `len` bytes of a file. */
static void note(struct fs_dax *dax, uint64_t moffset, uint64_t span, uint64_t len)
{
	for (uint64_t at = 0; at < span; at += CHUNK) {
		const uint64_t left = len > at ? len - at : 0;

		dax->mapped[(moffset + at) >> DAX_SHIFT] = (uint32_t)(left < CHUNK ? left : CHUNK);
	}
}

/* Up to where chunks from moffset on have something of a file. */
static uint64_t used_from(const struct fs_dax *dax, uint64_t moffset, uint64_t span)
{
	uint64_t used = 0;

	for (uint64_t at = 0; at < span; at += CHUNK)
		if (dax->mapped[(moffset + at) >> DAX_SHIFT])
			used = at + CHUNK;
	return used;
}

static int unmap(struct fs_dax *dax, uint64_t moffset, uint64_t span)
{
	int error = put_zeroes(dax->base + moffset, used_from(dax, moffset, span));

	if (!error)
		note(dax, moffset, span, 0);
	return error;
}

/* A handle that was not opened to be written is refused by mmap(2). */
int dax_map(struct fs_dax *dax, int fd, const struct fuse_setupmapping_in *in)
{
	const uint64_t known = FUSE_SETUPMAPPING_FLAG_READ | FUSE_SETUPMAPPING_FLAG_WRITE;
	const bool writes = in->flags & FUSE_SETUPMAPPING_FLAG_WRITE;
	uint64_t span, len, used;
	struct stat st;
	int error = 0;

	if (!range_ok(dax, in->moffset, in->len) || in->foffset & (CHUNK - 1))
		return -EINVAL;
	if (in->flags & ~known || (writes && zeroes_prot == PROT_READ))
		return -EOPNOTSUPP;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	if (in->foffset >= (uint64_t)st.st_size)
		return -ENXIO;
	len = (uint64_t)st.st_size - in->foffset;
	len = round_up(len < in->len ? len : in->len, PAGE_SIZE);
	span = round_up(in->len, CHUNK);
	used = used_from(dax, in->moffset, span);
	/* at once in place of what was there: other vCPUs may be reading it */
	if (mmap(dax->base + in->moffset, len, PROT_READ | (writes ? PROT_WRITE : 0),
		 MAP_SHARED | MAP_FIXED, fd, (off_t)in->foffset) == MAP_FAILED)
		return -errno;
	if (used > len)
		error = put_zeroes(dax->base + in->moffset + len, used - len);
	note(dax, in->moffset, span, error ? used : len);
	return error;
}

int dax_unmap(struct fs_dax *dax, const struct fuse_removemapping_one *one)
{
	if (!range_ok(dax, one->moffset, one->len))
		return -EINVAL;
	return unmap(dax, one->moffset, round_up(one->len, CHUNK));
}

void dax_clear(struct fs_dax *dax)
{
	if (dax->size)
		unmap(dax, 0, dax->size);
}

uint64_t dax_mapped(const struct fs_dax *dax)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DAX_CHUNKS; i++)
		sum += dax->mapped[i];
	return sum;
}

/* ---- files that became shorter */

/* How much of a chunk can still be read: what is gone is its end. */
static uint64_t still_there(const uint8_t *chunk, uint64_t len)
{
	uint64_t low = 0, high = len / PAGE_SIZE; /* pages below low are there */

	while (low < high) {
		const uint64_t mid = (low + high) / 2;

		if (is_gone(chunk + mid * PAGE_SIZE))
			high = mid;
		else
			low = mid + 1;
	}
	return low * PAGE_SIZE;
}

bool dax_mend(struct fs_dax *dax)
{
	bool mended = false;

	for (unsigned i = 0; dax->size && i < DAX_CHUNKS; i++) {
		const uint64_t len = round_up(dax->mapped[i], PAGE_SIZE);
		uint8_t *chunk = dax->base + i * CHUNK;
		uint64_t there;

		if (len == 0 || !is_gone(chunk + len - PAGE_SIZE))
			continue;
		there = still_there(chunk, len);
		if (put_zeroes(chunk + there, len - there))
			return false;
		dax->mapped[i] = (uint32_t)there;
		mended = true;
	}
	return mended;
}

bool dax_mend_at(const void *address)
{
	const uint64_t offset = (uint64_t)address - (uint64_t)all;

	if (offset >= all_size)
		return false;
	return put_zeroes((uint8_t *)((uint64_t)address & ~(PAGE_SIZE - 1ull)), PAGE_SIZE) == 0;
}
