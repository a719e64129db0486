/*
 * From a path's text to its place in the tree.
 */
#ifndef LIBOS_PATH_H
#define LIBOS_PATH_H

#include <linux/fcntl.h>
#include <linux/openat2.h>
#include "../fs/vfs.h"

/* The root, the working directory and the umask of a process. */
struct fs_context {
	struct path root, cwd;
	u32 umask, refs;
};
struct fs_context *fs_context_new(void); /* of the first process; after fs_init() */
struct fs_context *fs_context_copy(struct fs_context *fs);
void fs_context_get(struct fs_context *fs); /* CLONE_FS */
void fs_context_put(struct fs_context *fs);

/* Sets the working directory from the library OS (mayfly,cwd), making it if
 * it is not there. 0 or -errno. */
int fs_set_cwd(struct fs_context *fs, const char *path);

/* A path's text, copied from the program: in `small` when it fits. */
struct pathname {
	char *text;
	char small[120];
};
/* 0, -EFAULT, -ENAMETOOLONG, -ENOMEM; -ENOENT when empty, unless empty_ok. */
int pathname_get(struct pathname *pn, const char *user, bool empty_ok);
void pathname_put(struct pathname *pn);

#define LOOKUP_FOLLOW    1 /* the last component, if it is a symbolic link */
#define LOOKUP_DIRECTORY 2 /* -ENOTDIR if it is anything else */
#define LOOKUP_EMPTY     4 /* "" is dirfd itself */
/* RESOLVE_* of openat2, shifted out of the way */
#define LOOKUP_RESOLVE(r) ((u32)(r) << 8)

/* The last component of a path, not yet looked up. */
struct last {
	enum { LAST_NAME, LAST_DOT, LAST_DOTDOT, LAST_ROOT } type;
	const char *name;
	size_t len;
	bool slash; /* followed by a slash: must be a directory */
};

/*
 * A walk in progress. Begin, then either walk_to() for the object itself, or
 * walk_parent() and walk_last() for those who create, remove or rename; always
 * end.
 */
struct walk {
	struct path at; /* where we are */
	struct path root; /* where ".." stops and "/" leads */
	u32 flags, links;
	struct last last;
	char *link_text; /* what last.name may point into */
};
int walk_begin(struct walk *w, int dirfd, const char *text, u32 flags);
void walk_end(struct walk *w);
/* w->at becomes the directory, w->last what is asked for in it. */
int walk_parent(struct walk *w, const char *text);
/* Looks w->last up in w->at: a dentry, perhaps negative. For LAST_NAME. */
int walk_last(struct walk *w, struct dentry **out); /* with names_lock(walk_super(w)) */
static inline struct super *walk_super(const struct walk *w)
{
	return w->at.dentry->inode->sb;
}
/* w->at becomes what walk_last() has found, which is no link, or what is mounted
 * there. 0 or -EXDEV. */
int walk_into(struct walk *w, struct dentry *d);
/* Steps w->at to the last component; follows a link when the flags say so:
 * then w->at and w->last are new and the result is 1. */
int walk_step_last(struct walk *w, bool follow);
int walk_to(struct walk *w, const char *text);

/* Where an open file is; a nameless place if it has no path. */
int path_of_file(struct file *file, struct path *out);

/* All of it: the object that a path names. dirfd as for openat(2). */
int path_lookup(int dirfd, const char *text, u32 flags, struct path *out);
/* The same with the text still in the program's memory. AT_EMPTY_PATH and
 * AT_SYMLINK_(NO)FOLLOW are made LOOKUP flags by lookup_flags(). */
int user_lookup(int dirfd, const char *user, u32 flags, struct path *out);
static inline u32 lookup_flags(int at_flags)
{
	return (at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) |
	       (at_flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

/* open(2) without the descriptor: a new file, or NULL and *error. */
struct file *path_open(int dirfd, const char *text, u64 flags, u32 mode, u32 resolve, int *error);

#endif
