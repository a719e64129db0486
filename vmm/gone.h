/*
 * Memory of a file that became shorter.
 */
#ifndef VMM_GONE_H
#define VMM_GONE_H

#include <errno.h>
#include <stdbool.h>
#include <sys/uio.h>
#include <unistd.h>

/* Whether the host cannot read the byte: it is EFAULT to it. */
static inline bool is_gone(const void *byte)
{
	char copy;
	struct iovec to = { &copy, 1 }, from = { (void *)byte, 1 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) < 0 && errno == EFAULT;
}

#endif
