/*
 * impair: a bad cable between two tap devices, in both directions.
 *
 *   impair TAP1 TAP2 [loss=P] [reorder=P] [duplicate=P] [corrupt=P] [delay=MS] [seed=N]
 *
 * P is in percent. A frame that is reordered is held back until 1 to 8 others
 * have passed, or 2 ms. One that is corrupted has one byte of its IP payload
 * changed, so a checksum must find it. Without vnet headers the host's kernel
 * cuts what it sends here into plain frames and fills their checksums in. Until
 * SIGTERM; then prints what it did.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX  2048
#define HELD_MAX   4096
#define HOLD_MS    2
#define FIRST_BYTE 34 /* behind the Ethernet and IPv4 headers */

struct held {
	uint64_t due_ns;
	unsigned behind; /* frames that must pass before; 0: only the time counts */
	int to;
	size_t len;
	uint8_t byte[FRAME_MAX];
};

static struct {
	const char *name;
	unsigned value;
} setting[] = { { "loss", 0 },    { "reorder", 0 }, { "duplicate", 0 },
		{ "corrupt", 0 }, { "delay", 0 },   { "seed", 1 } };
enum { LOSS, REORDER, DUPLICATE, CORRUPT, DELAY, SEED, SETTINGS };

static unsigned long done[SETTINGS], passed;
static struct held *held[HELD_MAX];
static unsigned nheld;
static volatile sig_atomic_t stopping;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "impair: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int open_tap(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) < 0)
		die(name);
	return fd;
}

static bool happens(unsigned what)
{
	if ((unsigned)random() % 100 >= setting[what].value)
		return false;
	done[what]++;
	return true;
}

static void pass(int to, const uint8_t *frame, size_t len)
{
	/* a full or downed tap drops, as cables do */
	if (write(to, frame, len) == (ssize_t)len)
		passed++;
}

static void hold(int to, const uint8_t *frame, size_t len, uint64_t ns, unsigned behind)
{
	struct held *h = malloc(sizeof(*h));

	if (!h)
		die("memory");
	if (nheld == HELD_MAX) { /* a queue as long as this one drops */
		free(h);
		return;
	}
	h->due_ns = now_ns() + ns;
	h->behind = behind;
	h->to = to;
	h->len = len;
	memcpy(h->byte, frame, len);
	held[nheld++] = h;
}

/* What has waited long enough, in the order in which it came. `to`: a frame has
 * just passed there, -1: none. */
static void release(int to)
{
	const uint64_t now = now_ns();
	unsigned left = 0;

	for (unsigned i = 0; i < nheld; i++) {
		struct held *h = held[i];

		if (h->to == to && h->behind > 0)
			h->behind--;
		else if (h->to == to && h->behind == 0 && setting[DELAY].value == 0)
			h->due_ns = 0;
		if (h->due_ns <= now) {
			pass(h->to, h->byte, h->len);
			free(h);
		} else {
			held[left++] = h;
		}
	}
	nheld = left;
}

static void take(int to, uint8_t *frame, size_t len)
{
	const uint64_t delay = (uint64_t)setting[DELAY].value * 1000000;

	if (happens(LOSS))
		return;
	if (len > FIRST_BYTE && happens(CORRUPT))
		frame[FIRST_BYTE + (size_t)random() % (len - FIRST_BYTE)] ^= 1u << random() % 8;
	for (unsigned copies = happens(DUPLICATE) ? 2 : 1; copies > 0; copies--) {
		if (happens(REORDER)) {
			hold(to, frame, len, delay + HOLD_MS * 1000000ull,
			     1 + (unsigned)random() % 8);
		} else if (delay) {
			hold(to, frame, len, delay, 0);
		} else {
			pass(to, frame, len);
			release(to);
		}
	}
}

static void drain(int from, int to)
{
	uint8_t frame[FRAME_MAX];

	for (unsigned i = 0; i < 64; i++) {
		ssize_t n = read(from, frame, sizeof(frame));

		if (n <= 0)
			return;
		take(to, frame, (size_t)n);
	}
}

static void on_term(int number)
{
	(void)number;
	stopping = 1;
}

static void parse(const char *word)
{
	for (unsigned i = 0; i < SETTINGS; i++) {
		size_t len = strlen(setting[i].name);

		if (!strncmp(word, setting[i].name, len) && word[len] == '=') {
			setting[i].value = (unsigned)strtoul(word + len + 1, NULL, 10);
			return;
		}
	}
	errno = EINVAL;
	die(word);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	struct pollfd p[2];

	if (argc < 3) {
		fprintf(stderr, "usage: impair TAP1 TAP2 [loss=P] [reorder=P] ...\n");
		return 2;
	}
	for (int i = 3; i < argc; i++)
		parse(argv[i]);
	srandom(setting[SEED].value);
	for (unsigned i = 0; i < 2; i++)
		p[i] = (struct pollfd){ .fd = open_tap(argv[1 + i]), .events = POLLIN };
	sigaction(SIGTERM, &action, NULL);
	while (!stopping) {
		if (poll(p, 2, nheld ? 1 : -1) < 0 && errno != EINTR)
			die("poll");
		for (unsigned i = 0; i < 2; i++)
			if (p[i].revents & POLLIN)
				drain(p[i].fd, p[1 - i].fd);
		release(-1);
	}
	printf("passed %lu, lost %lu, held back %lu, doubled %lu, corrupted %lu\n", passed,
	       done[LOSS], done[REORDER], done[DUPLICATE], done[CORRUPT]);
	return 0;
}
