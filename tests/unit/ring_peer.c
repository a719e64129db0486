/* See ring_peer.h. */
#include <stdlib.h>
#include "../../vmm/queue.h"
#include "ring_peer.h"

static struct virtqueue queue[PEER_RINGS];

void *mem_at(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	(void)mem;
	(void)len;
	return (void *)(uintptr_t)gpa;
}

const void *mem_to_read(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	return mem_at(mem, gpa, len);
}

void peer_start(unsigned ring, unsigned size, const void *desc, const void *avail, const void *used,
		bool event_idx, bool indirect)
{
	queue[ring] = (struct virtqueue){ .size = size,
					  .desc_gpa = (uintptr_t)desc,
					  .driver_gpa = (uintptr_t)avail,
					  .device_gpa = (uintptr_t)used,
					  .event_idx = event_idx,
					  .indirect = indirect };
	if (queue_enable(&queue[ring], NULL))
		abort();
}

int peer_pop(unsigned ring, struct peer_chain *chain)
{
	static struct chain c;
	int got = queue_pop(&queue[ring], NULL, &c);

	if (got != 1)
		return got;
	chain->head = c.head;
	chain->nout = c.nout;
	chain->nin = c.nin;
	for (unsigned i = 0; i < c.nout + c.nin; i++)
		chain->buf[i] = (struct peer_buf){ c.iov[i].iov_base, c.iov[i].iov_len };
	return 1;
}

void peer_push(unsigned ring, unsigned head, uint32_t len)
{
	queue_push(&queue[ring], head, len);
}

bool peer_has_work(unsigned ring)
{
	return queue_waiting(&queue[ring]) != 0;
}

bool peer_needs_interrupt(unsigned ring)
{
	return queue_needs_interrupt(&queue[ring]);
}
