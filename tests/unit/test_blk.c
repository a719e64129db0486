// link: vmm/blk.c vmm/blk_request.c vmm/blk_file.c vmm/blk_option.c vmm/virtio.c
// link: vmm/promote.c vmm/queue.c vmm/mem.c tests/unit/driver.c tests/unit/fake_io.c
// libs: -pthread -Wl,--wrap=syscall
/*
 * virtio-blk with an I/O loop of the test's own (fake_io.h), whose operations end when
 * and as the test likes: carried out, short, interrupted, refused, late.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "driver.h"
#include "fake_io.h"
#include "../../vmm/blk.h"
#include "../../vmm/blk_file.h"
#include "../../vmm/io.h"

/* ---- a disk */

#define SECTORS 64
#define STATUS  0x200000 /* where tests have their status byte */
#define HEADER  0x200100
#define RANGE   0x200200

static char path[64];
static struct virtio_dev *disk;
static uint8_t contents[SECTORS * 512 + 100];

static const struct virtio_blk_config *config(void)
{
	return disk->config;
}

static void make_file(const char *dir, size_t size)
{
	int fd;

	snprintf(path, sizeof(path), "%s/test_blk_XXXXXX", dir);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	for (size_t i = 0; i < sizeof(contents); i++)
		contents[i] = (uint8_t)(i * 7 + i / 512);
	assert_int_equal(write(fd, contents, size), size);
	close(fd);
}

#define ALL                                                                  \
	(BIT64(VIRTIO_BLK_F_FLUSH) | BIT64(VIRTIO_BLK_F_DISCARD) |           \
	 BIT64(VIRTIO_BLK_F_WRITE_ZEROES) | BIT64(VIRTIO_RING_F_EVENT_IDX) | \
	 BIT64(VIRTIO_RING_F_INDIRECT_DESC))

static struct virtio_dev *add_disk(const char *value)
{
	struct disk said;

	disk_parse(value, &said);
	return blk_add(&driver_vm, &said, 0);
}

static void start_with(size_t size, const char *suffix, uint64_t features)
{
	char value[80];

	if (!path[0])
		make_file("/tmp", size);
	snprintf(value, sizeof(value), "%s%s", path, suffix);
	driver_new_vm();
	driver_options.cpus = 1;
	disk = add_disk(value);
	driver_start(disk, features & disk->offered, 64);
	npending = syncs = dsyncs = tries = 0;
	no_allocate = 0;
	in_memory = -EOPNOTSUPP;
}

static void start(void)
{
	start_with(SECTORS * 512, "", ALL);
}

static void stop(void)
{
	assert_int_equal(npending, 0);
	blk_free(disk);
	driver_free_vm();
	unlink(path);
	path[0] = 0;
}

static uint8_t *status(void)
{
	return driver_at(STATUS);
}

/* A header and a status byte at their usual places; descriptors 0, 1, 2. */
static void send(uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	struct virtio_blk_outhdr header = { type, 0, sector };

	memcpy(driver_at(HEADER), &header, sizeof(header));
	*status() = 0xee;
	driver_put(0, 0, HEADER, sizeof(header), VRING_DESC_F_NEXT, len ? 1 : 2);
	driver_put(0, 1, DRIVER_DATA, len, VRING_DESC_F_NEXT | (in ? VRING_DESC_F_WRITE : 0), 2);
	driver_put(0, 2, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_send(disk, 0, 0);
}

static int request(uint32_t type, uint64_t sector, uint32_t len, bool in)
{
	uint16_t idx = driver_used(0)->idx;

	send(type, sector, len, in);
	run();
	assert_int_equal((uint16_t)(driver_used(0)->idx - idx), 1);
	return *status();
}

static int range(uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes r = { sector, n, flags };

	memcpy(driver_at(DRIVER_DATA), &r, sizeof(r));
	return request(type, 0, sizeof(r), false);
}

static uint32_t used_len(void)
{
	const struct vring_used *used = driver_used(0);

	return used->ring[(uint16_t)(used->idx - 1) % 64].len;
}

static void file_is(uint64_t offset, const void *what, size_t len)
{
	uint8_t got[4096];
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, got, len, offset), len);
	assert_memory_equal(got, what, len);
	close(fd);
}

static bool broken(void)
{
	return driver_get(disk, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- the tests */

static void configuration(void **state)
{
	(void)state;
	start();
	assert_int_equal(config()->capacity, SECTORS);
	assert_int_equal(config()->blk_size, 512);
	assert_int_equal(config()->seg_max, 126);
	assert_int_equal(config()->num_queues, 1);
	assert_int_equal(config()->physical_block_exp, 3);
	assert_true(disk->offered & BIT64(VIRTIO_BLK_F_CONFIG_WCE));
	assert_false(disk->offered & BIT64(VIRTIO_BLK_F_RO));
	stop();
	start_with(SECTORS * 512 + 1, ",ro", ALL);
	assert_int_equal(config()->capacity, SECTORS + 1);
	assert_true(disk->offered & BIT64(VIRTIO_BLK_F_RO));
	assert_false(disk->offered & BIT64(VIRTIO_BLK_F_DISCARD));
	stop();
}

static void read_and_write(void **state)
{
	(void)state;
	start();
	assert_int_equal(request(VIRTIO_BLK_T_IN, 3, 1024, true), VIRTIO_BLK_S_OK);
	assert_int_equal(used_len(), 1025);
	assert_memory_equal(driver_at(DRIVER_DATA), contents + 3 * 512, 1024);
	assert_int_equal(driver_interrupts(), 1);
	memset(driver_at(DRIVER_DATA), 0x5a, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, SECTORS - 1, 512, false), VIRTIO_BLK_S_OK);
	assert_int_equal(used_len(), 1);
	file_is((SECTORS - 1) * 512, driver_at(DRIVER_DATA), 512);
	assert_int_equal(dsyncs, 0);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0, false), VIRTIO_BLK_S_OK);
	assert_int_equal(syncs, 1);
	stop();
}

/* What the host has in its page cache is there when the doorbell is answered. */
static void at_once(void **state)
{
	(void)state;
	start();
	in_memory = 1 << 20;
	send(VIRTIO_BLK_T_IN, 3, 4096, true);
	assert_int_equal(npending, 0);
	assert_int_equal(*status(), VIRTIO_BLK_S_OK);
	assert_int_equal(used_len(), 4097);
	assert_memory_equal(driver_at(DRIVER_DATA), contents + 3 * 512, 4096);
	in_memory = 1000; /* a part: the rest is waited for */
	send(VIRTIO_BLK_T_IN, 0, 4096, true);
	assert_int_equal(npending, 1);
	assert_int_equal(queue[0].offset, 1000);
	run();
	assert_int_equal(*status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(DRIVER_DATA), contents, 4096);
	in_memory = -EAGAIN;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 5, 512, true), VIRTIO_BLK_S_OK);
	assert_int_equal(tries, 3);
	in_memory = -EOPNOTSUPP; /* not asked again */
	assert_int_equal(request(VIRTIO_BLK_T_IN, 5, 512, true), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 5, 512, true), VIRTIO_BLK_S_OK);
	assert_int_equal(tries, 4);
	stop();
}

/* The header in three pieces, data and status in one buffer. */
static void any_layout(void **state)
{
	struct virtio_blk_outhdr header = { VIRTIO_BLK_T_IN, 0, 5 };

	(void)state;
	start();
	memcpy(driver_at(HEADER), &header, sizeof(header));
	driver_put(0, 0, HEADER, 3, VRING_DESC_F_NEXT, 1);
	driver_put(0, 1, HEADER + 3, 12, VRING_DESC_F_NEXT, 2);
	driver_put(0, 2, HEADER + 15, 1, VRING_DESC_F_NEXT, 3);
	driver_put(0, 3, DRIVER_DATA, 100, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 4);
	driver_put(0, 4, DRIVER_DATA + 100, 413, VRING_DESC_F_WRITE, 0);
	driver_send(disk, 0, 0);
	run();
	assert_memory_equal(driver_at(DRIVER_DATA), contents + 5 * 512, 512);
	assert_int_equal(*(uint8_t *)driver_at(DRIVER_DATA + 512), VIRTIO_BLK_S_OK);
	/* a write with data behind the header in one buffer */
	header = (struct virtio_blk_outhdr){ VIRTIO_BLK_T_OUT, 0, 7 };
	memcpy(driver_at(HEADER), &header, sizeof(header));
	memset(driver_at(HEADER + 16), 0x77, 512);
	driver_put(0, 0, HEADER, 16 + 512, VRING_DESC_F_NEXT, 1);
	driver_put(0, 1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_send(disk, 0, 0);
	run();
	assert_int_equal(*status(), VIRTIO_BLK_S_OK);
	file_is(7 * 512, driver_at(HEADER + 16), 512);
	stop();
}

static void bad_requests(void **state)
{
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t len;
		int status;
	} bad[] = {
		{ VIRTIO_BLK_T_IN, SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, SECTORS - 1, 1024, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, UINT64_MAX, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, UINT64_MAX / 512 + 1, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, 1ull << 63, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_IN, 0, 511, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, SECTORS, 512, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, 0, 513, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_OUT, 0, 1u << 20, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_SECURE_ERASE, 0, 512, VIRTIO_BLK_S_UNSUPP },
		{ 0xffffffff, 0, 512, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_IN, 0, 0, VIRTIO_BLK_S_OK },
		{ VIRTIO_BLK_T_OUT, SECTORS, 0, VIRTIO_BLK_S_OK },
	};

	(void)state;
	start();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		send(bad[i].type, bad[i].sector, bad[i].len, bad[i].type == VIRTIO_BLK_T_IN);
		assert_int_equal(npending, 0);
		assert_int_equal(*status(), bad[i].status);
	}
	assert_false(broken());
	file_is(0, contents, 4096);
	stop();
}

static void without_status_or_header(void **state)
{
	(void)state;
	start();
	driver_put(0, 0, HEADER, 16, 0, 0);
	driver_send(disk, 0, 0);
	assert_true(broken());
	driver_start(disk, ALL & disk->offered, 64);
	assert_false(broken());
	driver_put(0, 0, HEADER, 15, VRING_DESC_F_NEXT, 1);
	driver_put(0, 1, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_send(disk, 0, 0);
	assert_true(broken());
	driver_start(disk, ALL & disk->offered, 64);
	driver_put(0, 0, STATUS, 1, VRING_DESC_F_WRITE, 0);
	driver_send(disk, 0, 0);
	assert_true(broken());
	driver_start(disk, ALL & disk->offered, 64);
	driver_put(0, 0, STATUS, 0, VRING_DESC_F_WRITE, 0); /* an empty chain */
	driver_send(disk, 0, 0);
	assert_true(broken());
	stop();
}

static void read_only(void **state)
{
	(void)state;
	start_with(SECTORS * 512, ",ro", ALL);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	file_is(0, contents, 4096);
	stop();
}

/* QEMU's way: shown, and zeroes where the file has nothing. */
static void partial_last_sector(void **state)
{
	static const uint8_t zero[412];

	(void)state;
	start_with(SECTORS * 512 + 100, "", ALL);
	memset(driver_at(DRIVER_DATA), 0xff, 1024);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS - 1, 1024, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(DRIVER_DATA), contents + (SECTORS - 1) * 512, 612);
	assert_memory_equal(driver_at(DRIVER_DATA + 612), zero, 412);
	memset(driver_at(DRIVER_DATA), 0x33, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, SECTORS, 512, false), VIRTIO_BLK_S_OK);
	file_is(SECTORS * 512, driver_at(DRIVER_DATA), 512);
	stop();
}

static void shrunken_file(void **state)
{
	(void)state;
	start();
	assert_int_equal(truncate(path, 10 * 512), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 8, 512 * 8, true), VIRTIO_BLK_S_IOERR);
	assert_int_equal(used_len(), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 8, 512 * 2, true), VIRTIO_BLK_S_OK);
	stop();
}

static void host_errors(void **state)
{
	static const int error[] = { EIO, ENOSPC, ENOMEM, EBADF, ECANCELED };

	(void)state;
	start();
	for (unsigned i = 0; i < sizeof(error) / sizeof(error[0]); i++) {
		send(VIRTIO_BLK_T_IN, 0, 512, true);
		assert_int_equal(end_with(-error[i]), READV);
		run();
		assert_int_equal(*status(), VIRTIO_BLK_S_IOERR);
		send(VIRTIO_BLK_T_OUT, 0, 512, false);
		assert_int_equal(end_with(-error[i]), WRITEV);
		run();
		assert_int_equal(*status(), VIRTIO_BLK_S_IOERR);
		send(VIRTIO_BLK_T_FLUSH, 0, 0, false);
		assert_int_equal(end_with(-error[i]), SYNC);
		run();
		assert_int_equal(*status(), VIRTIO_BLK_S_IOERR);
	}
	send(VIRTIO_BLK_T_OUT, 0, 512, false); /* nothing written is no success */
	end_with(0);
	run();
	assert_int_equal(*status(), VIRTIO_BLK_S_IOERR);
	send(VIRTIO_BLK_T_IN, 0, 512, true); /* more than asked for */
	end_with(513);
	run();
	assert_int_equal(*status(), VIRTIO_BLK_S_IOERR);
	stop();
}

static void short_transfers(void **state)
{
	struct pending p;

	(void)state;
	start();
	send(VIRTIO_BLK_T_IN, 2, 4096, true);
	end_with(-EINTR);
	assert_int_equal(*status(), 0xee);
	assert_int_equal(queue[0].offset, 1024);
	end_with(-EAGAIN);
	p = queue[0];
	assert_int_equal(preadv(p.fd, p.iov, p.n, p.offset), 4096);
	end_with(1000);
	assert_int_equal(queue[0].offset, 2024);
	assert_int_equal(queue[0].iov[0].iov_len, 3096);
	assert_ptr_equal(queue[0].iov[0].iov_base, driver_at(DRIVER_DATA + 1000));
	end_with(1);
	run();
	assert_int_equal(*status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(DRIVER_DATA), contents + 1024, 4096);
	stop();
}

static void ids(void **state)
{
	(void)state;
	start();
	memset(driver_at(DRIVER_DATA), 0xff, 64);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 64, true), VIRTIO_BLK_S_OK);
	assert_string_equal(driver_at(DRIVER_DATA), "mayfly-disk-0");
	assert_int_equal(*(uint8_t *)driver_at(DRIVER_DATA + 20), 0xff);
	memset(driver_at(DRIVER_DATA), 0xff, 64);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 5, true), VIRTIO_BLK_S_OK);
	assert_memory_equal(driver_at(DRIVER_DATA), "mayfl\xff", 6);
	stop();
}

static void ranges(void **state)
{
	static const uint8_t zero[4096];
	static const struct {
		uint32_t type;
		uint64_t sector;
		uint32_t n, flags;
		int status;
	} bad[] = {
		{ VIRTIO_BLK_T_DISCARD, SECTORS, 1, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, UINT64_MAX, 2, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, 0, 1, 1, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 2, VIRTIO_BLK_S_UNSUPP },
		{ VIRTIO_BLK_T_WRITE_ZEROES, 0, SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
		{ VIRTIO_BLK_T_DISCARD, 0, 0, 0, VIRTIO_BLK_S_OK },
	};

	(void)state;
	start();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(range(bad[i].type, bad[i].sector, bad[i].n, bad[i].flags),
				 bad[i].status);
	/* two ranges where one is allowed */
	assert_int_equal(request(VIRTIO_BLK_T_DISCARD, 0, 32, false), VIRTIO_BLK_S_IOERR);
	file_is(0, contents, 4096);
	for (uint32_t flags = 0; flags < 2; flags++) {
		assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 2 + 8 * flags, 2, flags),
				 VIRTIO_BLK_S_OK);
		file_is(1024 + 4096 * flags, zero, 1024);
	}
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 32, 8, 0), VIRTIO_BLK_S_OK);
	file_is(32 * 512, zero, 4096);
	file_is(40 * 512, contents + 40 * 512, 4096);
	stop();
}

static void zeroes_without_fallocate(void **state)
{
	static const uint8_t zero[4096];

	(void)state;
	start();
	no_allocate = EOPNOTSUPP;
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 8, 8, 0), VIRTIO_BLK_S_OK);
	file_is(8 * 512, zero, 4096);
	file_is(0, contents, 4096);
	file_is(16 * 512, contents + 16 * 512, 4096);
	assert_int_equal(range(VIRTIO_BLK_T_DISCARD, 0, 8, 0), VIRTIO_BLK_S_UNSUPP);
	no_allocate = ENOSPC;
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 0), VIRTIO_BLK_S_IOERR);
	stop();
}

/* More zeroes than one vector of them holds. */
static void many_zeroes(void **state)
{
	struct pending p;
	uint64_t at = 0;

	(void)state;
	make_file("/tmp", 512);
	assert_int_equal(truncate(path, 20 << 20), 0);
	start_with(0, "", ALL);
	no_allocate = EOPNOTSUPP;
	*(struct virtio_blk_discard_write_zeroes *)driver_at(DRIVER_DATA) =
		(struct virtio_blk_discard_write_zeroes){ 0, (20 << 20) / 512, 0 };
	send(VIRTIO_BLK_T_WRITE_ZEROES, 0, 16, false);
	while (npending && queue[0].kind != DEFER) {
		p = next();
		assert_true(p.kind != WRITEV || p.offset == at);
		for (unsigned i = 0; p.kind == WRITEV && i < p.n; i++)
			at += p.iov[i].iov_len;
		p.op->done(p.op, carry_out(&p));
	}
	run();
	assert_int_equal(at, 20 << 20);
	assert_int_equal(*status(), VIRTIO_BLK_S_OK);
	stop();
}

static void write_through(void **state)
{
	uint8_t wce = 0;

	(void)state;
	start_with(SECTORS * 512, "", 0); /* cannot flush */
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_OK);
	assert_int_equal(dsyncs, 1);
	driver_start(disk, ALL | BIT64(VIRTIO_BLK_F_CONFIG_WCE), 64);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_OK);
	assert_int_equal(dsyncs, 1);
	virtio_mmio_write(disk, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, wce), &wce,
			  1);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512, false), VIRTIO_BLK_S_OK);
	assert_int_equal(dsyncs, 2);
	assert_int_equal(syncs, 0);
	assert_int_equal(range(VIRTIO_BLK_T_WRITE_ZEROES, 0, 8, 1), VIRTIO_BLK_S_OK);
	assert_int_equal(syncs, 1);
	/* a reset makes it write-back again, and without CONFIG_WCE it is not writable */
	driver_start(disk, ALL, 64);
	assert_int_equal(config()->wce, 1);
	virtio_mmio_write(disk, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, wce), &wce,
			  1);
	virtio_mmio_write(disk, VIRTIO_MMIO_CONFIG, &wce, 1);
	assert_int_equal(config()->wce, 1);
	assert_int_equal(config()->capacity, SECTORS);
	stop();
}

/* Everything that one round reaps makes one interrupt. */
static void one_interrupt_a_batch(void **state)
{
	struct virtio_blk_outhdr header = { VIRTIO_BLK_T_IN, 0, 1 };

	(void)state;
	start();
	memcpy(driver_at(HEADER), &header, sizeof(header));
	for (unsigned i = 0; i < 16; i++) {
		driver_put(0, 3 * i, HEADER, 16, VRING_DESC_F_NEXT, 3 * i + 1);
		driver_put(0, 3 * i + 1, DRIVER_DATA + 512 * i, 512,
			   VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 3 * i + 2);
		driver_put(0, 3 * i + 2, STATUS + i, 1, VRING_DESC_F_WRITE, 0);
		driver_offer(disk, 0, 3 * i);
	}
	driver_set(disk, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(npending, 16);
	run();
	assert_int_equal(driver_used(0)->idx, 16);
	assert_int_equal(driver_interrupts(), 1);
	for (unsigned i = 0; i < 16; i++)
		assert_memory_equal(driver_at(DRIVER_DATA + 512 * i), contents + 512, 512);
	stop();
}

/* A chain with more data buffers than seg_max allows. */
static void too_many_segments(void **state)
{
	struct virtio_blk_outhdr header = { VIRTIO_BLK_T_IN, 0, 0 };
	struct vring_desc *table;

	(void)state;
	start();
	table = driver_at(RANGE);
	memcpy(driver_at(HEADER), &header, sizeof(header));
	for (unsigned i = 0; i < 200; i++)
		table[i] = (struct vring_desc){ DRIVER_DATA + 512 * i, 512,
						VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, i + 1 };
	table[0] = (struct vring_desc){ HEADER, 16, VRING_DESC_F_NEXT, 1 };
	table[199] = (struct vring_desc){ STATUS, 1, VRING_DESC_F_WRITE, 0 };
	*status() = 0xee;
	driver_put(0, 0, RANGE, 200 * sizeof(*table), VRING_DESC_F_INDIRECT, 0);
	driver_send(disk, 0, 0);
	assert_int_equal(npending, 0);
	assert_int_equal(*status(), VIRTIO_BLK_S_IOERR);
	stop();
}

static void *reset_it(void *unused)
{
	(void)unused;
	driver_set(disk, VIRTIO_MMIO_STATUS, 0);
	return NULL;
}

/* The reset ends when the host no longer writes to the guest's memory, and
 * nothing is told to a driver that is gone. */
static void reset_in_flight(void **state)
{
	pthread_t thread;

	(void)state;
	start();
	send(VIRTIO_BLK_T_IN, 0, 512, true);
	assert_int_equal(npending, 1);
	pthread_create(&thread, NULL, reset_it, NULL);
	usleep(50000);
	pthread_mutex_lock(&disk->lock);
	assert_int_equal(disk->status, 0);
	pthread_mutex_unlock(&disk->lock);
	assert_int_equal(pthread_tryjoin_np(thread, NULL), EBUSY);
	end_with(-EINTR); /* not given again */
	pthread_join(thread, NULL);
	assert_int_equal(npending, 0);
	assert_int_equal(*status(), 0xee);
	assert_int_equal(driver_used(0)->idx, 0);
	assert_int_equal(driver_interrupts(), 0);
	driver_start(disk, ALL & disk->offered, 64);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	stop();
}

/* The driver breaks a rule while a good request is in flight. */
static void broken_in_flight(void **state)
{
	(void)state;
	start();
	send(VIRTIO_BLK_T_IN, 0, 512, true);
	driver_send(disk, 0, 0); /* the same head again */
	assert_true(broken());
	run();
	assert_int_equal(driver_used(0)->idx, 0);
	driver_start(disk, ALL & disk->offered, 64);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512, true), VIRTIO_BLK_S_OK);
	stop();
}

/* ---- opening: in a process of its own, as it may end it */

static int opens(const char *value)
{
	int status_of;
	pid_t pid = fork();

	if (pid == 0) {
		driver_new_vm();
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		add_disk(value);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status_of, 0), pid);
	return WEXITSTATUS(status_of);
}

static void opening(void **state)
{
	char ro[80];

	(void)state;
	assert_int_equal(opens("/nonexistent"), EXIT_VMM);
	assert_int_equal(opens("/tmp"), EXIT_VMM);
	assert_int_equal(opens("/dev/null"), EXIT_VMM);
	make_file("/tmp", 0);
	assert_int_equal(opens(path), EXIT_VMM); /* empty */
	unlink(path);
	make_file("/tmp", 512);
	snprintf(ro, sizeof(ro), "%s,ro", path);
	assert_int_equal(opens(path), 0);
	assert_int_equal(opens(ro), 0);
	start_with(0, "", ALL); /* a writer: nobody else */
	assert_int_equal(opens(path), EXIT_VMM);
	assert_int_equal(opens(ro), EXIT_VMM);
	stop();
	start_with(512, ",ro", ALL); /* a reader: other readers */
	snprintf(ro, sizeof(ro), "%s,ro", path);
	assert_int_equal(opens(path), EXIT_VMM);
	assert_int_equal(opens(ro), 0);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(configuration),
		cmocka_unit_test(read_and_write),
		cmocka_unit_test(at_once),
		cmocka_unit_test(any_layout),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(without_status_or_header),
		cmocka_unit_test(read_only),
		cmocka_unit_test(partial_last_sector),
		cmocka_unit_test(shrunken_file),
		cmocka_unit_test(host_errors),
		cmocka_unit_test(short_transfers),
		cmocka_unit_test(ids),
		cmocka_unit_test(ranges),
		cmocka_unit_test(zeroes_without_fallocate),
		cmocka_unit_test(many_zeroes),
		cmocka_unit_test(write_through),
		cmocka_unit_test(one_interrupt_a_batch),
		cmocka_unit_test(too_many_segments),
		cmocka_unit_test(reset_in_flight),
		cmocka_unit_test(broken_in_flight),
		cmocka_unit_test(opening),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
