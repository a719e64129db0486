/*
 * Split virtqueues, device side (virtio 1.2, 2.7). Everything in the rings
 * is written by the guest and untrusted: each field is read once, bounded,
 * and only the copy is used; a chain is at most as long as the queue.
 */
#ifndef VMM_QUEUE_H
#define VMM_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>
#include "mem.h"

#define QUEUE_MAX 1024 /* largest queue size that a device may offer */

struct virtqueue {
	/* Written by the driver through registers until `ready`, frozen after. */
	uint16_t size; /* power of two, <= the device's maximum */
	bool ready;
	uint64_t desc_gpa, driver_gpa, device_gpa;
	/* Host addresses, checked when the queue becomes ready. */
	void *desc, *avail, *used;
	bool event_idx, indirect; /* negotiated */
	/* The device's own state. */
	uint16_t next_avail, next_used, signalled_used;
	uint32_t in_flight[QUEUE_MAX / 32]; /* bit per head: popped, not yet pushed */
	uint64_t kicks; /* doorbells, for promotion and --stats */
	uint64_t total; /* chains pushed, for --stats */
	uint64_t window_ns; /* when the present run of kicks began (promote.c) */
};

#define CHAIN_MAX 256 /* descriptors in one chain, also of an indirect table */

/* A request: buffers the device reads (out), then buffers that it writes (in). */
struct chain {
	uint16_t head;
	unsigned nout, nin;
	uint64_t out_len, in_len;
	struct iovec iov[CHAIN_MAX]; /* nout entries, then nin */
};

/* Checks size, alignment and placement of a queue whose registers are set;
 * maps the rings and marks it ready. 0 or -EINVAL. */
int queue_enable(struct virtqueue *q, const struct guest_mem *mem);

/*
 * Takes the next available request. 1: *chain is filled; 0: none; -EINVAL:
 * the driver broke the rules (the caller marks the device broken).
 */
int queue_pop(struct virtqueue *q, const struct guest_mem *mem, struct chain *chain);

/* How many requests wait for queue_pop(); a look, nothing is taken. */
uint16_t queue_waiting(const struct virtqueue *q);

/* Gives a request back with `len` bytes written. `head` is one that queue_pop
 * gave and that has not been pushed since. */
void queue_push(struct virtqueue *q, uint16_t head, uint32_t len);

/* The same in two steps, for several requests that the driver must see at
 * once: it sees what was staged from queue_publish() on. */
void queue_stage(struct virtqueue *q, uint16_t head, uint32_t len);
void queue_publish(struct virtqueue *q);

/* Whether the driver wants an interrupt for what was pushed since last asked. */
bool queue_needs_interrupt(struct virtqueue *q);

/* Whether the driver, which wants no interrupts now, has not yet looked at all that was
 * pushed: then its used_event is not right behind it. */
bool queue_unseen(const struct virtqueue *q);

/* Suppresses doorbells (true) or asks for one (false; returns true when
 * requests arrived meanwhile, so that the caller looks again). */
bool queue_suppress_kicks(struct virtqueue *q, bool suppress);

/* Asks for a doorbell once there are n requests (without EVENT_IDX: for the next one);
 * true when they arrived meanwhile. */
bool queue_ask_kick(struct virtqueue *q, uint16_t n);

#endif
