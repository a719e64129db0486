// link: vmm/blk.c vmm/blk_request.c vmm/blk_file.c vmm/blk_option.c vmm/virtio.c
// link: vmm/promote.c vmm/queue.c vmm/mem.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: tests/unit/driver.c
// libs: -luring -pthread
/*
 * A hostile driver against a disk: requests of any kind in any order and
 * layout, registers, resets with requests in flight, with the real I/O loop
 * and a file of 64 KiB and a half sector. Guest memory is exactly as large as the VM is
 * told, so that the address sanitizer sees any access outside of it; the file
 * does not grow beyond its last sector; each input comes to its end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>
#include "input.h"
#include "../unit/driver.h"
#include "../../vmm/blk.h"
#include "../../vmm/blk_file.h"
#include "../../vmm/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_SIZE  (65536 + 256)
#define FILE_LIMIT (65536 + 512)

enum {
	OP_START, /* features: 2 bytes, size */
	OP_REQUEST, /* slot, type, sector: 2 bytes, length in sectors, layout */
	OP_KICK,
	OP_REGISTER, /* register / 4, value: 4 bytes */
	OP_PUT, /* index, gpa: 3 bytes, len: 4 bytes, flags, next */
	OP_OFFER, /* head */
	OP_POKE, /* gpa: 3 bytes, value */
	OP_CONFIG, /* offset, value */
	OP_WAIT, /* for what is in flight: a reset */
	OP_COUNT
};

/* A request that is nearly good, from slot: header and status of its own. */
static void request(struct input *in, struct virtio_dev *dev)
{
	unsigned slot = take(in, 1) % 16, type = take(in, 1) % 16;
	uint64_t sector = take(in, 2), len = take(in, 1) * 512;
	uint8_t layout = take(in, 1);
	uint32_t header = 0x20000 + slot * 64, flags = layout & 1 ? VRING_DESC_F_WRITE : 0;
	struct virtio_blk_outhdr h = { type, 0, sector };

	if (layout & 2)
		h.sector <<= 48;
	memcpy(driver_at(header), &h, sizeof(h));
	driver_put(0, slot * 4, header, 16 + (layout >> 4), VRING_DESC_F_NEXT, slot * 4 + 1);
	driver_put(0, slot * 4 + 1, 0x20000 + (layout & 4 ? 0x1f000 : 0), len,
		   VRING_DESC_F_NEXT | flags, slot * 4 + 2);
	driver_put(0, slot * 4 + 2, header + 48, 1 + (layout & 8 ? 511 : 0), VRING_DESC_F_WRITE, 0);
	driver_offer(dev, 0, slot * 4);
}

static void put(struct input *in)
{
	uint8_t index = take(in, 1);
	uint64_t gpa = take(in, 3);
	uint32_t len = take(in, 4);
	uint8_t flags = take(in, 1);

	driver_put(0, index % 64, gpa, len, flags, take(in, 1));
}

static void step(struct input *in, struct virtio_dev *dev)
{
	uint64_t a, b;

	switch (take(in, 1) % OP_COUNT) {
	case OP_START:
		a = take(in, 2);
		driver_start(dev, (a << 5 | a << 22) & dev->offered, 64u >> take(in, 1) % 4);
		break;
	case OP_REQUEST:
		request(in, dev);
		break;
	case OP_KICK:
		driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		break;
	case OP_REGISTER:
		a = take(in, 1) % 64 * 4;
		driver_set(dev, a, take(in, 4));
		break;
	case OP_PUT:
		put(in);
		break;
	case OP_OFFER:
		driver_offer(dev, 0, take(in, 1));
		break;
	case OP_POKE:
		a = take(in, 3) % DRIVER_MEM;
		*(uint8_t *)driver_at(a) = take(in, 1);
		break;
	case OP_CONFIG:
		a = take(in, 1);
		b = take(in, 1);
		virtio_mmio_write(dev, VIRTIO_MMIO_CONFIG + a, &b, 1);
		break;
	case OP_WAIT:
		driver_set(dev, VIRTIO_MMIO_STATUS, 0);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int file = -1;
	struct input in = { data, size };
	struct virtio_dev *dev;
	struct disk disk;
	struct stat st;
	char value[64], name[] = "/tmp/fuzz_blk_XXXXXX";

	if (file < 0) {
		file = mkstemp(name); /* memory files know no RWF_NOWAIT */
		unlink(name);
	}
	if (ftruncate(file, FILE_SIZE))
		abort();
	driver_new_vm();
	driver_options.cpus = 1;
	driver_options.verbose = true;
	snprintf(value, sizeof(value), "/proc/self/fd/%d%s", file, size % 4 ? "" : ",ro");
	disk_parse(value, &disk);
	dev = blk_add(&driver_vm, &disk, 0);
	driver_start(dev, dev->offered, 64);
	while (in.left)
		step(&in, dev);
	driver_set(dev, VIRTIO_MMIO_STATUS, 0); /* waits for what is in flight */
	io_stop();
	blk_free(dev);
	driver_free_vm();
	if (fstat(file, &st) || st.st_size > FILE_LIMIT)
		abort();
	return 0;
}
