// link: tests/unit/fake_libos.c guest/drv/blk.c
/*
 * The disk driver over a queue of the test's: a ring that is full, a device
 * that says nonsense or breaks the rules, interrupts only for who sleeps.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <linux/virtio_mmio.h>
#include "fake_libos.h"
#include "../../guest/drv/blk.h"

#define ROOM 4 /* chains in the ring */

struct boot_info boot_info;
static struct virtio_blk_config config;
static u64 offered;
static struct blk_request *ring[ROOM];
static unsigned in_ring, rung, sleeps;
static bool dead, armed, sleeping_helps;
static u8 answer;

const struct virtio_place *virtio_find(u32 device_id, unsigned nth)
{
	return device_id == 2 && nth < boot_info.nvirtio ? &boot_info.virtio[nth] : NULL;
}

int virtio_setup(struct virtio *dev, const struct virtio_place *place, u64 wanted, unsigned n)
{
	assert_int_equal(n, 1);
	dev->place = place;
	dev->features = wanted & offered;
	return 0;
}

u32 virtio_read32(const struct virtio *dev, u32 offset)
{
	u32 value;

	(void)dev;
	memcpy(&value, (u8 *)&config + (offset - VIRTIO_MMIO_CONFIG), 4);
	return value;
}

int virtq_add(struct virtq *q, const struct virtq_buf *buf, unsigned nout, unsigned nin,
	      void *token)
{
	(void)buf;
	assert_true(nout >= 1 && nin >= 1);
	if (dead)
		return -EIO;
	if (in_ring == ROOM)
		return -ENOSPC;
	ring[in_ring++] = token;
	q->in_flight++;
	return 0;
}

void virtq_kick(struct virtio *dev, struct virtq *q)
{
	(void)dev;
	(void)q;
	rung++;
}

/* The device ends requests only when somebody sleeps, or not at all. */
static unsigned done;

void *virtq_take(struct virtq *q, u32 *len)
{
	struct blk_request *req = ring[0];

	fake_clock += 10000; /* looking takes time */
	if (dead) {
		q->dead = true;
		return NULL;
	}
	if (done == 0 || in_ring == 0)
		return NULL;
	done--;
	q->in_flight--;
	memmove(ring, ring + 1, --in_ring * sizeof(ring[0]));
	req->status = answer;
	*len = 1;
	return req;
}

bool virtq_arm_after(struct virtq *q, unsigned n)
{
	(void)q;
	assert_true(n < ROOM);
	armed = true;
	return false;
}

bool virtq_arm(struct virtq *q)
{
	return virtq_arm_after(q, 0);
}

void virtq_disarm(struct virtq *q)
{
	(void)q;
	armed = false;
}

void wait_uninterruptible(struct waitq *q)
{
	(void)q;
	assert_true(armed); /* or nobody would wake us */
	sleeps++;
	if (sleeping_helps)
		done = 1;
	else
		dead = true;
}

/* ---- */

static unsigned next_disk;

static struct blk_disk *new_disk(void)
{
	int error;
	struct blk_disk *disk;

	boot_info.nvirtio = next_disk + 1;
	disk = blk_disk(next_disk++, &error);
	assert_non_null(disk);
	return disk;
}

static int set_up(void **state)
{
	(void)state;
	fake_begin();
	config = (struct virtio_blk_config){ .capacity = 1000, .seg_max = 126, .blk_size = 512 };
	offered = UINT64_MAX;
	in_ring = rung = sleeps = done = 0;
	dead = armed = false;
	sleeping_helps = true;
	answer = VIRTIO_BLK_S_OK;
	return 0;
}

static unsigned ended;
static int last_error;

static void on_end(struct blk_request *req, int error)
{
	(void)req;
	ended++;
	last_error = error;
}

static void nonsense(void **state)
{
	struct blk_disk *disk;
	int error;

	(void)state;
	config.capacity = UINT64_MAX;
	config.seg_max = UINT32_MAX;
	config.blk_size = 3;
	config.physical_block_exp = 255;
	disk = new_disk();
	assert_true(disk->sectors <= (u64)INT64_MAX / 512);
	assert_int_equal(disk->segments, BLK_SEGMENTS);
	assert_int_equal(disk->logical, 512);
	assert_int_equal(disk->physical, 512);
	config.seg_max = 0;
	config.blk_size = 0x80000000;
	disk = new_disk();
	assert_int_equal(disk->segments, 1);
	assert_int_equal(disk->logical, 512);
	offered = 0;
	disk = new_disk();
	assert_int_equal(disk->segments, 1);
	assert_int_equal(disk->max_discard, 0);
	assert_false(disk->can_flush);
	assert_int_equal(blk_flush(disk), 0); /* nothing to do */
	assert_null(blk_disk(next_disk, &error));
	assert_int_equal(error, -ENXIO);
	assert_null(blk_disk(BLK_DISKS, &error));
}

static void more_than_fit(void **state)
{
	static struct blk_request req[20];
	struct blk_disk *disk = new_disk();

	(void)state;
	ended = 0;
	for (int i = 0; i < 20; i++) {
		blk_prepare(&req[i], BLK_READ, i, on_end);
		assert_true(blk_add_buffer(disk, &req[i], 4096, 512));
		blk_submit(disk, &req[i]);
	}
	assert_int_equal(disk->in_flight, 20);
	blk_wait(disk, 3);
	assert_true(ended >= 3 && ended < 20);
	assert_true(armed); /* what waits for room must not be forgotten */
	blk_wait(disk, 20);
	assert_int_equal(ended, 20);
	assert_int_equal(disk->in_flight, 0);
	assert_int_equal(last_error, 0);
	assert_false(armed);
}

static void answers(void **state)
{
	static const struct {
		u8 status;
		int error;
	} cases[] = { { VIRTIO_BLK_S_OK, 0 },
		      { VIRTIO_BLK_S_IOERR, -EIO },
		      { VIRTIO_BLK_S_UNSUPP, -EOPNOTSUPP },
		      { 77, -EIO },
		      { 0xff, -EIO } };
	static struct blk_request req;
	struct blk_disk *disk = new_disk();

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		answer = cases[i].status;
		blk_prepare(&req, BLK_DISCARD, 8, on_end);
		req.sectors = 8;
		assert_int_equal(blk_do(disk, &req), cases[i].error);
		assert_int_equal(last_error, cases[i].error);
	}
	answer = VIRTIO_BLK_S_IOERR;
	assert_int_equal(blk_flush(disk), -EIO);
}

/* A queue that has stopped: everything fails, at once and later. */
static void dead_device(void **state)
{
	static struct blk_request req[10];
	struct blk_disk *disk = new_disk();

	(void)state;
	ended = 0;
	sleeping_helps = false;
	for (int i = 0; i < 10; i++) {
		blk_prepare(&req[i], BLK_WRITE, i, on_end);
		blk_add_buffer(disk, &req[i], 4096, 512);
		blk_submit(disk, &req[i]);
	}
	blk_wait(disk, 10);
	assert_int_equal(ended, 10);
	assert_int_equal(last_error, -EIO);
	assert_int_equal(disk->in_flight, 0);
	blk_prepare(&req[0], BLK_READ, 0, on_end);
	blk_add_buffer(disk, &req[0], 4096, 512);
	assert_int_equal(blk_do(disk, &req[0]), -EIO);
}

static void buffers(void **state)
{
	static struct blk_request req;
	struct blk_disk *disk = new_disk();

	(void)state;
	blk_prepare(&req, BLK_READ, 0, on_end);
	for (unsigned i = 0; i < 100; i++) /* neighbours are one buffer */
		assert_true(blk_add_buffer(disk, &req, 0x10000 + i * 512, 512));
	assert_int_equal(req.count, 1);
	for (unsigned i = 1; i < BLK_SEGMENTS; i++)
		assert_true(blk_add_buffer(disk, &req, 0x100000 * i, 512));
	assert_false(blk_add_buffer(disk, &req, 0x10, 512));
	assert_int_equal(req.count, BLK_SEGMENTS);
}

#define TEST(f) cmocka_unit_test_setup(f, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(nonsense), TEST(more_than_fit), TEST(answers),
					    TEST(dead_device), TEST(buffers) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
