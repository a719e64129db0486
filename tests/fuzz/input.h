/*
 * A fuzzer's input, taken from the front: operations, and numbers of a few
 * bytes. Behind the end everything is 0, so each prefix is an input too.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* A number of that many bytes, up to 8, the lowest first. */
static inline uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		if (in->left) {
			value |= (uint64_t)*in->at++ << 8 * i;
			in->left--;
		}
	return value;
}

#endif
