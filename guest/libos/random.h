/*
 * Random bytes, good enough for keys once the VMM has given a seed.
 */
#ifndef LIBOS_RANDOM_H
#define LIBOS_RANDOM_H

#include "lib.h"

void random_bytes(void *buf, size_t n);
u64 random_below(u64 n); /* 0 to n - 1; good enough for small n */
void random_init(void);

#endif
