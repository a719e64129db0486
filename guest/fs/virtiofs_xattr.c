/*
 * Extended attributes of virtio-fs: see virtiofs.h. They are the host's and asked for
 * each time. What the host lets nobody have is not there, without asking: it knows
 * "user." attributes, access control lists and file capabilities, and only the
 * first can be changed (vmm/fs_xattr.c).
 */
#include "virtiofs.h"
#include "xattr.h"

static bool may_change(const char *name)
{
	return strncmp(name, "user.", 5) == 0;
}

static bool may_read(const char *name)
{
	return may_change(name) || strncmp(name, "system.", 7) == 0 ||
	       strcmp(name, XATTR_CAPABILITY) == 0;
}

/* GETXATTR and LISTXATTR, the latter without a name: how many bytes it is, or they are. */
static long ask(struct inode *inode, u32 opcode, const char *name, void *buf, size_t size)
{
	const struct fuse_getxattr_in in = { .size = MIN(size, (size_t)XATTR_SIZE_MAX) };
	struct fuse_getxattr_out out;
	struct fs_message m = { .opcode = opcode, .reply = buf, .room = in.size };
	int error;

	m.arg[0].from = &in;
	m.arg[0].len = sizeof(in);
	m.arg[1].from = name;
	m.arg[1].len = name != NULL ? strlen(name) + 1 : 0;
	if (size == 0) {
		m.reply = &out;
		m.room = sizeof(out);
	}
	error = virtiofs_send(inode, &m);
	if (error < 0)
		return error == -ENOSYS ? -EOPNOTSUPP : error;
	if (size > 0)
		return m.got;
	return m.got == sizeof(out) && out.size <= XATTR_SIZE_MAX ? (long)out.size : -EIO;
}

long virtiofs_get_xattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	return may_read(name) ? ask(inode, FUSE_GETXATTR, name, buf, size) : -ENODATA;
}

long virtiofs_list_xattr(struct inode *inode, char *buf, size_t size, bool trusted)
{
	long n = ask(inode, FUSE_LISTXATTR, NULL, buf, size);

	(void)trusted; /* there are none */
	/* the names end with a NUL, each */
	return size > 0 && n > 0 && buf[n - 1] != 0 ? -EIO : n;
}

int virtiofs_set_xattr(struct inode *inode, const char *name, const void *value, size_t size,
		       int flags)
{
	const struct fuse_setxattr_in in = { .size = size, .flags = flags };
	struct fs_message m = { .opcode = value != NULL ? FUSE_SETXATTR : FUSE_REMOVEXATTR };
	int error;

	if (!may_change(name))
		return -EOPNOTSUPP;
	if (value != NULL) {
		m.arg[0].from = &in;
		m.arg[0].len = FUSE_COMPAT_SETXATTR_IN_SIZE;
		m.arg[2].from = value;
		m.arg[2].len = size;
	}
	m.arg[1].from = name;
	m.arg[1].len = strlen(name) + 1;
	error = virtiofs_send(inode, &m);
	virtiofs_doubt(inode);
	return error == -ENOSYS ? -EOPNOTSUPP : error;
}
