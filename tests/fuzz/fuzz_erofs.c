// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/xattr.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_dir.c guest/libos/getdents.c guest/libos/sys_attr.c guest/libos/sys_xattr.c
// link: tests/fuzz/erofs_image.c tests/fuzz/disk_image.c tests/unit/fake_disk.c guest/fs/block_cache.c guest/fs/block_write.c guest/fs/mapped_page.c guest/fs/erofs.c guest/fs/erofs_inode.c guest/fs/erofs_file.c guest/fs/erofs_dir.c guest/fs/erofs_xattr.c
// libs: -lcmocka
// clang-format on
/*
 * A hostile image: a good EROFS of one of several block sizes, changed here and
 * there, then used through the system calls and by mappings while the disk fails
 * and memory runs out. Nothing may crash, go on for ever or be left when it has
 * been unmounted. Without changes and failures all must be there.
 *
 * Input: the layout, how many changes, the changes (where, what), then operations,
 * a byte each with its operands behind it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "erofs_image.h"
#include "input.h"
#include "../../guest/fs/xattr.h"
#include "../../guest/libos/sys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OP_OPEN, OP_READ, OP_SEEK, OP_LIST, OP_PAGE, OP_STAT, OP_MEMORY, OP_DISK, OP_XATTR, OPS };

static const char *const paths[] = {
	"/mnt",       "/mnt/dir",   "/mnt/dir/hard", "/mnt/many", "/mnt/many/a", "/mnt/many/g",
	"/mnt/small", "/mnt/large", "/mnt/plain",    "/mnt/link", "/mnt/chunks", "/mnt/table",
	"/mnt/empty", "/mnt/fifo",  "/mnt/null",     "/mnt/no",
};
#define PRESENT 15 /* of them are in a good image */

static int fds[4];
static u8 bytes[40000];

/* Disks fail and memory runs out in the fuzzer's hands only. */
static void check_good(void)
{
	struct stat st;

	for (unsigned i = 0; i < PRESENT; i++)
		assert_int_equal(sys_lstat(paths[i], &st), 0);
	assert_int_equal(sys_lstat(paths[PRESENT], &st), -ENOENT);
	fds[0] = sys_open("/mnt/large", O_RDONLY, 0);
	sys_fstat(fds[0], &st);
	assert_int_equal(sys_read(fds[0], bytes, sizeof(bytes)), st.st_size);
	for (i64 i = 0; i < st.st_size; i++)
		assert_int_equal(bytes[i],
				 'a' + (i < st.st_size - 100 ? i : i - st.st_size + 100) % 26);
	sys_close(fds[0]);
	assert_int_equal(sys_readlink("/mnt/link", (char *)bytes, 100), 9);
	assert_int_equal(sys_getxattr("/mnt/small", "user.a", bytes, sizeof(bytes)), 3);
	assert_int_equal(sys_getxattr("/mnt/small", "security.shared", bytes, sizeof(bytes)), 6);
}

/* Each that is listed can be read, unless the disk is damaged. */
static void read_xattrs(const char *path, u64 size)
{
	static char names[XATTR_SIZE_MAX];
	long n = sys_llistxattr(path, names, sizeof(names));

	sys_llistxattr(path, (char *)bytes, size % 64);
	for (long at = 0, count = 0; at < n && count < 16; at += strlen(names + at) + 1, count++)
		sys_lgetxattr(path, names + at, bytes, count % 2 ? size : sizeof(bytes));
}

static void touch(int fd, u64 index)
{
	struct file *file = fd_get(fd);
	paddr_t pa;

	if (file == NULL)
		return;
	if (file->inode->ops->get_page != NULL &&
	    file->inode->ops->get_page(file->inode, index, false, &pa) == 0)
		memcpy(bytes, phys_to_virt(pa), PAGE_SIZE);
	file_put(file);
}

static void operate(struct input *in)
{
	unsigned op = take(in, 1) % OPS;
	int *fd = &fds[take(in, 1) % ARRAY_SIZE(fds)];
	const char *path = paths[take(in, 1) % ARRAY_SIZE(paths)];
	u64 pos = take(in, 2) << take(in, 1) % 48;
	struct stat st;

	switch (op) {
	case OP_OPEN:
		sys_close(*fd);
		*fd = sys_open(path, O_RDONLY | O_NONBLOCK, 0);
		break;
	case OP_READ:
		sys_pread64(*fd, bytes, sizeof(bytes), pos);
		break;
	case OP_SEEK:
		sys_lseek(*fd, pos, SEEK_SET);
		break;
	case OP_LIST:
		sys_getdents64(*fd, bytes, 200);
		break;
	case OP_PAGE:
		touch(*fd, pos / PAGE_SIZE);
		break;
	case OP_STAT:
		sys_lstat(path, &st);
		sys_readlink(path, (char *)bytes, 300);
		break;
	case OP_XATTR:
		read_xattrs(path, pos % sizeof(bytes));
		break;
	case OP_MEMORY:
		fake_allocations_left = (long)(pos % 256) - 1;
		break;
	default:
		fake_disk.fail_reads = pos % 4;
	}
}

static void change(struct input *in)
{
	unsigned where = take(in, 1), offset = take(in, 2), width = take(in, 1) % 4 + 1;

	image_change(where, offset, take(in, width), width);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned layout = take(&in, 1), changes = take(&in, 1) % 32;

	image_begin(layout % IMAGES);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = -1;
	for (unsigned i = 0; i < changes; i++)
		change(&in);
	if (image_mount()) {
		if (changes == 0)
			check_good();
		while (in.left > 0)
			operate(&in);
	} else {
		assert_true(changes > 0);
	}
	fake_allocations_left = -1;
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		sys_close(fds[i]);
	image_end();
	return 0;
}
