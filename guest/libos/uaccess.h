/*
 * The program's memory, reached from the library OS. A bad address never
 * does harm: the functions below return -EFAULT. Nothing else dereferences
 * a pointer that came from a program.
 */
#ifndef LIBOS_UACCESS_H
#define LIBOS_UACCESS_H

#include <asm/errno.h>
#include <linux/uio.h>
#include "lib.h"

int copy_from_user(void *dst, const void *user, size_t n); /* 0 or -EFAULT */
int copy_to_user(void *user, const void *src, size_t n); /* 0 or -EFAULT */
int clear_user(void *user, size_t n); /* 0 or -EFAULT */

/* Copies a string with its NUL. Its length, -EFAULT, or -ENAMETOOLONG when
 * no NUL is among the first `size` bytes. */
long strncpy_from_user(char *dst, const char *user, size_t size);

#define get_user(dst, user) copy_from_user(&(dst), (user), sizeof(dst))
#define put_user(user, value)                                                  \
	({                                                                     \
		typeof(*(user)) put_user_value = (value);                      \
		copy_to_user((user), &put_user_value, sizeof(put_user_value)); \
	})

/* A struct that grows with the years: what lies beyond the part that is known here
 * must be zero. 0, -EFAULT or -E2BIG. */
static inline int copy_struct_from_user(void *dst, size_t known, const void *user, size_t size)
{
	memset(dst, 0, known);
	if (copy_from_user(dst, user, MIN(size, known)))
		return -EFAULT;
	for (size_t i = known; i < size; i++) {
		u8 byte;
		if (get_user(byte, (const u8 *)user + i))
			return -EFAULT;
		if (byte)
			return -E2BIG;
	}
	return 0;
}

/* A word that threads on other vCPUs may change, as one of its values: 0 or
 * -EFAULT. */
int load_user(u32 *value, const u32 *user);

/* Puts `new` where *expected is, in one step for threads on other vCPUs too: 0,
 * -EFAULT, or -EAGAIN with what is there instead in *expected. */
int cmpxchg_user(u32 *user, u32 *expected, u32 new);

/*
 * A transfer in progress over the buffers of read, readv and their like.
 * `resid` is what is left. With `kernel` set the buffers are the library OS's.
 */
struct uio {
	const struct iovec *iov; /* checked copy, not the program's array */
	unsigned niov;
	size_t offset; /* in iov[0] */
	size_t resid;
	bool kernel;
};

/* Move min(n, resid) bytes and advance. The number of bytes moved, which is
 * short only when a fault stopped it, or -EFAULT when it stopped at once. */
long uio_to(struct uio *uio, const void *src, size_t n); /* into the buffers (read) */
long uio_from(struct uio *uio, void *dst, size_t n); /* out of the buffers (write) */
long uio_zero(struct uio *uio, size_t n); /* zeroes into the buffers */

#endif
