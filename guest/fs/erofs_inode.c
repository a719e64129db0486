/* Inodes of EROFS. */
#include "../libos/heap.h"
#include "erofs.h"
#include "mapped_page.h"

static struct erofs_inode **bucket(struct erofs *fs, u64 nid)
{
	return &fs->hash[nid % EROFS_HASH];
}

static struct inode *find(struct erofs *fs, u64 nid)
{
	for (struct erofs_inode *ei = *bucket(fs, nid); ei != NULL; ei = ei->next)
		if (ei->inode.ino == nid)
			return inode_get(&ei->inode);
	return NULL;
}

/* Either form as the larger one; *size: what it takes. */
static int read_raw(struct erofs *fs, u64 at, struct erofs_disk_extended *raw, unsigned *size)
{
	struct erofs_disk_inode small;
	int error = erofs_copy(fs, at, &small, sizeof(small));

	*size = small.format & EROFS_EXTENDED ? sizeof(*raw) : sizeof(small);
	if (error == 0 && small.format & EROFS_EXTENDED)
		return erofs_copy(fs, at, raw, sizeof(*raw));
	*raw = (struct erofs_disk_extended){
		.format = small.format,
		.xattr_count = small.xattr_count,
		.mode = small.mode,
		.size = small.size,
		.place = small.place,
		.uid = small.uid,
		.gid = small.gid,
		.mtime = fs->built.tv_sec,
		.mtime_ns = fs->built.tv_nsec,
		.links = small.links,
	};
	return error;
}

static int set_layout(struct erofs_inode *ei, const struct erofs_disk_extended *raw)
{
	struct erofs *fs = erofs_of(ei->inode.sb);
	u32 bits = __builtin_ctz(fs->block_size);

	ei->layout = EROFS_LAYOUT(raw->format);
	if (raw->format & EROFS_UNKNOWN_FORMAT || ei->layout > EROFS_CHUNKED)
		return -EIO;
	if (ei->layout == EROFS_COMPRESSED_FULL || ei->layout == EROFS_COMPRESSED) {
		if (!fs->told)
			klog("mayfly: /dev/vd%c: erofs: a file is compressed: make the image by "
			     "mkfs.erofs without -z",
			     'a' + fs->cache->disk->number);
		fs->told = true;
		return -EOPNOTSUPP;
	}
	ei->start = (u64)raw->place << bits;
	if (ei->layout == EROFS_CHUNKED) {
		ei->chunk_bits = bits + (raw->place & EROFS_CHUNK_BITS);
		ei->indexes = raw->place & EROFS_CHUNK_INDEXES;
		ei->behind = ALIGN_UP(ei->behind, ei->indexes ? 8ul : 4ul);
	}
	return 0;
}

static bool set_ops(struct inode *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFREG:
		inode->ops = &erofs_reg_ops;
		inode->fops = &erofs_file_ops;
		return true;
	case S_IFDIR:
		inode->ops = &erofs_dir_ops;
		inode->fops = &erofs_dir_file_ops;
		return true;
	case S_IFLNK:
		inode->ops = &erofs_link_ops;
		return inode->size < PATH_MAX;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		inode->ops = &erofs_node_ops;
		return true;
	default:
		return false;
	}
}

static int load(struct erofs_inode *ei, const struct erofs_disk_extended *raw)
{
	struct inode *inode = &ei->inode;
	bool device = S_ISCHR(raw->mode) || S_ISBLK(raw->mode);

	inode->mode = raw->mode;
	inode->nlink = raw->links;
	inode->uid = raw->uid;
	inode->gid = raw->gid;
	inode->size = raw->size;
	inode->rdev = device ? raw->place : 0;
	inode->mtime.tv_sec = raw->mtime;
	inode->mtime.tv_nsec = raw->mtime_ns < 1000000000 ? raw->mtime_ns : 0;
	inode->atime = inode->ctime = inode->btime = inode->mtime;
	if (!set_ops(inode) || inode->nlink == 0 || inode->size > MAX_FILE_SIZE)
		return -EIO;
	if (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode))
		return set_layout(ei, raw);
	return 0;
}

/* Nobody knows of it yet. */
static int make(struct erofs *fs, u64 nid, struct erofs_inode **out)
{
	u64 at = fs->meta + nid * EROFS_SLOT;
	struct erofs_disk_extended raw;
	struct erofs_inode *ei;
	unsigned size;
	int error = nid > fs->end / EROFS_SLOT ? -EIO : read_raw(fs, at, &raw, &size);

	if (error < 0)
		return error;
	ei = kalloc(sizeof(*ei));
	if (ei == NULL)
		return -ENOMEM;
	inode_init(&ei->inode, &fs->sb, raw.mode);
	ei->inode.ino = nid;
	ei->xattrs = at + size;
	ei->xattr_size = EROFS_XATTR_SIZE(raw.xattr_count);
	ei->behind = ei->xattrs + ei->xattr_size;
	error = load(ei, &raw);
	if (error < 0)
		kfree(ei);
	*out = ei;
	return error;
}

int erofs_get_inode(struct erofs *fs, u64 nid, struct inode **out)
{
	struct erofs_inode *ei;
	int error;

	*out = find(fs, nid);
	if (*out != NULL)
		return 0;
	error = make(fs, nid, &ei);
	if (error < 0)
		return error;
	*out = find(fs, nid); /* somebody else, while this one was read */
	if (*out != NULL) {
		kfree(ei);
		return 0;
	}
	ei->next = *bucket(fs, nid);
	*bucket(fs, nid) = ei;
	*out = &ei->inode;
	return 0;
}

void erofs_evict(struct inode *inode)
{
	struct erofs_inode *ei = erofs_inode(inode), **p = bucket(erofs_of(inode->sb), inode->ino);

	while (*p != ei)
		p = &(*p)->next;
	*p = ei->next;
	mapped_pages_release(&ei->mapped, 0, UINT64_MAX / PAGE_SIZE);
	kfree(ei);
}
