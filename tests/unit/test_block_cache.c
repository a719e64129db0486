// link: tests/unit/fake_libos.c guest/fs/block_cache.c guest/fs/block_write.c
// link: guest/fs/page_tree.c
// flags: -DLIBOS_HOST_TEST -Iguest/libos
/*
 * The page cache of disks, on a disk of the test's: an array, whose requests
 * end when somebody waits, in an order that the test chooses, or fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/fs/block_cache.h"

#define PAGES   600
#define SECTORS (PAGES * 8 - 3) /* the last page is partial */

static u8 contents[PAGES * PAGE_SIZE];
static struct blk_disk disk;
static struct blk_request *queue[512];
static unsigned npending, kicks, requests, flushes, waits;
static u64 writes_seen; /* bytes */
static bool last_first; /* the youngest request ends first */
static int fail_reads, fail_writes; /* so many of them fail */
static struct timer *armed;

/* ---- the driver */

struct blk_disk *blk_disk_in_use(unsigned n)
{
	return n == 0 ? &disk : NULL;
}

void blk_prepare(struct blk_request *req, enum blk_type type, u64 sector,
		 void (*done)(struct blk_request *req, int error))
{
	req->type = type;
	req->sector = sector;
	req->count = 0;
	req->done = done;
}

bool blk_add_buffer(const struct blk_disk *d, struct blk_request *req, paddr_t pa, u32 len)
{
	if (req->count == d->segments)
		return false;
	req->buf[++req->count] = (struct virtq_buf){ pa, len };
	return true;
}

void blk_submit(struct blk_disk *d, struct blk_request *req)
{
	assert_true(npending < 512 && req->count > 0);
	queue[npending++] = req;
	d->in_flight++;
	requests++;
}

void blk_kick(struct blk_disk *d)
{
	(void)d;
	kicks++;
}

static void carry_out(struct blk_request *req)
{
	u64 at = req->sector * BLK_SECTOR;
	int *failing = req->type == BLK_READ ? &fail_reads : &fail_writes, error = 0;

	if (*failing > 0) {
		--*failing;
		error = -EIO;
	}
	for (unsigned i = 1; i <= req->count && error == 0; i++) {
		assert_true(at + req->buf[i].len <= SECTORS * BLK_SECTOR);
		if (req->type == BLK_READ) {
			memcpy(phys_to_virt(req->buf[i].pa), contents + at, req->buf[i].len);
		} else {
			memcpy(contents + at, phys_to_virt(req->buf[i].pa), req->buf[i].len);
			writes_seen += req->buf[i].len;
		}
		at += req->buf[i].len;
	}
	disk.in_flight--;
	req->done(req, error);
}

void blk_wait(struct blk_disk *d, unsigned n)
{
	(void)d;
	waits++;
	while (n-- > 0 && npending > 0) {
		struct blk_request *req = last_first ? queue[npending - 1] : queue[0];

		if (!last_first)
			memmove(queue, queue + 1, (npending - 1) * sizeof(queue[0]));
		npending--;
		carry_out(req);
	}
}

int blk_flush(struct blk_disk *d)
{
	(void)d;
	flushes++;
	return 0;
}

void timer_arm(struct timer *timer, u64 deadline)
{
	armed = timer;
	timer->deadline = deadline;
	timer->armed = true;
}

void timer_cancel(struct timer *timer)
{
	armed = NULL;
	timer->armed = false;
}

/* ---- a cache for each test */

static struct block_cache *cache;

static u8 byte_of(u64 at)
{
	return (u8)(at * 13 + at / PAGE_SIZE);
}

static int set_up(void **state)
{
	(void)state;
	fake_begin();
	fake_frames_max = 1600; /* 400 pages for caches */
	for (u64 i = 0; i < sizeof(contents); i++)
		contents[i] = byte_of(i);
	disk.sectors = SECTORS;
	disk.segments = 30;
	disk.in_flight = npending = kicks = requests = flushes = waits = 0;
	writes_seen = 0;
	last_first = false;
	fail_reads = fail_writes = 0;
	cache = block_cache_of(&disk); /* made once: the next tests find it empty */
	cache->errors = 0;
	fake_objects = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_allocations_left = -1;
	block_cache_drop(cache, 0, UINT64_MAX);
	assert_int_equal(npending, 0);
	assert_int_equal(cache->ndirty + cache->reading + cache->writing, 0);
	assert_int_equal(block_cached_frames(), 0);
	assert_null(armed);
	fake_end();
	return 0;
}

static void expect_page(u64 index, int offset, u8 value)
{
	struct block_page *page;

	assert_int_equal(block_page_read(cache, index, &page), 0);
	assert_int_equal(((u8 *)block_page_data(page))[offset], value);
	block_page_put(page);
}

static void put_byte(u64 index, int offset, u8 value)
{
	struct block_page *page;

	assert_int_equal(block_page_read(cache, index, &page), 0);
	((u8 *)block_page_data(page))[offset] = value;
	block_page_dirty(page);
	block_page_put(page);
}

static void fill_page(u64 index, u8 value)
{
	struct block_page *page;

	assert_int_equal(block_page_new(cache, index, &page), 0);
	memset(block_page_data(page), value, PAGE_SIZE);
	block_page_dirty(page);
	block_page_put(page);
}

/* ---- reading */

static void reading(void **state)
{
	struct block_page *page;

	(void)state;
	expect_page(7, 100, byte_of(7 * PAGE_SIZE + 100));
	assert_int_equal(requests, 1);
	expect_page(7, 101, byte_of(7 * PAGE_SIZE + 101));
	assert_int_equal(requests, 1); /* it was there */
	assert_int_equal(block_page_read(cache, PAGES, &page), -ENXIO);
	assert_int_equal(block_page_new(cache, PAGES, &page), -ENXIO);
	assert_int_equal(block_page_read(cache, UINT64_MAX, &page), -ENXIO);
	/* behind the end of the disk a page is zero, not what memory held */
	expect_page(PAGES - 1, 5 * 512 - 1, byte_of((PAGES - 1) * PAGE_SIZE + 5 * 512 - 1));
	expect_page(PAGES - 1, 5 * 512, 0);
	expect_page(PAGES - 1, 4095, 0);
}

static void fetching(void **state)
{
	(void)state;
	assert_int_equal(block_cache_fetch(cache, 10, 60), 60);
	assert_int_equal(requests, 2); /* 30 buffers each */
	assert_int_equal(waits, 0);
	assert_int_equal(block_cache_fetch(cache, 10, 60), 60); /* on their way */
	assert_int_equal(requests, 2);
	assert_int_equal(block_cache_fetch(cache, 5, 10), 10); /* 5 of them missing */
	assert_int_equal(requests, 3);
	last_first = true;
	for (int i = 5; i < 70; i++)
		expect_page(i, 9, byte_of(i * PAGE_SIZE + 9));
	assert_int_equal(requests, 3);
	assert_int_equal(block_cache_fetch(cache, PAGES - 2, 100), 2);
	assert_int_equal(block_cache_fetch(cache, PAGES, 1), 0);
	expect_page(PAGES - 1, 0, byte_of((PAGES - 1) * PAGE_SIZE));
}

static void failing_reads(void **state)
{
	struct block_page *page;

	(void)state;
	fail_reads = 1;
	assert_int_equal(block_page_read(cache, 3, &page), -EIO);
	expect_page(3, 0, byte_of(3 * PAGE_SIZE)); /* the next try is a new one */
	fail_reads = 1;
	block_cache_fetch(cache, 20, 4);
	expect_page(3, 0, byte_of(3 * PAGE_SIZE));
	assert_int_equal(block_page_read(cache, 21, &page), -EIO);
	assert_int_equal(block_cached_frames(), 1);
	expect_page(22, 0, byte_of(22 * PAGE_SIZE));
}

/* ---- writing */

static void writing(void **state)
{
	(void)state;
	put_byte(4, 77, 0xee);
	fill_page(5, 0x55);
	fill_page(6, 0x66);
	assert_int_equal(cache->ndirty, 3);
	assert_non_null(armed);
	assert_int_equal(writes_seen, 0);
	expect_page(4, 77, 0xee);
	assert_int_equal(block_cache_sync(cache, 0, UINT64_MAX), 0);
	assert_int_equal(flushes, 1);
	assert_int_equal(requests, 2); /* a read; neighbours are written together */
	assert_int_equal(writes_seen, 3 * PAGE_SIZE);
	assert_int_equal(contents[4 * PAGE_SIZE + 77], 0xee);
	assert_int_equal(contents[4 * PAGE_SIZE + 78], byte_of(4 * PAGE_SIZE + 78));
	assert_int_equal(contents[7 * PAGE_SIZE - 1], 0x66);
	assert_null(armed);
	block_cache_sync(cache, 0, UINT64_MAX); /* nothing is written twice */
	assert_int_equal(writes_seen, 3 * PAGE_SIZE);
	/* only a part: the last page of the disk is cut */
	fill_page(PAGES - 1, 0x11);
	fill_page(1, 0x22);
	block_cache_write(cache, PAGES - 1, PAGES - 1);
	assert_int_equal(writes_seen, 3 * PAGE_SIZE + 5 * 512);
	assert_int_equal(cache->ndirty, 1);
}

static void changed_while_written(void **state)
{
	(void)state;
	fill_page(9, 1);
	armed->expired(armed); /* its write is under way when the page changes */
	assert_int_equal(cache->writing, 1);
	assert_int_equal(cache->ndirty, 0);
	fill_page(9, 2);
	assert_int_equal(cache->ndirty, 1);
	block_cache_sync(cache, 9, 9);
	assert_int_equal(contents[9 * PAGE_SIZE], 2);
	assert_int_equal(writes_seen, 2 * PAGE_SIZE);
}

static void failing_writes(void **state)
{
	(void)state;
	fill_page(9, 1);
	fail_writes = 1;
	assert_int_equal(block_cache_sync(cache, 0, UINT64_MAX), 0);
	assert_int_equal(cache->errors, 1);
	assert_int_equal(cache->error, -EIO);
	assert_int_equal(cache->ndirty, 0); /* not kept for ever */
	expect_page(9, 0, 1);
	block_cache_sync(cache, 0, UINT64_MAX);
	assert_int_equal(cache->errors, 1);
}

static void dirty_limits(void **state)
{
	(void)state;
	for (int i = 0; i < 39; i++)
		fill_page(i * 2, i);
	assert_int_equal(requests, 0);
	for (int i = 39; i < 300; i++) {
		fill_page(i * 2, i);
		assert_true(cache->ndirty + cache->writing <= 201);
	}
	assert_true(writes_seen > 0 && waits > 0);
	block_cache_sync(cache, 0, UINT64_MAX);
	for (int i = 0; i < 300; i++)
		assert_int_equal(contents[i * 2 * PAGE_SIZE + 5], (u8)i);
}

/* ---- memory */

static void the_cache_is_bounded(void **state)
{
	(void)state;
	for (int i = 0; i < PAGES; i++) {
		expect_page(i, 3, byte_of(i * PAGE_SIZE + 3));
		assert_true(block_cached_frames() <= 400);
	}
	assert_int_equal(block_cache_fetch(cache, 0, 100), 100); /* instead of older ones */
	expect_page(99, 0, byte_of(99 * PAGE_SIZE));
	assert_true(block_cached_frames() <= 400);
}

static void reclaim(void **state)
{
	struct block_page *held;

	(void)state;
	for (int i = 0; i < 50; i++)
		expect_page(i, 0, byte_of(i * PAGE_SIZE));
	assert_int_equal(block_page_read(cache, 10, &held), 0);
	fill_page(60, 1);
	block_cache_fetch(cache, 70, 1); /* in flight */
	assert_int_equal(block_reclaim(5), 5);
	assert_int_equal(block_reclaim(1000), 44); /* all but those three */
	assert_int_equal(block_cached_frames(), 3);
	assert_int_equal(((u8 *)block_page_data(held))[5], byte_of(10 * PAGE_SIZE + 5));
	block_page_put(held);
	block_cache_sync(cache, 0, UINT64_MAX);
	while (npending > 0)
		blk_wait(&disk, 1);
	assert_int_equal(block_reclaim(1000), 3);
}

/* What is used again stays longer than what was read once. */
static void used_pages_stay(void **state)
{
	(void)state;
	block_cache_fetch(cache, 0, 200);
	while (npending > 0)
		blk_wait(&disk, 1);
	for (int i = 0; i < 20; i++)
		expect_page(i, 0, byte_of(i * PAGE_SIZE));
	requests = 0;
	assert_int_equal(block_reclaim(60), 60);
	for (int i = 0; i < 20; i++)
		expect_page(i, 0, byte_of(i * PAGE_SIZE));
	assert_int_equal(requests, 0);
}

/* Each allocation fails once, at every place: errors, but nothing is lost. */
static void no_memory(void **state)
{
	struct block_page *page;

	(void)state;
	for (long n = 0; n < 30; n++) {
		fake_allocations_left = n;
		if (block_page_read(cache, 100 + n, &page) == 0)
			block_page_put(page);
		if (block_page_new(cache, 200 + n, &page) == 0) {
			memset(block_page_data(page), n, PAGE_SIZE);
			block_page_dirty(page);
			block_page_put(page);
		}
		block_cache_fetch(cache, 300 + n * 8, 8);
		block_cache_write(cache, 0, UINT64_MAX);
		fake_allocations_left = -1;
		block_cache_sync(cache, 0, UINT64_MAX);
		while (npending > 0)
			blk_wait(&disk, 1);
		expect_page(100 + n, 1, byte_of((100 + n) * PAGE_SIZE + 1));
		block_cache_drop(cache, 0, UINT64_MAX);
		assert_int_equal(block_cached_frames(), 0);
	}
	/* dirty pages can be written with the smallest rest of memory */
	assert_int_equal(cache->errors, 0);
}

static void dropping(void **state)
{
	struct block_page *held;

	(void)state;
	fill_page(1, 0xaa);
	expect_page(2, 0, byte_of(2 * PAGE_SIZE));
	block_cache_fetch(cache, 3, 2);
	assert_int_equal(block_page_read(cache, 6, &held), 0);
	contents[2 * PAGE_SIZE] = 0xbb; /* what somebody wrote past the cache */
	block_cache_drop(cache, 0, 10);
	assert_int_equal(block_cached_frames(), 1);
	assert_int_equal(writes_seen, 0);
	block_page_put(held);
	expect_page(1, 0, byte_of(PAGE_SIZE));
	expect_page(2, 0, 0xbb);
}

static void sync_all(void **state)
{
	(void)state;
	fill_page(8, 8);
	disk.read_only = true;
	block_sync_all();
	assert_int_equal(flushes, 0);
	disk.read_only = false;
	block_sync_all();
	assert_int_equal(flushes, 1);
	assert_int_equal(contents[8 * PAGE_SIZE], 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reading),
		TEST(fetching),
		TEST(failing_reads),
		TEST(writing),
		TEST(changed_while_written),
		TEST(failing_writes),
		TEST(dirty_limits),
		TEST(the_cache_is_bounded),
		TEST(reclaim),
		TEST(used_pages_stay),
		TEST(no_memory),
		TEST(dropping),
		TEST(sync_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
