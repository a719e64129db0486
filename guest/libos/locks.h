/*
 * Advisory locks on files: fcntl(2) record locks, open-file-description locks
 * and flock(2).
 */
#ifndef LIBOS_LOCKS_H
#define LIBOS_LOCKS_H

#include <asm/fcntl.h>
#include "file.h"

/* F_GETLK, F_SETLK, F_SETLKW and their F_OFD_ kin. */
long locks_fcntl(struct file *file, int cmd, struct flock *user);
/* The current process has closed a descriptor of this file: its record locks
 * go, whichever descriptor they were made through. */
void locks_descriptor_closed(struct inode *inode);
/* The last reference to an open file is gone: its flock and OFD locks go. */
void locks_file_closed(struct file *file);

#endif
