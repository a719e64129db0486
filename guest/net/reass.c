/*
 * Reassembly (RFC 791, 3.2; RFC 815's problem; RFC 8200, 4.5; RFC 5722).
 *
 * A datagram being put together is a list of its fragments by offset. It is
 * complete when the last one has come and there are as many bytes as that says.
 * Fragments that overlap others end it, IPv4's too: no honest sender makes them
 * (RFC 5722, 3; RFC 8900, 3.7). A second copy of a fragment is ignored. There
 * are at most so many datagrams and so much memory; the oldest makes room.
 */
#include "../libos/heap.h"
#include "../libos/thread.h"
#include "stack.h"

#define MOST        64
#define MOST_MEMORY (1u << 20)
#define TIMEOUT4    (30 * SECOND)
#define TIMEOUT6    (60 * SECOND)
#define LONGEST     65535

struct datagram {
	struct list link; /* oldest first */
	struct netif *netif;
	struct ipaddr src, dst;
	u32 id;
	u8 proto;
	struct list fragments; /* by offset */
	u32 have, total; /* bytes; total 0: the last fragment is not here */
	u32 memory;
	u64 deadline;
};

/* What a fragment says: kept in its pkt->cb[2] on, behind what IPv6 keeps. */
struct piece {
	u32 offset, len;
	bool more;
};
#define CB_PIECE   2
#define PIECE(pkt) ((struct piece *)&(pkt)->cb[CB_PIECE])

static struct list datagrams = { &datagrams, &datagrams };
static unsigned count;
static u32 memory;
static void timed_out(struct timer *timer);
static struct timer timer = { .expired = timed_out };

/* ---- datagrams ---- */

static void drop(struct datagram *d)
{
	pkt_purge(&d->fragments);
	list_del(&d->link);
	memory -= d->memory;
	count--;
	kfree(d);
	if (count == 0)
		timer_cancel(&timer);
}

static struct datagram *oldest(void)
{
	return container_of(datagrams.next, struct datagram, link);
}

static struct datagram *find(const struct pkt *pkt, u32 id, u8 proto)
{
	struct list *at;

	list_for_each (at, &datagrams) {
		struct datagram *d = container_of(at, struct datagram, link);

		if (d->id == id && d->netif == pkt->netif && d->proto == proto &&
		    ip_equal(&d->src, &pkt->src) && ip_equal(&d->dst, &pkt->dst))
			return d;
	}
	return NULL;
}

static struct datagram *make(const struct pkt *pkt, u32 id, u8 proto)
{
	struct datagram *d;

	if (count == MOST)
		drop(oldest());
	d = kalloc(sizeof(*d));
	if (d == NULL)
		return NULL;
	d->netif = pkt->netif;
	d->src = pkt->src;
	d->dst = pkt->dst;
	d->id = id;
	d->proto = proto;
	d->deadline = now_ns() + (ip_is4(&pkt->src) ? TIMEOUT4 : TIMEOUT6);
	list_init(&d->fragments);
	list_add_tail(&datagrams, &d->link);
	count++;
	if (!timer.armed || d->deadline < timer.deadline)
		timer_arm(&timer, d->deadline);
	return d;
}

/* RFC 1122, 3.3.2; RFC 8200, 4.5: an error, if the first fragment has come. */
static void give_up(struct datagram *d)
{
	struct pkt *first = pkt_of(d->fragments.next);

	if (!list_empty(&d->fragments) && PIECE(first)->offset == 0) {
		if (ip_is4(&d->src))
			icmp_error(first, ICMP4_TIME_EXCEEDED, 1, 0);
		else
			icmp6_error(first, ICMP6_TIME_EXCEEDED, 1, 0);
	}
	d->netif->stats.rx_dropped++;
	drop(d);
}

static void timed_out(struct timer *t)
{
	u64 now = now_ns(), next = NEVER;
	struct list *at, *after;

	net_enter();
	for (at = datagrams.next; at != &datagrams; at = after) {
		struct datagram *d = container_of(at, struct datagram, link);

		after = at->next;
		if (d->deadline <= now)
			give_up(d);
		else
			next = MIN(next, d->deadline);
	}
	if (next != NEVER)
		timer_arm(t, next);
	net_leave();
}

/* ---- fragments ---- */

enum verdict { KEEP, DUPLICATE, BAD };

/* Where it belongs among the others: before *at. */
static enum verdict place(const struct datagram *d, const struct piece *p, struct list **where)
{
	u32 end = p->offset + p->len;
	struct list *at;

	if (d->total > 0 && (end > d->total || (!p->more && end != d->total)))
		return BAD;
	list_for_each (at, &d->fragments) {
		const struct piece *other = PIECE(pkt_of(at));

		if (other->offset == p->offset && other->len == p->len && other->more == p->more)
			return DUPLICATE;
		if (other->offset + other->len <= p->offset)
			continue;
		if (other->offset < end)
			return BAD;
		break;
	}
	if (!p->more && at != &d->fragments)
		return BAD; /* something behind the end */
	*where = at;
	return KEEP;
}

/* One packet out of all of a complete datagram's: the first, with the bytes of
 * the others as fragments, copied together if they are too many. */
static struct pkt *join(struct datagram *d)
{
	struct pkt *whole = pkt_dequeue(&d->fragments);
	u32 rest = d->total - whole->total, done = 0;
	struct pkt_mem *mem;
	struct list *at;
	bool ok = true;

	list_for_each (at, &d->fragments)
		ok = ok && pkt_append(whole, pkt_of(at), 0, pkt_of(at)->total);
	if (ok)
		return whole;
	pkt_trim(whole, d->total - rest);
	mem = pkt_mem_alloc(rest);
	if (mem != NULL) {
		list_for_each (at, &d->fragments) {
			pkt_copy(pkt_of(at), 0, mem->data + done, pkt_of(at)->total);
			done += pkt_of(at)->total;
		}
		ok = pkt_add_frag(whole, mem, mem->data, rest);
		pkt_mem_put(mem);
	}
	if (!ok) {
		pkt_free(whole);
		return NULL;
	}
	return whole;
}

/* Adds a fragment: the joined datagram when it is the last one missing. Takes
 * the packet. */
static struct pkt *add(struct pkt *pkt, u32 id, u8 proto)
{
	struct datagram *d = find(pkt, id, proto);
	struct piece *p = PIECE(pkt);
	struct list *where = NULL;
	struct pkt *whole = NULL;
	enum verdict v;

	if (d == NULL)
		d = make(pkt, id, proto);
	v = d == NULL ? DUPLICATE : place(d, p, &where);
	if (v != KEEP) {
		pkt->netif->stats.rx_dropped++;
		pkt_free(pkt);
		if (v == BAD)
			drop(d);
		return NULL;
	}
	list_add_tail(where, &pkt->link);
	d->have += p->len;
	if (!p->more)
		d->total = p->offset + p->len;
	d->memory += pkt_truesize(pkt);
	memory += pkt_truesize(pkt);
	if (d->have == d->total) {
		whole = join(d);
		drop(d);
	}
	while (memory > MOST_MEMORY)
		drop(oldest());
	return whole;
}

struct pkt *reass_input4(struct pkt *pkt)
{
	struct ip4_hdr *h = (struct ip4_hdr *)pkt->network;
	u32 offset = (ntohs(h->frag) & IP4_OFFSET) * 8, hlen = pkt->data - pkt->network;
	bool more = h->frag & htons(IP4_MF);

	if (pkt->total == 0 || (more && pkt->total % 8) || offset + pkt->total > LONGEST - hlen) {
		pkt->netif->stats.rx_errors++;
		pkt_free(pkt);
		return NULL;
	}
	*PIECE(pkt) = (struct piece){ offset, pkt->total, more };
	pkt = add(pkt, ntohs(h->id), pkt->proto);
	if (pkt == NULL)
		return NULL;
	/* The header of the whole, for those who want to see it. */
	h = (struct ip4_hdr *)pkt->network;
	hlen = pkt->data - pkt->network;
	if (pkt->total + hlen > LONGEST) {
		pkt_free(pkt);
		return NULL;
	}
	h->len = htons(pkt->total + hlen);
	h->frag = 0;
	h->csum = 0;
	h->csum = ~net_sum(h, hlen, 0);
	pkt->csum = CSUM_NONE; /* whatever was said of a part */
	return pkt;
}

struct pkt *reass_input6(struct pkt *pkt)
{
	const struct ip6_frag *f = pkt_pull(pkt, sizeof(*f));
	u32 offset = f ? ntohs(f->offset) & IP6_FRAG_OFFSET : 0;
	bool more = f != NULL && f->offset & htons(IP6_FRAG_MORE);

	if (f != NULL && more && pkt->total % 8) /* RFC 8200, 4.5 */
		icmp6_error(pkt, ICMP6_PARAMETER, 0, offsetof(struct ip6_hdr, len));
	else if (f != NULL && offset + pkt->total > LONGEST)
		icmp6_error(pkt, ICMP6_PARAMETER, 0, (u8 *)&f->offset - pkt->network);
	if (f == NULL || (more && pkt->total % 8) || offset + pkt->total > LONGEST ||
	    pkt->total == 0) {
		pkt->netif->stats.rx_errors++;
		pkt_free(pkt);
		return NULL;
	}
	pkt->proto = f->next;
	pkt->cb[IP6_CB_NEXT] = (u8 *)f - pkt->network;
	pkt->cb[IP6_CB_FRAGMENTED] = true;
	pkt->csum = CSUM_NONE;
	if (offset == 0 && !more)
		return pkt; /* alone: RFC 6946 */
	*PIECE(pkt) = (struct piece){ offset, pkt->total, more };
	return add(pkt, f->id, IP6_FRAGMENT); /* the first one's protocol counts */
}

void reass_stop(void)
{
	while (count > 0)
		drop(oldest());
}
