/* Bytes in buffers of several pieces, see net_dev.h. */
#include <string.h>
#include "net_dev.h"

void iov_store(const struct iovec *iov, uint32_t offset, const void *data, uint32_t len)
{
	const uint8_t *from = data;

	for (; len; iov++) {
		uint32_t part;

		if (offset >= iov->iov_len) {
			offset -= (uint32_t)iov->iov_len;
			continue;
		}
		part = (uint32_t)iov->iov_len - offset;
		if (part > len)
			part = len;
		memcpy((uint8_t *)iov->iov_base + offset, from, part);
		offset = 0;
		from += part;
		len -= part;
	}
}

unsigned iov_slice(const struct iovec *iov, unsigned n, uint32_t skip, uint32_t len,
		   struct iovec *out)
{
	unsigned used = 0;

	for (unsigned i = 0; i < n && len; i++) {
		uint32_t part = (uint32_t)iov[i].iov_len;

		if (skip >= part) {
			skip -= part;
			continue;
		}
		part -= skip;
		if (part > len)
			part = len;
		out[used++] = (struct iovec){ (uint8_t *)iov[i].iov_base + skip, part };
		len -= part;
		skip = 0;
	}
	return used;
}

uint32_t iov_load(const struct iovec *iov, unsigned n, uint32_t offset, void *data, uint32_t len)
{
	uint32_t done = 0;

	for (unsigned i = 0; i < n && done < len; i++) {
		uint32_t part = (uint32_t)iov[i].iov_len;

		if (offset >= part) {
			offset -= part;
			continue;
		}
		part -= offset;
		if (part > len - done)
			part = len - done;
		memcpy((uint8_t *)data + done, (const uint8_t *)iov[i].iov_base + offset, part);
		offset = 0;
		done += part;
	}
	return done;
}
