/*
 * /proc/PID/pagemap and mem: files whose positions are addresses.
 */
#include "../kernel/kcall.h"
#include "../libos/heap.h"
#include "../libos/proc_info.h"
#include "../libos/space.h"
#include "proc.h"

static struct space *space_of(const struct file *file)
{
	struct process *p;

	return proc_process(proc_inode(file->inode), &p) == 0 && p != NULL ? p->space : NULL;
}

/* Anywhere, also below zero, as mem_lseek() of Linux. */
static i64 address_lseek(struct file *file, i64 offset, int whence)
{
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	file->pos = offset + (whence == SEEK_CUR ? file->pos : 0);
	return file->pos;
}

/* ---- pagemap ---- */

/* A word for each page (Linux: Documentation/admin-guide/mm/pagemap.rst). There are no
 * frame numbers: the guest's tell nothing. */
#define PM_MMAP_EXCLUSIVE (1ull << 56)
#define PM_FILE           (1ull << 61)
#define PM_PRESENT        (1ull << 63)
#define AT_ONCE           64

static u64 entry_of(u32 page)
{
	if (page == 0)
		return 0;
	return PM_PRESENT | PM_MMAP_EXCLUSIVE | (page & SPACE_PAGE_OWN ? 0 : PM_FILE);
}

/* The entries of a run of pages that are like its first one: bytes, or -EFAULT. */
static long put_entries(struct uio *uio, const struct space *space, u64 va)
{
	u64 run, entries[AT_ONCE];
	u32 page = space_page(space, va, &run);
	u64 n = MIN(run / PAGE_SIZE, uio->resid / sizeof(u64));
	long moved;

	if (page == 0) {
		n = n * sizeof(u64);
		moved = uio_zero(uio, n);
	} else {
		n = MIN(n, (u64)AT_ONCE);
		for (u64 i = 0; i < n; i++)
			entries[i] = entry_of(page);
		n = n * sizeof(u64);
		moved = uio_to(uio, entries, n);
	}
	return moved == (long)n ? moved : -EFAULT;
}

static long pagemap_read(struct file *file, struct uio *uio, u64 *pos)
{
	const struct space *space = space_of(file);
	long done = 0;

	if (space == NULL)
		return 0;
	if (*pos % sizeof(u64) || uio->resid % sizeof(u64))
		return -EINVAL;
	while (uio->resid > 0 && *pos / sizeof(u64) < USER_END / PAGE_SIZE) {
		long n = put_entries(uio, space, *pos / sizeof(u64) * PAGE_SIZE);

		if (n < 0)
			return n;
		*pos += n;
		done += n;
	}
	return done;
}

const struct file_ops proc_pagemap_ops = {
	.read = pagemap_read,
	.lseek = address_lseek,
};

/* ---- mem ---- */

/* By pages. A fault at the buffer is the answer whatever came before, as on Linux. */
static long mem_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct space *space = space_of(file);
	u8 *page = kalloc(PAGE_SIZE);
	long done = 0, error = page == NULL ? -ENOMEM : 0;

	while (space != NULL && uio->resid > 0 && error == 0) {
		size_t n = space_read(space, *pos, page, MIN(uio->resid, (size_t)PAGE_SIZE));

		if (n == 0 && done == 0)
			error = -EIO;
		if (n == 0)
			break;
		if (uio_to(uio, page, n) < (long)n)
			error = -EFAULT;
		*pos += n;
		done += n;
	}
	kfree(page);
	return error < 0 ? error : done;
}

static long mem_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct space *space = space_of(file);
	u8 *page = kalloc(PAGE_SIZE);
	long done = 0, error = page == NULL ? -ENOMEM : 0;

	while (space != NULL && uio->resid > 0 && error == 0) {
		size_t piece = MIN(uio->resid, (size_t)PAGE_SIZE), n = 0;

		if (uio_from(uio, page, piece) < (long)piece)
			error = -EFAULT;
		else
			n = space_write(space, *pos, page, piece);
		if (n == 0 && done == 0 && error == 0)
			error = -EIO;
		*pos += n;
		done += n;
		if (n < piece)
			break;
	}
	kfree(page);
	return error < 0 ? error : done;
}

const struct file_ops proc_mem_ops = {
	.read = mem_read,
	.write = mem_write,
	.lseek = address_lseek,
	.any_position = true,
};
