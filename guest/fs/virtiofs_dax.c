/*
 * Files of virtio-fs where the host has them: it maps a whole file into the
 * region of guest-physical memory that the device has for this (virtio 1.2,
 * 5.11.6.4), and its page cache is read and mapped there without a request and
 * without a copy.
 *
 * A file has a row of chunks of the region, and keeps it until others need the
 * room: those used least lately, whose inode nobody maps, go first, and the host
 * is told by what is mapped there next. What is written to the file shows at
 * once, whoever writes; where the host has put zeroes because the file had become
 * shorter, they stay when it grows again, so a file that has changed is mapped
 * again (`stale`). Files for which there is no room are read by pages.
 */
#include "../libos/heap.h"
#include "virtiofs.h"

#define CHUNK (1ull << 21) /* the device's FUSE_MAP_ALIGNMENT */

static u32 chunks_of(const struct virtiofs *fs)
{
	return fs->dev->dev.place->dax_size / CHUNK;
}

/* ---- the region */

static void give_back(struct virtiofs *fs, struct virtiofs_inode *vi)
{
	for (u32 i = 0; i < vi->dax.chunks; i++)
		fs->dax_owner[vi->dax.first + i] = NULL;
	vi->dax.chunks = 0;
	vi->dax.len = 0;
	vi->dax.writable = false;
}

static bool find_free(const struct virtiofs *fs, u32 n, u32 *first)
{
	u32 run = 0;

	for (u32 i = 0; i < chunks_of(fs); i++) {
		run = fs->dax_owner[i] == NULL ? run + 1 : 0;
		if (run == n) {
			*first = i + 1 - n;
			return true;
		}
	}
	return false;
}

static bool in_use(const struct virtiofs_inode *vi)
{
	return vi->inode.mappings > 0 || vi->busy > 0 || vi->dax.len == 0;
}

/* The one used least lately is no longer mapped; false: all are in use. */
static bool make_room(struct virtiofs *fs)
{
	struct virtiofs_inode *oldest = NULL;

	for (u32 i = 0; i < chunks_of(fs); i++) {
		struct virtiofs_inode *vi = fs->dax_owner[i];

		if (vi != NULL && !in_use(vi) &&
		    (oldest == NULL || vi->dax.used < oldest->dax.used))
			oldest = vi;
	}
	if (oldest != NULL)
		give_back(fs, oldest);
	return oldest != NULL;
}

static bool take_chunks(struct virtiofs *fs, struct virtiofs_inode *vi, u32 n)
{
	u32 first;

	if (fs->dax_owner == NULL)
		fs->dax_owner = kalloc(chunks_of(fs) * sizeof(struct virtiofs_inode *));
	if (fs->dax_owner == NULL || n > chunks_of(fs) / 2)
		return false;
	while (!find_free(fs, n, &first))
		if (!make_room(fs))
			return false;
	for (u32 i = 0; i < n; i++)
		fs->dax_owner[first + i] = vi;
	vi->dax.first = first;
	vi->dax.chunks = n;
	return true;
}

/* Another place for a larger file, which programs see no more at the old one. False:
 * there is none, or the file is being read there. */
static bool move(struct virtiofs *fs, struct virtiofs_inode *vi, u32 n)
{
	u32 first = vi->dax.first, chunks = vi->dax.chunks;

	if (vi->busy > 0 || vi->dax.len == 0 || !take_chunks(fs, vi, n))
		return false;
	vi->dax.len = 0;
	inode_unmap(&vi->inode, 0, UINT64_MAX / PAGE_SIZE, false);
	for (u32 i = 0; i < chunks; i++)
		fs->dax_owner[first + i] = NULL;
	return true;
}

/* ---- mapping */

static int ask_host(struct file *file, u64 len, bool write)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct fuse_setupmapping_in in = {
		.fh = virtiofs_handle_of(file),
		.len = len,
		.flags = FUSE_SETUPMAPPING_FLAG_READ | (write ? FUSE_SETUPMAPPING_FLAG_WRITE : 0),
		.moffset = vi->dax.first * CHUNK,
	};
	int error;

	vi->busy++;
	error = virtiofs_ask(file->inode, FUSE_SETUPMAPPING, &in, sizeof(in), NULL, 0);
	vi->busy--;
	return error;
}

/* Has the host map the file as it is now: whether it is. What was mapped to be written
 * remains so, unless this file cannot: then the program has to ask again. */
static bool map(struct file *file, bool write)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct virtiofs *fs = virtiofs_of(file->inode);
	u64 len = vi->inode.size, n = (len + CHUNK - 1) / CHUNK, before;
	int error;

	if (vi->dax.chunks > 0 && n > vi->dax.chunks && !in_use(vi))
		give_back(fs, vi);
	if (n > vi->dax.chunks && !(vi->dax.chunks > 0 ? move(fs, vi, n) : take_chunks(fs, vi, n)))
		return false;
	write = file_writable(file) && (write || vi->dax.writable);
	if (vi->dax.writable && !write)
		inode_unmap(file->inode, 0, UINT64_MAX / PAGE_SIZE, false);
	vi->dax.writable = false;
	before = vi->dax.len;
	vi->dax.len = 0; /* until it is done, nobody else uses or moves it */
	vi->dax.stale = false;
	error = ask_host(file, len, write);
	vi->dax.writable = error == 0 && write;
	vi->dax.refused = error < 0 && !write && error != -ENOMEM && error != -ENXIO;
	if (error == 0)
		vi->dax.len = len;
	else if (vi->inode.mappings > 0 && before > 0)
		vi->dax.len = before; /* the program still sees it there */
	else
		give_back(fs, vi);
	return error == 0;
}

/* Another thread is having it mapped: what the host is asked comes after that. */
static bool wait_for_other(struct file *file)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);

	for (unsigned tries = 8; vi->dax.chunks > 0 && vi->dax.len == 0 && tries > 0; tries--)
		if (virtiofs_refresh(file->inode, true) < 0)
			return false;
	return vi->dax.chunks == 0 || vi->dax.len > 0;
}

u64 virtiofs_get_dax(struct file *file, u64 offset, u64 n, bool write, paddr_t *pa)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct virtiofs *fs = virtiofs_of(file->inode);
	bool mapped;

	if (chunks_of(fs) == 0 || offset >= vi->inode.size || vi->dax.refused ||
	    !wait_for_other(file))
		return 0;
	mapped = vi->dax.len > 0;
	if ((!mapped || vi->dax.stale || vi->inode.size > vi->dax.len ||
	     (write && !vi->dax.writable)) &&
	    !map(file, write) && !mapped)
		return 0;
	if (offset >= vi->dax.len || (write && !vi->dax.writable))
		return 0;
	vi->dax.used = ++fs->dax_clock;
	*pa = fs->dev->dev.place->dax + vi->dax.first * CHUNK + offset;
	return MIN(n, vi->dax.len - offset);
}

paddr_t virtiofs_get_near(struct inode *inode, u64 index)
{
	struct virtiofs_inode *vi = virtiofs_inode(inode);

	if (vi->dax.len > index * PAGE_SIZE && !vi->dax.stale)
		return virtiofs_of(inode)->dev->dev.place->dax + vi->dax.first * CHUNK +
		       index * PAGE_SIZE;
	return page_tree_get(&vi->pages, index);
}

void virtiofs_drop_dax(struct virtiofs_inode *vi)
{
	struct {
		struct fuse_removemapping_in in;
		struct fuse_removemapping_one one;
	} __attribute__((packed)) args = {
		.in.count = 1,
		.one = { .moffset = vi->dax.first * CHUNK, .len = vi->dax.chunks * CHUNK },
	};

	if (vi->dax.chunks == 0)
		return;
	virtiofs_tell(&vi->inode, FUSE_REMOVEMAPPING, &args, sizeof(args));
	give_back(virtiofs_of(&vi->inode), vi);
}
