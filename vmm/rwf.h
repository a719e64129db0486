/*
 * preadv2(2) and pwritev2(2), which musl's C library has not.
 */
#ifndef VMM_RWF_H
#define VMM_RWF_H

#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 0x8 /* <linux/fs.h> */
#endif
#ifndef RWF_DSYNC
#define RWF_DSYNC 0x2
#endif

/* offset -1: the file's position, which then moves; flags: RWF_*. Bytes, or -1
 * and errno. */
static inline ssize_t rwf_read(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return syscall(SYS_preadv2, fd, iov, (long)n, offset, 0L, (long)flags);
}

static inline ssize_t rwf_write(int fd, const struct iovec *iov, int n, off_t offset, int flags)
{
	return syscall(SYS_pwritev2, fd, iov, (long)n, offset, 0L, (long)flags);
}

#endif
