/*
 * The bytes of packets: joining, copying, and the Internet checksum (RFC 1071).
 */
#include "pkt.h"

/* ---- joining ---- */

bool pkt_add_frag(struct pkt *pkt, struct pkt_mem *mem, u8 *data, u32 len)
{
	struct pkt_frag *last = &pkt->frag[pkt->nfrags] - 1;

	if (len == 0)
		return true;
	if (pkt->nfrags > 0 && last->mem == mem && last->data + last->len == data) {
		last->len += len;
	} else {
		if (pkt->nfrags == PKT_FRAGS)
			return false;
		pkt_mem_get(mem);
		pkt->frag[pkt->nfrags++] = (struct pkt_frag){ mem, data, len };
	}
	pkt->total += len;
	return true;
}

/* Appends bytes of which nobody else keeps a copy: at the end of the front
 * part where they fit, else in a block of their own. */
static bool append_copy(struct pkt *pkt, const u8 *data, u32 len)
{
	struct pkt_mem *mem;
	u8 *at = pkt_put(pkt, len);
	bool ok;

	if (at != NULL) {
		memcpy(at, data, len);
		return true;
	}
	mem = pkt_mem_alloc(len);
	if (mem == NULL)
		return false;
	memcpy(mem->data, data, len);
	ok = pkt_add_frag(pkt, mem, mem->data, len);
	pkt_mem_put(mem);
	return ok;
}

bool pkt_append(struct pkt *pkt, const struct pkt *other, u32 from, u32 len)
{
	BUG_ON(len > other->total || from > other->total - len);
	if (from < other->len && len > 0) {
		u8 *at = other->data + from;
		u32 n = MIN(len, other->len - from);
		bool in_room = at >= other->room && at < other->room + PKT_ROOM;

		if (in_room ? !append_copy(pkt, at, n) : !pkt_add_frag(pkt, other->mem, at, n))
			return false;
		from += n;
		len -= n;
	}
	from -= MIN(from, other->len);
	for (unsigned i = 0; len > 0; i++) {
		const struct pkt_frag *f = &other->frag[i];
		u32 n;

		if (from >= f->len) {
			from -= f->len;
			continue;
		}
		n = MIN(len, f->len - from);
		if (!pkt_add_frag(pkt, f->mem, f->data + from, n))
			return false;
		from = 0;
		len -= n;
	}
	return true;
}

/* ---- walking over a range ---- */

struct walk {
	const struct pkt *pkt;
	unsigned next; /* fragment after this piece; 0: after the front comes 0 */
	u32 from, left;
};

/* The next piece of the range: its length, 0 at the end. */
static u32 walk(struct walk *w, u8 **piece)
{
	const struct pkt *pkt = w->pkt;

	while (w->left > 0) {
		u8 *data = w->next == 0 ? pkt->data : pkt->frag[w->next - 1].data;
		u32 len = w->next == 0 ? pkt->len : pkt->frag[w->next - 1].len;

		w->next++;
		if (w->from >= len) {
			w->from -= len;
			continue;
		}
		len = MIN(len - w->from, w->left);
		*piece = data + w->from;
		w->from = 0;
		w->left -= len;
		return len;
	}
	return 0;
}

static struct walk walk_from(const struct pkt *pkt, u32 from, u32 len)
{
	BUG_ON(len > pkt->total || from > pkt->total - len);
	return (struct walk){ pkt, 0, from, len };
}

void pkt_copy(const struct pkt *pkt, u32 from, void *dst, u32 len)
{
	struct walk w = walk_from(pkt, from, len);
	u8 *piece, *to = dst;
	u32 n;

	while ((n = walk(&w, &piece)) > 0) {
		memcpy(to, piece, n);
		to += n;
	}
}

long pkt_to_uio(const struct pkt *pkt, u32 from, struct uio *uio, u32 len)
{
	struct walk w = walk_from(pkt, from, len);
	long moved = 0;
	u8 *piece;
	u32 n;

	while ((n = walk(&w, &piece)) > 0) {
		long done = uio_to(uio, piece, n);

		if (done < 0)
			return moved > 0 ? moved : done;
		moved += done;
		if (done < (long)n)
			break;
	}
	return moved;
}

/* One piece of at most a block: 0 or -errno. */
static int put_from_uio(struct pkt *pkt, struct uio *uio, u32 len)
{
	u8 *at = pkt_put(pkt, len);
	struct pkt_mem *mem = NULL;
	int error = 0;

	if (at == NULL) {
		mem = pkt_mem_alloc(len);
		if (mem == NULL)
			return -ENOMEM;
		at = mem->data;
	}
	if (uio_from(uio, at, len) != (long)len)
		error = -EFAULT;
	if (mem != NULL) {
		if (error == 0 && !pkt_add_frag(pkt, mem, at, len))
			error = -ENOMEM;
		pkt_mem_put(mem);
	}
	return error;
}

int pkt_from_uio(struct pkt *pkt, struct uio *uio, u32 len)
{
	while (len > 0) {
		u32 n = MIN(len, 1u << 16);
		int error = put_from_uio(pkt, uio, n);

		if (error < 0)
			return error;
		len -= n;
	}
	return 0;
}

u32 pkt_truesize(const struct pkt *pkt)
{
	const struct pkt_mem *last = pkt->mem;
	u32 size = sizeof(*pkt) + (last ? MAX(pkt->len, MIN(last->size, PAGE_SIZE)) : 0);

	for (unsigned i = 0; i < pkt->nfrags; i++) {
		const struct pkt_frag *f = &pkt->frag[i];

		/* Blocks are shared: a small piece counts as a page, not as the 64 KiB
		 * that a whole send buffer's block has. */
		size += f->mem == last ? f->len : MAX(f->len, MIN(f->mem->size, PAGE_SIZE));
		last = f->mem;
	}
	return size;
}

/* ---- checksum ---- */

static u32 fold(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* 64 bytes a round: one's complement addition is addition with end-around
 * carry at any word size (RFC 1071, 2 (C)). */
static u64 sum_blocks(const u8 *p, u32 blocks, u64 sum)
{
	for (; blocks > 0; blocks--, p += 64)
		asm("addq 0(%1), %0\n\t"
		    "adcq 8(%1), %0\n\t"
		    "adcq 16(%1), %0\n\t"
		    "adcq 24(%1), %0\n\t"
		    "adcq 32(%1), %0\n\t"
		    "adcq 40(%1), %0\n\t"
		    "adcq 48(%1), %0\n\t"
		    "adcq 56(%1), %0\n\t"
		    "adcq $0, %0"
		    : "+r"(sum)
		    : "r"(p), "m"(*(const u8(*)[64])p)
		    : "cc");
	return sum;
}

u32 net_sum(const void *data, u32 len, u32 start)
{
	const u8 *p = data;
	u64 sum = sum_blocks(p, len / 64, start), word;
	u32 n = len % 64;

	p += len - n;
	for (; n >= 8; n -= 8, p += 8) {
		__builtin_memcpy(&word, p, 8);
		sum += word;
		sum += sum < word;
	}
	word = 0; /* the rest, one by one: 7 bytes do not carry over */
	if (n & 4) {
		u32 four;

		__builtin_memcpy(&four, p, 4);
		word = four;
		p += 4;
	}
	if (n & 2) {
		u16 two;

		__builtin_memcpy(&two, p, 2);
		word += two;
		p += 2;
	}
	if (n & 1)
		word += *p;
	sum += word;
	sum += sum < word;
	return fold(sum);
}

u32 pkt_sum(const struct pkt *pkt, u32 from, u32 len, u32 sum)
{
	struct walk w = walk_from(pkt, from, len);
	bool odd = false;
	u8 *piece;
	u32 n;

	sum = fold(sum);
	while ((n = walk(&w, &piece)) > 0) {
		u32 part = net_sum(piece, n, 0);

		/* A piece at an odd distance has its bytes the other way round. */
		sum += odd ? (u16)__builtin_bswap16(part) : part;
		odd ^= n & 1;
	}
	return fold(sum);
}
