/*
 * The program's memory as physical memory, for devices.
 */
#ifndef LIBOS_USER_FRAMES_H
#define LIBOS_USER_FRAMES_H

#include "lib.h"

/*
 * Where the program's byte at va lies, brought in if need be; `write`: a device
 * is to write there. *run bytes from there on are in one piece, at most n. 0,
 * -EFAULT or -ENOMEM. Holds until the program unmaps it.
 */
int user_frame(u64 va, size_t n, bool write, paddr_t *pa, size_t *run);

#endif
