/*
 * IPv6 (RFC 8200). Extension headers are walked over within bounds (RFC 8504,
 * 5.3): so many of them, so many bytes, so many options.
 */
#include "../libos/random.h"
#include "stack.h"

#define MAX_HEADERS      8
#define MAX_HEADER_BYTES 512
#define MAX_OPTIONS      16

/* ---- in ---- */

enum verdict { ACCEPT, DROP };

/* What an option asks for that we don't know (RFC 8200, 4.2). `at` is its
 * distance from the IP header. */
static enum verdict unknown_option(struct pkt *pkt, u8 type, u32 at)
{
	if (type >> 6 == 0)
		return ACCEPT;
	if (type >> 6 != 1) /* not to a group, in either case: icmp_quote() */
		icmp6_error(pkt, ICMP6_PARAMETER, 2, at);
	return DROP;
}

/* The options of a hop-by-hop or destination options header. */
static enum verdict options(struct pkt *pkt, const u8 *header, u32 len)
{
	unsigned count = 0;

	for (u32 at = 2; at < len;) {
		u8 type = header[at];

		if (type == IP6_OPT_PAD1) {
			at++;
			continue;
		}
		if (len - at < 2 || header[at + 1] > len - at - 2 || ++count > MAX_OPTIONS)
			return DROP;
		if (type != IP6_OPT_ROUTER &&
		    unknown_option(pkt, type, header + at - pkt->network) == DROP)
			return DROP;
		at += 2 + header[at + 1];
	}
	return ACCEPT;
}

/* Takes one extension header off: what follows it is left in pkt->proto. */
static enum verdict extension(struct pkt *pkt, u32 *bytes)
{
	const u8 *header = pkt_header(pkt, 8);
	u32 len;
	u8 type = pkt->proto;

	if (header == NULL)
		return DROP;
	len = (header[1] + 1) * 8;
	*bytes += len;
	if (*bytes > MAX_HEADER_BYTES)
		return DROP;
	header = pkt_pull(pkt, len);
	if (header == NULL)
		return DROP;
	pkt->proto = header[0];
	pkt->cb[IP6_CB_NEXT] = header - pkt->network;
	if (type != IP6_ROUTING)
		return options(pkt, header, len);
	if (header[3] == 0) /* no segments left: to be ignored (4.4) */
		return ACCEPT;
	icmp6_error(pkt, ICMP6_PARAMETER, 0, header + 2 - pkt->network);
	return DROP;
}

static bool is_extension(u8 proto)
{
	return proto == IP6_HOPOPTS || proto == IP6_DSTOPTS || proto == IP6_ROUTING;
}

/* Everything up to the transport; the packet to deliver, or NULL: it is gone. */
static struct pkt *walk_headers(struct pkt *pkt)
{
	u32 bytes = 0;

	for (unsigned n = 0; is_extension(pkt->proto) || pkt->proto == IP6_FRAGMENT; n++) {
		bool misplaced = pkt->proto == IP6_HOPOPTS && n > 0;

		if (pkt->proto == IP6_FRAGMENT && n < MAX_HEADERS) {
			pkt = reass_input6(pkt);
			if (pkt == NULL)
				return NULL;
		} else if (n == MAX_HEADERS || misplaced || extension(pkt, &bytes) == DROP) {
			pkt->netif->stats.rx_dropped++;
			pkt_free(pkt);
			return NULL;
		}
	}
	return pkt;
}

static bool parse(struct netif *netif, struct pkt *pkt)
{
	struct ip6_hdr *h = pkt_pull(pkt, IP6_HLEN);
	u32 len;

	if (h == NULL || ntohl(h->version_class_flow) >> 28 != 6)
		return false;
	len = ntohs(h->len);
	if (len > pkt->total)
		return false;
	pkt_trim(pkt, len);
	pkt->network = (u8 *)h;
	__builtin_memcpy(&pkt->src, h->src, sizeof(pkt->src));
	__builtin_memcpy(&pkt->dst, h->dst, sizeof(pkt->dst));
	pkt->proto = h->next;
	pkt->cb[IP6_CB_NEXT] = offsetof(struct ip6_hdr, next);
	pkt->cb[IP6_CB_FRAGMENTED] = false;
	pkt->ttl = h->hops;
	pkt->tos = ntohl(h->version_class_flow) >> 20;
	/* Mapped addresses never cross a wire (RFC 4291, 2.5.5.2): they would pass
	 * for IPv4 above. */
	return !ip_is4(&pkt->src) && !ip_is4(&pkt->dst) && ip_source_ok(netif, &pkt->src) &&
	       netif_accepts(netif, &pkt->dst);
}

void ip6_input(struct netif *netif, struct pkt *pkt)
{
	if (!parse(netif, pkt)) {
		netif->stats.rx_dropped++;
		pkt_free(pkt);
		return;
	}
	pkt = walk_headers(pkt);
	if (pkt == NULL)
		return;
	if (pkt->proto == IP6_NONE || !ip_deliver(pkt)) {
		if (pkt->proto != IP6_NONE)
			icmp6_error(pkt, ICMP6_PARAMETER, 1, pkt->cb[IP6_CB_NEXT]);
		pkt_free(pkt);
	}
}

/* ---- out ---- */

static void push_header(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path,
			u8 next)
{
	u32 len = pkt->total;
	struct ip6_hdr *h = pkt_push(pkt, sizeof(*h));

	h->version_class_flow = htonl(IP6_FLOW_VERSION | (u32)to->tos << 20);
	h->len = htons(len);
	h->next = next;
	h->hops = to->ttl ? to->ttl : ndp_hop_limit(path->netif);
	__builtin_memcpy(h->src, &path->src, sizeof(h->src));
	__builtin_memcpy(h->dst, &to->dst, sizeof(h->dst));
}

static int fragment(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path)
{
	u32 most = ALIGN_DOWN(path->mtu - IP6_HLEN - sizeof(struct ip6_frag), 8), done = 0, id;
	int error = 0;

	random_bytes(&id, sizeof(id)); /* RFC 7739 */
	if (pkt->csum == CSUM_PARTIAL)
		offload_checksum(pkt);
	while (error == 0 && done < pkt->total) {
		u32 n = MIN(most, pkt->total - done);
		struct pkt *piece = pkt_alloc();
		struct ip6_frag *f;

		if (piece == NULL || !pkt_append(piece, pkt, done, n)) {
			pkt_free(piece);
			error = -ENOMEM;
			break;
		}
		f = pkt_push(piece, sizeof(*f));
		*f = (struct ip6_frag){ to->proto, 0,
					htons(done | (done + n < pkt->total ? IP6_FRAG_MORE : 0)),
					id };
		push_header(piece, to, path, IP6_FRAGMENT);
		error = ip_transmit(piece, path);
		done += n;
	}
	pkt_free(pkt);
	return error;
}

int ip6_output(struct pkt *pkt, const struct ip_send *to, const struct ip_path *path)
{
	bool long_one = pkt->total + IP6_HLEN > path->mtu && pkt->gso_size == 0;

	if (unlikely(pkt->total > 65535 || (long_one && to->dont_fragment))) {
		pkt_free(pkt);
		return -EMSGSIZE;
	}
	if (unlikely(long_one))
		return fragment(pkt, to, path);
	push_header(pkt, to, path, to->proto);
	return ip_transmit(pkt, path);
}
