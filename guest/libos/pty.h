/*
 * Pseudo-terminals, for /dev.
 */
#ifndef LIBOS_PTY_H
#define LIBOS_PTY_H

#include "tty.h"

#define DEV_PTMX   MKDEV(5, 2)
#define DEV_PTS(n) MKDEV(136, n)
#define PTS_MAJOR  136

extern const struct file_ops ptmx_ops, pty_slave_ops;
extern const struct file_ops pty_controlling_ops; /* /dev/tty, where that is a slave */

/* The file system of /dev/pts, devpts.c: mounts it over a directory of /dev. */
void devpts_mount(struct mount *dev, struct dentry *point);
/* The node of a slave: *node with references, which devpts_remove() takes back. */
int devpts_add(unsigned number, struct path *node);
void devpts_remove(struct path *node);

#endif
