/*
 * --copy: files of the host that appear in the guest's first tmpfs.
 */
#ifndef VMM_COPY_H
#define VMM_COPY_H

#include "vm.h"

/* The value of --copy, PATH[:DEST]: NULL, or what is wrong and what to give
 * instead. */
const char *copy_check(const char *value);

#endif
