/*
 * Who may do what with a file (path_resolution(7), capabilities(7)). A VM has
 * one user, usually root, whom most of this does not concern; but programs
 * that give up their privileges find that they have.
 */
#include <linux/capability.h>
#include "../libos/process.h"
#include "vfs.h"

struct who {
	u32 uid, gid;
	bool override, search; /* CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH */
};

static bool in_group(const struct who *who, u32 gid)
{
	return who->gid == gid || cred_has_group(&current_process()->cred, gid);
}

static int check(const struct who *who, const struct inode *inode, int mask)
{
	u32 mode = inode->mode, bits = mode;

	if (who->uid == inode->uid)
		bits >>= 6;
	else if (in_group(who, inode->gid))
		bits >>= 3;
	if ((mask & 7 & ~bits) == 0)
		return 0;
	/* nobody executes what nobody may execute */
	if (who->override && (S_ISDIR(mode) || !(mask & 1) || mode & 0111))
		return 0;
	if (who->search && (mask == 4 || (S_ISDIR(mode) && !(mask & 2))))
		return 0;
	return -EACCES;
}

static int permission(const struct path *p, int mask, const struct who *who)
{
	const struct inode *inode = p->dentry->inode;
	u32 type = inode->mode & S_IFMT;

	if (mask & 2 && (type == S_IFREG || type == S_IFDIR || type == S_IFLNK) &&
	    vfs_writable(p) < 0)
		return -EROFS;
	return check(who, inode, mask);
}

int vfs_permission(const struct path *p, int mask)
{
	const struct credentials *c = &current_process()->cred;
	struct who who = { c->uid.fs, c->gid.fs, capable(CAP_DAC_OVERRIDE),
			   capable(CAP_DAC_READ_SEARCH) };

	return permission(p, mask, &who);
}

int vfs_access(const struct path *p, int mask)
{
	const struct credentials *c = &current_process()->cred;
	bool root = c->uid.real == 0;
	struct who who = { c->uid.real, c->gid.real, root, root };

	return permission(p, mask, &who);
}

bool vfs_owner(const struct inode *inode)
{
	return current_process()->cred.uid.fs == inode->uid || capable(CAP_FOWNER);
}

bool vfs_sticky(const struct inode *dir, const struct inode *victim)
{
	u32 uid = current_process()->cred.uid.fs;

	return dir->mode & S_ISVTX && victim->uid != uid && dir->uid != uid && !capable(CAP_FOWNER);
}

void inode_set_owner(struct inode *inode, const struct inode *dir)
{
	const struct credentials *c = &current_process()->cred;

	inode->uid = c->uid.fs;
	inode->gid = dir != NULL && dir->mode & S_ISGID ? dir->gid : c->gid.fs;
}

/* The mode of a file whose owner, or contents, somebody has changed. */
static u32 mode_without_rights(const struct inode *inode)
{
	const struct who who = { .gid = current_process()->cred.gid.fs };
	u32 mode = inode->mode & ~S_ISUID;

	if (mode & 0010 || (!in_group(&who, inode->gid) && !capable(CAP_FSETID)))
		mode &= ~S_ISGID;
	return mode;
}

void inode_written(struct inode *inode)
{
	inode_stamp(inode, true);
	if (unlikely(inode->mode & (S_ISUID | S_ISGID)) && S_ISREG(inode->mode) &&
	    !capable(CAP_FSETID))
		inode->mode = mode_without_rights(inode);
}

/* chown(2) and chmod(2) adjust what was asked for, or refuse. */
int vfs_may_change(const struct inode *inode, struct attr *attr)
{
	const struct credentials *c = &current_process()->cred;
	struct who who = { c->uid.fs, c->gid.fs, false, false };

	if (attr->valid & ATTR_UID && attr->uid != inode->uid && !capable(CAP_CHOWN))
		return -EPERM;
	if (attr->valid & ATTR_GID && attr->gid != inode->gid && !capable(CAP_CHOWN) &&
	    (who.uid != inode->uid || !in_group(&who, attr->gid)))
		return -EPERM;
	if (attr->valid & ATTR_MODE) {
		u32 gid = attr->valid & ATTR_GID ? attr->gid : inode->gid;

		if (!vfs_owner(inode))
			return -EPERM;
		if (!in_group(&who, gid) && !capable(CAP_FSETID))
			attr->mode &= ~S_ISGID;
	}
	/* a new owner's file doesn't run with the old owner's rights */
	if (attr->valid & ATTR_OWNER && !S_ISDIR(inode->mode) && !(attr->valid & ATTR_MODE) &&
	    inode->mode & (S_ISUID | S_ISGID)) {
		attr->mode = mode_without_rights(inode);
		attr->valid |= ATTR_MODE;
	}
	return 0;
}
