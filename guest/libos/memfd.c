/*
 * memfd_create(2), and the seals of such files, which are kept in the inode and
 * looked at by who changes or maps it. A file of any tmpfs has them; only those
 * made for it let some be added. (Linux: mm/memfd.c)
 */
#include <linux/fcntl.h>
#include <linux/memfd.h>
#include "../fs/tmpfs.h"
#include "fd.h"
#include "memfd.h"
#include "process.h"
#include "space.h"
#include "sys.h"

#define MEMFD_PREFIX   "memfd:"
#define MEMFD_NAME_MAX (NAME_MAX - (sizeof(MEMFD_PREFIX) - 1))
#ifndef MFD_EXEC
#define MFD_NOEXEC_SEAL 8
#define MFD_EXEC        16
#endif
#define SEALS_OF_DATA (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define SEALS         (F_SEAL_SEAL | SEALS_OF_DATA | F_SEAL_EXEC)

static struct file *memfd_open(const char *name, u32 mode, int *error)
{
	struct path p = { root_mount, dentry_new(NULL, name, strlen(name)) };
	struct file *file;

	*error = -ENOMEM;
	if (p.dentry == NULL)
		return NULL;
	p.dentry->deleted = true;
	p.dentry->inode = tmpfs_new_file(mode);
	file = p.dentry->inode != NULL ? vfs_open(&p, O_RDWR | O_LARGEFILE, error) : NULL;
	dentry_put(p.dentry);
	if (file != NULL) { /* Linux does not count it as a writer: it can be executed */
		inode_end_write(file->inode);
		file->writer = false;
	}
	return file;
}

long sys_memfd_create(const char *user, unsigned int flags)
{
	char name[NAME_MAX + 1] = MEMFD_PREFIX;
	struct file *file;
	int error;
	long n;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC) ||
	    (flags & MFD_EXEC && flags & MFD_NOEXEC_SEAL))
		return -EINVAL;
	n = strncpy_from_user(name + sizeof(MEMFD_PREFIX) - 1, user, MEMFD_NAME_MAX + 1);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	file = memfd_open(name, flags & MFD_NOEXEC_SEAL ? 0666 : 0777, &error);
	if (file == NULL)
		return error;
	if (flags & MFD_NOEXEC_SEAL)
		file->inode->seals = F_SEAL_EXEC;
	else if (flags & MFD_ALLOW_SEALING)
		file->inode->seals = 0;
	return fd_install_or_put(file, flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
}

static bool has_seals(const struct file *file)
{
	return file->inode != NULL && file->inode->fops == &tmpfs_file_ops;
}

long memfd_add_seals(struct file *file, u32 seals)
{
	struct inode *inode = file->inode;

	if (!file_writable(file))
		return -EPERM;
	if (seals & ~(u32)SEALS || !has_seals(file))
		return -EINVAL;
	if (inode->seals & F_SEAL_SEAL)
		return -EPERM;
	if (seals & F_SEAL_WRITE && !(inode->seals & F_SEAL_WRITE) &&
	    space_may_write(current_process()->space, inode))
		return -EBUSY;
	if (seals & F_SEAL_EXEC && inode->mode & 0111) /* what runs stays what it is */
		seals |= SEALS_OF_DATA;
	inode->seals |= seals;
	return 0;
}

long memfd_get_seals(const struct file *file)
{
	return has_seals(file) ? file->inode->seals : -EINVAL;
}
