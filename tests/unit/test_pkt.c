// clang-format off
// link: tests/unit/fake_libos.c guest/net/pkt.c guest/net/pkt_data.c
// clang-format on
/*
 * Packets: shape, sharing, copies, the checksum against a plain one, and that
 * nothing is left behind, also when memory runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/net/pkt.h"

static int begin(void **state)
{
	(void)state;
	fake_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	assert_int_equal(pkt_count, 0);
	assert_int_equal(pkt_mem_count, 0);
	pkt_reclaim();
	fake_end();
	return 0;
}

/* The byte at a distance in the test's stream. */
static u8 byte(u32 i)
{
	return i * 13 + i / 250;
}

static void fill(u8 *p, u32 from, u32 n)
{
	for (u32 i = 0; i < n; i++)
		p[i] = byte(from + i);
}

static void assert_stream(const struct pkt *pkt, u32 from)
{
	static u8 out[70000];

	assert_true(pkt->total <= sizeof(out));
	pkt_copy(pkt, 0, out, pkt->total);
	for (u32 i = 0; i < pkt->total; i++)
		assert_int_equal(out[i], byte(from + i));
}

/* A packet of a front and fragments of these lengths (0: no more). */
static struct pkt *make(bool wrapped, u32 front, const u32 *frags)
{
	struct pkt *pkt;
	u32 at = front;

	if (wrapped) {
		struct pkt_mem *mem = pkt_mem_alloc(front + 1);

		fill(mem->data, 0, front);
		pkt = pkt_wrap(mem, mem->data, front);
	} else {
		pkt = pkt_alloc();
		fill(pkt_put(pkt, front), 0, front);
	}
	for (; *frags > 0; at += *frags++) {
		struct pkt_mem *mem = pkt_mem_alloc(*frags + 64);

		fill(mem->data + 64, at, *frags);
		assert_true(pkt_add_frag(pkt, mem, mem->data + 64, *frags));
		pkt_mem_put(mem);
	}
	assert_int_equal(pkt->total, at);
	return pkt;
}

static void test_push_pull(void **state)
{
	struct pkt *pkt = pkt_alloc();
	u8 *p;

	(void)state;
	assert_int_equal(pkt->total, 0);
	assert_null(pkt_put(pkt, PKT_ROOM));
	p = pkt_put(pkt, 8);
	memcpy(p, "payload", 8);
	assert_ptr_equal(pkt_push(pkt, 20), p - 20);
	assert_int_equal(pkt->len, 28);
	assert_ptr_equal(pkt_pull(pkt, 20), p - 20);
	assert_string_equal(pkt_header(pkt, 8), "payload");
	assert_null(pkt_pull(pkt, 9));
	pkt_trim(pkt, 3);
	assert_int_equal(pkt->total, 3);
	pkt_skip(pkt, 3);
	assert_non_null(pkt_pull(pkt, 0));
	assert_null(pkt_header(pkt, 1));
	pkt_free(pkt);
	pkt_free(NULL);
}

/* Headers that begin in the front and end in fragments. */
static void test_gather(void **state)
{
	struct pkt *pkt = make(true, 30, (u32[]){ 3, 40, 500, 0 });
	const u8 *p;

	(void)state;
	pkt->network = pkt->data;
	assert_non_null(pkt_pull(pkt, 20));
	assert_null(pkt_header(pkt, 129));
	p = pkt_header(pkt, 100);
	assert_non_null(p);
	for (u32 i = 0; i < 100; i++)
		assert_int_equal(p[i], byte(20 + i));
	assert_ptr_equal(pkt->network, pkt->data - 20); /* came along */
	assert_int_equal(*pkt->network, byte(0));
	assert_int_equal(pkt->total, 573 - 20);
	assert_stream(pkt, 20);
	/* And again, from its own room. */
	pkt_skip(pkt, 90);
	assert_non_null(pkt_header(pkt, 128));
	assert_stream(pkt, 110);
	assert_int_equal(*pkt->network, byte(0));
	pkt_free(pkt);
	pkt = make(true, 0, (u32[]){ 1, 1, 1, 0 });
	assert_null(pkt_pull(pkt, 4));
	assert_non_null(pkt_pull(pkt, 3));
	pkt_free(pkt);
	pkt = make(true, 300, (u32[]){ 300, 0 });
	assert_non_null(pkt_pull(pkt, 300)); /* in a row: no limit */
	assert_non_null(pkt_pull(pkt, 300 - 200));
	assert_null(pkt_header(pkt, 201));
	pkt_free(pkt);
}

static void test_skip_and_trim(void **state)
{
	static const u32 frags[] = { 100, 1, 200, 50, 0 };

	(void)state;
	for (u32 from = 0; from <= 381; from += 3)
		for (u32 len = 0; len <= 381 - from; len += 7) {
			struct pkt *pkt = make(from % 2, 30, frags);

			pkt_skip(pkt, from);
			pkt_trim(pkt, len);
			assert_int_equal(pkt->total, len);
			assert_stream(pkt, from);
			pkt_free(pkt);
		}
}

static void test_append(void **state)
{
	static const u32 frags[] = { 100, 1, 200, 50, 0 };

	(void)state;
	for (u32 from = 0; from <= 381; from += 5)
		for (u32 len = 0; len <= 381 - from; len += 9) {
			struct pkt *pkt = make(len % 2, 30, frags), *piece = pkt_alloc();

			assert_true(pkt_append(piece, pkt, from, len));
			pkt_free(pkt);
			assert_int_equal(piece->total, len);
			assert_stream(piece, from);
			pkt_free(piece);
		}
}

static void test_joining_fragments(void **state)
{
	struct pkt_mem *mem = pkt_mem_alloc(65536);
	struct pkt *pkt = pkt_alloc();

	(void)state;
	fill(mem->data, 0, 65536);
	for (u32 i = 0; i < 65536; i += 1024)
		assert_true(pkt_add_frag(pkt, mem, mem->data + i, 1024));
	assert_int_equal(pkt->nfrags, 1);
	assert_stream(pkt, 0);
	for (u32 i = 1; i < PKT_FRAGS; i++)
		assert_true(pkt_add_frag(pkt, mem, mem->data + 2 * i, 1));
	assert_false(pkt_add_frag(pkt, mem, mem->data, 1));
	assert_null(pkt_mem_alloc(65537));
	pkt_mem_put(mem);
	pkt_free(pkt);
}

static void test_clone(void **state)
{
	struct pkt *room = make(false, 160, (u32[]){ 9, 0 }), *copy;
	struct pkt *wrapped = make(true, 1500, (u32[]){ 2000, 0 });

	(void)state;
	room->csum_start = room->data + 40;
	pkt_push(room, 60);
	fill(room->data, 0, 220);
	room->cb[3] = 7;
	room->proto = 6;
	copy = pkt_clone(room);
	assert_int_equal(copy->csum_start - copy->data, 100);
	assert_int_equal(copy->cb[3], 7);
	assert_int_equal(copy->proto, 6);
	room->data[0]++; /* the front is its own */
	assert_int_equal(copy->data[0], byte(0));
	pkt_push(copy, 100);
	pkt_free(room);
	pkt_free(copy);

	wrapped->network = wrapped->data;
	pkt_pull(wrapped, 40);
	copy = pkt_clone(wrapped);
	assert_int_equal(copy->data - copy->network, 40);
	assert_memory_equal(copy->network, wrapped->network, 200);
	pkt_free(wrapped);
	assert_int_equal(copy->total, 3460);
	assert_stream(copy, 40);
	pkt_free(copy);
}

static u16 plain_sum(const u8 *p, u32 n, u32 sum)
{
	u64 total = sum;

	for (u32 i = 0; i < n; i++)
		total += (u64)p[i] << 8 * (i % 2);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return total;
}

/* One's complement has two zeros. */
static u16 one_zero(u32 sum)
{
	return sum == 0xffff ? 0 : sum;
}

static void test_sum(void **state)
{
	static u8 flat[70000];
	u32 seed = 1;

	(void)state;
	for (u32 i = 0; i < 2000; i++) {
		u32 n = i < 400 ? i : (seed = seed * 1103515245 + 12345) >> 16;
		u32 start = i % 3 ? (seed = seed * 1103515245 + 12345) : 0;

		for (u32 k = 0; k < n; k++)
			flat[k] = i % 7 ? byte(k + i) : 0xff;
		assert_int_equal(one_zero(net_sum(flat, n, start)),
				 one_zero(plain_sum(flat, n, start)));
	}
	for (u32 a = 0; a < 200; a += 3)
		for (u32 b = 1; b < 200; b += 7) {
			struct pkt *pkt = make(true, a, (u32[]){ b, 1, a + 3, b + 8, 0 });
			u32 from = b & ~1u, len = pkt->total - from;

			pkt_copy(pkt, from, flat, len);
			assert_int_equal(one_zero(pkt_sum(pkt, from, len, 0xfffe)),
					 one_zero(plain_sum(flat, len, 0xfffe)));
			pkt_free(pkt);
		}
	memset(flat, 0, 100);
	assert_int_equal(net_sum(flat, 100, 0), 0);
	assert_int_equal(net_sum("\x01\x02\x03", 3, 0), 0x0204);
}

static void test_uio(void **state)
{
	static u8 in[5000], out[5000];
	struct iovec from[2] = { { in, 7 }, { in + 7, 4993 } }, to = { out, 4000 };
	struct uio uio = { .iov = from, .niov = 2, .resid = 5000 };
	struct pkt *pkt = pkt_alloc();

	(void)state;
	fill(in, 0, 5000);
	assert_int_equal(pkt_from_uio(pkt, &uio, 100), 0);
	assert_int_equal(pkt->nfrags, 0);
	assert_int_equal(pkt_from_uio(pkt, &uio, 4900), 0);
	assert_int_equal(pkt->nfrags, 1);
	assert_stream(pkt, 0);
	uio = (struct uio){ .iov = &to, .niov = 1, .resid = 4000 };
	assert_int_equal(pkt_to_uio(pkt, 50, &uio, 3000), 3000);
	assert_memory_equal(out, in + 50, 3000);
	fake_fault_start = out + 3100;
	fake_fault_end = out + 4000;
	assert_int_equal(pkt_to_uio(pkt, 0, &uio, 1000), 100);
	assert_int_equal(pkt_to_uio(pkt, 0, &uio, 1000), -EFAULT);
	fake_fault_start = in;
	fake_fault_end = in + 5000;
	uio = (struct uio){ .iov = from, .niov = 2, .resid = 5000 };
	assert_int_equal(pkt_from_uio(pkt, &uio, 1000), -EFAULT);
	pkt_free(pkt);
}

static void test_no_memory(void **state)
{
	u8 big[1000] = { 0 };
	struct iovec from = { big, 1000 };

	(void)state;
	for (long left = 0; left < 8; left++) {
		struct uio uio = { .iov = &from, .niov = 1, .resid = 1000 };
		struct pkt_mem *mem;
		struct pkt *pkt, *copy;

		fake_allocations_left = left;
		pkt = pkt_alloc();
		if (pkt) {
			int error = pkt_from_uio(pkt, &uio, 1000);

			copy = pkt_clone(pkt);
			assert_true(error == 0 || error == -ENOMEM);
			pkt_free(copy);
		}
		pkt_free(pkt);
		mem = pkt_mem_alloc(1);
		if (mem)
			pkt_free(pkt_wrap(mem, mem->data, 1));
		fake_allocations_left = -1;
		pkt_reclaim();
	}
}

/* Freed packets and blocks are used again, within bounds. */
static void test_kept(void **state)
{
	static struct pkt *pkts[1000];
	static struct pkt_mem *mems[1000];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		pkts[i] = pkt_alloc();
		mems[i] = pkt_mem_alloc(4096);
	}
	for (unsigned i = 0; i < 1000; i++) {
		pkt_free(pkts[i]);
		pkt_mem_put(mems[i]);
	}
	assert_true(fake_frames <= 256);
	assert_true(fake_objects <= 256 + 256);
	fake_allocations_left = 0;
	pkts[0] = pkt_alloc();
	mems[0] = pkt_mem_alloc(4096);
	assert_int_equal(pkts[0]->total, 0);
	pkt_free(pkts[0]);
	pkt_mem_put(mems[0]);
}

static void test_truesize(void **state)
{
	struct pkt *pkt = make(true, 60, (u32[]){ 1, 0 });
	u32 size = pkt_truesize(pkt);

	(void)state;
	assert_int_equal(size, sizeof(struct pkt) + 2 * 4096);
	pkt_free(pkt);
	pkt = make(false, 60, (u32[]){ 60000, 0 });
	assert_int_equal(pkt_truesize(pkt), sizeof(struct pkt) + 60000);
	pkt_free(pkt);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		T(test_push_pull), T(test_gather),   T(test_skip_and_trim),
		T(test_append),    T(test_clone),    T(test_joining_fragments),
		T(test_sum),       T(test_uio),      T(test_no_memory),
		T(test_kept),      T(test_truesize),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
