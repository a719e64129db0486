/*
 * Signals for I/O (O_ASYNC): who gets which, and when.
 */
#ifndef LIBOS_ASYNC_H
#define LIBOS_ASYNC_H

#include "file.h"

/* F_SETOWN, F_SETOWN_EX, F_SETSIG and what asks for these. */
long async_fcntl(struct file *file, unsigned int cmd, unsigned long arg);
/* Sets or clears FASYNC in file->flags. 0, -ENOMEM, or -ENOTTY: the file cannot do it. */
int async_set(struct file *file, int fd, bool on);
/* After each write: nothing else tells when a file is full. */
void async_look(struct file *file);
static inline void async_written(struct file *file)
{
	if (file->async != NULL)
		async_look(file);
}
void async_end(struct file *file); /* the last reference is gone */

#endif
