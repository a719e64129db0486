/*
 * Packets: a contiguous front part, which the headers are in, and fragments
 * behind it. Both lie in reference-counted blocks of memory that rings, send
 * buffers and receive buffers share, so bytes are copied only between a block
 * and the program.
 *
 * A layer that receives takes its header off the front (pkt_pull); one that
 * sends puts its own before it (pkt_push). Nobody touches a byte of a received
 * packet but through pkt_pull(), pkt_header() and the copying functions, which
 * check the length.
 */
#ifndef NET_PKT_H
#define NET_PKT_H

#include <linux/virtio_net.h>
#include "../libos/lib.h"
#include "../libos/uaccess.h"
#include "addr.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4 /* virtio 1.2, 5.1.6; not in Linux 6.1's header */
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Memory that packets refer to. Physically in a row. */
struct pkt_mem {
	u32 refs;
	u32 size;
	u8 *data;
	void (*release)(struct pkt_mem *mem); /* the last reference is gone */
};

/* A block of at least `size` bytes (at most 64 KiB) with one reference, its
 * contents arbitrary; NULL: no memory. */
struct pkt_mem *pkt_mem_alloc(u32 size);
static inline void pkt_mem_get(struct pkt_mem *mem)
{
	mem->refs++;
}
static inline void pkt_mem_put(struct pkt_mem *mem)
{
	if (--mem->refs == 0)
		mem->release(mem);
}

struct pkt_frag {
	struct pkt_mem *mem;
	u8 *data;
	u32 len;
};

#define PKT_FRAGS    18 /* 64 KiB in pages, at any offset, and one more */
#define PKT_ROOM     320 /* bytes inside struct pkt itself */
#define PKT_HEADROOM 160 /* of them before the front: all headers, and virtio's */

/* What is known of a received packet's transport checksum, or what is to be
 * done with a sent one's. */
enum pkt_csum {
	CSUM_NONE, /* received: to be verified; sent: complete */
	CSUM_GOOD, /* received: the device has verified it */
	CSUM_PARTIAL, /* the field at csum_start + csum_offset has the pseudo-header's
		       * sum only: sent: to be completed by device or netif_transmit();
		       * received (another VM of this host, or loopback): the data is good */
};

struct pkt {
	struct list link; /* of the queue whose owner owns the packet */
	u8 *data; /* the front part */
	u32 len; /* its length */
	u32 total; /* and that of all */
	u8 *start, *end; /* the memory around the front part */
	struct pkt_mem *mem; /* where it is, or NULL: in room[] */
	unsigned nfrags;
	struct netif *netif; /* it came from, or is to leave by */

	u8 csum; /* enum pkt_csum */
	u8 gso_type; /* 0, or VIRTIO_NET_HDR_GSO_TCPV4, _TCPV6 or _UDP_L4 */
	u8 from_link; /* PKT_HOST, PKT_BROADCAST or PKT_MULTICAST: whom the frame was for */
	u16 gso_size; /* payload bytes in each segment; 0: one segment */
	u16 csum_offset; /* of the field, from csum_start */
	u8 *csum_start; /* first byte that the sum covers, in the front part */
	u64 when; /* received: now_ns() */

	/* By the IP layer, for the layers above it. */
	struct ipaddr src, dst;
	u8 *network; /* the IP header; contiguous up to data */
	u8 proto, ttl, tos; /* transport protocol, TTL or hop limit, traffic class */

	u64 cb[8]; /* the present owner's own: TCP's sequence numbers and such */

	struct pkt_frag frag[PKT_FRAGS];
	u8 room[PKT_ROOM];
};
enum { PKT_HOST, PKT_BROADCAST, PKT_MULTICAST };

/* An empty packet to send, with PKT_HEADROOM before its front; NULL: no
 * memory. cb[], csum, gso are zero. */
struct pkt *pkt_alloc(void);
/* A packet around received bytes: the front is [data, data + len) of mem. It
 * takes over the caller's reference to mem, also when it fails (NULL). */
struct pkt *pkt_wrap(struct pkt_mem *mem, u8 *data, u32 len);
void pkt_free(struct pkt *pkt); /* and its references to memory; NULL is allowed */
/* A second packet on the same memory, its front copied to room[]; NULL: no
 * memory, or a front larger than there is room for. */
struct pkt *pkt_clone(const struct pkt *pkt);

/* n more bytes before the front; where they begin. The room must be there. */
void *pkt_push(struct pkt *pkt, u32 n);
/* n more bytes at the end of the front part, which has no fragments yet; NULL:
 * no room. */
void *pkt_put(struct pkt *pkt, u32 n);
/* Takes n bytes off the front: where they are, in a row; NULL when the packet
 * is shorter, or they are not in a row and longer than 128. */
void *pkt_pull(struct pkt *pkt, u32 n);
/* The n <= 128 bytes at the start, in a row, without taking them; or NULL. */
void *pkt_header(struct pkt *pkt, u32 n);
/* Takes n bytes off the front, wherever they are; n <= total. */
void pkt_skip(struct pkt *pkt, u32 n);
/* Cuts the packet to its first n bytes; n <= total. */
void pkt_trim(struct pkt *pkt, u32 n);

/* Appends [data, data + len) of mem, taking a reference of its own; false when
 * all PKT_FRAGS are in use. A piece that continues the last one joins it. */
bool pkt_add_frag(struct pkt *pkt, struct pkt_mem *mem, u8 *data, u32 len);
/* Appends the bytes [from, from + len) of another packet, sharing memory (bytes
 * in its room[] are copied); false: no room or no memory, `pkt` may have grown. */
bool pkt_append(struct pkt *pkt, const struct pkt *other, u32 from, u32 len);

/* Copies bytes out; the range must be inside. */
void pkt_copy(const struct pkt *pkt, u32 from, void *dst, u32 len);
/* Bytes moved to the program, short only at a fault; -EFAULT when at once. */
long pkt_to_uio(const struct pkt *pkt, u32 from, struct uio *uio, u32 len);
/* Appends len bytes of the program's in new memory: 0, -EFAULT or -ENOMEM. */
int pkt_from_uio(struct pkt *pkt, struct uio *uio, u32 len);

/* The Internet checksum's sum (RFC 1071), not complemented, of a part of the
 * packet that begins at an even distance, added to `sum`; folded to 16 bits.
 * Sums are of 16-bit words as they lie in memory: a field takes ~sum as it is,
 * without htons(). */
u32 pkt_sum(const struct pkt *pkt, u32 from, u32 len, u32 sum);
u32 net_sum(const void *data, u32 len, u32 sum); /* the same of plain memory */

/* Memory that the packet keeps busy, for socket buffer accounting. */
u32 pkt_truesize(const struct pkt *pkt);

/* Packets and pkt_mem blocks in use: for tests, that nothing is left behind. */
extern u64 pkt_count, pkt_mem_count;
/* Gives the memory back that is kept at hand for packets to come. */
void pkt_reclaim(void);

/* Queues of packets: a struct list head; these move ownership. */
static inline struct pkt *pkt_of(struct list *link)
{
	return container_of(link, struct pkt, link);
}
struct pkt *pkt_dequeue(struct list *queue); /* NULL: empty */
void pkt_purge(struct list *queue); /* frees all */

#endif
