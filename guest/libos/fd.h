/*
 * Descriptors of the current process, for the system calls about them; the
 * rest of the library OS needs file.h only.
 */
#ifndef LIBOS_FD_H
#define LIBOS_FD_H

#include "file.h"

int fd_get_cloexec(int fd); /* 0, 1 or -EBADF */
int fd_set_cloexec(int fd, bool on);
long fd_dup(int fd, u32 from, bool cloexec); /* lowest free >= from */
unsigned fd_count(void); /* select(2) ignores descriptors from here on */
/* Into a table that has the descriptor free and room for it (0 to 2). */
void fd_table_set(struct fd_table *table, int fd, struct file *file);
bool fd_in_limit(unsigned int fd); /* below RLIMIT_NOFILE */

#endif
