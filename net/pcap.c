/*
 * --pcap, see pcap.h.
 *
 * Frames are copied into a ring of bytes, from which a thread of its own
 * writes to the file, however long that takes: a slow disk or a pipe that
 * nobody reads never holds up the network. When the ring is full, frames are
 * left out and counted; when the file takes no more (a full disk), there is
 * one warning and the recording ends with its last whole write.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "../vmm/fail.h"
#include "../vmm/options.h"
#include "pcap.h"

#define RING (8u << 20) /* a power of two; memory is used as far as it fills */

/* Little-endian, as this host; https://www.tcpdump.org/manpages/pcap-savefile.5.txt */
struct file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t zone, accuracy, snaplen, linktype;
};
struct record_header {
	uint32_t seconds, nanoseconds, captured, length;
};
#define MAGIC_NANOSECONDS 0xa1b23c4d
#define SNAPLEN           262144
#define LINKTYPE_ETHERNET 1

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	uint8_t *ring;
	uint64_t head, tail; /* bytes put in and written out, ever */
	uint64_t lost; /* frames */
	bool open;
	int fd;
	const char *path;
} pcap = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .filled = PTHREAD_COND_INITIALIZER,
	   .emptied = PTHREAD_COND_INITIALIZER };

/* ---- the thread that writes */

static void write_some(void)
{
	const uint64_t at = pcap.tail % RING;
	uint64_t len = pcap.head - pcap.tail;
	ssize_t n;

	if (len > RING - at)
		len = RING - at;
	pthread_mutex_unlock(&pcap.lock);
	do
		n = write(pcap.fd, pcap.ring + at, len);
	while (n < 0 && errno == EINTR);
	pthread_mutex_lock(&pcap.lock);
	if (n > 0) {
		pcap.tail += (uint64_t)n;
		return;
	}
	warn("--pcap \"%s\": %s; the recording ends here", pcap.path,
	     n < 0 ? strerror(errno) : "takes no more");
	pcap.open = false;
}

static void *writer(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&pcap.lock);
	while (pcap.open) {
		while (pcap.head == pcap.tail)
			pthread_cond_wait(&pcap.filled, &pcap.lock);
		write_some();
		if (pcap.head == pcap.tail || !pcap.open)
			pthread_cond_broadcast(&pcap.emptied);
	}
	pthread_mutex_unlock(&pcap.lock);
	return NULL;
}

/* ---- any thread */

static void put(const void *data, uint32_t len)
{
	const uint64_t at = pcap.head % RING, first = RING - at < len ? RING - at : len;

	memcpy(pcap.ring + at, data, first);
	memcpy(pcap.ring, (const uint8_t *)data + first, len - first);
	pcap.head += len;
}

static void put_frame(const struct iovec *iov, unsigned n, uint32_t skip, uint32_t len)
{
	for (unsigned i = 0; i < n && len; i++) {
		uint64_t part = iov[i].iov_len;

		if (skip >= part) {
			skip -= (uint32_t)part;
			continue;
		}
		part -= skip;
		if (part > len)
			part = len;
		put((const uint8_t *)iov[i].iov_base + skip, (uint32_t)part);
		skip = 0;
		len -= (uint32_t)part;
	}
}

void pcap_frame(const struct iovec *iov, unsigned n, uint32_t skip, uint32_t len)
{
	struct timespec now;
	struct record_header record = { .captured = len, .length = len };

	clock_gettime(CLOCK_REALTIME, &now);
	record.seconds = (uint32_t)now.tv_sec;
	record.nanoseconds = (uint32_t)now.tv_nsec;
	pthread_mutex_lock(&pcap.lock);
	if (pcap.open) {
		if (RING - (pcap.head - pcap.tail) < sizeof(record) + len) {
			pcap.lost++;
		} else {
			put(&record, sizeof(record));
			put_frame(iov, n, skip, len);
			pthread_cond_signal(&pcap.filled);
		}
	}
	pthread_mutex_unlock(&pcap.lock);
}

static void start_writer(void)
{
	sigset_t all, old;
	pthread_t thread;
	int error;

	/* The thread inherits the mask: signals are for the vCPU threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	error = pthread_create(&thread, NULL, writer, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (error)
		fail(EXIT_VMM, "cannot start the thread of --pcap: %s", strerror(error));
}

void pcap_open(const char *path)
{
	const struct file_header header = { .magic = MAGIC_NANOSECONDS,
					    .major = 2,
					    .minor = 4,
					    .snaplen = SNAPLEN,
					    .linktype = LINKTYPE_ETHERNET };

	/* What a VM sends may be a secret. */
	pcap.fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
	if (pcap.fd < 0)
		fail(EXIT_VMM, "--pcap \"%s\": cannot write it: %s", path, strerror(errno));
	pcap.ring = malloc(RING);
	if (!pcap.ring)
		fail(EXIT_VMM, "no memory for --pcap");
	pcap.path = path;
	pcap.open = true;
	put(&header, sizeof(header));
	start_writer();
}

void pcap_finish(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 2;
	pthread_mutex_lock(&pcap.lock);
	while (pcap.open && pcap.head != pcap.tail)
		if (pthread_cond_timedwait(&pcap.emptied, &pcap.lock, &until))
			break;
	if (pcap.open && pcap.head != pcap.tail)
		warn("--pcap \"%s\": its end is missing, the file takes it too slowly", pcap.path);
	if (pcap.lost)
		warn("--pcap \"%s\": %llu frames are missing, the file took them too slowly",
		     pcap.path, (unsigned long long)pcap.lost);
	pcap.open = false;
	pthread_mutex_unlock(&pcap.lock);
}
