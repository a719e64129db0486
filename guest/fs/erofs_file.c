/*
 * EROFS: what is in files. Pages for mappings are those of the disk's cache where
 * a page of the file is a page of the disk; else they are put together.
 */
#include "../libos/heap.h"
#include "erofs.h"
#include "mapped_page.h"

#define AHEAD_BYTES (256u << 10)
#define HOLE        UINT64_MAX

/* ---- where it is */

static int map_chunk(struct erofs_inode *ei, u64 pos, u64 *at, u64 *len)
{
	struct erofs *fs = erofs_of(ei->inode.sb);
	u64 n = pos >> ei->chunk_bits, offset = pos & ((1ull << ei->chunk_bits) - 1);
	struct erofs_disk_index index = { .device = 0 };
	int error;

	if (n > fs->end / sizeof(u32)) /* more than the disk has room for */
		return -EIO;
	if (ei->indexes)
		error = erofs_copy(fs, ei->behind + n * sizeof(index), &index, sizeof(index));
	else
		error = erofs_copy(fs, ei->behind + n * sizeof(u32), &index.block, sizeof(u32));
	if (error < 0 || index.device != 0)
		return error < 0 ? error : -EIO;
	*at = index.block == EROFS_HOLE ? HOLE : (u64)index.block * fs->block_size + offset;
	*len = MIN(*len, (1ull << ei->chunk_bits) - offset);
	return 0;
}

int erofs_map(struct erofs_inode *ei, u64 pos, u64 *at, u64 *len)
{
	struct erofs *fs = erofs_of(ei->inode.sb);
	u64 size = ei->inode.size, tail = size;
	int error = 0;

	if (ei->layout == EROFS_INLINE)
		tail = ALIGN_DOWN(size - 1, (u64)fs->block_size);
	*len = size - pos;
	if (ei->layout == EROFS_CHUNKED) {
		error = map_chunk(ei, pos, at, len);
	} else if (pos < tail) {
		*at = ei->start + pos;
		*len = tail - pos;
	} else {
		*at = ei->behind + (pos - tail);
		if (ei->behind % fs->block_size + (size - tail) > fs->block_size)
			error = -EIO; /* what is inline is in one block */
	}
	if (error < 0 || *at == HOLE)
		return error;
	return *at < fs->end && *len <= fs->end - *at ? 0 : -EIO;
}

/* ---- reading */

/* Asks for more when pos was not asked for: `want` bytes, and more when the last
 * request ended here. */
static void read_ahead(struct erofs_inode *ei, u64 pos, u64 want)
{
	struct erofs *fs = erofs_of(ei->inode.sb);
	u64 at, len;

	if (pos >= ei->ahead_start && pos < ei->ahead_end)
		return;
	want = MIN(want, 2ull * AHEAD_BYTES);
	if (pos == ei->ahead_end || pos == 0)
		want = MAX(want, (u64)AHEAD_BYTES);
	if (erofs_map(ei, pos, &at, &len) < 0 || at == HOLE)
		return;
	len = MIN(len, want);
	ei->ahead_start = pos;
	ei->ahead_end = pos + len;
	if (at % PAGE_SIZE + len > PAGE_SIZE)
		block_cache_fetch(fs->cache, at / PAGE_SIZE,
				  (at % PAGE_SIZE + len + PAGE_SIZE - 1) / PAGE_SIZE);
}

/* What is at pos, as far as it is in one page. */
static long read_part(struct erofs_inode *ei, struct uio *uio, u64 pos)
{
	struct erofs *fs = erofs_of(ei->inode.sb);
	struct block_page *page;
	u64 at, len;
	long moved;
	int error = erofs_map(ei, pos, &at, &len);

	if (error < 0)
		return error;
	if (at == HOLE)
		return uio_zero(uio, len);
	error = block_page_read(fs->cache, at / PAGE_SIZE, &page);
	if (error < 0)
		return error;
	moved = uio_to(uio, (u8 *)block_page_data(page) + at % PAGE_SIZE,
		       MIN(len, PAGE_SIZE - at % PAGE_SIZE));
	block_page_put(page);
	return moved;
}

static long read_at(struct erofs_inode *ei, struct uio *uio, u64 *pos)
{
	long done = 0, moved = 0;

	if (*pos < ei->inode.size)
		uio->resid = MIN(uio->resid, ei->inode.size - *pos);
	while (uio->resid > 0 && *pos < ei->inode.size) {
		read_ahead(ei, *pos, uio->resid);
		moved = read_part(ei, uio, *pos);
		if (moved <= 0)
			break;
		*pos += moved;
		done += moved;
	}
	return done > 0 ? done : moved;
}

static long erofs_read(struct file *file, struct uio *uio, u64 *pos)
{
	return read_at(erofs_inode(file->inode), uio, pos);
}

static long read_kernel(struct erofs_inode *ei, void *to, size_t n, u64 pos)
{
	struct iovec iov = { to, n };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = n, .kernel = true };

	return read_at(ei, &uio, &pos);
}

static long read_link(struct inode *inode, char *to, size_t size)
{
	return read_kernel(erofs_inode(inode), to, size, 0);
}

/* ---- pages to be mapped */

/* The page of the disk that the file's page is; HOLE: it has to be put together. */
static u64 same_page(struct erofs_inode *ei, u64 index)
{
	u64 at, len;

	if (erofs_map(ei, index * PAGE_SIZE, &at, &len) < 0 || at == HOLE || at % PAGE_SIZE != 0 ||
	    len < PAGE_SIZE)
		return HOLE;
	return at / PAGE_SIZE;
}

static int put_together(struct erofs_inode *ei, u64 index)
{
	paddr_t pa = frames_alloc(0);
	long n =
		pa != 0 ? read_kernel(ei, phys_to_virt(pa), PAGE_SIZE, index * PAGE_SIZE) : -ENOMEM;

	if (n >= 0 && mapped_page_find(&ei->mapped, index) == NULL)
		return mapped_page_add_frame(&ei->mapped, &ei->inode, index, pa);
	if (pa != 0)
		frames_free(pa, 0);
	return MIN(n, 0l);
}

static int make_same(struct erofs_inode *ei, u64 index, u64 disk_page)
{
	struct mapped_part part = { .offset = 0 };
	int error = block_page_read(erofs_of(ei->inode.sb)->cache, disk_page, &part.block);

	if (error < 0)
		return error;
	if (mapped_page_find(&ei->mapped, index) == NULL)
		return mapped_page_add(&ei->mapped, &ei->inode, index, &part, 1);
	block_page_put(part.block); /* somebody else made it meanwhile */
	return 0;
}

static int make_page(struct erofs_inode *ei, u64 index)
{
	u64 disk_page;

	read_ahead(ei, index * PAGE_SIZE, PAGE_SIZE);
	disk_page = same_page(ei, index);
	return disk_page == HOLE ? put_together(ei, index) : make_same(ei, index, disk_page);
}

/* What the cache has around a page, for get_near(). */
static void make_near(struct erofs_inode *ei, u64 index)
{
	struct block_cache *cache = erofs_of(ei->inode.sb)->cache;
	u64 first = ALIGN_DOWN(index, (u64)MAPPED_NEAR);

	for (u64 i = first; i < first + MAPPED_NEAR && i * PAGE_SIZE < ei->inode.size; i++) {
		u64 disk_page = mapped_page_find(&ei->mapped, i) == NULL ? same_page(ei, i) : HOLE;

		if (disk_page != HOLE && block_page_is_there(cache, disk_page) &&
		    make_same(ei, i, disk_page) < 0)
			return;
	}
}

static int get_page(struct inode *inode, u64 index, bool write, paddr_t *pa)
{
	struct erofs_inode *ei = erofs_inode(inode);
	struct mapped_page *page;

	if (index >= (inode->size + PAGE_SIZE - 1) / PAGE_SIZE)
		return -ENXIO;
	if (write)
		return -EROFS;
	while ((page = mapped_page_find(&ei->mapped, index)) == NULL) {
		int error = make_page(ei, index);

		if (error < 0)
			return error;
		make_near(ei, index);
	}
	*pa = page->pa;
	return 0;
}

static paddr_t get_near(struct inode *inode, u64 index)
{
	const struct mapped_page *page = mapped_page_find(&erofs_inode(inode)->mapped, index);

	return page != NULL ? page->pa : 0;
}

static void note_mapped(struct inode *inode, bool any)
{
	if (!any)
		mapped_pages_release(&erofs_inode(inode)->mapped, 0, UINT64_MAX / PAGE_SIZE);
}

static int get_attr(struct inode *inode, struct kstat *st)
{
	st->blksize = erofs_of(inode->sb)->block_size;
	st->blocks = (inode->size + 511) / 512;
	return 0;
}

const struct file_ops erofs_file_ops = { .read = erofs_read, .lseek = file_lseek };
const struct inode_ops erofs_reg_ops = {
	.getattr = get_attr,
	.get_page = get_page,
	.get_near = get_near,
	.mapped = note_mapped,
	EROFS_XATTR_OPS,
};
const struct inode_ops erofs_link_ops = { .readlink = read_link, EROFS_XATTR_OPS };
const struct inode_ops erofs_node_ops = { EROFS_XATTR_OPS };
