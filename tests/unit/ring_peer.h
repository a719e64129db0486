/*
 * The device's end of rings, vmm/queue.c, for tests of drivers: without a
 * header that the library OS's do not go together with. Physical addresses are
 * the test's own.
 */
#ifndef TESTS_RING_PEER_H
#define TESTS_RING_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct peer_buf {
	void *base;
	size_t len;
};
struct peer_chain {
	unsigned head, nout, nin;
	struct peer_buf buf[256];
};

#define PEER_RINGS 4

void peer_start(unsigned ring, unsigned size, const void *desc, const void *avail, const void *used,
		bool event_idx, bool indirect);
/* queue_pop() and its kin, of ring 0 to PEER_RINGS - 1 */
int peer_pop(unsigned ring, struct peer_chain *chain);
void peer_push(unsigned ring, unsigned head, uint32_t len);
bool peer_has_work(unsigned ring);
bool peer_needs_interrupt(unsigned ring);

#endif
