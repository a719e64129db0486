/* See cable.h. A frame that is reordered is held until 1 to 8 others have
 * passed it, or 20 ms. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "cable.h"

#define HOLD_NS    20000000
#define HELD_MAX   64
#define FIRST_BYTE 34 /* behind the Ethernet and IPv4 headers: a checksum's business */

struct held {
	uint64_t due;
	unsigned behind, len; /* frames that must pass first */
	uint8_t byte[CABLE_FRAME];
};
struct way {
	struct held held[HELD_MAX];
	unsigned n;
};

struct cable_faults cable_faults;
uint64_t cable_mangled;
bool cable_stopped;
static int tap = -1;
static struct way in, out;

static void stop(int sig)
{
	(void)sig;
	cable_stopped = true;
}

void cable_open(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	struct sigaction action = { .sa_handler = stop };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	tap = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
	if (tap < 0 || ioctl(tap, TUNSETIFF, &ifr) < 0) {
		perror(name);
		exit(1);
	}
	srandom(getpid());
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

uint64_t cable_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static bool happens(unsigned percent)
{
	bool yes = random() % 100 < (long)percent;

	cable_mangled += yes;
	return yes;
}

/* True: the frame was lost or is held, and does not pass now. */
static bool mangle(struct way *way, uint8_t *frame, unsigned len)
{
	struct held *h;

	if (happens(cable_faults.loss))
		return true;
	if (len > FIRST_BYTE + 20 && frame[12] != 8 + 6 && happens(cable_faults.corrupt))
		frame[FIRST_BYTE + random() % (len - FIRST_BYTE)] ^= 1 << random() % 8;
	if (way->n == HELD_MAX || !happens(cable_faults.reorder))
		return false;
	h = &way->held[way->n++];
	h->due = cable_now() + HOLD_NS;
	h->behind = 1 + random() % 8;
	h->len = len;
	memcpy(h->byte, frame, len);
	return true;
}

static void passed(struct way *way)
{
	for (unsigned i = 0; i < way->n; i++)
		way->held[i].behind -= way->held[i].behind > 0;
}

/* A held frame whose time has come. */
static unsigned release(struct way *way, uint8_t frame[CABLE_FRAME])
{
	for (unsigned i = 0; i < way->n; i++) {
		struct held *h = &way->held[i];
		unsigned len = h->len;

		if (h->behind > 0 && h->due > cable_now())
			continue;
		memcpy(frame, h->byte, len);
		*h = way->held[--way->n];
		return len;
	}
	return 0;
}

static void put(const void *frame, unsigned len)
{
	/* A tap that is full loses the frame, as a cable would. */
	if (write(tap, frame, len) < 0)
		cable_mangled++;
}

void cable_send(const void *frame, unsigned len)
{
	uint8_t copy[CABLE_FRAME];
	unsigned n;

	memcpy(copy, frame, len);
	if (!mangle(&out, copy, len)) {
		put(copy, len);
		if (happens(cable_faults.duplicate))
			put(copy, len);
		passed(&out);
	}
	while ((n = release(&out, copy)) > 0)
		put(copy, n);
}

static void wait_until(uint64_t deadline)
{
	struct pollfd p = { .fd = tap, .events = POLLIN };
	uint64_t now = cable_now(), ns;
	struct timespec t;

	if (in.n + out.n > 0 && deadline > now + HOLD_NS)
		deadline = now + HOLD_NS;
	ns = deadline > now ? deadline - now : 0;
	t = (struct timespec){ ns / 1000000000, ns % 1000000000 };
	ppoll(&p, 1, &t, NULL);
}

unsigned cable_receive(uint8_t frame[CABLE_FRAME], uint64_t deadline)
{
	static uint8_t again[CABLE_FRAME];
	static unsigned again_len;
	unsigned n = again_len;
	ssize_t len;

	again_len = 0;
	if (n > 0) {
		memcpy(frame, again, n);
		return n;
	}
	while ((n = release(&out, frame)) > 0)
		put(frame, n);
	n = release(&in, frame);
	if (n > 0)
		return n;
	len = read(tap, frame, CABLE_FRAME);
	if (len < 0) {
		wait_until(deadline);
		len = read(tap, frame, CABLE_FRAME);
	}
	if (len <= 0 || mangle(&in, frame, len))
		return 0;
	passed(&in);
	if (happens(cable_faults.duplicate)) {
		memcpy(again, frame, len);
		again_len = len;
	}
	return len;
}
