// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/io.c vmm/io_ring.c vmm/io_poll.c vmm/mem.c
// link: vmm/net.c vmm/net_rx.c vmm/net_tx.c vmm/net_ctrl.c vmm/net_iov.c vmm/net_csum.c
// link: net/pcap.c tests/unit/driver.c
// libs: -luring -pthread
/* The network device, with a socketpair for a tap or for the user network. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "driver.h"
#include "../../vmm/io.h"
#include "../../vmm/net.h"

#define RX     0
#define TX     1
#define HDR    12
#define RING   16
#define MERGE  BIT64(VIRTIO_NET_F_MRG_RXBUF)
#define TSO    (BIT64(VIRTIO_NET_F_GUEST_CSUM) | BIT64(VIRTIO_NET_F_GUEST_TSO4))
#define MQ     (BIT64(VIRTIO_NET_F_CTRL_VQ) | BIT64(VIRTIO_NET_F_MQ))
#define STATUS BIT64(VIRTIO_NET_F_STATUS)
#define WRITE  VRING_DESC_F_WRITE
#define NEXT   VRING_DESC_F_NEXT

static struct virtio_dev *dev;
static int host[NET_PAIRS_MAX]; /* the other ends */
static struct net_backend backend;
static uint64_t told_offloads;
static unsigned told_queues;

static void set_offloads(struct net_backend *b, uint64_t features)
{
	(void)b;
	told_offloads = features;
}

static void set_queues(struct net_backend *b, unsigned n)
{
	(void)b;
	told_queues = n;
}

static void start_backend(bool header, unsigned pairs)
{
	static const struct net_option option = { .kind = NET_TAP, .tap = "test" };

	driver_new_vm();
	driver_options.hostname = "host";
	told_offloads = told_queues = 0;
	backend = (struct net_backend){ .nfds = pairs,
					.vnet_header = header,
					.offloads = TSO | BIT64(VIRTIO_NET_F_CSUM),
					.set_offloads = set_offloads,
					.set_queues = set_queues,
					.name = "tap test" };
	for (unsigned i = 0; i < pairs; i++) {
		int pair[2];

		assert_int_equal(
			socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
			0);
		backend.fd[i] = pair[0];
		host[i] = pair[1];
	}
	dev = net_add(&driver_vm, &backend, &option, 0);
}

static int tap(void **state)
{
	(void)state;
	start_backend(true, 1);
	return 0;
}

static int tap_of_two(void **state)
{
	(void)state;
	start_backend(true, 2);
	return 0;
}

static int plain(void **state)
{
	(void)state;
	start_backend(false, 1);
	return 0;
}

static int polled_tap(void **state)
{
	io_use_poll();
	return tap(state);
}

static int end(void **state)
{
	(void)state;
	io_stop();
	net_free(dev);
	for (unsigned i = 0; i < backend.nfds; i++) {
		close(backend.fd[i]);
		if (host[i] >= 0)
			close(host[i]);
	}
	driver_free_vm();
	return 0;
}

/* ---- both sides */

/* What the host gets within 5 s, or -1. */
static ssize_t host_gets(unsigned pair, void *data, size_t size)
{
	struct pollfd p = { .fd = host[pair], .events = POLLIN };

	if (poll(&p, 1, 5000) != 1)
		return -1;
	return read(host[pair], data, size);
}

static bool host_gets_nothing(void)
{
	struct pollfd p = { .fd = host[0], .events = POLLIN };

	return poll(&p, 1, 50) == 0;
}

static void host_sends(unsigned pair, const void *data, size_t len)
{
	assert_int_equal(write(host[pair], data, len), len);
}

static void fill(uint8_t *data, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

static bool broken(void)
{
	return driver_get(dev, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

static uint16_t link_status(void)
{
	uint16_t status;

	virtio_mmio_read(dev, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_net_config, status),
			 &status, sizeof(status));
	return status;
}

static bool wait_for_link(uint16_t status)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 5000 && link_status() != status; i++)
		nanosleep(&ms, NULL);
	return link_status() == status;
}

/* A frame of one descriptor with `hdr` in front, or zeroes. */
static void put_frame(unsigned i, const struct virtio_net_hdr_v1 *hdr, const void *data,
		      uint32_t len)
{
	const uint64_t gpa = DRIVER_DATA + i * 0x20000ull;

	memset(driver_at(gpa), 0, HDR);
	if (hdr)
		memcpy(driver_at(gpa), hdr, HDR);
	memcpy(driver_at(gpa + HDR), data, len);
	driver_put(TX, i, gpa, HDR + len, 0, 0);
}

static uint64_t rx_gpa(unsigned i)
{
	return DRIVER_DATA + i * 0x4000ull;
}

/* Posts receive buffer i of `len` bytes. */
static void post(unsigned i, uint32_t len)
{
	memset(driver_at(rx_gpa(i)), 0xee, len + 64);
	driver_put(RX, i, rx_gpa(i), len, WRITE, 0);
	driver_offer(dev, RX, i);
}

static void ring(unsigned q)
{
	driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

static const struct virtio_net_hdr_v1 *header_at(unsigned i)
{
	return driver_at(rx_gpa(i));
}

/* ---- what is offered */

static void offers(void **state)
{
	uint8_t mac[6];

	(void)state;
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_DEVICE_ID), 1);
	assert_true(dev->offered & BIT64(VIRTIO_NET_F_GUEST_TSO4));
	assert_false(dev->offered & MQ);
	assert_false(dev->offered & BIT64(VIRTIO_NET_F_MTU));
	virtio_mmio_read(dev, VIRTIO_MMIO_CONFIG, mac, 4);
	virtio_mmio_read(dev, VIRTIO_MMIO_CONFIG + 4, mac + 4, 2);
	assert_memory_equal(mac, net_mac(dev), 6);
	assert_int_equal(mac[0], 2);
	assert_int_equal(link_status(), VIRTIO_NET_S_LINK_UP);
	assert_int_equal(dev->ops->nqueues, 2);
}

static void offers_without_header(void **state)
{
	(void)state;
	assert_true(dev->offered & BIT64(VIRTIO_NET_F_CSUM));
	assert_false(dev->offered & BIT64(VIRTIO_NET_F_GUEST_TSO4));
	assert_false(dev->offered & BIT64(VIRTIO_NET_F_HOST_TSO4));
}

static void default_addresses(void **state)
{
	struct net_option option = { .kind = NET_TAP, .tap = "test" };
	struct net_backend none = { .nfds = 1, .fd = { -1 } };
	struct virtio_dev *other;

	(void)state;
	other = net_add(&driver_vm, &none, &option, 0);
	assert_memory_equal(net_mac(dev), net_mac(other), 6);
	net_free(other);
	other = net_add(&driver_vm, &none, &option, 1);
	assert_memory_not_equal(net_mac(dev), net_mac(other), 6);
	net_free(other);
	strcpy(option.tap, "test2");
	other = net_add(&driver_vm, &none, &option, 0);
	assert_memory_not_equal(net_mac(dev), net_mac(other), 6);
	net_free(other);
	driver_options.hostname = "other";
	strcpy(option.tap, "test");
	other = net_add(&driver_vm, &none, &option, 0);
	assert_memory_not_equal(net_mac(dev), net_mac(other), 6);
	net_free(other);
}

static void offloads_are_told(void **state)
{
	(void)state;
	driver_start(dev, TSO | MERGE, RING);
	ring(RX);
	assert_true(told_offloads & BIT64(VIRTIO_NET_F_GUEST_TSO4));
	driver_start(dev, MERGE, RING);
	ring(RX);
	assert_false(told_offloads & TSO);
}

/* ---- frames to the host */

static void sends(void **state)
{
	struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 34 };
	uint8_t data[1514], got[2000];

	(void)state;
	fill(data, sizeof(data), 1);
	driver_start(dev, 0, RING);
	put_frame(0, &hdr, data, sizeof(data));
	driver_send(dev, TX, 0);
	assert_int_equal(host_gets(0, got, sizeof(got)), HDR + sizeof(data));
	assert_memory_equal(got, &hdr, HDR); /* as it is */
	assert_memory_equal(got + HDR, data, sizeof(data));
	assert_int_equal(driver_used(TX)->idx, 1);
	assert_int_equal(driver_used(TX)->ring[0].len, 0);
	assert_int_equal(driver_interrupts(), 1);
}

static void sends_pieces(void **state)
{
	static const uint32_t cut[] = { 1, 5, 6, 13, 0, 1, 100, 1400 };
	const unsigned n = sizeof(cut) / sizeof(cut[0]);
	uint8_t data[1600], got[2000];
	uint32_t at = 0;

	(void)state;
	fill(data, sizeof(data), 2);
	memcpy(driver_at(DRIVER_DATA), data, sizeof(data));
	driver_start(dev, 0, RING);
	for (unsigned i = 0; i < n; i++) {
		driver_put(TX, i, DRIVER_DATA + at, cut[i], i + 1 < n ? NEXT : 0, i + 1);
		at += cut[i];
	}
	driver_send(dev, TX, 0);
	assert_int_equal(host_gets(0, got, sizeof(got)), at);
	assert_memory_equal(got, data, at);
}

/* Many more than one turn of work, and in order. */
static void keeps_order(void **state)
{
	uint32_t got[4];

	(void)state;
	driver_start(dev, 0, 64);
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t i = 0; i < 64; i++) {
			const uint32_t number = round * 64 + i;

			memset(driver_at(DRIVER_DATA + i * 64), 0, HDR);
			memcpy(driver_at(DRIVER_DATA + i * 64 + HDR), &number, 4);
			driver_put(TX, i, DRIVER_DATA + i * 64, HDR + 4, 0, 0);
			driver_offer(dev, TX, i);
		}
		ring(TX);
		for (uint32_t i = 0; i < 64; i++) {
			assert_int_equal(host_gets(0, got, sizeof(got)), HDR + 4);
			assert_int_equal(got[3], round * 64 + i);
		}
		assert_true(driver_wait(TX, (uint16_t)((round + 1) * 64)));
	}
}

/* The host takes nothing for a while: frames wait, nothing is lost. */
static void waits_for_the_host(void **state)
{
	static uint8_t data[30000], got[40000];
	uint16_t sent;

	(void)state;
	driver_start(dev, 0, RING);
	for (unsigned i = 0; i < RING; i++) {
		fill(data, sizeof(data), (uint8_t)i);
		put_frame(i, NULL, data, sizeof(data));
		driver_offer(dev, TX, i);
	}
	ring(TX);
	sent = driver_used(TX)->idx;
	assert_true(sent > 0 && sent < RING);
	for (unsigned i = 0; i < RING; i++) {
		fill(data, sizeof(data), (uint8_t)i);
		assert_int_equal(host_gets(0, got, sizeof(got)), HDR + sizeof(data));
		assert_memory_equal(got + HDR, data, sizeof(data));
	}
	assert_true(driver_wait(TX, RING));
}

/* A reset takes back what waits; its memory is not touched or sent. */
static void reset_while_waiting(void **state)
{
	static uint8_t data[30000], got[40000];
	unsigned before;

	(void)state;
	fill(data, sizeof(data), 1);
	driver_start(dev, 0, RING);
	for (unsigned i = 0; i < RING; i++) {
		put_frame(i, NULL, data, sizeof(data));
		driver_offer(dev, TX, i);
	}
	ring(TX);
	before = driver_used(TX)->idx;
	assert_true(before < RING);
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	for (unsigned i = 0; i < before; i++)
		assert_int_equal(host_gets(0, got, sizeof(got)), HDR + sizeof(data));
	assert_true(host_gets_nothing());
	assert_int_equal(driver_used(TX)->idx, before);
	driver_start(dev, 0, RING);
	put_frame(0, NULL, data, 100);
	driver_send(dev, TX, 0);
	assert_int_equal(host_gets(0, got, sizeof(got)), HDR + 100);
	assert_true(driver_wait(TX, 1));
}

/* What was handed over before the end is sent, doorbell or not. */
static void sends_at_the_end(void **state)
{
	uint8_t got[100];

	(void)state;
	driver_start(dev, 0, RING);
	for (unsigned i = 0; i < 3; i++) {
		put_frame(i, NULL, &i, sizeof(i));
		driver_offer(dev, TX, i);
	}
	net_drain(&driver_vm);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(host_gets(0, got, sizeof(got)), HDR + sizeof(i));
	assert_true(host_gets_nothing());
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	net_drain(&driver_vm);
}

/* ---- checksums, without a header */

static uint16_t reference_sum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Frames of `len` bytes cut in two at each place. */
static void completes_checksums(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					       .csum_start = 34,
					       .csum_offset = 6 };
	uint8_t data[77], want[77], got[100];
	uint16_t sum;

	(void)state;
	fill(data, sizeof(data), 3);
	memcpy(want, data, sizeof(data));
	sum = reference_sum(data + 34, sizeof(data) - 34);
	want[40] = (uint8_t)(sum >> 8);
	want[41] = (uint8_t)sum;
	driver_start(dev, BIT64(VIRTIO_NET_F_CSUM), RING);
	for (uint32_t cut = 1; cut < HDR + sizeof(data); cut++) {
		put_frame(0, &hdr, data, sizeof(data));
		driver_put(TX, 0, DRIVER_DATA, cut, NEXT, 1);
		driver_put(TX, 1, DRIVER_DATA + cut, HDR + sizeof(data) - cut, 0, 0);
		driver_send(dev, TX, 0);
		assert_int_equal(host_gets(0, got, sizeof(got)), sizeof(data));
		assert_memory_equal(got, want, sizeof(data));
		/* the driver's memory is as it was */
		assert_memory_equal(driver_at(DRIVER_DATA + HDR), data, sizeof(data));
	}
}

static void zero_becomes_ones(void **state)
{
	const struct virtio_net_hdr_v1 hdr = { .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM };
	uint8_t data[20] = { 0xff, 0xff }, got[100];

	(void)state;
	driver_start(dev, BIT64(VIRTIO_NET_F_CSUM), RING);
	put_frame(0, &hdr, data, sizeof(data));
	driver_send(dev, TX, 0);
	assert_int_equal(host_gets(0, got, sizeof(got)), sizeof(data));
	assert_int_equal(got[0], 0xff);
	assert_int_equal(got[1], 0xff);
}

static void headers_that_lie(void **state)
{
	static const struct virtio_net_hdr_v1 hdr[] = {
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 59 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 65535 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 65535 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 65535, .csum_offset = 65535 },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 10 },
	};
	const unsigned n = sizeof(hdr) / sizeof(hdr[0]);
	uint8_t data[60] = { 0 };

	(void)state;
	driver_start(dev, BIT64(VIRTIO_NET_F_CSUM), RING);
	for (unsigned i = 0; i < n; i++) {
		put_frame(i, &hdr[i], data, sizeof(data));
		driver_send(dev, TX, i);
	}
	assert_true(driver_wait(TX, (uint16_t)n));
	assert_true(host_gets_nothing());
	put_frame(n, NULL, data, 0); /* no frame at all */
	driver_send(dev, TX, n);
	assert_true(driver_wait(TX, (uint16_t)(n + 1)));
	assert_true(host_gets_nothing());
	assert_false(broken());
}

/* ---- frames from the host */

static void receives(void **state)
{
	uint8_t frame[HDR + 1514];

	(void)state;
	fill(frame, sizeof(frame), 4);
	driver_start(dev, MERGE, RING);
	for (unsigned i = 0; i < RING; i++)
		post(i, 2048);
	ring(RX);
	assert_int_equal(driver_used(RX)->idx, 0);
	for (unsigned i = 0; i < RING; i++) {
		frame[HDR] = (uint8_t)i;
		host_sends(0, frame, sizeof(frame));
	}
	assert_true(driver_wait(RX, RING));
	for (unsigned i = 0; i < RING; i++) {
		assert_int_equal(driver_used(RX)->ring[i].id, i);
		assert_int_equal(driver_used(RX)->ring[i].len, sizeof(frame));
		assert_int_equal(header_at(i)->num_buffers, 1);
		assert_memory_equal(driver_at(rx_gpa(i)), frame, 10);
		frame[HDR] = (uint8_t)i;
		assert_memory_equal(driver_at(rx_gpa(i) + HDR), frame + HDR, 1514);
		assert_int_equal(*(uint8_t *)driver_at(rx_gpa(i) + sizeof(frame)), 0xee);
	}
}

/* One frame over several buffers, which the driver sees all at once. */
static void merges(void **state)
{
	static uint8_t frame[20000];
	uint32_t at = 0;

	(void)state;
	fill(frame, sizeof(frame), 5);
	driver_start(dev, MERGE | TSO, RING);
	for (unsigned i = 0; i < 10; i++)
		post(i, i == 2 ? 13 : 4096);
	ring(RX);
	host_sends(0, frame, sizeof(frame));
	assert_true(driver_wait(RX, 6));
	assert_int_equal(header_at(0)->num_buffers, 6);
	memcpy(frame + 10, "\6\0", 2);
	for (unsigned i = 0; i < 6; i++) {
		const uint32_t len = driver_used(RX)->ring[i].len;

		assert_int_equal(driver_used(RX)->ring[i].id, i);
		assert_memory_equal(driver_at(rx_gpa(i)), frame + at, len);
		at += len;
	}
	assert_int_equal(at, sizeof(frame));
	/* the buffers behind serve the next frame */
	host_sends(0, frame, 100);
	assert_true(driver_wait(RX, 7));
	assert_int_equal(driver_used(RX)->ring[6].id, 6);
	assert_int_equal(driver_used(RX)->ring[6].len, 100);
	assert_int_equal(header_at(6)->num_buffers, 1);
}

/* Fewer buffers than the frame needs: it waits for more, and is whole. */
static void waits_for_buffers(void **state)
{
	static uint8_t frame[60000];
	uint32_t at = 0;

	(void)state;
	fill(frame, sizeof(frame), 6);
	driver_start(dev, MERGE | TSO, RING);
	host_sends(0, frame, sizeof(frame));
	ring(RX); /* nothing posted */
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(driver_used(RX)->idx, 0);
		post(i, 4096);
		ring(RX);
	}
	assert_true(driver_wait(RX, 15));
	assert_int_equal(header_at(0)->num_buffers, 15);
	memcpy(frame + 10, "\17\0", 2);
	for (unsigned i = 0; i < 15; i++) {
		const uint32_t len = driver_used(RX)->ring[i].len;

		assert_memory_equal(driver_at(rx_gpa(i)), frame + at, len);
		at += len;
	}
	assert_int_equal(at, sizeof(frame));
}

/* A whole ring of buffers that is too small for the frame: dropped, and the
 * buffers serve the next. */
static void drops_what_never_fits(void **state)
{
	static uint8_t frame[60000];

	(void)state;
	fill(frame, sizeof(frame), 7);
	driver_start(dev, MERGE | TSO, RING);
	for (unsigned i = 0; i < RING; i++)
		post(i, 100);
	ring(RX);
	host_sends(0, frame, sizeof(frame));
	host_sends(0, frame, 500);
	assert_true(driver_wait(RX, 5));
	assert_int_equal(header_at(0)->num_buffers, 5);
	assert_memory_equal(driver_at(rx_gpa(4)), frame + 400, 100);
}

static void one_buffer_a_frame(void **state)
{
	uint8_t frame[3000];

	(void)state;
	fill(frame, sizeof(frame), 8);
	driver_start(dev, 0, RING);
	for (unsigned i = 0; i < 4; i++)
		post(i, 1600);
	ring(RX);
	host_sends(0, frame, 1000);
	host_sends(0, frame, 3000); /* fits into no single buffer */
	host_sends(0, frame, 1600);
	assert_true(driver_wait(RX, 2));
	assert_int_equal(driver_used(RX)->ring[0].len, 1000);
	assert_int_equal(driver_used(RX)->ring[1].len, 1600);
	assert_int_equal(header_at(0)->num_buffers, 1);
	assert_memory_equal(driver_at(rx_gpa(1) + HDR), frame + HDR, 1600 - HDR);
}

/* Without a header, it is put on, however the driver cut its buffers. */
static void puts_a_header_on(void **state)
{
	const struct virtio_net_hdr_v1 want = { .flags = VIRTIO_NET_HDR_F_DATA_VALID,
						.num_buffers = 1 };
	uint8_t frame[200];

	(void)state;
	fill(frame, sizeof(frame), 9);
	driver_start(dev, BIT64(VIRTIO_NET_F_GUEST_CSUM), RING);
	for (unsigned cut = 1; cut < 20; cut++) {
		memset(driver_at(DRIVER_DATA), 0xee, 1000);
		driver_put(RX, 0, DRIVER_DATA, 1, WRITE | NEXT, 1);
		driver_put(RX, 1, DRIVER_DATA + 1, cut, WRITE | NEXT, 2);
		driver_put(RX, 2, DRIVER_DATA + 1 + cut, 500, WRITE, 0);
		driver_send(dev, RX, 0);
		host_sends(0, frame, sizeof(frame));
		assert_true(driver_wait(RX, (uint16_t)cut));
		assert_int_equal(driver_used(RX)->ring[(cut - 1) % RING].len, HDR + sizeof(frame));
		assert_memory_equal(driver_at(DRIVER_DATA), &want, HDR);
		assert_memory_equal(driver_at(DRIVER_DATA + HDR), frame, sizeof(frame));
	}
}

static void reset_with_buffers(void **state)
{
	uint8_t frame[200];

	(void)state;
	fill(frame, sizeof(frame), 10);
	driver_start(dev, MERGE, RING);
	for (unsigned i = 0; i < RING; i++)
		post(i, 1600);
	ring(RX);
	host_sends(0, frame, sizeof(frame));
	assert_true(driver_wait(RX, 1));
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	memset(driver_at(DRIVER_DATA), 0xaa, 0x80000);
	host_sends(0, frame, sizeof(frame));
	host_sends(0, frame, sizeof(frame));
	usleep(20000);
	for (unsigned i = 0; i < 0x80000; i++)
		assert_int_equal(*(uint8_t *)driver_at(DRIVER_DATA + i), 0xaa);
	assert_int_equal(driver_used(RX)->idx, 1);
	driver_start(dev, MERGE, RING);
	post(3, 1600);
	ring(RX);
	frame[HDR] = 0x77; /* the other two are gone */
	host_sends(0, frame, sizeof(frame));
	assert_true(driver_wait(RX, 1));
	assert_int_equal(driver_used(RX)->ring[0].id, 3);
	assert_memory_equal(driver_at(rx_gpa(3) + HDR), frame + HDR, sizeof(frame) - HDR);
}

/* ---- interrupts */

static void interrupts_as_asked(void **state)
{
	uint8_t frame[100] = { 0 };

	(void)state;
	driver_start(dev, MERGE | BIT64(VIRTIO_RING_F_EVENT_IDX), RING);
	for (unsigned i = 0; i < RING; i++)
		post(i, 1600);
	driver_avail(RX)->ring[RING] = 3; /* used_event: after the fourth */
	ring(RX);
	for (unsigned i = 0; i < 3; i++) {
		host_sends(0, frame, sizeof(frame));
		assert_true(driver_wait(RX, (uint16_t)(i + 1)));
	}
	assert_int_equal(driver_interrupts(), 0);
	host_sends(0, frame, sizeof(frame));
	assert_true(driver_wait(RX, 4));
	for (int i = 0; i < 1000 && !driver_interrupts(); i++)
		usleep(1000);
	assert_int_equal(driver_interrupts(), 1);
}

/* ---- the end of the backend */

static void link_goes_down(void **state)
{
	uint8_t data[100] = { 0 };

	(void)state;
	driver_start(dev, MERGE | STATUS, RING);
	post(0, 1600);
	ring(RX);
	close(host[0]);
	host[0] = -1;
	assert_true(wait_for_link(0));
	assert_true(driver_get(dev, VIRTIO_MMIO_INTERRUPT_STATUS) & VIRTIO_MMIO_INT_CONFIG);
	for (unsigned i = 0; i < RING; i++) {
		put_frame(i, NULL, data, sizeof(data));
		driver_send(dev, TX, i);
	}
	assert_true(driver_wait(TX, RING)); /* dropped */
	assert_int_equal(driver_used(RX)->idx, 0);
	assert_false(broken());
}

static void link_goes_down_by_sending(void **state)
{
	uint8_t data[100] = { 0 };

	(void)state;
	driver_start(dev, STATUS, RING);
	close(host[0]);
	host[0] = -1;
	put_frame(0, NULL, data, sizeof(data));
	driver_send(dev, TX, 0);
	assert_int_equal(link_status(), 0);
	assert_true(driver_wait(TX, 1));
}

/* ---- drivers that break the rules */

static void bad_frames(void **state)
{
	(void)state;
	driver_start(dev, 0, RING);
	driver_put(TX, 0, DRIVER_DATA, HDR - 1, 0, 0);
	driver_send(dev, TX, 0);
	assert_true(broken());
	driver_start(dev, 0, RING);
	driver_put(TX, 0, DRIVER_DATA, 100, NEXT, 1);
	driver_put(TX, 1, DRIVER_DATA, 100, WRITE, 0);
	driver_send(dev, TX, 0);
	assert_true(broken());
	driver_start(dev, 0, RING);
	driver_put(TX, 0, DRIVER_DATA, 100, NEXT, 0);
	driver_send(dev, TX, 0);
	assert_true(broken());
	assert_true(host_gets_nothing());
}

static void bad_buffers(void **state)
{
	(void)state;
	driver_start(dev, MERGE, RING);
	driver_put(RX, 0, DRIVER_DATA, HDR - 1, WRITE, 0);
	driver_send(dev, RX, 0);
	assert_true(broken());
	driver_start(dev, MERGE, RING);
	driver_put(RX, 0, DRIVER_DATA, 100, NEXT, 1);
	driver_put(RX, 1, DRIVER_DATA, 100, WRITE, 0);
	driver_send(dev, RX, 0);
	assert_true(broken());
	driver_start(dev, MERGE, RING);
	driver_put(RX, 0, DRIVER_MEM - 1, 100, WRITE, 0);
	driver_send(dev, RX, 0);
	assert_true(broken());
}

/* A frame that is larger than any is dropped. */
static void huge_frame(void **state)
{
	(void)state;
	driver_start(dev, 0, RING);
	driver_put(TX, 0, DRIVER_DATA, 65563, 0, 0);
	driver_send(dev, TX, 0);
	assert_true(driver_wait(TX, 1));
	assert_true(host_gets_nothing());
	assert_false(broken());
}

/* ---- several queue pairs */

#define CTRL 4

static uint8_t control(const void *request, uint32_t len)
{
	static uint16_t done;
	uint8_t *answer = driver_at(DRIVER_DATA + 0x1000);

	if (driver_used(CTRL)->idx == 0)
		done = 0;
	*answer = 0x55;
	memcpy(driver_at(DRIVER_DATA), request, len);
	driver_put(CTRL, 0, DRIVER_DATA, len, NEXT, 1);
	driver_put(CTRL, 1, DRIVER_DATA + 0x1000, 1, WRITE, 0);
	driver_send(dev, CTRL, 0);
	assert_true(driver_wait(CTRL, ++done));
	return *answer;
}

static void control_queue(void **state)
{
	(void)state;
	assert_int_equal(dev->ops->nqueues, 5);
	driver_start(dev, MERGE | MQ, RING);
	assert_int_equal(control("\4\0\2\0", 4), VIRTIO_NET_OK);
	assert_int_equal(told_queues, 2);
	assert_int_equal(control("\4\0\3\0", 4), VIRTIO_NET_ERR);
	assert_int_equal(control("\4\0\0\0", 4), VIRTIO_NET_ERR);
	assert_int_equal(control("\4\0\2\1", 4), VIRTIO_NET_ERR);
	assert_int_equal(control("\4\0\1", 3), VIRTIO_NET_ERR);
	assert_int_equal(control("\4\0\1\0\0", 5), VIRTIO_NET_ERR);
	assert_int_equal(control("\4\1\1\0", 4), VIRTIO_NET_ERR);
	assert_int_equal(control("\0\0\1\0", 4), VIRTIO_NET_ERR);
	assert_int_equal(control("\4", 1), VIRTIO_NET_ERR);
	assert_int_equal(told_queues, 2);
	assert_int_equal(control("\4\0\1\0", 4), VIRTIO_NET_OK);
	assert_int_equal(told_queues, 1);
	driver_put(CTRL, 0, DRIVER_DATA, 4, 0, 0); /* no room for the answer */
	driver_send(dev, CTRL, 0);
	assert_true(broken());
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(told_queues, 1);
}

static void second_pair(void **state)
{
	uint8_t frame[200], got[300];

	(void)state;
	fill(frame, sizeof(frame), 11);
	driver_start(dev, MERGE | MQ, RING);
	driver_put(2, 0, DRIVER_DATA + 0x4000, 1600, WRITE, 0);
	driver_send(dev, 2, 0); /* posted before the pair is in use */
	host_sends(1, frame, sizeof(frame));
	usleep(10000);
	assert_int_equal(driver_used(2)->idx, 0);
	assert_int_equal(control("\4\0\2\0", 4), VIRTIO_NET_OK);
	assert_true(driver_wait(2, 1));
	assert_memory_equal(driver_at(DRIVER_DATA + 0x4000 + HDR), frame + HDR, 100);
	memset(driver_at(DRIVER_DATA + 0x8000), 0, 100);
	driver_put(3, 0, DRIVER_DATA + 0x8000, 100, 0, 0);
	driver_send(dev, 3, 0);
	assert_int_equal(host_gets(1, got, sizeof(got)), 100);
}

/* The queues of a driver that does not know several pairs. */
static void queues_without_mq(void **state)
{
	(void)state;
	driver_start(dev, MERGE | BIT64(VIRTIO_NET_F_CTRL_VQ), RING);
	driver_put(2, 0, DRIVER_DATA, 4, NEXT, 1);
	driver_put(2, 1, DRIVER_DATA + 0x1000, 1, WRITE, 0);
	memcpy(driver_at(DRIVER_DATA), "\4\0\2\0", 4);
	driver_send(dev, 2, 0); /* here it is the control queue */
	assert_true(driver_wait(2, 1));
	assert_int_equal(*(uint8_t *)driver_at(DRIVER_DATA + 0x1000), VIRTIO_NET_ERR);
	ring(3);
	ring(4);
	assert_false(broken());
}

#define TEST(function, setup) cmocka_unit_test_setup_teardown(function, setup, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(offers, tap),
		TEST(offers_without_header, plain),
		TEST(default_addresses, tap),
		TEST(offloads_are_told, tap),
		TEST(sends, tap),
		TEST(sends_pieces, tap),
		TEST(keeps_order, tap),
		TEST(keeps_order, polled_tap),
		TEST(waits_for_the_host, tap),
		TEST(waits_for_the_host, polled_tap),
		TEST(reset_while_waiting, tap),
		TEST(sends_at_the_end, tap),
		TEST(completes_checksums, plain),
		TEST(zero_becomes_ones, plain),
		TEST(headers_that_lie, plain),
		TEST(receives, tap),
		TEST(receives, polled_tap),
		TEST(merges, tap),
		TEST(waits_for_buffers, tap),
		TEST(drops_what_never_fits, tap),
		TEST(one_buffer_a_frame, tap),
		TEST(puts_a_header_on, plain),
		TEST(reset_with_buffers, tap),
		TEST(interrupts_as_asked, tap),
		TEST(link_goes_down, tap),
		TEST(link_goes_down, plain),
		TEST(link_goes_down_by_sending, tap),
		TEST(bad_frames, tap),
		TEST(bad_buffers, tap),
		TEST(huge_frame, tap),
		TEST(control_queue, tap_of_two),
		TEST(second_pair, tap_of_two),
		TEST(queues_without_mq, tap_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
