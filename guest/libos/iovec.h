/*
 * A program's buffers, checked and made a struct uio.
 */
#ifndef LIBOS_IOVEC_H
#define LIBOS_IOVEC_H

#include "uaccess.h"

#define MAX_IOV    1024
#define MAX_RW     0x7ffff000 /* one transfer moves no more, as in Linux */
#define USER_LIMIT 0x7ffffffff000 /* programs have no address from here on */

static inline bool user_range_ok(const void *p, size_t n)
{
	return n <= USER_LIMIT && (uintptr_t)p <= USER_LIMIT - n;
}

struct buffers {
	struct uio uio;
	struct iovec *copy; /* `few`, or an allocation */
	struct iovec few[4];
};
/* One buffer: 0 or -EFAULT. */
int buffers_one(struct buffers *b, const void *user, size_t n);
/* An array of them: 0, -EINVAL, -EFAULT, -ENOMEM. Release after success. */
int buffers_import(struct buffers *b, const struct iovec *user, unsigned long n);
void buffers_release(struct buffers *b);

#endif
