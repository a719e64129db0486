/*
 * /dev/pts: a file system of its own with a node for each pseudo-terminal, which
 * appears and goes with it (pty.c), and ptmx. Programs can change whose these are,
 * but make and remove nothing.
 */
#include "../libos/heap.h"
#include "../libos/process.h"
#include "../libos/pty.h"
#include "tmpfs.h"

#define DEVPTS_FS    MKDEV(0, 26)
#define DEVPTS_MAGIC 0x1cd1
#define DEVPTS_BLOCK 1024
#define TTY_GROUP    5 /* Debian's, whose mode of slaves lets them be written to */

static struct devpts {
	struct super sb;
	struct mount mount;
	struct inode_ops dir_ops, node_ops; /* few of those of tmpfs */
} * pts; /* NULL: nobody has looked for it */

static int get_attr(struct inode *inode, struct kstat *st)
{
	(void)inode;
	st->size = 0;
	st->blksize = DEVPTS_BLOCK;
	return 0;
}

static int make_node(const char *name, u32 mode, u32 rdev, u64 ino, u32 uid, u32 gid)
{
	struct inode *inode = tmpfs_new_inode(&pts->sb, S_IFCHR | mode, rdev);

	if (inode == NULL)
		return -ENOMEM;
	inode->ops = &pts->node_ops;
	inode->ino = ino;
	inode->uid = uid;
	inode->gid = gid;
	return tmpfs_put_inode(pts->sb.root, name, inode);
}

static void fill_in(void)
{
	pts->sb.type = "devpts";
	pts->sb.magic = DEVPTS_MAGIC;
	pts->sb.options = ",gid=5,mode=620,ptmxmode=000";
	pts->sb.statfs = NULL; /* there is nothing to count */
	pts->node_ops.getattr = get_attr;
	pts->node_ops.setattr = tmpfs_dir_ops.setattr;
	pts->dir_ops = pts->node_ops;
	pts->dir_ops.lookup = tmpfs_dir_ops.lookup;
	pts->sb.root->inode->ops = &pts->dir_ops;
	pts->sb.root->inode->ino = 1;
	make_node("ptmx", 0, DEV_PTMX, 2, 0, 0);
}

/* False: no memory. */
static bool is_there(void)
{
	if (pts != NULL)
		return true;
	pts = kalloc(sizeof(*pts));
	if (pts != NULL && tmpfs_init(&pts->sb, DEVPTS_FS, 0755) == 0) {
		fill_in();
		return true;
	}
	kfree(pts);
	pts = NULL;
	return false;
}

void devpts_mount(struct mount *dev, struct dentry *point)
{
	struct path at = { dev, point };

	if (!is_there())
		return;
	pts->mount.source = pts->sb.type;
	mount_add(&pts->mount, &pts->sb, &at);
}

/* ---- for pty.c ---- */

int devpts_add(unsigned number, struct path *node)
{
	char name[12];
	int error = is_there() ? 0 : -ENOMEM;

	fs_make_dirs("/dev/pts", NULL); /* where it is mounted */
	snprintf(name, sizeof(name), "%u", number);
	if (error == 0)
		error = make_node(name, 0620, DEV_PTS(number), number + 3,
				  current_process()->cred.uid.fs, TTY_GROUP);
	if (error < 0)
		return error;
	node->mnt = &pts->mount;
	node->mnt->refs++;
	node->dentry = dentry_find(pts->sb.root, name, strlen(name));
	return 0;
}

void devpts_remove(struct path *node)
{
	tmpfs_dir_ops.unlink(node->dentry);
	node->dentry->deleted = true;
	path_put(node);
}
