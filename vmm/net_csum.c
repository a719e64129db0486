/*
 * Checksums for backends that do not know the virtio header (RFC 1071). The
 * field holds the sum of the pseudo header already (virtio 1.2, 5.1.6.2).
 */
#include <string.h>
#include "net_dev.h"

/* Adds the bytes of [p, p + len) to the sum; `odd`: an odd number of bytes
 * came before, so that the first is the low one of a word. */
static uint64_t add_bytes(uint64_t sum, const uint8_t *p, size_t len, bool odd)
{
	if (odd && len) {
		sum += *p++;
		len--;
	}
	for (; len >= 2; p += 2, len -= 2)
		sum += (uint32_t)p[0] << 8 | p[1];
	if (len)
		sum += (uint32_t)*p << 8;
	return sum;
}

static uint16_t sum_of(const struct iovec *iov, unsigned n)
{
	uint64_t sum = 0;
	bool odd = false;

	for (unsigned i = 0; i < n; i++) {
		sum = add_bytes(sum, iov[i].iov_base, iov[i].iov_len, odd);
		odd ^= iov[i].iov_len & 1;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

unsigned csum_complete(const struct virtio_net_hdr_v1 *hdr, const struct iovec *iov, unsigned n,
		       uint32_t len, struct iovec *out, uint8_t sum[2])
{
	const uint32_t start = hdr->csum_start, field = start + hdr->csum_offset;
	unsigned used;
	uint16_t value;

	if (!(hdr->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return iov_slice(iov, n, 0, len, out);
	if (len < 2 || field > len - 2)
		return 0;
	used = iov_slice(iov, n, start, len - start, out);
	value = (uint16_t)~sum_of(out, used);
	if (!value) /* to UDP, 0 is "no checksum"; to the others the same */
		value = 0xffff;
	sum[0] = (uint8_t)(value >> 8);
	sum[1] = (uint8_t)value;
	used = iov_slice(iov, n, 0, field, out);
	out[used++] = (struct iovec){ sum, 2 };
	return used + iov_slice(iov, n, field + 2, len - field - 2, out + used);
}
