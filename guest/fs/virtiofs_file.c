/*
 * What is in files of virtio-fs. Reads go by pages that are kept, and fetch up
 * to FS_PAGES of them at once; writes go to the host at once, and into pages
 * that are kept. So pages are always clean, and can be freed whenever somebody
 * needs the memory.
 *
 * While a page is on its way the file may be written or truncated here: then
 * `changes` has grown, and it is fetched again.
 */
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "../libos/memory.h"
#include "virtiofs.h"

#define PAGE_OFFSET(pos) ((pos) & (PAGE_SIZE - 1))
#define WRITE_MAX        65536
#define DAX_MIN          65536 /* files from this size on are read where the host has them */

static struct list with_pages = { &with_pages, &with_pages }; /* the oldest first */

/* ---- handles */

int virtiofs_open_handle(struct inode *inode, u32 opcode, u32 flags, u64 *fh)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_open_out out;
	int error = virtiofs_ask(inode, opcode, &in, sizeof(in), &out, sizeof(out));

	*fh = error == 0 ? out.fh : 0;
	return error;
}

void virtiofs_release_handle(struct inode *inode, u32 opcode, u64 fh)
{
	struct fuse_release_in in = { .fh = fh };

	virtiofs_tell(inode, opcode, &in, sizeof(in));
}

/* Opening needs the attributes of now: one doorbell for both. */
static int open_and_look(struct inode *inode, u32 flags, u64 *fh, struct fuse_attr_out *attr)
{
	struct fuse_open_in in = { .flags = flags };
	struct fuse_getattr_in ask = { .getattr_flags = 0 };
	struct fuse_open_out out = { .fh = 0 };
	struct fs_message m[2] = {
		{ .opcode = FUSE_OPEN, .reply = &out, .room = sizeof(out) },
		{ .opcode = FUSE_GETATTR, .reply = attr, .room = sizeof(*attr) },
	};
	int error, second;

	m[0].arg[0].from = &in;
	m[0].arg[0].len = sizeof(in);
	m[1].arg[0].from = &ask;
	m[1].arg[0].len = sizeof(ask);
	error = virtiofs_send_both(inode, m, &second);
	if (error < 0 || m[0].got < sizeof(out))
		return error < 0 ? error : -EIO;
	*fh = out.fh;
	if (second == 0 && m[1].got < sizeof(*attr))
		second = -EIO;
	if (second < 0)
		virtiofs_release_handle(inode, FUSE_RELEASE, *fh);
	return second;
}

int virtiofs_open(struct inode *inode, struct file *file)
{
	const u32 flags = file->flags & (O_ACCMODE | O_SYNC);
	struct fuse_attr_out attr;
	u64 fh;
	int error;

	if (flags == O_RDONLY && !virtiofs_needs_handle(inode))
		return virtiofs_refresh(inode, false);
	error = open_and_look(inode, flags, &fh, &attr);
	if (error < 0)
		return error;
	error = virtiofs_take_attr(virtiofs_inode(inode), &attr.attr);
	if (error < 0)
		virtiofs_release_handle(inode, FUSE_RELEASE, fh);
	else
		file->priv = (void *)fh;
	return error;
}

static void release(struct file *file)
{
	if (virtiofs_handle_of(file) != 0)
		virtiofs_release_handle(file->inode, FUSE_RELEASE, virtiofs_handle_of(file));
}

static long sync(struct file *file)
{
	struct fuse_fsync_in in = { .fh = virtiofs_handle_of(file) };

	if (in.fh == 0) /* where nothing can be written */
		return 0;
	return virtiofs_ask(file->inode, FUSE_FSYNC, &in, sizeof(in), NULL, 0);
}

/* ---- pages */

void virtiofs_drop_pages(struct virtiofs_inode *vi)
{
	vi->changes++;
	if (vi->busy == 0) {
		if (vi->pages.frames > 0)
			inode_unmap(&vi->inode, 0, UINT64_MAX / PAGE_SIZE, false);
		page_tree_remove(&vi->pages, 0, UINT64_MAX / PAGE_SIZE);
		list_del(&vi->cached);
		list_init(&vi->cached);
	}
}

u64 virtiofs_reclaim(u64 n)
{
	struct list *l, *next;
	u64 freed = 0;

	for (l = with_pages.next; l != &with_pages && freed < n; l = next) {
		struct virtiofs_inode *vi = container_of(l, struct virtiofs_inode, cached);

		next = l->next;
		if (vi->busy > 0 || vi->inode.mappings > 0)
			continue;
		freed += vi->pages.frames;
		virtiofs_drop_pages(vi);
	}
	return freed;
}

/* Of the file that is in use now, others go first. */
static void note_pages(struct virtiofs_inode *vi)
{
	list_del(&vi->cached);
	list_add_tail(&with_pages, &vi->cached);
}

/* Frames for pages from `index` on, in a message: as many as are wanted and
 * missing, and as there is memory for. */
static void take_frames(struct virtiofs_inode *vi, struct fs_message *m, u64 index, u64 n)
{
	for (u64 i = 0; i < MIN(n, FS_PAGES); i++) {
		paddr_t pa;

		if (page_tree_get(&vi->pages, index + i) != 0)
			return;
		pa = frames_alloc_dirty(0);
		if (pa == 0)
			return;
		m->data[m->ndata++] = (struct virtq_buf){ pa, PAGE_SIZE };
	}
}

/* What came becomes pages, the rest is free again. */
static int keep_frames(struct virtiofs_inode *vi, const struct fs_message *m, u64 index)
{
	int error = 0;

	for (unsigned i = 0; i < m->ndata; i++) {
		paddr_t pa = m->data[i].pa;
		u64 start = i * PAGE_SIZE, have = m->got > start ? m->got - start : 0;

		if (have == 0 || error < 0 || page_tree_get(&vi->pages, index + i) != 0) {
			frames_free(pa, 0);
			continue;
		}
		if (have < PAGE_SIZE)
			memset(phys_to_virt(pa + have), 0, PAGE_SIZE - have);
		error = page_tree_set(&vi->pages, index + i, pa);
		if (error < 0)
			frames_free(pa, 0);
	}
	return error;
}

/* Fetches pages from `index` on, at most n. *end: the host's file ends there. */
static int fetch(struct file *file, u64 index, u64 n, bool *end)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct fuse_read_in in = { .fh = virtiofs_handle_of(file), .offset = index * PAGE_SIZE };
	struct fs_message m = { .opcode = FUSE_READ, .into_data = true };
	u64 changes = vi->changes;
	int error;

	take_frames(vi, &m, index, n);
	if (m.ndata == 0)
		return -ENOMEM;
	in.size = m.ndata * PAGE_SIZE;
	m.arg[0].from = &in;
	m.arg[0].len = sizeof(in);
	error = virtiofs_send(file->inode, &m);
	if (error < 0 || changes != vi->changes)
		m.got = 0;
	*end = error == 0 && changes == vi->changes && m.got == 0;
	note_pages(vi);
	return MIN(keep_frames(vi, &m, index), error);
}

/* The page that has `pos`, fetched if need be; 0 in *pa at the file's end. */
static int find_page(struct file *file, u64 pos, u64 want, paddr_t *pa)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	u64 index = pos / PAGE_SIZE, pages = (PAGE_OFFSET(pos) + want + PAGE_SIZE - 1) / PAGE_SIZE;
	u64 rest = (vi->inode.size + PAGE_SIZE - 1) / PAGE_SIZE - index;
	bool end = false;

	/* at the beginning, and where what is before was read: ahead */
	if (index == 0 || page_tree_get(&vi->pages, index - 1) != 0)
		pages = FS_PAGES;
	while ((*pa = page_tree_get(&vi->pages, index)) == 0 && !end) {
		int error = fetch(file, index, MIN(pages, rest), &end);

		if (error == -ENOMEM && pages > 1)
			pages = 1;
		else if (error < 0)
			return error;
	}
	return 0;
}

/* For mappings of what is not mapped by the host: only to be read. */
int virtiofs_get_page(struct inode *inode, u64 index, bool write, paddr_t *pa)
{
	struct file file = { .inode = inode };
	u64 fh;
	int error;

	if (index >= (inode->size + PAGE_SIZE - 1) / PAGE_SIZE)
		return -ENXIO;
	*pa = write ? 0 : page_tree_get(&virtiofs_inode(inode)->pages, index);
	if (write || *pa != 0)
		return write ? -EIO : 0;
	error = virtiofs_open_handle(inode, FUSE_OPEN, O_RDONLY, &fh);
	if (error < 0)
		return error;
	file.priv = (void *)fh;
	error = find_page(&file, index * PAGE_SIZE, PAGE_SIZE, pa);
	virtiofs_release_handle(inode, FUSE_RELEASE, fh);
	return error == 0 && *pa == 0 ? -ENXIO : error;
}

/* Reads where the host has the file: 0 when it cannot be. */
static long read_mapped(struct file *file, struct uio *uio, u64 pos, u64 n)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	const void *bytes;
	paddr_t pa;
	long moved;

	if (vi->inode.size < DAX_MIN)
		return 0;
	n = virtiofs_get_dax(file, pos, MIN(n, (u64)DAX_MIN), false, &pa);
	bytes = n > 0 ? physical_bytes(pa, n) : NULL;
	if (bytes == NULL)
		return 0;
	vi->busy++; /* so that nothing else is mapped there */
	moved = uio_to(uio, bytes, n);
	vi->busy--;
	return moved;
}

/* The same from a page that is kept. */
static long read_page(struct file *file, struct uio *uio, u64 pos, u64 n)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	paddr_t pa;
	long moved;
	int error = find_page(file, pos, n, &pa);

	if (error < 0 || pa == 0)
		return error;
	vi->busy++; /* a fault on the way may need memory */
	moved = uio_to(uio, phys_to_virt(pa + PAGE_OFFSET(pos)),
		       MIN(n, PAGE_SIZE - PAGE_OFFSET(pos)));
	vi->busy--;
	return moved;
}

static long read(struct file *file, struct uio *uio, u64 *pos)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	long done = 0, moved = 0;

	if (*pos >= vi->inode.size)
		virtiofs_refresh(file->inode, false); /* it may have grown */
	while (uio->resid > 0 && *pos < vi->inode.size) {
		size_t n = MIN(uio->resid, vi->inode.size - *pos);

		moved = read_mapped(file, uio, *pos, n);
		if (moved == 0)
			moved = read_page(file, uio, *pos, n);
		if (moved <= 0)
			break;
		*pos += moved;
		done += moved;
	}
	return done > 0 ? done : moved;
}

/* ---- writing */

/* Pages that are kept get what was written, too. */
static void update_pages(struct virtiofs_inode *vi, u64 pos, const u8 *from, u64 n)
{
	while (n > 0) {
		u64 part = MIN(n, PAGE_SIZE - PAGE_OFFSET(pos));
		paddr_t pa = page_tree_get(&vi->pages, pos / PAGE_SIZE);

		if (pa != 0)
			memcpy(phys_to_virt(pa + PAGE_OFFSET(pos)), from, part);
		pos += part;
		from += part;
		n -= part;
	}
}

/* One message: how much the host took. */
static long send(struct file *file, const u8 *bytes, u32 n, u64 pos)
{
	struct virtiofs_inode *vi = virtiofs_inode(file->inode);
	struct fuse_write_in in = { .fh = virtiofs_handle_of(file), .offset = pos, .size = n };
	struct fs_message m = { .opcode = FUSE_WRITE, .ndata = 1 };
	struct fuse_write_out out;
	int error;

	m.arg[0].from = &in;
	m.arg[0].len = sizeof(in);
	m.data[0] = (struct virtq_buf){ virt_to_phys(bytes), n };
	m.reply = &out;
	m.room = sizeof(out);
	error = virtiofs_send(file->inode, &m);
	vi->changes++;
	virtiofs_doubt(file->inode);
	if (error < 0)
		return error;
	if (m.got < sizeof(out) || out.size > n)
		return -EIO;
	update_pages(vi, pos, bytes, out.size);
	vi->inode.size = MAX(vi->inode.size, pos + out.size);
	return out.size;
}

static long write(struct file *file, struct uio *uio, u64 *pos)
{
	size_t room = MIN(uio->resid, WRITE_MAX);
	long done = 0, sent = 0;
	u8 *bytes;

	if (uio->resid == 0)
		return 0;
	if (file->flags & O_APPEND) {
		int error = virtiofs_refresh(file->inode, true);

		if (error < 0)
			return error;
		*pos = file->inode->size;
	}
	if (*pos >= MAX_FILE_SIZE)
		return -EFBIG;
	uio->resid = MIN(uio->resid, MAX_FILE_SIZE - *pos);
	bytes = kalloc(room);
	if (bytes == NULL)
		return -ENOMEM;
	while (uio->resid > 0) {
		long n = uio_from(uio, bytes, MIN(uio->resid, room));

		sent = n < 0 ? n : send(file, bytes, n, *pos);
		if (sent < 0)
			break;
		*pos += sent;
		done += sent;
		if (sent < n || (n < (long)room && uio->resid > 0))
			break; /* the host took no more, or a fault */
	}
	kfree(bytes);
	return done > 0 ? done : sent;
}

/* ---- space */

/* FUSE wants a handle; the file may be open without one of ours at hand. */
int virtiofs_fallocate(struct inode *inode, int mode, u64 offset, u64 len)
{
	struct fuse_fallocate_in in = { .offset = offset, .length = len, .mode = mode };
	int error = virtiofs_open_handle(inode, FUSE_OPEN, O_WRONLY, &in.fh);

	if (error < 0)
		return error;
	error = virtiofs_ask(inode, FUSE_FALLOCATE, &in, sizeof(in), NULL, 0);
	virtiofs_drop_pages(virtiofs_inode(inode));
	virtiofs_release_handle(inode, FUSE_RELEASE, in.fh);
	return error < 0 ? error : virtiofs_refresh(inode, true);
}

const struct file_ops virtiofs_file_ops = {
	.read = read,
	.write = write,
	.lseek = file_lseek,
	.fsync = sync,
	.release = release,
};
