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

struct dentry *dev_pts(void); /* /dev/pts, with a reference, or NULL. dev.c */

#endif
