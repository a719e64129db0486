// link: vmm/attend.c vmm/virtio.c vmm/promote.c vmm/queue.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: vmm/net.c vmm/net_rx.c vmm/net_tx.c vmm/net_ctrl.c vmm/net_iov.c vmm/net_csum.c vmm/mem.c
// link: net/pcap.c tests/unit/driver.c
// libs: -luring -pthread
/* A vCPU's thread, played by the test's, serves the network: on which a socketpair
 * plays the tap. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "driver.h"
#include "../../vmm/attend.h"
#include "../../vmm/io.h"
#include "../../vmm/net.h"

#define RX   0
#define TX   1
#define HDR  12
#define RING 64
#define WAIT 10000 /* us: the longest that is granted */
#define ROOM 0x800 /* for a buffer */

static struct virtio_dev *dev;
static struct net_backend backend;
static struct vcpu vcpu = { .vm = &driver_vm };
static int host;
static unsigned posted, sent;

/* The guest has looked at all up to here, and wants no interrupt. */
static void disarm(void)
{
	driver_avail(RX)->ring[RING] = driver_used(RX)->idx - 1;
}

static uint16_t doorbell_asked(void)
{
	return *(volatile uint16_t *)&driver_used(TX)->ring[RING];
}

static void post(unsigned n)
{
	for (; n; n--, posted++) {
		driver_put(RX, posted % RING, DRIVER_DATA + posted % RING * ROOM, ROOM,
			   VRING_DESC_F_WRITE, 0);
		driver_offer(dev, RX, posted % RING);
	}
}

/* A frame with this number, without a doorbell. */
static void put(uint32_t number)
{
	const uint64_t gpa = DRIVER_DATA + (RING + sent % RING) * ROOM;

	memset(driver_at(gpa), 0, HDR);
	memcpy(driver_at(gpa + HDR), &number, sizeof(number));
	driver_put(TX, sent % RING, gpa, HDR + sizeof(number), 0, 0);
	driver_offer(dev, TX, sent % RING);
	sent++;
}

static void host_sends(uint32_t number)
{
	uint8_t frame[HDR + sizeof(number)] = { 0 };

	memcpy(frame + HDR, &number, sizeof(number));
	assert_int_equal(write(host, frame, sizeof(frame)), sizeof(frame));
}

static bool host_gets(uint32_t number)
{
	struct pollfd p = { .fd = host, .events = POLLIN };
	uint8_t frame[64];

	return poll(&p, 1, 5000) == 1 && read(host, frame, sizeof(frame)) == HDR + sizeof(number) &&
	       !memcmp(frame + HDR, &number, sizeof(number));
}

/* What the i-th received frame says. */
static uint32_t number_at(unsigned i)
{
	uint32_t number;

	memcpy(&number, driver_at(DRIVER_DATA + i % RING * ROOM + HDR), sizeof(number));
	return number;
}

static int start(void **state)
{
	static const struct net_option option = { .kind = NET_TAP, .tap = "test" };
	int pair[2];

	(void)state;
	driver_new_vm();
	driver_options.hostname = "host";
	driver_options.cpus = 1;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	backend = (struct net_backend){
		.fd = { pair[0] }, .nfds = 1, .vnet_header = true, .name = "tap test"
	};
	host = pair[1];
	dev = net_add(&driver_vm, &backend, &option, 0);
	driver_start(dev, BIT64(VIRTIO_NET_F_MRG_RXBUF) | BIT64(VIRTIO_RING_F_EVENT_IDX), RING);
	posted = sent = 0;
	post(RING / 2);
	disarm();
	driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, RX);
	return 0;
}

static int end(void **state)
{
	(void)state;
	io_stop();
	net_free(dev);
	close(backend.fd[0]);
	close(host);
	driver_free_vm();
	return 0;
}

/* As a guest does: then it looks at what has come. How many frames those are. */
static unsigned waits(uint32_t us)
{
	const uint16_t seen = driver_used(RX)->idx;

	disarm();
	attend(&vcpu, us);
	return (uint16_t)(driver_used(RX)->idx - seen);
}

/* The next doorbell is to come after so many frames. */
static unsigned patience(void)
{
	return (uint16_t)(doorbell_asked() - driver_avail(TX)->idx + 1);
}

/* As a driver does. */
static void ring_if_asked(unsigned n)
{
	if (vring_need_event(doorbell_asked(), sent, sent - n))
		driver_set(dev, VIRTIO_MMIO_QUEUE_NOTIFY, TX);
}

/* A frame comes while the vCPU waits, so that it goes back and is near: until that
 * is so, as this test may lose its processor for longer than the vCPU is near. */
static bool come_near(void)
{
	for (int tries = 0; tries < 1000; tries++) {
		const uint16_t before = driver_used(RX)->idx;

		host_sends(1);
		while (driver_used(RX)->idx == before)
			waits(WAIT);
		post(1);
		if (patience() == 64)
			return true;
	}
	return false;
}

/* ---- one vCPU */

static void comes_back_with_frames(void **state)
{
	const unsigned interrupts = driver_interrupts();
	const uint16_t before = driver_used(RX)->idx;

	(void)state;
	assert_int_equal(waits(WAIT), 0); /* nothing there: the time passes */
	host_sends(1);
	while (waits(WAIT) == 0 && driver_used(RX)->idx == before)
		; /* the I/O thread may have been first */
	assert_int_equal(number_at(before), 1);
	host_sends(2);
	host_sends(3);
	while ((uint16_t)(driver_used(RX)->idx - before) < 3)
		waits(WAIT);
	assert_int_equal(number_at(before + 1), 2);
	assert_int_equal(number_at(before + 2), 3);
	assert_int_equal(driver_interrupts(), interrupts);
	post(3);
}

static void sends_without_doorbell(void **state)
{
	(void)state;
	put(10);
	put(11);
	waits(1);
	assert_true(host_gets(10));
	assert_true(host_gets(11));
}

/* While the vCPU is near a doorbell comes for the 64th frame only. */
static void near_is_patient(void **state)
{
	(void)state;
	assert_true(come_near());
	waits(0);
	assert_int_equal(patience(), 1);
}

/* Who said that it is near and never comes again: the I/O thread moves its frames. */
static void does_not_come_again(void **state)
{
	uint16_t before;

	(void)state;
	assert_true(come_near());
	before = driver_used(RX)->idx;
	put(20);
	ring_if_asked(1);
	host_sends(2);
	assert_true(host_gets(20));
	assert_true(driver_wait(RX, before + 1));
	assert_int_equal(number_at(before), 2);
	post(1);
}

/* Much to send is sent by the I/O thread, in order, while the vCPU is near. */
static void rings_when_much_waits(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 20; round++) {
		waits(1);
		for (uint32_t i = 0; i < RING; i++)
			put(100 + i);
		ring_if_asked(RING);
		for (uint32_t i = 0; i < RING; i++)
			assert_true(host_gets(100 + i));
		while (driver_used(TX)->idx != driver_avail(TX)->idx)
			waits(1);
	}
}

/* An interrupt that came before it was inside ends the wait: it is near, not away. */
static void is_woken(void **state)
{
	unsigned tries = 0;

	(void)state;
	waits(WAIT);
	assert_int_equal(patience(), 1);
	do
		attend_interrupted();
	while (waits(WAIT), patience() != 64 && tries++ < 1000);
	assert_int_equal(patience(), 64);
	waits(0);
	do
		attend(&vcpu, ATTEND_WAKE);
	while (waits(WAIT), patience() != 64 && tries++ < 1000);
	assert_int_equal(patience(), 64);
	waits(0);
}

/* ---- several of them */

static atomic_bool over;

static void *other_vcpu(void *unused)
{
	struct vcpu other = { .vm = &driver_vm, .id = 1 };

	(void)unused;
	while (!over) {
		attend(&other, ATTEND_WAKE);
		attend(&other, 100);
		attend(&other, 0);
		attend_interrupted();
	}
	return NULL;
}

/* Whatever they write there and when, frames go both ways, in order. */
static void all_at_once(void **state)
{
	uint16_t at = driver_used(RX)->idx;
	pthread_t thread;

	(void)state;
	driver_options.cpus = 2;
	assert_int_equal(pthread_create(&thread, NULL, other_vcpu, NULL), 0);
	for (uint32_t i = 0; i < 5000; i++, at++) {
		host_sends(i);
		put(i);
		ring_if_asked(1);
		while (driver_used(RX)->idx == at)
			waits(i % 3 * 50);
		assert_int_equal(number_at(at), i);
		assert_true(host_gets(i));
		post(1);
	}
	over = true;
	pthread_join(thread, NULL);
	driver_options.cpus = 1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_with_frames),
		cmocka_unit_test(sends_without_doorbell),
		cmocka_unit_test(near_is_patient),
		cmocka_unit_test(does_not_come_again),
		cmocka_unit_test(rings_when_much_waits),
		cmocka_unit_test(is_woken),
		cmocka_unit_test(all_at_once),
	};

	return cmocka_run_group_tests(tests, start, end);
}
