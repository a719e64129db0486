/*
 * Seals of files in memory, for fcntl(2).
 */
#ifndef LIBOS_MEMFD_H
#define LIBOS_MEMFD_H

#include "file.h"

long memfd_add_seals(struct file *file, u32 seals); /* F_SEAL_*: 0 or -errno */
long memfd_get_seals(const struct file *file); /* -EINVAL: it can have none */

#endif
