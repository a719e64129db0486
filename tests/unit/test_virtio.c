// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: vmm/mem.c vmm/rng.c tests/unit/driver.c
// libs: -luring -pthread
/*
 * The virtio-mmio transport: register by register, status machine, what is
 * refused when, and the entropy device over it.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "driver.h"
#include "../../vmm/io.h"
#include "../../vmm/promote.h"
#include "../../vmm/rng.h"

#define ACK   VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRV   VIRTIO_CONFIG_S_DRIVER
#define FEAT  VIRTIO_CONFIG_S_FEATURES_OK
#define READY VIRTIO_CONFIG_S_DRIVER_OK
#define RESET VIRTIO_CONFIG_S_NEEDS_RESET

/* ---- a device that counts */

static struct virtio_dev dev;
static unsigned kicks[2], resets, config_writes;
static uint8_t config[8];

static void kick(struct virtio_dev *d, unsigned q)
{
	assert_ptr_equal(d, &dev);
	kicks[q]++;
}

static void reset(struct virtio_dev *d)
{
	assert_int_equal(d->status, 0);
	resets++;
}

static void config_write(struct virtio_dev *d, uint32_t offset, const void *data, uint32_t len)
{
	(void)d;
	assert_true(offset + len <= sizeof(config));
	memcpy(config + offset, data, len);
	config_writes++;
}

static const struct virtio_ops ops = {
	.name = "counter",
	.device_id = 42,
	.nqueues = 2,
	.queue_size = { 64, 16 },
	.kick = kick,
	.reset = reset,
	.config_write = config_write,
};

#define FEATURE_5 BIT64(5)

static int set_up(void **state)
{
	(void)state;
	driver_new_vm();
	memset(&dev, 0, sizeof(dev));
	memset(kicks, 0, sizeof(kicks));
	resets = config_writes = 0;
	for (unsigned i = 0; i < sizeof(config); i++)
		config[i] = 0x10 + i;
	virtio_add(&driver_vm, &dev, &ops, FEATURE_5, config, sizeof(config));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	io_stop();
	driver_free_vm();
	return 0;
}

static uint32_t get(unsigned reg)
{
	return driver_get(&dev, reg);
}

static void set(unsigned reg, uint32_t value)
{
	driver_set(&dev, reg, value);
}

/* ---- registers */

static void identity(void **state)
{
	(void)state;
	assert_int_equal(get(VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(get(VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_ID), 42);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES),
			 FEATURE_5 | BIT64(VIRTIO_RING_F_EVENT_IDX) |
				 BIT64(VIRTIO_RING_F_INDIRECT_DESC));
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), 1); /* VERSION_1 */
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	set(VIRTIO_MMIO_DEVICE_FEATURES_SEL, -1);
	assert_int_equal(get(VIRTIO_MMIO_DEVICE_FEATURES), 0);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 64);
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 16);
	set(VIRTIO_MMIO_QUEUE_SEL, 2);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	set(VIRTIO_MMIO_QUEUE_SEL, -1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
	assert_int_equal(get(VIRTIO_MMIO_SHM_LEN_LOW), 0xffffffff);
}

static void odd_accesses(void **state)
{
	uint8_t bytes[8];

	(void)state;
	memset(bytes, 0xff, sizeof(bytes));
	virtio_mmio_read(&dev, VIRTIO_MMIO_MAGIC_VALUE, bytes, 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(bytes[i], 0);
	for (unsigned reg = 0; reg < 0x100; reg += 4) {
		if (reg == VIRTIO_MMIO_STATUS)
			continue;
		virtio_mmio_write(&dev, reg, bytes, 1);
		virtio_mmio_write(&dev, reg + 1, bytes, 2);
		virtio_mmio_write(&dev, reg + 2, bytes, 4);
		virtio_mmio_write(&dev, reg, bytes, 8);
		set(reg, 0xffffffff);
	}
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 0);
	for (uint64_t offset = 0; offset < 0x1000; offset++)
		for (unsigned len = 1; len <= 8; len *= 2)
			virtio_mmio_read(&dev, offset, bytes, len);
	virtio_mmio_read(&dev, -1ull, bytes, 8);
	virtio_mmio_write(&dev, -8ull, bytes, 8);
}

static void configuration(void **state)
{
	uint8_t got[8];

	(void)state;
	for (unsigned len = 1; len <= 8; len *= 2)
		for (unsigned at = 0; at + len <= sizeof(config); at++) {
			virtio_mmio_read(&dev, VIRTIO_MMIO_CONFIG + at, got, len);
			assert_memory_equal(got, config + at, len);
		}
	virtio_mmio_read(&dev, VIRTIO_MMIO_CONFIG + 5, got, 4); /* one byte over */
	assert_memory_equal(got, "\0\0\0", 4);
	virtio_mmio_write(&dev, VIRTIO_MMIO_CONFIG + 5, got, 4);
	virtio_mmio_write(&dev, VIRTIO_MMIO_CONFIG + 8, got, 1);
	virtio_mmio_write(&dev, 0xffc, got, 4);
	assert_int_equal(config_writes, 0);
	virtio_mmio_write(&dev, VIRTIO_MMIO_CONFIG + 4, got, 4);
	assert_int_equal(config_writes, 1);
	assert_int_equal(config[7], 0);
}

/* ---- status and features */

static void offer_features(uint64_t features)
{
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, ACK | DRV);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, features);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	set(VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FEAT);
}

static void features(void **state)
{
	const uint64_t v1 = BIT64(VIRTIO_F_VERSION_1);

	(void)state;
	offer_features(v1);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV | FEAT);
	offer_features(v1 | FEATURE_5);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV | FEAT);
	offer_features(0); /* a legacy driver */
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV);
	offer_features(v1 | BIT64(6)); /* not offered */
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV);
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FEAT | READY);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV);
	/* frozen after FEATURES_OK */
	offer_features(v1);
	set(VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	set(VIRTIO_MMIO_DRIVER_FEATURES, FEATURE_5);
	assert_true(dev.accepted == v1);
	/* not before DRIVER */
	set(VIRTIO_MMIO_STATUS, 0);
	set(VIRTIO_MMIO_STATUS, ACK);
	set(VIRTIO_MMIO_DRIVER_FEATURES, 0xffffffff);
	assert_true(dev.accepted == 0);
}

static void status_in_order(void **state)
{
	(void)state;
	set(VIRTIO_MMIO_STATUS, READY);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 0);
	set(VIRTIO_MMIO_STATUS, DRV | FEAT | READY);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 0);
	set(VIRTIO_MMIO_STATUS, ACK);
	set(VIRTIO_MMIO_STATUS, ACK | READY);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK);
	driver_start(&dev, 0, 16);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV | FEAT | READY);
	set(VIRTIO_MMIO_STATUS, ACK); /* bits are never taken away */
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV | FEAT | READY);
	set(VIRTIO_MMIO_STATUS, RESET | 0x30); /* not the driver's to set */
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV | FEAT | READY);
	resets = 0;
	set(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(resets, 1);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 0);
	assert_false(dev.queue[0].ready);
	assert_int_equal(dev.accepted, 0);
}

/* ---- queues and doorbells */

static void kicks_only_when_live(void **state)
{
	(void)state;
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	offer_features(BIT64(VIRTIO_F_VERSION_1));
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(kicks[0], 0);
	driver_start(&dev, 0, 16);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 2);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, VIRTIO_MAX_QUEUES);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, -1);
	assert_int_equal(kicks[0], 1);
	assert_int_equal(kicks[1], 1);
	pthread_mutex_lock(&dev.lock);
	virtio_broken(&dev, "test");
	pthread_mutex_unlock(&dev.lock);
	assert_true(get(VIRTIO_MMIO_STATUS) & RESET);
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(kicks[0], 1);
	set(VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), 0);
}

/* A queue that was not set up is not live, though the device is. */
static void half_set_up(void **state)
{
	(void)state;
	offer_features(BIT64(VIRTIO_F_VERSION_1));
	set(VIRTIO_MMIO_STATUS, ACK | DRV | FEAT | READY);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(kicks[0], 0);
	set(VIRTIO_MMIO_QUEUE_NUM, 8); /* too late */
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
}

static void queues_are_frozen(void **state)
{
	uint64_t desc;

	(void)state;
	driver_start(&dev, 0, 16);
	desc = dev.queue[1].desc_gpa;
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	set(VIRTIO_MMIO_QUEUE_NUM, 4);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, 0);
	set(VIRTIO_MMIO_QUEUE_DESC_HIGH, 7);
	set(VIRTIO_MMIO_QUEUE_READY, 0);
	assert_int_equal(dev.queue[1].size, 16);
	assert_true(dev.queue[1].desc_gpa == desc);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 1);
}

static void try_queue(uint32_t size, uint64_t desc)
{
	offer_features(BIT64(VIRTIO_F_VERSION_1));
	set(VIRTIO_MMIO_QUEUE_SEL, 1);
	set(VIRTIO_MMIO_QUEUE_NUM, size);
	set(VIRTIO_MMIO_QUEUE_DESC_LOW, desc);
	set(VIRTIO_MMIO_QUEUE_DESC_HIGH, desc >> 32);
	set(VIRTIO_MMIO_QUEUE_AVAIL_LOW, 0x2000);
	set(VIRTIO_MMIO_QUEUE_USED_LOW, 0x3000);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
}

static void bad_queues(void **state)
{
	static const struct {
		uint32_t size;
		uint64_t desc;
	} bad[] = {
		{ 0, 0x1000 },
		{ 32, 0x1000 /* more than the device has */ },
		{ 12, 0x1000 },
		{ 0x10010, 0x1000 },
		{ 16, DRIVER_MEM - 16 },
		{ 16, 1ull << 32 },
		{ 16, 0xfffffffffffffff0 },
		{ 16, 0x1001 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		try_queue(bad[i].size, bad[i].desc);
		assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
		assert_true(get(VIRTIO_MMIO_STATUS) & RESET);
	}
	try_queue(16, 0x1000);
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 1);
	assert_false(get(VIRTIO_MMIO_STATUS) & RESET);
	set(VIRTIO_MMIO_QUEUE_NUM, 8); /* while ready: frozen */
	assert_int_equal(dev.queue[1].size, 16);
	set(VIRTIO_MMIO_QUEUE_READY, 0); /* before DRIVER_OK it may go back */
	assert_int_equal(get(VIRTIO_MMIO_QUEUE_READY), 0);
	set(VIRTIO_MMIO_QUEUE_NUM, 8);
	set(VIRTIO_MMIO_QUEUE_READY, 1);
	assert_int_equal(dev.queue[1].size, 8);
}

static void interrupt_status(void **state)
{
	(void)state;
	driver_start(&dev, 0, 16);
	pthread_mutex_lock(&dev.lock);
	queue_push(&dev.queue[0], 0, 0);
	virtio_notify_used(&dev, 0);
	virtio_notify_config(&dev);
	pthread_mutex_unlock(&dev.lock);
	assert_int_equal(driver_interrupts(), 2);
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	set(VIRTIO_MMIO_INTERRUPT_ACK, 1);
	assert_int_equal(get(VIRTIO_MMIO_INTERRUPT_STATUS), 2);
	assert_int_equal(get(VIRTIO_MMIO_CONFIG_GENERATION), 1);
}

static void handed_over(void **state)
{
	const struct virtio_ready_queue queue[] = { { 16, 0x1000, 0x1100, 0x1200 },
						    { 16, 0x2000, 0x2100, 0x2200 } };

	(void)state;
	virtio_make_ready(&dev, BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_RING_F_EVENT_IDX), queue,
			  2);
	assert_int_equal(get(VIRTIO_MMIO_STATUS), ACK | DRV | FEAT | READY);
	assert_true(dev.queue[1].event_idx);
	assert_false(dev.queue[1].indirect);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	assert_int_equal(kicks[1], 1);
	driver_start(&dev, 0, 16); /* a driver may start over */
	assert_false(dev.queue[1].event_idx);
	set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	assert_int_equal(kicks[1], 2);
}

/* ---- promotion */

static void promotion_refused(void **state)
{
	struct virtio_ops busy = ops;

	(void)state;
	busy.promote = true;
	dev.ops = &busy;
	driver_start(&dev, 0, 16);
	dev.born_ns -= 10000000000; /* an old VM, so that it pays */
	for (int i = 0; i < 300; i++)
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	assert_int_equal(kicks[1], 300);
	assert_null(dev.doorbell[1]); /* the file descriptor of the VM is -1 */
	assert_int_equal(dev.irqfd_plus1, 0);
}

/* With a KVM, if there is one: both eventfds, and interrupts go the new way. */
static void promotion(void **state)
{
	struct virtio_ops busy = ops;
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	(void)state;
	if (kvm < 0)
		skip();
	driver_vm.fd = ioctl(kvm, KVM_CREATE_VM, 0);
	assert_int_equal(ioctl(driver_vm.fd, KVM_ENABLE_CAP, &split), 0);
	busy.promote = true;
	dev.ops = &busy;
	driver_start(&dev, 0, 16);
	for (int i = 0; i < 300; i++)
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	assert_null(dev.doorbell[1]); /* a VM this young may end soon */
	dev.born_ns -= 10000000000;
	for (int i = 0; i < 300; i++)
		set(VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	assert_non_null(dev.doorbell[1]);
	assert_null(dev.doorbell[0]);
	assert_true(dev.irqfd_plus1 > 0);
	pthread_mutex_lock(&dev.lock);
	assert_int_equal(promote_queue(&dev, 1), 0); /* again: nothing */
	assert_int_equal(promote_queue(&dev, 0), 0);
	queue_push(&dev.queue[0], 0, 0);
	virtio_notify_used(&dev, 0);
	pthread_mutex_unlock(&dev.lock);
	assert_int_equal(driver_interrupts(), 0);
	io_stop();
	for (unsigned q = 0; q < 2; q++)
		free(dev.doorbell[q]);
	close(driver_vm.fd);
	close(kvm);
}

/* ---- entropy */

static void entropy(void **state)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	struct virtio_dev *rng = rng_add(&driver_vm);
	uint8_t *bytes;
	unsigned zeroes = 0;

	(void)state;
	assert_int_equal(driver_get(rng, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_RNG);
	driver_start(rng, 0, 16);
	driver_put(0, 0, DRIVER_DATA, 100, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	driver_put(0, 1, DRIVER_DATA + 200, 1 << 20, VRING_DESC_F_WRITE, 0);
	driver_send(rng, 0, 0);
	assert_int_equal(driver_used(0)->idx, 1);
	assert_int_equal(driver_used(0)->ring[0].len, 4096);
	bytes = driver_at(DRIVER_DATA);
	for (unsigned i = 0; i < 100; i++)
		zeroes += !bytes[i];
	assert_true(zeroes < 10);
	assert_int_equal(bytes[100], 0);
	/* a queue's worth at once goes on in the I/O thread */
	for (unsigned i = 0; i < 16; i++) {
		driver_put(0, i, DRIVER_DATA, 16, VRING_DESC_F_WRITE, 0);
		driver_offer(rng, 0, i);
	}
	driver_set(rng, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_true(driver_wait(0, 17));
	driver_put(0, 3, DRIVER_DATA, 16, 0, 0); /* wrong direction */
	driver_send(rng, 0, 3);
	for (int i = 0; i < 5000 && !(driver_get(rng, VIRTIO_MMIO_STATUS) & RESET); i++)
		nanosleep(&ms, NULL);
	assert_true(driver_get(rng, VIRTIO_MMIO_STATUS) & RESET);
	assert_int_equal(driver_used(0)->idx, 17);
	io_stop();
	rng_free(rng);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity),          TEST(odd_accesses),      TEST(configuration),
		TEST(features),          TEST(status_in_order),   TEST(kicks_only_when_live),
		TEST(half_set_up),       TEST(queues_are_frozen), TEST(bad_queues),
		TEST(interrupt_status),  TEST(handed_over),       TEST(promotion),
		TEST(promotion_refused), TEST(entropy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
