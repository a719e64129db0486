/*
 * Regular files of the overlay whose content is below, see overlay.h: read
 * there, until somebody opens one for writing or gives it another size. Then it
 * is copied, and the inode becomes one of tmpfs; who has it open reads the copy
 * from then on.
 *
 * Pages that are mapped are those below, where these can be (get_dax, or a disk's
 * get_page, which get_dax finds to be there); others are
 * read once, some at a time, and kept in the inode: programs and libraries start
 * without being read as a whole.
 */
#include "overlay.h"
#include "../libos/frames.h"
#include "../libos/heap.h"

#define WINDOW_ORDER 4
#define WINDOW       (1ull << WINDOW_ORDER) /* pages that are read at once */
#define LAST_PAGE    (UINT64_MAX / PAGE_SIZE)

static bool is_below(const struct inode *inode)
{
	return tmpfs_inode((struct inode *)inode)->lower != NULL;
}

/* ---- pages of the file below itself */

/* What is below counts as mapped, too, from its first page on. */
static void show(struct inode *inode, struct inode *low)
{
	if (inode->below != NULL || inode->mappings == 0)
		return;
	inode->below = inode_get(low);
	if (low->mappings++ == 0 && low->ops->mapped != NULL)
		low->ops->mapped(low, true);
}

static void hide(struct inode *inode)
{
	struct inode *low = inode->below;

	if (low == NULL)
		return;
	inode_unmap(low, 0, LAST_PAGE, false);
	inode->below = NULL;
	if (--low->mappings == 0 && low->ops->mapped != NULL)
		low->ops->mapped(low, false);
	inode_put(low);
}

static void mapped(struct inode *inode, bool any)
{
	if (!any)
		hide(inode);
}

/* The file below; NULL with *error. */
static struct file *open_below(struct inode *inode, int *error)
{
	struct file *file = NULL;
	struct path low;

	*error = overlay_find(inode, &low);
	if (*error < 0)
		return NULL;
	*error = -ESTALE;
	if (S_ISREG(low.dentry->inode->mode))
		file = vfs_open(&low, O_RDONLY | O_LARGEFILE, error);
	path_put(&low);
	return file;
}

/* ---- copying */

static int copy_content(struct file *from, struct inode *to)
{
	struct file file = { .inode = to };
	char *buf = kalloc(PAGE_SIZE);
	long n = buf != NULL ? 1 : -ENOMEM;

	for (u64 pos = 0; n > 0;) {
		n = file_read_kernel(from, buf, PAGE_SIZE, pos);
		if (n > 0) {
			struct iovec iov = { buf, n };
			struct uio uio = { .iov = &iov, .niov = 1, .resid = n, .kernel = true };

			if (tmpfs_file_ops.write(&file, &uio, &pos) != n)
				n = -ENOSPC;
		}
	}
	kfree(buf);
	return n;
}

/* The inode has this content from now on, all in memory; `from` gets what it had. */
static void take_content(struct inode *inode, struct inode *from)
{
	struct tmpfs_inode *ti = tmpfs_inode(inode), *tf = tmpfs_inode(from);

	hide(inode);
	inode_unmap(inode, 0, LAST_PAGE, false);
	page_tree_remove(&ti->pages, 0, LAST_PAGE);
	ti->pages = tf->pages;
	tf->pages = (struct page_tree){ .root = 0 };
	inode->size = from->size;
	inode->ops = &tmpfs_regular_ops;
	kfree(ti->lower);
	ti->lower = NULL;
}

static int copy_up(struct inode *inode, bool content)
{
	struct inode *copy;
	struct file *from;
	int error = overlay_take_xattrs(inode);

	if (error < 0 || !is_below(inode)) /* somebody was faster */
		return error;
	error = tmpfs_nameless(inode->sb, S_IFREG, &copy);
	if (error < 0)
		return error;
	if (content) {
		from = open_below(inode, &error);
		if (from != NULL) {
			error = copy_content(from, copy);
			file_put(from);
		}
	}
	if (error == 0 && is_below(inode)) /* nobody was faster */
		take_content(inode, copy);
	inode_put(copy);
	return error;
}

/* ---- pages to be mapped */

/* Reads a page into a frame, which becomes the inode's, or is freed. */
static int read_page(struct inode *inode, struct file *low, u64 index, paddr_t pa)
{
	struct page_tree *pages = &tmpfs_inode(inode)->pages;
	bool wanted = pa != 0 && page_tree_get(pages, index) == 0;
	long n = wanted ? file_read_kernel(low, phys_to_virt(pa), PAGE_SIZE, index * PAGE_SIZE) : 0;

	/* it may have been read, or all copied, meanwhile */
	wanted = wanted && n >= 0 && is_below(inode) && page_tree_get(pages, index) == 0;
	if (wanted) {
		memset(phys_to_virt(pa + n), 0, PAGE_SIZE - n);
		n = page_tree_set(pages, index, pa);
	}
	if (pa != 0 && (!wanted || n < 0))
		frames_free(pa, 0);
	return pa == 0 ? -ENOMEM : MIN(n, 0);
}

/* Frames that follow each other are mapped faster. */
static int read_window(struct inode *inode, u64 index)
{
	u64 end = (inode->size + PAGE_SIZE - 1) / PAGE_SIZE, first = ALIGN_DOWN(index, WINDOW);
	int error;
	struct file *low = open_below(inode, &error);
	paddr_t pa;

	if (low == NULL)
		return error;
	pa = first + WINDOW <= end ? frames_alloc_dirty(WINDOW_ORDER) : 0;
	for (u64 i = first; i < first + WINDOW; i++) {
		int result = 0;

		if (pa != 0)
			result = read_page(inode, low, i, pa + (i - first) * PAGE_SIZE);
		else if (i < end)
			result = read_page(inode, low, i, frames_alloc_dirty(0));
		error = MIN(error, result);
	}
	file_put(low);
	return error;
}

static bool has_pages(const struct inode *low)
{
	return low != NULL && low->ops->get_page != NULL;
}

/* Of a mapping that shows the file below, which may be left while it waits. */
static int get_page_below(struct inode *inode, u64 index, paddr_t *pa)
{
	struct inode *low = inode_get(inode->below);
	int error = low->ops->get_page(low, index, false, pa);

	inode_put(low);
	return error;
}

static paddr_t get_near(struct inode *inode, u64 index)
{
	struct inode *low = inode->below;

	if (has_pages(low))
		return low->ops->get_near != NULL ? low->ops->get_near(low, index) : 0;
	return page_tree_get(&tmpfs_inode(inode)->pages, index);
}

/* Never to be written: who may write has the file open for it. */
static int get_page(struct inode *inode, u64 index, bool write, paddr_t *pa)
{
	struct page_tree *pages = &tmpfs_inode(inode)->pages;
	int error = 0;

	if (index >= (inode->size + PAGE_SIZE - 1) / PAGE_SIZE)
		return -ENXIO;
	if (has_pages(inode->below))
		return write ? -EACCES : get_page_below(inode, index, pa);
	if (page_tree_get(pages, index) == 0)
		error = read_window(inode, index);
	if (!is_below(inode))
		return inode->ops->get_page(inode, index, write, pa);
	*pa = page_tree_get(pages, index);
	if (*pa == 0)
		return error < 0 ? error : -EIO;
	return write ? -EACCES : 0;
}

/* ---- open files */

/* priv is the file below. */
static long read(struct file *file, struct uio *uio, u64 *pos)
{
	struct file *low = file->priv;

	if (!is_below(file->inode))
		return tmpfs_file_ops.read(file, uio, pos);
	return low->ops->read(low, uio, pos);
}

static void release(struct file *file)
{
	file_put(file->priv);
}

static const struct file_ops read_ops = {
	.read = read,
	.lseek = file_lseek,
	.release = release,
};

static u64 get_dax(struct file *file, u64 offset, u64 n, bool write, paddr_t *pa)
{
	struct file *low = file->priv;

	if (write || !is_below(file->inode) || file->ops != &read_ops)
		return 0;
	if (low->inode->ops->get_dax == NULL) {
		if (has_pages(low->inode))
			show(file->inode, low->inode);
		return 0;
	}
	n = low->inode->ops->get_dax(low, offset, n, false, pa);
	if (!is_below(file->inode)) /* copied meanwhile */
		return 0;
	if (n > 0)
		show(file->inode, low->inode);
	return n;
}

static int open(struct inode *inode, struct file *file)
{
	struct file *low;
	int error;

	if (file_writable(file))
		return copy_up(inode, true);
	low = open_below(inode, &error);
	if (low == NULL)
		return error;
	if (is_below(inode))
		inode->size = low->inode->size;
	file->ops = &read_ops;
	file->priv = low;
	return 0;
}

/* ---- attributes */

static int get_attr(struct inode *inode, struct kstat *st)
{
	if (is_below(inode)) /* as most file systems lay it out */
		st->blocks = ALIGN_UP(inode->size, PAGE_SIZE) / 512;
	else
		st->blocks = tmpfs_blocks(tmpfs_inode(inode));
	return 0;
}

static int set_attr(struct inode *inode, const struct attr *attr)
{
	int error = 0;

	if (attr->valid & ATTR_SIZE)
		error = copy_up(inode, attr->size > 0);
	else if (attr->valid & ATTR_OWNER)
		error = overlay_take_xattrs(inode); /* one of them may go */
	if (error < 0)
		return error;
	return tmpfs_regular_ops.setattr(inode, attr);
}

struct inode_ops overlay_file_ops;

void overlay_init_file_ops(void)
{
	overlay_file_ops = tmpfs_regular_ops;
	overlay_file_ops.open = open;
	overlay_file_ops.getattr = get_attr;
	overlay_file_ops.setattr = set_attr;
	overlay_file_ops.get_page = get_page;
	overlay_file_ops.get_near = get_near;
	overlay_file_ops.get_run = NULL;
	overlay_file_ops.get_dax = get_dax;
	overlay_file_ops.mapped = mapped;
	overlay_set_xattr_ops(&overlay_file_ops);
}
