/*
 * Processes as descriptors, for waitid(2).
 */
#ifndef LIBOS_PIDFD_H
#define LIBOS_PIDFD_H

#include "lib.h"

bool pidfd_is(int fd); /* of the current process */

#endif
