// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/xattr.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_dir.c guest/libos/getdents.c guest/libos/sys_attr.c guest/libos/sys_xattr.c
// link: tests/fuzz/ext2_image.c tests/fuzz/disk_image.c tests/unit/fake_disk.c guest/fs/block_cache.c guest/fs/block_write.c guest/fs/ext2.c guest/fs/ext2_alloc.c guest/fs/ext2_block.c guest/fs/ext2_dir.c guest/fs/ext2_file.c guest/fs/ext2_inode.c guest/fs/ext2_map.c guest/fs/ext2_name.c guest/fs/ext2_page.c guest/fs/ext2_xattr.c guest/fs/mapped_page.c
// clang-format on
/*
 * Extended attributes of ext2 through the system calls: blocks that inodes share, what is
 * behind an inode, and blocks that make no sense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <asm/statfs.h>
#include <cmocka.h>
#include "../fuzz/ext2_image.h"
#include "../../guest/fs/ext2_disk.h"
#include "../../guest/fs/xattr.h"
#include "../../guest/libos/sys.h"

#define SMALL 0 /* layouts: inodes of 128 bytes, blocks of 1 KiB */
#define LARGE 1 /* 256 bytes, 4 KiB */
#define OLD   2 /* revision 0 */

static void begin(unsigned layout)
{
	image_begin(layout);
	assert_true(image_mount(false));
}

static void end(void)
{
	image_end();
}

/* An attribute's value, "" if there is none. */
static const char *label_of(const char *path, const char *name)
{
	static char buf[5000];
	long n = sys_getxattr(path, name, buf, sizeof(buf) - 1);

	buf[n > 0 ? n : 0] = 0;
	return buf;
}

static void again(void)
{
	image_unmount();
	assert_true(image_mount(false));
}

static long set(const char *path, const char *name, const char *value)
{
	return sys_setxattr(path, name, value, strlen(value), 0);
}

static u32 refs(void)
{
	return ((struct ext2_disk_xattr *)image_attributes())->refs;
}

static void shared_blocks_are_copied(void **state)
{
	(void)state;
	begin(SMALL);
	assert_string_equal(label_of("/mnt/dir/b", "user.a"), "value");
	assert_int_equal(sys_listxattr("/mnt/dir/b", NULL, 0), 7 + 7 + 10);
	assert_int_equal(set("/mnt/dir/b", "user.a", "mine"), 0);
	again();
	assert_int_equal(refs(), 1);
	assert_string_equal(label_of("/mnt/dir/b", "user.a"), "mine");
	assert_string_equal(label_of("/mnt/file", "user.a"), "value");
	assert_int_equal(set("/mnt/file", "user.a", "in its place"), 0);
	assert_int_equal(sys_removexattr("/mnt/dir/b", "user.a"), 0);
	assert_int_equal(sys_removexattr("/mnt/dir/b", "user.b"), 0);
	assert_int_equal(sys_removexattr("/mnt/dir/b", "trusted.c"), 0);
	again();
	assert_int_equal(sys_listxattr("/mnt/dir/b", NULL, 0), 0);
	assert_string_equal(label_of("/mnt/file", "user.a"), "in its place");
	end();
}

static void blocks_are_freed(void **state)
{
	struct statfs before, after;

	(void)state;
	begin(SMALL);
	assert_int_equal(sys_statfs("/mnt", &before), 0);
	assert_int_equal(sys_unlink("/mnt/dir/b"), 0);
	again();
	assert_int_equal(refs(), 1);
	assert_int_equal(set("/mnt/hard", "user.x", "x"), 0);
	assert_int_equal(set("/mnt/hard", "user.y", "y"), 0);
	assert_int_equal(sys_removexattr("/mnt/hard", "user.x"), 0);
	assert_int_equal(sys_statfs("/mnt", &after), 0);
	assert_int_equal(after.f_bfree, before.f_bfree - 1);
	assert_int_equal(sys_removexattr("/mnt/hard", "user.y"), 0);
	assert_int_equal(sys_statfs("/mnt", &after), 0);
	assert_int_equal(after.f_bfree, before.f_bfree);
	assert_int_equal(sys_unlink("/mnt/file"), 0);
	again();
	assert_int_equal(sys_statfs("/mnt", &after), 0);
	assert_int_equal(after.f_bfree, before.f_bfree + 2);
	end();
}

static void what_is_behind_an_inode_is_changed_there(void **state)
{
	char big[200];

	(void)state;
	begin(LARGE);
	memset(big, 'b', sizeof(big));
	big[sizeof(big) - 1] = 0;
	assert_string_equal(label_of("/mnt/large", "user.in"), "behind");
	assert_int_equal(sys_setxattr("/mnt/large", "user.in", "x", 1, XATTR_CREATE), -EEXIST);
	assert_int_equal(set("/mnt/large", "user.in", "longer than it was"), 0);
	assert_int_equal(set("/mnt/large", "user.x", "in the block"), 0);
	again();
	assert_string_equal(label_of("/mnt/large", "user.in"), "longer than it was");
	assert_string_equal(label_of("/mnt/large", "user.x"), "in the block");
	assert_int_equal(sys_listxattr("/mnt/large", NULL, 0), 8 + 7);
	assert_int_equal(set("/mnt/large", "user.in", big), 0); /* no more room there */
	again();
	assert_string_equal(label_of("/mnt/large", "user.in"), big);
	assert_int_equal(sys_listxattr("/mnt/large", NULL, 0), 8 + 7);
	assert_int_equal(sys_removexattr("/mnt/large", "user.in"), 0);
	assert_int_equal(sys_removexattr("/mnt/large", "user.in"), -ENODATA);
	assert_int_equal(sys_listxattr("/mnt/large", NULL, 0), 7);
	end();
}

static void a_block_is_filled_to_the_end(void **state)
{
	static char big[1024];
	const size_t room = 1024 - 32 - 4 - 20; /* header, end, entry of "user.x" */

	(void)state;
	begin(SMALL);
	assert_int_equal(sys_setxattr("/mnt/hard", "user.x", big, room + 1, 0), -ENOSPC);
	assert_int_equal(sys_setxattr("/mnt/hard", "user.x", big, room, 0), 0);
	assert_int_equal(sys_setxattr("/mnt/hard", "user.y", big, 0, 0), -ENOSPC);
	assert_int_equal(sys_setxattr("/mnt/hard", "user.x", big, room - 20, 0), 0);
	assert_int_equal(sys_setxattr("/mnt/hard", "user.y", big, 0, 0), 0);
	assert_int_equal(sys_setxattr("/mnt/hard", "user.y", big, 1, 0), -ENOSPC);
	assert_int_equal(sys_getxattr("/mnt/hard", "user.x", NULL, 0), room - 20);
	end();
}

static void revision_0_has_none(void **state)
{
	(void)state;
	begin(OLD);
	assert_int_equal(set("/mnt/file", "user.a", "x"), -EOPNOTSUPP);
	assert_int_equal(sys_getxattr("/mnt/file", "user.a", NULL, 0), -ENODATA);
	assert_int_equal(sys_listxattr("/mnt/file", NULL, 0), 0);
	end();
}

/* Each of these at an offset of the block is found to be wrong, and nothing changes. */
static void blocks_that_make_no_sense(void **state)
{
	static const struct {
		u32 at, value;
	} wrong[] = {
		{ 0, 0xea020001 }, /* magic */
		{ 4, 0 }, /* references */
		{ 8, 2 }, /* blocks */
		{ 32 + 4, 1 }, /* the value is in another block */
		{ 32 + 8, 5000 }, /* its size */
		{ 32 + 8, UINT32_MAX },
		{ 32, 0xffff0101 }, /* where it is */
	};
	char buf[100];

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++) {
		image_begin(SMALL);
		memcpy(image_attributes() + wrong[i].at, &wrong[i].value, sizeof(u32));
		assert_true(image_mount(false));
		assert_int_equal(sys_getxattr("/mnt/file", "user.a", buf, 100), -EIO);
		assert_int_equal(sys_listxattr("/mnt/file", buf, 100), -EIO);
		assert_int_equal(set("/mnt/file", "user.a", "x"), -EIO);
		assert_int_equal(sys_removexattr("/mnt/file", "user.a"), -EIO);
		assert_string_equal(label_of("/mnt/dir", "user.dir"), "value");
		end();
	}
	image_begin(SMALL);
	memset(image_attributes() + 32, 1, 1024 - 32); /* entries without an end */
	assert_true(image_mount(false));
	assert_int_equal(sys_listxattr("/mnt/file", NULL, 0), -EIO);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_blocks_are_copied),
		cmocka_unit_test(blocks_are_freed),
		cmocka_unit_test(what_is_behind_an_inode_is_changed_there),
		cmocka_unit_test(a_block_is_filled_to_the_end),
		cmocka_unit_test(revision_0_has_none),
		cmocka_unit_test(blocks_that_make_no_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
