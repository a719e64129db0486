/*
 * Access to the program's memory. The copies themselves are in entry.S with
 * an exception-table entry each; a fault there first asks the space for the
 * page (fault.c), and only then ends the copy.
 */
#include "../kernel/kcall.h"
#include "uaccess.h"

long user_copy(void *dst, const void *src, size_t n);
long user_clear(void *dst, size_t n);
long user_string(char *dst, const char *src, size_t size);
long user_load(const u32 *p);
long user_cmpxchg(u32 *p, u32 expected, u32 new);

static bool in_program(const void *user, size_t n)
{
	return (u64)user < USER_END && n <= USER_END - (u64)user;
}

int copy_from_user(void *dst, const void *user, size_t n)
{
	return in_program(user, n) && !user_copy(dst, user, n) ? 0 : -EFAULT;
}

int copy_to_user(void *user, const void *src, size_t n)
{
	return in_program(user, n) && !user_copy(user, src, n) ? 0 : -EFAULT;
}

int clear_user(void *user, size_t n)
{
	return in_program(user, n) && !user_clear(user, n) ? 0 : -EFAULT;
}

long strncpy_from_user(char *dst, const char *user, size_t size)
{
	if (!in_program(user, 1))
		return -EFAULT;
	size_t room = MIN(size, USER_END - (u64)user);
	long n = user_string(dst, user, room);
	if (n < 0 || ((size_t)n == room && room < size))
		return -EFAULT;
	return (size_t)n == size ? -ENAMETOOLONG : n;
}

int load_user(u32 *value, const u32 *user)
{
	long found = in_program(user, sizeof(*user)) ? user_load(user) : -1;
	*value = found;
	return found < 0 ? -EFAULT : 0;
}

int cmpxchg_user(u32 *user, u32 *expected, u32 new)
{
	long found = in_program(user, sizeof(*user)) ? user_cmpxchg(user, *expected, new) : -1;
	if (found < 0)
		return -EFAULT;
	if ((u32)found == *expected)
		return 0;
	*expected = found;
	return -EAGAIN;
}

enum direction { TO_BUFFERS, FROM_BUFFERS, ZERO_BUFFERS };

/* Bytes of one piece that could not be moved. */
static size_t move_piece(struct uio *uio, char *at, char *mem, size_t n, enum direction d)
{
	if (!uio->kernel && !in_program(at, n))
		return n;
	if (d == ZERO_BUFFERS)
		return user_clear(at, n);
	return d == TO_BUFFERS ? user_copy(at, mem, n) : user_copy(mem, at, n);
}

static long move(struct uio *uio, void *mem, size_t n, enum direction d)
{
	size_t done = 0;
	n = MIN(n, uio->resid);
	while (done < n) {
		size_t piece = MIN(n - done, uio->iov->iov_len - uio->offset);
		char *at = (char *)uio->iov->iov_base + uio->offset;
		size_t left = piece ? move_piece(uio, at, (char *)mem + done, piece, d) : 0;
		done += piece - left;
		uio->resid -= piece - left;
		uio->offset += piece - left;
		if (left)
			return done ? (long)done : -EFAULT;
		if (uio->offset == uio->iov->iov_len && uio->niov > 1) {
			uio->iov++;
			uio->niov--;
			uio->offset = 0;
		}
	}
	return done;
}

long uio_to(struct uio *uio, const void *src, size_t n)
{
	return move(uio, (void *)src, n, TO_BUFFERS);
}

long uio_from(struct uio *uio, void *dst, size_t n)
{
	return move(uio, dst, n, FROM_BUFFERS);
}

long uio_zero(struct uio *uio, size_t n)
{
	return move(uio, NULL, n, ZERO_BUFFERS);
}
