// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/xattr.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_dir.c guest/libos/getdents.c guest/libos/sys_attr.c guest/libos/sys_xattr.c
// link: tests/fuzz/ext2_image.c tests/fuzz/disk_image.c tests/unit/fake_disk.c guest/fs/block_cache.c guest/fs/block_write.c guest/fs/ext2.c guest/fs/ext2_alloc.c guest/fs/ext2_block.c guest/fs/ext2_dir.c guest/fs/ext2_file.c guest/fs/ext2_inode.c guest/fs/ext2_map.c guest/fs/ext2_name.c guest/fs/ext2_page.c guest/fs/ext2_xattr.c guest/fs/mapped_page.c
// libs: -lcmocka
// clang-format on
/*
 * A hostile image: a good ext2 file system of one of several layouts, changed
 * here and there, then used through the system calls while the disk fails and
 * memory runs out. Nothing may crash, go on for ever or be left when it has
 * been unmounted. Without changes and failures all must work.
 *
 * Input: the layout, how many changes, the changes (where, what), then
 * operations, a byte each with its operands behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "ext2_image.h"
#include "input.h"
#include "../../guest/libos/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_OPEN,
	OP_READ,
	OP_WRITE,
	OP_CLOSE,
	OP_SIZE,
	OP_SEEK,
	OP_LIST,
	OP_STAT,
	OP_MKDIR,
	OP_MKNOD,
	OP_LINK,
	OP_SYMLINK,
	OP_UNLINK,
	OP_RMDIR,
	OP_RENAME,
	OP_CHMOD,
	OP_LABEL,
	OP_SYNC,
	OP_REMOUNT,
	OP_MEMORY,
	OP_DISK,
	OPS
};

/* Those of the image, and others. */
static const char *const paths[] = {
	"/mnt",
	"/mnt/file",
	"/mnt/large",
	"/mnt/dir",
	"/mnt/dir/a",
	"/mnt/dir/b",
	"/mnt/dir/sub",
	"/mnt/hard",
	"/mnt/link",
	"/mnt/long",
	"/mnt/fifo",
	"/mnt/lost+found",
	"/mnt/new",
	"/mnt/dir/sub/new",
	"/mnt/a-name-that-takes-more-room-than-the-others-and-so-needs-a-block-sooner",
	"/mnt/dir/..",
};

static const char *path(struct input *in)
{
	return paths[take(in, 1) % ARRAY_SIZE(paths)];
}

static int fds[4];
static u8 bytes[40000];

/* As a mapping does. */
static void touch(int fd, u64 index, bool write)
{
	struct file *file = fd_get(fd);
	paddr_t pa;

	if (file == NULL)
		return;
	if (file->inode->ops->get_page != NULL && (!write || file_writable(file)) &&
	    file->inode->ops->get_page(file->inode, index, write, &pa) == 0 && write)
		memset(phys_to_virt(pa), 'm', PAGE_SIZE);
	file_put(file);
}

static void operate_file(struct input *in, unsigned op)
{
	int *fd = &fds[take(in, 1) % ARRAY_SIZE(fds)];
	size_t n = take(in, 2) % sizeof(bytes);
	u64 pos = take(in, 3) << take(in, 1) % 40;

	switch (op) {
	case OP_OPEN:
		sys_close(*fd);
		*fd = sys_open(path(in), take(in, 1) % 4 | (take(in, 3) & ~O_DIRECT) | O_NONBLOCK,
			       0600);
		break;
	case OP_READ:
		sys_pread64(*fd, bytes, n, pos);
		break;
	case OP_WRITE:
		sys_pwrite64(*fd, bytes, n, pos);
		break;
	case OP_CLOSE:
		sys_close(*fd);
		*fd = -1;
		break;
	case OP_SIZE:
		sys_ftruncate(*fd, pos);
		break;
	case OP_SEEK:
		sys_lseek(*fd, pos, n % 5);
		break;
	default:
		if (sys_getdents64(*fd, bytes, n) == -ENOTDIR)
			touch(*fd, pos / PAGE_SIZE, n % 2);
	}
}

static void operate_label(struct input *in, const char *path)
{
	static const char *const names[] = { "user.a",   "user.b",   "trusted.c",  "user.in",
					     "user.dir", "user.new", "security.s", "trusted.long" };
	const char *name = names[take(in, 1) % ARRAY_SIZE(names)];
	size_t size = take(in, 2) % 5000;

	sys_lgetxattr(path, name, bytes, size);
	sys_llistxattr(path, (char *)bytes, size);
	if (size % 4 == 0)
		sys_lremovexattr(path, name);
	else
		sys_lsetxattr(path, name, bytes, size, size % 4 - 1);
}

static void operate_name(struct input *in, unsigned op)
{
	const char *name = path(in);
	struct stat st;

	switch (op) {
	case OP_STAT:
		sys_lstat(name, &st);
		sys_readlink(name, (char *)bytes, 300);
		break;
	case OP_MKDIR:
		sys_mkdir(name, 0755);
		break;
	case OP_MKNOD:
		sys_mknod(name, take(in, 2), 0x103);
		break;
	case OP_LINK:
		sys_link(path(in), name);
		break;
	case OP_SYMLINK:
		sys_symlink(path(in), name);
		break;
	case OP_UNLINK:
		sys_unlink(name);
		break;
	case OP_RMDIR:
		sys_rmdir(name);
		break;
	case OP_RENAME:
		sys_renameat2(AT_FDCWD, name, AT_FDCWD, path(in), take(in, 1) % 4);
		break;
	case OP_LABEL:
		operate_label(in, name);
		break;
	default:
		sys_chmod(name, take(in, 2));
	}
}

/* False: it could not be mounted again. */
static bool operate(struct input *in)
{
	unsigned op = take(in, 1) % OPS;

	if (op <= OP_LIST) {
		operate_file(in, op);
	} else if (op <= OP_LABEL) {
		operate_name(in, op);
	} else if (op == OP_SYNC) {
		ext2_sync_all(false);
	} else if (op == OP_REMOUNT) {
		for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
			sys_close(fds[i]);
			fds[i] = -1;
		}
		image_unmount();
		return image_mount(take(in, 1) % 4 == 0);
	} else if (op == OP_MEMORY) {
		fake_allocations_left = (long)take(in, 1) - 1;
	} else {
		fake_disk.fail_reads = take(in, 1) % 4;
		fake_disk.fail_writes = take(in, 1) % 4;
	}
	return true;
}

static void change(struct input *in)
{
	unsigned where = take(in, 1), offset = take(in, 2), width = take(in, 1) % 4 + 1;

	image_change(where, offset, take(in, width), width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned layout = take(&in, 1), changes;

	image_begin(layout % IMAGES);
	for (changes = take(&in, 1) % 32; changes > 0; changes--)
		change(&in);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = -1;
	if (image_mount(false))
		while (in.left > 0 && operate(&in))
			;
	fake_allocations_left = -1;
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		sys_close(fds[i]);
	image_end();
	return 0;
}
