/*
 * /sys: sys.c has the tree and processors, sys_net.c and sys_block.c the devices.
 */
#ifndef FS_SYS_H
#define FS_SYS_H

#include "vfs.h"

/* A file of ours at a path below dir, with the directories on the way. */
void sys_put_file(struct dentry *dir, const char *path, const char *text);
/* The same of a directory, which fill (or NULL) fills when it is first looked into. */
void sys_put_dir(struct dentry *dir, const char *path, fill_function *fill);
void sys_put_link(struct dentry *dir, const char *path, const char *target);

void sys_put_net(struct dentry *sys);
void sys_put_block(struct dentry *sys);

#endif
