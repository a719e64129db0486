/*
 * What others than read, write and poll ask of a pipe.
 */
#ifndef LIBOS_PIPE_H
#define LIBOS_PIPE_H

#include "file.h"

long pipe_get_size(struct file *file); /* -EBADF: not a pipe */
long pipe_set_size(struct file *file, unsigned long size);

#endif
