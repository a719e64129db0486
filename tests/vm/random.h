/*
 * Numbers at random, the same ones again from the same start: xorshift64, whose
 * state is never zero.
 */
#ifndef VM_RANDOM_H
#define VM_RANDOM_H

#include <stdint.h>

/* The next number, below BELOW. */
static unsigned pick(uint64_t *random, unsigned below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (unsigned)(*random >> 33) % below;
}

#endif
