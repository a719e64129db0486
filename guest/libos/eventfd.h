/*
 * eventfd(2), as the library OS itself uses it.
 */
#ifndef LIBOS_EVENTFD_H
#define LIBOS_EVENTFD_H

#include "file.h"

bool eventfd_is(const struct file *file);
/* Adds one, as far as there is room, and wakes who reads or polls. */
void eventfd_signal(struct file *file);

#endif
