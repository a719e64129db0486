/* Inodes and attributes of virtio-fs, and mounting it: see virtiofs.h. */
#include <asm/statfs.h>
#include <linux/virtio_ids.h>
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "../libos/process.h"
#include "virtiofs.h"

int virtiofs_send(struct inode *inode, struct fs_message *m)
{
	const struct process *p = current_process();

	m->nodeid = virtiofs_inode(inode)->nodeid;
	m->uid = p != NULL ? p->cred.uid.fs : 0;
	m->gid = p != NULL ? p->cred.gid.fs : 0;
	return fs_send(virtiofs_of(inode)->dev, m);
}

int virtiofs_send_both(struct inode *inode, struct fs_message m[2], int *second)
{
	const struct process *p = current_process();

	for (unsigned i = 0; i < 2; i++) {
		m[i].nodeid = virtiofs_inode(inode)->nodeid;
		m[i].uid = p != NULL ? p->cred.uid.fs : 0;
		m[i].gid = p != NULL ? p->cred.gid.fs : 0;
	}
	return fs_send_both(virtiofs_of(inode)->dev, &m[0], &m[1], second);
}

int virtiofs_ask(struct inode *inode, u32 opcode, const void *arg, u32 len, void *reply, u32 room)
{
	struct fs_message m = { .opcode = opcode, .reply = reply, .room = room };
	int error;

	m.arg[0].from = arg;
	m.arg[0].len = len;
	error = virtiofs_send(inode, &m);
	return error == 0 && m.got < room ? -EIO : error;
}

void virtiofs_tell(struct inode *inode, u32 opcode, const void *arg, u32 len)
{
	struct fs_message m = { .opcode = opcode, .nodeid = virtiofs_inode(inode)->nodeid };

	m.arg[0].from = arg;
	m.arg[0].len = len;
	fs_post(virtiofs_of(inode)->dev, &m);
}

/* ---- attributes */

static struct __kernel_timespec time_of(u64 s, u32 ns)
{
	return (struct __kernel_timespec){ .tv_sec = s, .tv_nsec = ns % 1000000000 };
}

static bool same_time(const struct __kernel_timespec *a, const struct __kernel_timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The type of a file never changes. */
int virtiofs_take_attr(struct virtiofs_inode *vi, const struct fuse_attr *a)
{
	struct inode *inode = &vi->inode;
	struct __kernel_timespec mtime = time_of(a->mtime, a->mtimensec);
	u64 size = MIN(a->size, (u64)MAX_FILE_SIZE);

	if ((a->mode ^ inode->mode) & S_IFMT)
		return -ESTALE;
	if (S_ISREG(inode->mode) && (size != inode->size || !same_time(&mtime, &inode->mtime))) {
		virtiofs_drop_pages(vi);
		vi->dax.stale = true;
		/* the host made it shorter: what is gone is SIGBUS from now on */
		if (size < inode->size)
			inode_unmap(inode, (size + PAGE_SIZE - 1) / PAGE_SIZE,
				    UINT64_MAX / PAGE_SIZE, true);
	}
	inode->mode = a->mode;
	inode->nlink = a->nlink;
	inode->uid = a->uid;
	inode->gid = a->gid;
	inode->rdev = a->rdev;
	inode->ino = a->ino;
	inode->size = size;
	inode->atime = time_of(a->atime, a->atimensec);
	inode->mtime = inode->btime = mtime;
	inode->ctime = time_of(a->ctime, a->ctimensec);
	vi->blocks = a->blocks;
	vi->valid_until = now_ns() + VALID_NS;
	return 0;
}

int virtiofs_refresh(struct inode *inode, bool now)
{
	struct virtiofs_inode *vi = virtiofs_inode(inode);
	struct fuse_getattr_in in = { .getattr_flags = 0 };
	struct fuse_attr_out out;
	int error;

	if (!now && now_ns() < vi->valid_until)
		return 0;
	error = virtiofs_ask(inode, FUSE_GETATTR, &in, sizeof(in), &out, sizeof(out));
	return error < 0 ? error : virtiofs_take_attr(vi, &out.attr);
}

static int get_attr(struct inode *inode, struct kstat *st)
{
	int error = virtiofs_refresh(inode, false);

	if (error < 0)
		return error;
	inode_stat(inode, st);
	st->blocks = virtiofs_inode(inode)->blocks;
	return 0;
}

static int set_attr(struct inode *inode, const struct attr *attr)
{
	static const struct {
		u32 ours, theirs;
	} bits[] = {
		{ ATTR_MODE, FATTR_MODE }, { ATTR_UID, FATTR_UID },     { ATTR_GID, FATTR_GID },
		{ ATTR_SIZE, FATTR_SIZE }, { ATTR_ATIME, FATTR_ATIME }, { ATTR_MTIME, FATTR_MTIME },
	};
	struct fuse_setattr_in in = {
		.size = attr->size,
		.mode = attr->mode & 07777,
		.uid = attr->uid,
		.gid = attr->gid,
		.atime = attr->atime.tv_sec,
		.mtime = attr->mtime.tv_sec,
		.atimensec = attr->atime.tv_nsec,
		.mtimensec = attr->mtime.tv_nsec,
	};
	struct fuse_attr_out out;
	int error;

	for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
		if (attr->valid & bits[i].ours)
			in.valid |= bits[i].theirs;
	if (attr->valid & ATTR_SIZE)
		virtiofs_drop_pages(virtiofs_inode(inode));
	error = virtiofs_ask(inode, FUSE_SETATTR, &in, sizeof(in), &out, sizeof(out));
	if (error == 0 && attr->valid & ATTR_SIZE)
		inode_unmap(inode, (attr->size + PAGE_SIZE - 1) / PAGE_SIZE, UINT64_MAX / PAGE_SIZE,
			    true);
	return error < 0 ? error : virtiofs_take_attr(virtiofs_inode(inode), &out.attr);
}

static long read_link(struct inode *inode, char *buf, size_t size)
{
	struct fs_message m = { .opcode = FUSE_READLINK, .room = PATH_MAX };
	const struct virtiofs_inode *vi = virtiofs_inode(inode);
	char *text;
	int error;

	if (vi->target != NULL) { /* a node never gets another */
		size = MIN(size, strlen(vi->target));
		memcpy(buf, vi->target, size);
		return size;
	}
	text = kalloc(PATH_MAX);
	if (text == NULL)
		return -ENOMEM;
	m.reply = text;
	error = virtiofs_send(inode, &m);
	size = MIN(size, m.got);
	if (error == 0)
		memcpy(buf, text, size);
	kfree(text);
	return error < 0 ? error : (long)size;
}

/* ---- inodes */

static const struct inode_ops file_ops = {
	.getattr = get_attr,
	.setattr = set_attr,
	VIRTIOFS_XATTR_OPS,
	.fallocate = virtiofs_fallocate,
	.open = virtiofs_open,
	.get_page = virtiofs_get_page,
	.get_near = virtiofs_get_near,
	.get_dax = virtiofs_get_dax,
};
static const struct inode_ops link_ops = {
	.getattr = get_attr,
	.setattr = set_attr,
	.readlink = read_link,
};
static const struct inode_ops node_ops = { .getattr = get_attr, .setattr = set_attr };
static struct inode_ops dir_ops; /* virtiofs_dir_ops and the two for attributes */

static void set_ops(struct inode *inode)
{
	inode->ops = &node_ops;
	if (S_ISREG(inode->mode)) {
		inode->ops = &file_ops;
		inode->fops = &virtiofs_file_ops;
	} else if (S_ISDIR(inode->mode)) {
		inode->ops = &dir_ops;
		inode->fops = &virtiofs_dir_file_ops;
	} else if (S_ISLNK(inode->mode)) {
		inode->ops = &link_ops;
	}
}

static struct list *bucket_of(struct virtiofs *fs, u64 nodeid)
{
	return &fs->bucket[nodeid % VIRTIOFS_BUCKETS];
}

static struct virtiofs_inode *find(struct virtiofs *fs, u64 nodeid)
{
	struct list *l;

	list_for_each (l, bucket_of(fs, nodeid)) {
		struct virtiofs_inode *vi = container_of(l, struct virtiofs_inode, same_bucket);

		if (vi->nodeid == nodeid)
			return vi;
	}
	return NULL;
}

static struct virtiofs_inode *new_inode(struct virtiofs *fs, u64 nodeid, u32 mode)
{
	struct virtiofs_inode *vi = kalloc(sizeof(*vi));

	if (vi == NULL)
		return NULL;
	vi->nodeid = nodeid;
	list_init(&vi->cached);
	inode_init(&vi->inode, &fs->sb, mode);
	set_ops(&vi->inode);
	list_add_tail(bucket_of(fs, nodeid), &vi->same_bucket);
	return vi;
}

static void evict(struct inode *inode)
{
	struct virtiofs_inode *vi = virtiofs_inode(inode);

	virtiofs_drop_dax(vi);
	virtiofs_drop_pages(vi);
	list_del(&vi->same_bucket);
	kfree(vi->target);
	if (vi->lookups > 0)
		fs_forget(virtiofs_of(inode)->dev, vi->nodeid, vi->lookups);
	kfree(vi);
}

struct inode *virtiofs_get(struct virtiofs *fs, const struct fuse_entry_out *entry)
{
	struct virtiofs_inode *vi;

	if (entry->nodeid == 0)
		return NULL;
	vi = find(fs, entry->nodeid);
	if (vi != NULL)
		inode_get(&vi->inode);
	else
		vi = new_inode(fs, entry->nodeid, entry->attr.mode);
	if (vi == NULL) {
		fs_forget(fs->dev, entry->nodeid, 1);
		return NULL;
	}
	vi->lookups++;
	if (virtiofs_take_attr(vi, &entry->attr) < 0) {
		inode_put(&vi->inode);
		return NULL;
	}
	return &vi->inode;
}

/* ---- the file system */

static int stat_fs(struct super *sb, struct statfs *st)
{
	struct fuse_statfs_out out;
	int error = virtiofs_ask(sb->root->inode, FUSE_STATFS, NULL, 0, &out, sizeof(out));

	if (error < 0)
		return error;
	st->f_bsize = out.st.bsize;
	st->f_frsize = out.st.frsize;
	st->f_blocks = out.st.blocks;
	st->f_bfree = out.st.bfree;
	st->f_bavail = out.st.bavail;
	st->f_files = out.st.files;
	st->f_ffree = out.st.ffree;
	st->f_namelen = out.st.namelen;
	return 0;
}

static int start(struct virtiofs *fs)
{
	struct fuse_init_in in = {
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ,
	};
	struct fuse_init_out out;
	struct inode *root = fs->sb.root->inode;
	int error = virtiofs_ask(root, FUSE_INIT, &in, sizeof(in), &out, sizeof(out));

	if (error == 0 &&
	    (out.major != FUSE_KERNEL_VERSION || out.max_write < FS_PAGES * PAGE_SIZE))
		error = -EPROTO;
	return error < 0 ? error : virtiofs_refresh(root, true);
}

/* A file system on a device of the host. NULL with *error. */
static struct virtiofs *make(const struct virtio_place *place, u32 number, int *error)
{
	struct virtiofs *fs = kalloc(sizeof(*fs));
	struct virtiofs_inode *root = NULL;

	*error = -ENOMEM;
	if (fs == NULL)
		return NULL;
	frames_reclaim_more = virtiofs_reclaim;
	dir_ops = virtiofs_dir_ops;
	dir_ops.getattr = get_attr;
	dir_ops.setattr = set_attr;
	for (unsigned i = 0; i < VIRTIOFS_BUCKETS; i++)
		list_init(&fs->bucket[i]);
	fs->sb = (struct super){
		.type = "virtiofs",
		.magic = VIRTIOFS_MAGIC,
		.dev = MKDEV(0, 64 + number),
		.read_only = place->read_only,
		.statfs = stat_fs,
		.evict = evict,
		.priv = fs,
	};
	fs->name = kalloc(VIRTIOFS_NAMES * sizeof(*fs->name));
	fs->sb.root = dentry_new(NULL, "", 0);
	if (fs->name != NULL && fs->sb.root != NULL)
		root = new_inode(fs, FUSE_ROOT_ID, S_IFDIR);
	if (root != NULL)
		fs->dev = fs_dev_start(place, error);
	if (fs->dev == NULL) /* what little there is of it stays: this is the boot */
		return NULL;
	fs->sb.root->inode = &root->inode;
	*error = start(fs);
	return *error < 0 ? NULL : fs;
}

static void mount_one(const struct virtio_place *place, u32 number)
{
	struct path point = { NULL, NULL };
	struct virtiofs *fs;
	int error;

	error = fs_make_dirs(place->share, &point);
	if (error == 0 && !S_ISDIR(point.dentry->inode->mode))
		error = -ENOTDIR;
	if (error == 0) {
		fs = make(place, number, &error);
		if (fs != NULL) {
			fs->mount.source = "share";
			fs->mount.read_only = place->read_only;
			error = mount_add(&fs->mount, &fs->sb, &point);
		}
	}
	path_put(&point);
	if (error < 0)
		klog("mayfly: --share: cannot mount %s (error %d)", place->share, -error);
}

void shares_mount(void)
{
	static bool done;
	u32 number = 0;

	if (done)
		return;
	done = true; /* making mount points looks names up again */
	for (unsigned i = 0; i < boot_info.nvirtio; i++) {
		const struct virtio_place *place = &boot_info.virtio[i];

		if (place->share != NULL && place->type == VIRTIO_ID_FS && place != boot_info.root)
			mount_one(place, number++);
	}
}

struct mount *virtiofs_root(const struct virtio_place *place, int *error)
{
	struct virtiofs *fs = make(place, VIRTIO_MMIO_MAX, error);

	if (fs == NULL)
		return NULL;
	fs->below = place->read_only;
	if (fs->below) /* without memory, no such name is remembered */
		fs->missing = kalloc(VIRTIOFS_MISSING * sizeof(*fs->missing));
	fs->mount.source = "root";
	fs->mount.sb = &fs->sb;
	fs->mount.root = fs->sb.root;
	return &fs->mount;
}
