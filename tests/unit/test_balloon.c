// link: vmm/balloon.c vmm/virtio.c vmm/promote.c vmm/queue.c vmm/mem.c vmm/io.c vmm/io_ring.c
// link: vmm/io_poll.c tests/unit/driver.c
// libs: -luring -pthread
/*
 * Free page reporting as a driver sees it: what it reports is gone, and nothing
 * else; what is not RAM is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/virtio_balloon.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "driver.h"
#include "../../vmm/balloon.h"

#define FREE  0x200000
#define PAGE  4096
#define QUEUE 2

static struct virtio_dev *dev;
static uint16_t used;

static int set_up(void **state)
{
	(void)state;
	driver_new_vm();
	dev = balloon_add(&driver_vm);
	driver_start(dev, dev->offered, 32);
	memset(driver_at(FREE), 0x55, 4 * PAGE);
	used = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	balloon_free(dev);
	driver_free_vm();
	return 0;
}

static void report(unsigned q, uint64_t gpa, uint32_t len)
{
	driver_put(q, 0, gpa, len, VRING_DESC_F_WRITE, 0);
	driver_send(dev, q, 0);
}

static bool all(uint64_t gpa, uint8_t byte)
{
	const uint8_t *at = driver_at(gpa);

	for (unsigned i = 0; i < PAGE; i++)
		if (at[i] != byte)
			return false;
	return true;
}

static void offers_reporting_only(void **state)
{
	(void)state;
	assert_true(dev->offered & 1ull << VIRTIO_BALLOON_F_REPORTING);
	assert_false(dev->offered &
		     (1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_BALLOON_F_FREE_PAGE_HINT |
		      1ull << VIRTIO_BALLOON_F_PAGE_POISON));
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_CONFIG), 0); /* num_pages */
}

static void gives_back(void **state)
{
	(void)state;
	report(QUEUE, FREE, 2 * PAGE);
	assert_true(driver_wait(QUEUE, ++used));
	assert_true(all(FREE, 0) && all(FREE + PAGE, 0) && all(FREE + 2 * PAGE, 0x55));
}

static void whole_pages_only(void **state)
{
	(void)state;
	report(QUEUE, FREE + 1, 2 * PAGE);
	assert_true(driver_wait(QUEUE, ++used));
	assert_true(all(FREE, 0x55) && all(FREE + PAGE, 0) && all(FREE + 2 * PAGE, 0x55));
	report(QUEUE, FREE + 2 * PAGE + 1, PAGE - 1);
	assert_true(driver_wait(QUEUE, ++used));
	assert_true(all(FREE + 2 * PAGE, 0x55));
}

static void is_no_balloon(void **state)
{
	(void)state;
	report(0, FREE, PAGE);
	assert_true(driver_wait(0, 1));
	assert_true(all(FREE, 0x55));
}

static void not_ram(void **state)
{
	(void)state;
	report(QUEUE, driver_vm.mem.size - PAGE, 2 * PAGE);
	assert_true(dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(offers_reporting_only), CASE(gives_back), CASE(whole_pages_only),
		CASE(is_no_balloon),         CASE(not_ram),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
