/*
 * The socket to the VMM: one message a frame. What it does not take at once
 * waits here, up to a limit; what comes then is lost, as on a real wire.
 */
#ifndef NET_SLIRP_LINK_H
#define NET_SLIRP_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Ethernet header and packet; a guest may send less than it wants, not more. */
#define LINK_FRAME_MOST (14 + 65535)

struct link {
	int fd;
	bool ended; /* the VMM is gone */
	struct waiting *first, **last;
	size_t waiting; /* bytes */
};

void link_init(struct link *link, int fd);

/* To the guest. */
void link_send(struct link *link, const void *frame, size_t len);

/* Sends what waits, as far as it goes. */
void link_flush(struct link *link);

/* The next frame of the guest, into frame[LINK_FRAME_MOST]: its length, or 0
 * when there is none now. */
size_t link_receive(struct link *link, uint8_t *frame);

/* So much waits that nothing more should be read for the guest. */
bool link_congested(const struct link *link);

#endif
