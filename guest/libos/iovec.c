/*
 * The buffers of read, readv and their like, as Linux checks them
 * (lib/iov_iter.c): a bad address is found when bytes move, but one that no
 * program can have, or a negative length, at once.
 */
#include "iovec.h"
#include "heap.h"

int buffers_one(struct buffers *b, const void *user, size_t n)
{
	b->copy = b->few;
	b->few[0] = (struct iovec){ (void *)user, MIN(n, (size_t)MAX_RW) };
	b->uio = (struct uio){ .iov = b->few, .niov = 1, .resid = b->few[0].iov_len };
	return user_range_ok(user, n) ? 0 : -EFAULT;
}

int buffers_import(struct buffers *b, const struct iovec *user, unsigned long n)
{
	size_t total = 0;

	if (n > MAX_IOV)
		return -EINVAL;
	b->copy = n <= ARRAY_SIZE(b->few) ? b->few : kalloc(n * sizeof(*b->copy));
	if (b->copy == NULL)
		return -ENOMEM;
	if (copy_from_user(b->copy, user, n * sizeof(*b->copy)) < 0) {
		buffers_release(b);
		return -EFAULT;
	}
	for (unsigned long i = 0; i < n; i++) {
		struct iovec *v = &b->copy[i];

		if ((i64)v->iov_len < 0 || !user_range_ok(v->iov_base, v->iov_len)) {
			int error = (i64)v->iov_len < 0 ? -EINVAL : -EFAULT;

			buffers_release(b);
			return error;
		}
		v->iov_len = MIN(v->iov_len, MAX_RW - total);
		total += v->iov_len;
	}
	b->uio = (struct uio){ .iov = b->copy, .niov = n, .resid = total };
	return 0;
}

void buffers_release(struct buffers *b)
{
	if (b->copy != b->few)
		kfree(b->copy);
}
