/* Frames to and from the VMM, see link.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "link.h"

#define CONGESTED_BYTES (256 << 10) /* a few windows of libslirp's TCP */
#define WAITING_MOST    (8 << 20) /* answers to a guest that asks and never reads */
#define EMPTY_MOST      64 /* messages without a byte in a row are the end */

struct waiting {
	struct waiting *next;
	size_t len;
	uint8_t frame[];
};

void link_init(struct link *link, int fd)
{
	*link = (struct link){ .fd = fd, .last = &link->first };
}

/* True when it is done with: sent, or never to be. */
static bool try_send(struct link *link, const void *frame, size_t len)
{
	ssize_t n;

	do
		n = send(link->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM))
		return false;
	if (n < 0 && errno != EMSGSIZE)
		link->ended = true;
	return true;
}

void link_send(struct link *link, const void *frame, size_t len)
{
	struct waiting *w;

	if (!link->first && try_send(link, frame, len))
		return;
	if (link->waiting + len > WAITING_MOST)
		return;
	w = malloc(sizeof(*w) + len);
	if (!w)
		return;
	w->next = NULL;
	w->len = len;
	memcpy(w->frame, frame, len);
	*link->last = w;
	link->last = &w->next;
	link->waiting += len;
}

void link_flush(struct link *link)
{
	struct waiting *w;

	while ((w = link->first) && try_send(link, w->frame, w->len)) {
		link->first = w->next;
		if (!w->next)
			link->last = &link->first;
		link->waiting -= w->len;
		free(w);
	}
}

size_t link_receive(struct link *link, uint8_t *frame)
{
	ssize_t n = 0;

	/* A message may be empty; at the end of the socket everything is. */
	for (unsigned i = 0; n == 0 && i < EMPTY_MOST; i++)
		n = recv(link->fd, frame, LINK_FRAME_MOST, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	link->ended |= n <= 0;
	return n > 0 ? (size_t)n : 0;
}

bool link_congested(const struct link *link)
{
	return link->waiting > CONGESTED_BYTES;
}
