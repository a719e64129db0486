// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/io.c vmm/io_ring.c vmm/io_poll.c vmm/mem.c
// link: vmm/net.c vmm/net_rx.c vmm/net_tx.c vmm/net_ctrl.c vmm/net_iov.c vmm/net_csum.c
// link: net/pcap.c tests/unit/driver.c
// libs: -luring -pthread
/*
 * A hostile driver, and any traffic, against network devices: one with a
 * header and two pairs of queues, as a tap, and one without, as the user
 * network. Their other ends are here. Guest memory is exactly as large as the
 * VM is told, so that the address sanitizer sees any access outside of it,
 * and each input must come to its end.
 *
 * Input: a sequence of operations, a byte each with its operands behind it.
 * The highest bit of an operation's byte chooses the device, the next three
 * the queue.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include "input.h"
#include "../unit/driver.h"
#include "../../vmm/io.h"
#include "../../vmm/net.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_START, /* features: 4 bytes, size */
	OP_REGISTER, /* register / 4, value: 4 bytes */
	OP_KICK,
	OP_POKE, /* gpa: 3 bytes, count, then the bytes */
	OP_PUT, /* index, gpa: 3 bytes, len: 4 bytes, flags, next */
	OP_OFFER, /* head */
	OP_POST, /* head, gpa / 64: 2 bytes: a writable buffer of 2 KiB, offered */
	OP_CONTROL, /* request: 4 bytes */
	OP_FRAME, /* len: 2 bytes, fill: comes from outside */
	OP_DRAIN, /* takes what was sent */
	OP_HANG_UP,
	OP_MOVE, /* who moves the frames, of both devices: net_move() */
	OP_COUNT
};

struct side {
	struct virtio_dev *dev;
	struct net_backend backend;
	int other[2];
};

static void set_up(struct side *side, bool header, unsigned pairs)
{
	static const struct net_option option = { .kind = NET_TAP, .tap = "fuzz" };
	const int small = 8192;

	side->backend = (struct net_backend){ .nfds = pairs,
					      .vnet_header = header,
					      .offloads = 0x3f83, /* all of 5.1.3 */
					      .mtu = 1500,
					      .name = "fuzz" };
	for (unsigned i = 0; i < pairs; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair))
			abort();
		setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
		side->backend.fd[i] = pair[0];
		side->other[i] = pair[1];
	}
	side->dev = net_add(&driver_vm, &side->backend, &option, 0);
}

static void tear_down(struct side *side)
{
	net_free(side->dev);
	for (unsigned i = 0; i < side->backend.nfds; i++) {
		close(side->backend.fd[i]);
		if (side->other[i] >= 0)
			close(side->other[i]);
	}
}

static void poke(struct input *in)
{
	uint32_t gpa = take(in, 3) % DRIVER_MEM, count = take(in, 1);

	for (uint32_t i = 0; i < count && gpa + i < DRIVER_MEM; i++)
		*(uint8_t *)driver_at(gpa + i) = take(in, 1);
}

static void put(struct input *in, unsigned q)
{
	unsigned index = take(in, 1) % 64;
	uint64_t gpa = take(in, 3);
	uint32_t len = take(in, 4);
	uint8_t flags = take(in, 1);

	driver_put(q, index, gpa, len, flags, take(in, 1));
}

static void post(struct input *in, struct virtio_dev *dev, unsigned q)
{
	unsigned head = take(in, 1) % 64;

	driver_put(q, head, take(in, 2) * 64, 2048, VRING_DESC_F_WRITE, 0);
	driver_send(dev, q, head);
}

static void control(struct input *in, struct virtio_dev *dev, unsigned q)
{
	uint32_t request = take(in, 4);

	memcpy(driver_at(0x8000), &request, sizeof(request));
	driver_put(q, 0, 0x8000, sizeof(request), VRING_DESC_F_NEXT, 1);
	driver_put(q, 1, 0x8010, 1, VRING_DESC_F_WRITE, 0);
	driver_send(dev, q, 0);
}

static void frame(struct input *in, int fd)
{
	static uint8_t bytes[65536];
	uint32_t len = take(in, 2);

	memset(bytes, (int)take(in, 1), len);
	if (fd >= 0 && send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

static void drain(int fd)
{
	static uint8_t bytes[65536];

	while (fd >= 0 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void hang_up(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void step(struct input *in, struct side *sides)
{
	uint8_t op = take(in, 1);
	struct side *side = &sides[op >> 7];
	struct virtio_dev *dev = side->dev;
	const unsigned q = (op >> 4) % 8, pair = q / 2 % side->backend.nfds;
	uint64_t value;

	switch (op % 16 % OP_COUNT) {
	case OP_START:
		value = take(in, 4);
		driver_start(dev, value & (dev->offered | 1), 1u << take(in, 1) % 7);
		break;
	case OP_REGISTER:
		value = take(in, 1) % 64 * 4;
		driver_set(dev, (unsigned)value, (uint32_t)take(in, 4));
		break;
	case OP_KICK:
		driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, q);
		break;
	case OP_POKE:
		poke(in);
		break;
	case OP_PUT:
		put(in, q);
		break;
	case OP_OFFER:
		driver_offer(dev, q, (unsigned)take(in, 1));
		break;
	case OP_POST:
		post(in, dev, q);
		break;
	case OP_CONTROL:
		control(in, dev, q);
		break;
	case OP_FRAME:
		frame(in, side->other[pair]);
		break;
	case OP_DRAIN:
		drain(side->other[pair]);
		break;
	case OP_MOVE:
		net_move(&driver_vm, (enum net_mover)(take(in, 1) % 3));
		break;
	case OP_HANG_UP:
		hang_up(&side->other[pair]);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct side sides[2];

	signal(SIGPIPE, SIG_IGN);
	driver_new_vm();
	driver_options.verbose = true;
	driver_options.hostname = "fuzz";
	set_up(&sides[0], true, 2);
	set_up(&sides[1], false, 1);
	while (in.left)
		step(&in, sides);
	io_stop();
	tear_down(&sides[0]);
	tear_down(&sides[1]);
	driver_free_vm();
	return 0;
}
