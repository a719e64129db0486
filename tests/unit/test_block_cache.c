// link: tests/unit/fake_libos.c tests/unit/fake_disk.c guest/fs/block_cache.c guest/fs/block_write.c
// link: guest/fs/page_tree.c
/*
 * The page cache of disks, on a disk of the test's: an array, whose fake_disk.requests
 * end when somebody fake_disk.waits, in an order that the test chooses, or fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake_disk.h"
#include "fake_libos.h"
#include "../../guest/fs/block_cache.h"

#define PAGES   600
#define SECTORS (PAGES * 8 - 3) /* the last page is partial */

static u8 contents[PAGES * PAGE_SIZE];
static struct timer *armed;

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
	fake_disk_begin(contents, SECTORS, 30);
	cache = block_cache_of(&fake_disk.disk); /* made once: the next tests find it empty */
	cache->errors = 0;
	fake_objects = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_allocations_left = -1;
	block_cache_drop(cache, 0, UINT64_MAX);
	assert_int_equal(fake_disk.pending, 0);
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
	assert_int_equal(fake_disk.requests, 1);
	expect_page(7, 101, byte_of(7 * PAGE_SIZE + 101));
	assert_int_equal(fake_disk.requests, 1); /* it was there */
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
	assert_int_equal(fake_disk.requests, 2); /* 30 buffers each */
	assert_int_equal(fake_disk.waits, 0);
	assert_int_equal(block_cache_fetch(cache, 10, 60), 60); /* on their way */
	assert_int_equal(fake_disk.requests, 2);
	assert_int_equal(block_cache_fetch(cache, 5, 10), 10); /* 5 of them missing */
	assert_int_equal(fake_disk.requests, 3);
	fake_disk.last_first = true;
	for (int i = 5; i < 70; i++)
		expect_page(i, 9, byte_of(i * PAGE_SIZE + 9));
	assert_int_equal(fake_disk.requests, 3);
	assert_int_equal(block_cache_fetch(cache, PAGES - 2, 100), 2);
	assert_int_equal(block_cache_fetch(cache, PAGES, 1), 0);
	expect_page(PAGES - 1, 0, byte_of((PAGES - 1) * PAGE_SIZE));
}

static void failing_reads(void **state)
{
	struct block_page *page;

	(void)state;
	fake_disk.fail_reads = 1;
	assert_int_equal(block_page_read(cache, 3, &page), -EIO);
	expect_page(3, 0, byte_of(3 * PAGE_SIZE)); /* the next try is a new one */
	fake_disk.fail_reads = 1;
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
	assert_int_equal(fake_disk.written, 0);
	expect_page(4, 77, 0xee);
	assert_int_equal(block_cache_sync(cache, 0, UINT64_MAX), 0);
	assert_int_equal(fake_disk.flushes, 1);
	assert_int_equal(fake_disk.requests, 2); /* a read; neighbours are written together */
	assert_int_equal(fake_disk.written, 3 * PAGE_SIZE);
	assert_int_equal(contents[4 * PAGE_SIZE + 77], 0xee);
	assert_int_equal(contents[4 * PAGE_SIZE + 78], byte_of(4 * PAGE_SIZE + 78));
	assert_int_equal(contents[7 * PAGE_SIZE - 1], 0x66);
	assert_null(armed);
	block_cache_sync(cache, 0, UINT64_MAX); /* nothing is written twice */
	assert_int_equal(fake_disk.written, 3 * PAGE_SIZE);
	/* only a part: the last page of the disk is cut */
	fill_page(PAGES - 1, 0x11);
	fill_page(1, 0x22);
	block_cache_write(cache, PAGES - 1, PAGES - 1);
	assert_int_equal(fake_disk.written, 3 * PAGE_SIZE + 5 * 512);
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
	assert_int_equal(fake_disk.written, 2 * PAGE_SIZE);
}

static void failing_writes(void **state)
{
	(void)state;
	fill_page(9, 1);
	fake_disk.fail_writes = 1;
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
	assert_int_equal(fake_disk.requests, 0);
	for (int i = 39; i < 300; i++) {
		fill_page(i * 2, i);
		assert_true(cache->ndirty + cache->writing <= 201);
	}
	assert_true(fake_disk.written > 0 && fake_disk.waits > 0);
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
	while (fake_disk.pending > 0)
		blk_wait(&fake_disk.disk, 1);
	assert_int_equal(block_reclaim(1000), 3);
}

/* What is used again stays longer than what was read once. */
static void used_pages_stay(void **state)
{
	(void)state;
	block_cache_fetch(cache, 0, 200);
	while (fake_disk.pending > 0)
		blk_wait(&fake_disk.disk, 1);
	for (int i = 0; i < 20; i++)
		expect_page(i, 0, byte_of(i * PAGE_SIZE));
	fake_disk.requests = 0;
	assert_int_equal(block_reclaim(60), 60);
	for (int i = 0; i < 20; i++)
		expect_page(i, 0, byte_of(i * PAGE_SIZE));
	assert_int_equal(fake_disk.requests, 0);
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
		while (fake_disk.pending > 0)
			blk_wait(&fake_disk.disk, 1);
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
	assert_int_equal(fake_disk.written, 0);
	block_page_put(held);
	expect_page(1, 0, byte_of(PAGE_SIZE));
	expect_page(2, 0, 0xbb);
}

static void sync_all(void **state)
{
	(void)state;
	fill_page(8, 8);
	fake_disk.disk.read_only = true;
	block_sync_all();
	assert_int_equal(fake_disk.flushes, 0);
	fake_disk.disk.read_only = false;
	block_sync_all();
	assert_int_equal(fake_disk.flushes, 1);
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
