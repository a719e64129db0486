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

/* ---- mapping */

static int ask_host(struct file *file, u64 len)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct fuse_setupmapping_in in = {
		.fh = virtiofs_handle_of(file),
		.len = len,
		.flags = FUSE_SETUPMAPPING_FLAG_READ,
		.moffset = vi->dax.first * CHUNK,
	};
	int error;

	vi->busy++;
	error = virtiofs_ask(file->inode, FUSE_SETUPMAPPING, &in, sizeof(in), NULL, 0);
	vi->busy--;
	return error;
}

/* Has the host map the file as it is now: whether it is. */
static bool map(struct file *file)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct virtiofs *fs = virtiofs_of(file->inode);
	u64 len = vi->inode.size, n = (len + CHUNK - 1) / CHUNK, before;
	int error;

	if (vi->dax.chunks > 0 && n > vi->dax.chunks && !in_use(vi))
		give_back(fs, vi);
	if (vi->dax.chunks > 0 ? n > vi->dax.chunks : !take_chunks(fs, vi, n))
		return false;
	before = vi->dax.len;
	vi->dax.len = 0; /* until it is done, nobody else uses or moves it */
	vi->dax.stale = false;
	error = ask_host(file, len);
	vi->dax.refused = error < 0 && error != -ENOMEM && error != -ENXIO;
	if (error == 0)
		vi->dax.len = len;
	else if (vi->inode.mappings > 0)
		vi->dax.len = before; /* the program still sees it there */
	else
		give_back(fs, vi);
	return error == 0;
}

u64 virtiofs_get_dax(struct file *file, u64 offset, u64 n, paddr_t *pa)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct virtiofs *fs = virtiofs_of(file->inode);
	bool mapped = vi->dax.len > 0;

	if (chunks_of(fs) == 0 || offset >= vi->inode.size || vi->dax.refused ||
	    (!mapped && vi->dax.chunks > 0)) /* another thread is at it */
		return 0;
	if ((!mapped || vi->dax.stale || vi->inode.size > vi->dax.len) && !map(file) && !mapped)
		return 0;
	if (offset >= vi->dax.len)
		return 0;
	vi->dax.used = ++fs->dax_clock;
	*pa = fs->dev->dev.place->dax + vi->dax.first * CHUNK + offset;
	return MIN(n, vi->dax.len - offset);
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
