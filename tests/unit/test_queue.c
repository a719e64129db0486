// link: vmm/queue.c vmm/mem.c
/*
 * Split rings against drivers that break every rule. Guest memory is exactly
 * as large as the VM is told, so that the address sanitizer sees any access
 * outside of it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/virtio_ring.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/fail.h"
#include "../../vmm/queue.h"

#define MEM   0x10000
#define SIZE  8
#define DESC  0x1000
#define AVAIL 0x2000
#define USED  0x3000
#define TABLE 0x4000 /* indirect */
#define DATA  0x8000

static struct guest_mem mem;
static struct virtqueue q;
static struct chain c;

_Noreturn void fail(int status, const char *format, ...)
{
	(void)status;
	(void)format;
	abort();
}

static struct vring_avail *avail(void)
{
	return (void *)(mem.base + AVAIL);
}

static struct vring_used *used(void)
{
	return (void *)(mem.base + USED);
}

static void put_in(uint64_t table, unsigned i, uint64_t addr, uint32_t len, unsigned flags,
		   unsigned next)
{
	struct vring_desc d = { addr, len, flags, next };

	memcpy(mem.base + table + i * sizeof(d), &d, sizeof(d));
}

static void put(unsigned i, uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	put_in(DESC, i, addr, len, flags, next);
}

static void offer(unsigned head)
{
	avail()->ring[avail()->idx % SIZE] = head;
	avail()->idx++;
}

static int pop(void)
{
	return queue_pop(&q, &mem, &c);
}

static int set_up(void **state)
{
	(void)state;
	mem = (struct guest_mem){ .base = aligned_alloc(4096, MEM), .size = MEM, .low = MEM };
	memset(mem.base, 0, MEM);
	q = (struct virtqueue){ .size = SIZE,
				.desc_gpa = DESC,
				.driver_gpa = AVAIL,
				.device_gpa = USED,
				.event_idx = true,
				.indirect = true };
	return queue_enable(&q, &mem);
}

static int tear_down(void **state)
{
	(void)state;
	free(mem.base);
	return 0;
}

/* ---- placement */

static int enable(unsigned size, uint64_t desc, uint64_t driver, uint64_t device)
{
	struct virtqueue other = {
		.size = size, .desc_gpa = desc, .driver_gpa = driver, .device_gpa = device
	};
	int r = queue_enable(&other, &mem);

	assert_int_equal(other.ready, r == 0);
	return r;
}

static void placement(void **state)
{
	(void)state;
	assert_int_equal(enable(8, DESC, AVAIL, USED), 0);
	assert_int_equal(enable(0, DESC, AVAIL, USED), -EINVAL);
	assert_int_equal(enable(3, DESC, AVAIL, USED), -EINVAL);
	assert_int_equal(enable(2 * QUEUE_MAX, DESC, AVAIL, USED), -EINVAL);
	assert_int_equal(enable(8, DESC + 8, AVAIL, USED), -EINVAL);
	assert_int_equal(enable(8, DESC, AVAIL + 1, USED), -EINVAL);
	assert_int_equal(enable(8, DESC, AVAIL, USED + 2), -EINVAL);
	/* to the last byte, and one over */
	assert_int_equal(enable(8, MEM - 8 * 16, AVAIL, USED), 0);
	assert_int_equal(enable(16, MEM - 8 * 16, AVAIL, USED), -EINVAL);
	assert_int_equal(enable(8, DESC, MEM - (6 + 2 * 8), USED), 0);
	assert_int_equal(enable(8, DESC, MEM - (6 + 2 * 8) + 2, USED), -EINVAL);
	assert_int_equal(enable(8, DESC, AVAIL, MEM - 72), 0);
	assert_int_equal(enable(8, DESC, AVAIL, MEM - 68), -EINVAL);
	assert_int_equal(enable(8, -16ull, AVAIL, USED), -EINVAL);
	assert_int_equal(enable(8, DESC, -2ull, USED), -EINVAL);
	assert_int_equal(enable(8, DESC, AVAIL, 1ull << 63), -EINVAL);
}

/* ---- requests */

static void empty(void **state)
{
	(void)state;
	assert_int_equal(pop(), 0);
	assert_int_equal(queue_waiting(&q), 0);
}

static void plain_chain(void **state)
{
	(void)state;
	put(3, DATA, 10, VRING_DESC_F_NEXT, 5);
	put(5, DATA + 100, 20, VRING_DESC_F_NEXT, 1);
	put(1, DATA + 200, 30, VRING_DESC_F_WRITE, 7 /* without NEXT: not looked at */);
	offer(3);
	assert_int_equal(pop(), 1);
	assert_int_equal(c.head, 3);
	assert_int_equal(c.nout, 2);
	assert_int_equal(c.nin, 1);
	assert_int_equal(c.out_len, 30);
	assert_int_equal(c.in_len, 30);
	assert_ptr_equal(c.iov[1].iov_base, mem.base + DATA + 100);
	assert_ptr_equal(c.iov[2].iov_base, mem.base + DATA + 200);
	assert_int_equal(pop(), 0);
	queue_push(&q, c.head, 17);
	assert_int_equal(used()->idx, 1);
	assert_int_equal(used()->ring[0].id, 3);
	assert_int_equal(used()->ring[0].len, 17);
}

static void many_rounds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		put(i % SIZE, DATA, 1, 0, 0);
		offer(i % SIZE);
		assert_int_equal(pop(), 1);
		queue_push(&q, c.head, i);
		assert_int_equal(used()->ring[i % SIZE].len, i);
	}
	assert_int_equal(used()->idx, (uint16_t)200000);
}

static void zero_length_buffers_vanish(void **state)
{
	(void)state;
	put(0, DATA, 0, VRING_DESC_F_NEXT, 1);
	put(1, DATA, 5, VRING_DESC_F_NEXT, 2);
	put(2, DATA, 0, 0, 0);
	offer(0);
	assert_int_equal(pop(), 1);
	assert_int_equal(c.nout, 1);
	assert_int_equal(c.out_len, 5);
}

/* Descriptor 0 as given makes the request invalid, and it stays so. */
static void refused(uint64_t addr, uint32_t len, unsigned flags, unsigned next)
{
	put(0, addr, len, flags, next);
	offer(0);
	assert_int_equal(pop(), -EINVAL);
	assert_int_equal(pop(), -EINVAL);
	assert_int_equal(q.next_avail, 0);
	avail()->idx--;
}

static void bad_addresses(void **state)
{
	(void)state;
	refused(MEM, 1, 0, 0);
	refused(MEM - 1, 2, 0, 0);
	refused(0, MEM + 1, 0, 0);
	refused(DATA, UINT32_MAX, 0, 0);
	refused(-1ull, 1, 0, 0);
	refused(-1ull, 0, 0, 0);
	refused(-16ull, 32, 0, 0);
	refused(1ull << 32, 1, 0, 0);
	refused(1ull << 63, 1, VRING_DESC_F_WRITE, 0);
}

static void bad_chains(void **state)
{
	(void)state;
	refused(DATA, 1, VRING_DESC_F_NEXT, SIZE); /* outside of the table */
	refused(DATA, 1, VRING_DESC_F_NEXT, 0xffff);
	refused(DATA, 1, VRING_DESC_F_NEXT, 0); /* loops */
	put(1, DATA, 1, VRING_DESC_F_NEXT, 0);
	refused(DATA, 1, VRING_DESC_F_NEXT, 1);
	refused(DATA, 0, VRING_DESC_F_NEXT, 1); /* of nothing */
	put(1, DATA, 1, 0, 0);
	refused(DATA, 1, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1); /* in before out */
}

static void bad_heads(void **state)
{
	(void)state;
	offer(SIZE);
	assert_int_equal(pop(), -EINVAL);
	avail()->ring[0] = 0xffff;
	assert_int_equal(pop(), -EINVAL);
}

static void index_jumps(void **state)
{
	(void)state;
	put(0, DATA, 1, 0, 0);
	avail()->idx = SIZE + 1;
	assert_int_equal(pop(), -EINVAL);
	avail()->idx = 0xffff;
	assert_int_equal(pop(), -EINVAL);
	avail()->idx = SIZE;
	assert_int_equal(pop(), 1);
}

static void duplicate_heads(void **state)
{
	(void)state;
	put(0, DATA, 1, 0, 0);
	offer(0);
	offer(0);
	assert_int_equal(pop(), 1);
	assert_int_equal(pop(), -EINVAL); /* still in flight */
	queue_push(&q, 0, 0);
	assert_int_equal(pop(), 1);
}

static void more_in_flight_than_descriptors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SIZE; i++) {
		put(i, DATA, 1, 0, 0);
		offer(i);
	}
	for (unsigned i = 0; i < SIZE; i++)
		assert_int_equal(pop(), 1);
	offer(0);
	assert_int_equal(pop(), -EINVAL);
	queue_push(&q, 0, 0);
	assert_int_equal(pop(), 1);
}

/* ---- indirect tables */

static void indirect(void **state)
{
	(void)state;
	put_in(TABLE + 1, 0, DATA, 4, VRING_DESC_F_NEXT, 2); /* need not be aligned */
	put_in(TABLE + 1, 2, DATA + 8, 4, VRING_DESC_F_WRITE, 0);
	put(2, DATA, 3, VRING_DESC_F_NEXT, 4);
	put(4, TABLE + 1, 48, VRING_DESC_F_INDIRECT | VRING_DESC_F_WRITE, 0);
	offer(2);
	assert_int_equal(pop(), 1);
	assert_int_equal(c.nout, 2);
	assert_int_equal(c.nin, 1);
	assert_int_equal(c.out_len, 7);
}

static void long_indirect(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CHAIN_MAX; i++)
		put_in(TABLE, i, DATA, 1, i + 1 < CHAIN_MAX ? VRING_DESC_F_NEXT : 0, i + 1);
	put(0, TABLE, CHAIN_MAX * 16, VRING_DESC_F_INDIRECT, 0);
	offer(0);
	assert_int_equal(pop(), 1);
	assert_int_equal(c.nout, CHAIN_MAX);
	queue_push(&q, 0, 0);
	/* one more before it */
	put(1, DATA, 1, VRING_DESC_F_NEXT, 0);
	offer(1);
	assert_int_equal(pop(), -EINVAL);
}

static void bad_indirect(void **state)
{
	(void)state;
	put_in(TABLE, 0, DATA, 1, 0, 0);
	refused(TABLE, 0, VRING_DESC_F_INDIRECT, 0);
	refused(TABLE, 15, VRING_DESC_F_INDIRECT, 0);
	refused(TABLE, 17, VRING_DESC_F_INDIRECT, 0);
	refused(MEM - 8, 16, VRING_DESC_F_INDIRECT, 0);
	refused(-16ull, 16, VRING_DESC_F_INDIRECT, 0);
	refused(TABLE, 0xfffffff0, VRING_DESC_F_INDIRECT, 0);
	refused(TABLE, (CHAIN_MAX + 1) * 16, VRING_DESC_F_INDIRECT, 0);
	refused(TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	put_in(TABLE, 0, TABLE, 16, VRING_DESC_F_INDIRECT, 0); /* indirect in indirect */
	refused(TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	put_in(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 1); /* next outside of it */
	refused(TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	put_in(TABLE, 0, DATA, 1, VRING_DESC_F_NEXT, 0); /* a loop in it */
	refused(TABLE, 16, VRING_DESC_F_INDIRECT, 0);
	put_in(TABLE, 0, DATA, 1, 0, 0);
	q.indirect = false; /* not negotiated */
	refused(TABLE, 16, VRING_DESC_F_INDIRECT, 0);
}

/* 256 buffers of 64 KiB less one are fine; lengths must not wrap 32 bits. */
static void long_lengths(void **state)
{
	struct guest_mem big = { .base = mem.base, .size = 1ull << 31, .low = 1ull << 31 };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		put(i, 0, 0x7ffffff0, i < 2 ? VRING_DESC_F_NEXT : 0, i + 1);
	offer(0);
	assert_int_equal(queue_pop(&q, &big, &c), -EINVAL);
	put(1, 0, 0x7ffffff0, 0, 0);
	assert_int_equal(queue_pop(&q, &big, &c), 1);
	assert_int_equal(c.out_len, 0xffffffe0);
}

/* ---- notifications */

static void push_one(void)
{
	offer(0);
	assert_int_equal(pop(), 1);
	queue_push(&q, c.head, 0);
}

static void interrupts_by_event(void **state)
{
	uint16_t *event = &avail()->ring[SIZE];

	(void)state;
	put(0, DATA, 1, 0, 0);
	push_one();
	assert_true(queue_needs_interrupt(&q)); /* used_event 0: tell about the first */
	assert_false(queue_needs_interrupt(&q)); /* nothing new */
	*event = 3;
	push_one();
	push_one();
	assert_false(queue_needs_interrupt(&q));
	push_one();
	assert_true(queue_needs_interrupt(&q));
	*event = 0x8000;
	for (unsigned i = 0; i < 3; i++)
		push_one();
	assert_false(queue_needs_interrupt(&q));
}

static void interrupts_by_flag(void **state)
{
	(void)state;
	q.event_idx = false;
	put(0, DATA, 1, 0, 0);
	push_one();
	assert_true(queue_needs_interrupt(&q));
	assert_false(queue_needs_interrupt(&q));
	avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	push_one();
	assert_false(queue_needs_interrupt(&q));
}

static void kicks(void **state)
{
	uint16_t *event = (uint16_t *)&used()->ring[SIZE];

	(void)state;
	put(0, DATA, 1, 0, 0);
	push_one();
	assert_int_equal(*event, 0);
	assert_false(queue_suppress_kicks(&q, false));
	assert_int_equal(*event, 1);
	queue_suppress_kicks(&q, true);
	offer(0);
	assert_true(queue_suppress_kicks(&q, false));
	q.event_idx = false;
	queue_suppress_kicks(&q, true);
	assert_int_equal(used()->flags, VRING_USED_F_NO_NOTIFY);
	assert_true(queue_suppress_kicks(&q, false));
	assert_int_equal(used()->flags, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(placement),     TEST(empty),
		TEST(plain_chain),   TEST(many_rounds),
		TEST(bad_addresses), TEST(zero_length_buffers_vanish),
		TEST(bad_chains),    TEST(bad_heads),
		TEST(index_jumps),   TEST(duplicate_heads),
		TEST(indirect),      TEST(more_in_flight_than_descriptors),
		TEST(long_indirect), TEST(bad_indirect),
		TEST(long_lengths),  TEST(interrupts_by_event),
		TEST(kicks),         TEST(interrupts_by_flag),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
