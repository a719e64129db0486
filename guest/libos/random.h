/*
 * Random bytes, good enough for keys once the VMM has given a seed.
 */
#ifndef LIBOS_RANDOM_H
#define LIBOS_RANDOM_H

#include "lib.h"

void random_bytes(void *buf, size_t n);
void random_init(void);

#endif
