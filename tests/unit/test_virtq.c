// link: guest/drv/virtq.c vmm/queue.c
/*
 * The driver's rings against the device's: guest/drv/virtq.c and vmm/queue.c
 * on one piece of memory, for long enough that all indices wrap; and against
 * devices that break the rules. Physical addresses are the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#include "../../guest/drv/virtio.h"
#include "../../guest/libos/frames.h"
#include "../../guest/libos/heap.h"
#include "../../vmm/queue.h"

#define SIZE 8
#define NO   0xffffffff /* no doorbell was rung */

static struct virtio driver;
static struct virtq *q = &driver.queue[1];
static struct virtqueue device;
static uint32_t regs[1024];
static struct vring_desc desc[SIZE];
static _Alignas(64) uint16_t avail[3 + SIZE];
static _Alignas(64) uint16_t used[3 + 4 * SIZE];
static char token[1000];
static bool no_memory;
static void *object[1 + SIZE]; /* a queue's live as long as its VM */
static unsigned objects, logs;

void *kalloc(size_t size)
{
	if (no_memory)
		return NULL;
	assert_true(objects < ARRAY_SIZE(object)); /* slots, and a table each */
	return object[objects++] = calloc(1, size);
}

void kfree(void *p)
{
	free(p);
}

paddr_t virt_to_phys(const void *p)
{
	return (uintptr_t)p;
}

void klog(const char *format, ...)
{
	(void)format;
	logs++;
}

const void *mem_to_read(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	return mem_at(mem, gpa, len);
}

void *mem_at(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	(void)mem;
	(void)len;
	return (void *)(uintptr_t)gpa;
}

static void begin(bool event_idx, bool indirect)
{
	memset(&driver, 0, sizeof(driver));
	memset(&device, 0, sizeof(device));
	memset(avail, 0, sizeof(avail));
	memset(used, 0, sizeof(used));
	while (objects)
		free(object[--objects]);
	logs = 0;
	no_memory = false;
	driver.regs = (volatile u8 *)regs;
	q->desc = desc;
	q->avail = (void *)avail;
	q->used = (void *)used;
	q->size = SIZE;
	q->index = 1;
	q->event_idx = device.event_idx = event_idx;
	q->indirect = device.indirect = indirect;
	device.size = SIZE;
	device.desc_gpa = (uintptr_t)desc;
	device.driver_gpa = (uintptr_t)avail;
	device.device_gpa = (uintptr_t)used;
	assert_int_equal(queue_enable(&device, NULL), 0);
}

static struct virtq_buf buffers[64];
static uint8_t bytes[64][16];

/* A chain whose buffers have the lengths 1, 2, 3... */
static int add(unsigned nout, unsigned nin, void *what)
{
	for (unsigned i = 0; i < nout + nin; i++)
		buffers[i] = (struct virtq_buf){ (uintptr_t)bytes[i], i + 1 };
	return virtq_add(q, buffers, nout, nin, what);
}

/* Whether the kick rang. */
static bool kick(void)
{
	regs[VIRTIO_MMIO_QUEUE_NOTIFY / 4] = NO;
	virtq_kick(&driver, q);
	if (regs[VIRTIO_MMIO_QUEUE_NOTIFY / 4] == NO)
		return false;
	assert_int_equal(regs[VIRTIO_MMIO_QUEUE_NOTIFY / 4], 1);
	return true;
}

static struct chain c;

static void pop(unsigned nout, unsigned nin)
{
	assert_int_equal(queue_pop(&device, NULL, &c), 1);
	assert_int_equal(c.nout, nout);
	assert_int_equal(c.nin, nin);
	for (unsigned i = 0; i < nout + nin; i++) {
		assert_ptr_equal(c.iov[i].iov_base, bytes[i]);
		assert_int_equal(c.iov[i].iov_len, i + 1);
	}
}

static void nothing_is_seen_before_the_kick(void **state)
{
	(void)state;
	begin(false, false);
	assert_int_equal(add(1, 2, token), 0);
	assert_int_equal(queue_pop(&device, NULL, &c), 0);
	assert_true(kick());
	pop(1, 2);
	assert_false(kick()); /* nothing new */
}

static void a_chain_comes_back(void **state)
{
	u32 len;

	(void)state;
	begin(false, false);
	assert_int_equal(add(1, 2, token + 5), 0);
	assert_int_equal(virtq_room(q), SIZE - 3);
	kick();
	assert_null(virtq_take(q, &len));
	pop(1, 2);
	queue_push(&device, c.head, 4);
	assert_ptr_equal(virtq_take(q, &len), token + 5);
	assert_int_equal(len, 4);
	assert_int_equal(virtq_room(q), SIZE);
	assert_null(virtq_take(q, &len));
}

static void a_full_ring_says_so(void **state)
{
	(void)state;
	begin(false, false);
	assert_int_equal(add(0, 0, token), -ENOSPC);
	assert_int_equal(add(SIZE + 1, 0, token), -ENOSPC);
	assert_int_equal(add(5, 0, token), 0);
	assert_int_equal(add(2, 2, token), -ENOSPC);
	assert_int_equal(add(1, 2, token), 0);
	assert_int_equal(virtq_room(q), 0);
	assert_int_equal(add(1, 0, token), -ENOSPC);
	kick();
	pop(5, 0);
	pop(1, 2);
}

static void a_table_takes_one_descriptor(void **state)
{
	(void)state;
	begin(false, true);
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(add(20, 12, token + i), 0);
	assert_int_equal(virtq_room(q), 0);
	assert_int_equal(add(20, 12, token), -ENOSPC);
	assert_int_equal(add(1, 0, token), -ENOSPC);
	kick();
	for (unsigned i = 0; i < SIZE; i++)
		pop(20, 12);
}

static void without_memory_for_a_table_the_ring_does(void **state)
{
	(void)state;
	begin(false, true);
	no_memory = true;
	assert_int_equal(add(1, 0, token), -ENOMEM);
	no_memory = false;
	assert_int_equal(add(1, 0, token), 0);
	no_memory = true;
	assert_int_equal(add(2, 2, token), 0);
	assert_int_equal(virtq_room(q), SIZE - 5);
	kick();
	pop(1, 0);
	pop(2, 2);
}

/* Random chains, completed in random order, with whatever was negotiated. */
static void exchange(bool event_idx, bool indirect)
{
	struct {
		unsigned nout, nin;
		uint16_t head;
		enum { FREE, ADDED, POPPED } at;
	} chain[SIZE] = { 0 };
	unsigned order[70000], nadded = 0, npopped = 0, ntaken = 0;

	begin(event_idx, indirect);
	srand(1);
	while (ntaken < ARRAY_SIZE(order)) {
		unsigned i = rand() % SIZE;
		u32 len;
		char *what;

		if (chain[i].at == FREE && nadded < ARRAY_SIZE(order)) {
			chain[i].nout = rand() % 4;
			chain[i].nin = rand() % 4 + !chain[i].nout;
			if (add(chain[i].nout, chain[i].nin, token + i) == 0) {
				chain[i].at = ADDED;
				order[nadded++] = i;
				kick();
			}
		} else if (chain[i].at == ADDED) {
			i = order[npopped++];
			pop(chain[i].nout, chain[i].nin);
			chain[i].head = c.head;
			chain[i].at = POPPED;
		} else if (chain[i].at == POPPED) {
			queue_push(&device, chain[i].head, 7);
			what = virtq_take(q, &len);
			assert_ptr_equal(what, token + i);
			assert_true(len <= 7);
			chain[i].at = FREE;
			ntaken++;
		}
	}
	assert_int_equal(virtq_room(q), SIZE);
	assert_int_equal(logs, 0);
	assert_true(indirect || objects == 1);
}

static void indices_wrap(void **state)
{
	(void)state;
	exchange(false, false);
	exchange(true, false);
	exchange(false, true);
	exchange(true, true);
}

/* ---- doorbells and interrupts */

static void doorbells_only_when_asked_for(void **state)
{
	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		begin(event_idx, false);
		assert_int_equal(add(1, 0, token), 0);
		assert_true(kick());
		pop(1, 0);
		queue_suppress_kicks(&device, true);
		assert_int_equal(add(1, 0, token), 0);
		assert_false(kick());
		assert_true(queue_suppress_kicks(&device, false)); /* it is there */
		pop(1, 0);
		assert_false(queue_suppress_kicks(&device, false));
		assert_int_equal(add(1, 0, token), 0);
		assert_int_equal(add(1, 0, token), 0);
		assert_true(kick());
		assert_int_equal(q->doorbells, 2);
	}
}

/* The device is done with the n next requests; whether it interrupts. */
static bool complete(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pop(0, 1);
		queue_push(&device, c.head, 1);
	}
	return queue_needs_interrupt(&device);
}

static void post(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(add(0, 1, token), 0);
	kick();
}

static void take(unsigned n)
{
	u32 len;

	for (unsigned i = 0; i < n; i++)
		assert_non_null(virtq_take(q, &len));
	assert_null(virtq_take(q, &len));
}

static void interrupts_only_when_asked_for(void **state)
{
	(void)state;
	for (int event_idx = 0; event_idx < 2; event_idx++) {
		begin(event_idx, false);
		assert_false(virtq_arm(q));
		post(SIZE);
		assert_true(complete(1));
		virtq_disarm(q);
		assert_false(complete(2));
		assert_true(virtq_arm(q)); /* look: three are there */
		take(3);
		assert_false(virtq_arm(q));
		assert_true(complete(1));
		take(1);
		virtq_disarm(q);
		assert_false(complete(3));
		take(3);
	}
}

static void an_interrupt_after_several(void **state)
{
	(void)state;
	begin(true, false);
	post(SIZE);
	assert_false(virtq_arm_after(q, 3));
	assert_false(complete(3));
	assert_true(complete(1));
	assert_false(complete(1)); /* once */
	assert_true(virtq_arm_after(q, 4));
	assert_false(virtq_arm_after(q, 5));
}

/* ---- a device that lies */

static void done_with(unsigned idx, uint32_t id, uint32_t len)
{
	struct vring_used *ring = (void *)used;

	ring->ring[idx % SIZE].id = id;
	ring->ring[idx % SIZE].len = len;
	ring->idx = idx + 1;
}

static void expect_death(void)
{
	u32 len;

	assert_null(virtq_take(q, &len));
	assert_int_equal(logs, 1);
	assert_true(q->dead);
	assert_int_equal(virtq_room(q), 0);
	assert_int_equal(add(1, 0, token), -EIO);
	assert_false(kick());
	assert_null(virtq_take(q, &len));
	assert_false(virtq_arm(q)); /* nobody is to look again, for ever */
	assert_int_equal(logs, 1);
}

static void a_length_is_bounded(void **state)
{
	u32 len;

	(void)state;
	begin(false, false);
	assert_int_equal(add(1, 2, token), 0); /* 2 + 3 bytes to be written */
	kick();
	done_with(0, 0, 0xffffffff);
	assert_non_null(virtq_take(q, &len));
	assert_int_equal(len, 5);
}

static void an_id_outside_the_ring(void **state)
{
	(void)state;
	begin(false, false);
	post(1);
	done_with(0, SIZE, 0);
	expect_death();
}

static void an_id_that_is_no_head(void **state)
{
	(void)state;
	begin(true, false);
	assert_int_equal(add(1, 2, token), 0);
	kick();
	done_with(0, 1, 0);
	expect_death();
}

static void an_id_given_twice(void **state)
{
	u32 len;

	(void)state;
	begin(true, false);
	post(2);
	done_with(0, 0, 0);
	done_with(1, 0, 0);
	assert_non_null(virtq_take(q, &len));
	expect_death();
}

static void an_index_that_jumps(void **state)
{
	(void)state;
	begin(false, false);
	post(2);
	done_with(2, 0, 0); /* three done */
	expect_death();
	begin(false, false);
	post(2);
	((struct vring_used *)used)->idx = 0xffff;
	expect_death();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_seen_before_the_kick),
		cmocka_unit_test(a_chain_comes_back),
		cmocka_unit_test(a_full_ring_says_so),
		cmocka_unit_test(a_table_takes_one_descriptor),
		cmocka_unit_test(without_memory_for_a_table_the_ring_does),
		cmocka_unit_test(indices_wrap),
		cmocka_unit_test(doorbells_only_when_asked_for),
		cmocka_unit_test(interrupts_only_when_asked_for),
		cmocka_unit_test(an_interrupt_after_several),
		cmocka_unit_test(a_length_is_bounded),
		cmocka_unit_test(an_id_outside_the_ring),
		cmocka_unit_test(an_id_that_is_no_head),
		cmocka_unit_test(an_id_given_twice),
		cmocka_unit_test(an_index_that_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
