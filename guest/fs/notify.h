/*
 * Who watches files and directories (inotify(7)), for those who change them.
 *
 * An event goes to the watches of the inode itself and, with its name, to those
 * of the directory that the name is in (Linux: fs/notify).
 */
#ifndef FS_NOTIFY_H
#define FS_NOTIFY_H

#include <linux/inotify.h>
#include "vfs.h"

/* What somebody watches: embedded in inotify.c's own. */
struct watch {
	struct list link; /* by inode */
	struct dentry *dentry; /* a reference: keeps name and inode in place */
	u32 mask; /* IN_* */
	/* May remove this watch, and no other. */
	void (*event)(struct watch *w, u32 mask, u32 cookie, const char *name);
};

extern unsigned notify_watches; /* how many there are: usually none */

int notify_add(struct watch *w); /* 0 or -ENOMEM */
void notify_remove(struct watch *w); /* puts its dentry */

/* What happened at a name: `mask` is one IN_* (or more, if they are one event). */
void notify_dentry_now(struct dentry *d, u32 mask);
void notify_itself_now(struct inode *inode, u32 mask); /* only to who watches that */
void notify_name_now(struct dentry *dir, struct dentry *d, u32 mask); /* only to dir */
void notify_unlinked_now(struct dentry *dir, struct dentry *d);
/* `to` has the old name; victim: whose name was taken over, or NULL. */
void notify_renamed_now(struct dentry *old_dir, struct dentry *from, struct dentry *to,
			struct inode *victim, bool exchanged);
void notify_attr_now(struct dentry *d, const struct attr *attr);
void notify_put_now(struct inode *inode); /* of no name: a reference went */

static inline void notify_file(const struct file *file, u32 mask)
{
	if (unlikely(notify_watches) && file->path.dentry != NULL)
		notify_dentry_now(file->path.dentry, mask);
}
static inline void notify_name(struct dentry *dir, struct dentry *d, u32 mask)
{
	if (unlikely(notify_watches))
		notify_name_now(dir, d, mask);
}

#endif
