/*
 * fcntl(2): what it does to descriptors and open files. Record locks are
 * locks.c's, pipe sizes pipe.c's, signals for I/O async.c's.
 */
#include <linux/fcntl.h>
#include "../fs/vfs.h"
#include "async.h"
#include "fd.h"
#include "locks.h"
#include "memfd.h"
#include "pipe.h"
#include "sys.h"

#define SETTABLE (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

static long set_flags(struct file *file, int fd, unsigned long flags)
{
	int error = 0;

	if ((file->flags ^ flags) & FASYNC && file->ops->async != ASYNC_NOT)
		error = async_set(file, fd, flags & FASYNC);
	if (error == 0)
		file->flags = (file->flags & ~SETTABLE) | (flags & SETTABLE);
	return error;
}

static long do_file(struct file *file, int fd, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(file, fd, arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return locks_fcntl(file, cmd, (struct flock *)arg);
	case F_SETPIPE_SZ:
		return pipe_set_size(file, arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(file);
	case F_ADD_SEALS:
		return memfd_add_seals(file, arg);
	case F_GET_SEALS:
		return memfd_get_seals(file);
	}
	return async_fcntl(file, cmd, arg);
}

long sys_fcntl(int fd, unsigned int cmd, unsigned long arg)
{
	struct file *file = fd_get_raw(fd);
	long r;

	if (file == NULL)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		r = fd_in_limit(arg) ? fd_dup(fd, arg, cmd == F_DUPFD_CLOEXEC) : -EINVAL;
		break;
	case F_GETFD:
		r = fd_get_cloexec(fd);
		break;
	case F_SETFD:
		r = fd_set_cloexec(fd, arg & FD_CLOEXEC);
		break;
	case F_GETFL:
		r = file->flags;
		break;
	default:
		r = file->flags & O_PATH ? -EBADF : do_file(file, fd, cmd, arg);
	}
	file_put(file);
	return r;
}
