// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: vmm/mem.c vmm/rng.c vmm/console.c vmm/stream.c tests/unit/driver.c
// libs: -luring -pthread
/*
 * A hostile driver: any register accesses and any memory contents against a
 * console and an entropy device. Guest memory is exactly as large as the VM
 * is told, so that the address sanitizer sees any access outside of it, and
 * each input must come to its end.
 *
 * Input: a sequence of operations, a byte each with its operands behind it.
 * The upper half of an operation's byte chooses the device.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <linux/virtio_mmio.h>
#include "input.h"
#include "../unit/driver.h"
#include "../../vmm/console.h"
#include "../../vmm/io.h"
#include "../../vmm/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_START, /* features, size */
	OP_REGISTER, /* register / 4, value: 4 bytes */
	OP_KICK, /* queue */
	OP_TOUCH, /* offset: 2 bytes, length and direction, then the bytes */
	OP_POKE, /* gpa: 3 bytes, count, then the bytes */
	OP_PUT, /* queue and index, gpa: 3 bytes, len: 4 bytes, flags, next */
	OP_OFFER, /* queue, head */
	OP_READ, /* register / 4 */
	OP_COUNT
};

static void touch(struct input *in, struct virtio_dev *dev)
{
	uint64_t offset = take(in, 2) % VIRTIO_MMIO_SIZE, bytes = 0;
	uint8_t how = take(in, 1);
	uint32_t len = 1u << how % 4;

	if (how & 0x80) {
		virtio_mmio_read(dev, offset, &bytes, len);
		return;
	}
	bytes = take(in, len);
	virtio_mmio_write(dev, offset, &bytes, len);
}

static void poke(struct input *in)
{
	uint32_t gpa = take(in, 3) % DRIVER_MEM, count = take(in, 1);

	for (uint32_t i = 0; i < count && gpa + i < DRIVER_MEM; i++)
		*(uint8_t *)driver_at(gpa + i) = take(in, 1);
}

static void put(struct input *in)
{
	uint8_t where = take(in, 1);
	uint64_t gpa = take(in, 3);
	uint32_t len = take(in, 4);
	uint8_t flags = take(in, 1);

	driver_put(where >> 7, where % 64, gpa, len, flags, take(in, 1));
}

static void step(struct input *in, struct virtio_dev *const *devices, unsigned n)
{
	uint8_t op = take(in, 1);
	struct virtio_dev *dev = devices[(op >> 4) % n];
	unsigned reg;

	switch (op % 16 % OP_COUNT) {
	case OP_START:
		reg = take(in, 1);
		driver_start(dev, take(in, 1) << 24, 1u << reg % 7);
		break;
	case OP_REGISTER:
		reg = take(in, 1) % 64 * 4;
		driver_set(dev, reg, take(in, 4));
		break;
	case OP_KICK:
		driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, take(in, 1));
		break;
	case OP_TOUCH:
		touch(in, dev);
		break;
	case OP_POKE:
		poke(in);
		break;
	case OP_PUT:
		put(in);
		break;
	case OP_OFFER:
		reg = take(in, 1);
		driver_offer(dev, reg % 2, take(in, 1));
		break;
	case OP_READ:
		driver_get(dev, take(in, 1) % 64 * 4);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int null = -1, zero = -1;
	struct input in = { data, size };
	struct virtio_dev *devices[3];

	if (null < 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	}
	driver_new_vm();
	driver_options.verbose = true;
	devices[0] = console_add(&driver_vm, zero, null, true);
	devices[1] = rng_add(&driver_vm);
	devices[2] = console_add(&driver_vm, null, null, false);
	while (in.left)
		step(&in, devices, 3);
	console_drain(&driver_vm);
	io_stop();
	console_free(devices[0]);
	rng_free(devices[1]);
	console_free(devices[2]);
	driver_free_vm();
	return 0;
}
