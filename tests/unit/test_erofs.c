// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/xattr.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_dir.c guest/libos/getdents.c guest/libos/sys_attr.c guest/libos/sys_xattr.c
// link: tests/fuzz/erofs_image.c tests/fuzz/disk_image.c tests/unit/fake_disk.c guest/fs/block_cache.c guest/fs/block_write.c guest/fs/mapped_page.c guest/fs/erofs.c guest/fs/erofs_inode.c guest/fs/erofs_file.c guest/fs/erofs_dir.c guest/fs/erofs_xattr.c
// clang-format on
/*
 * EROFS: extended attributes, and the superblock's checksum. (What is damaged
 * anywhere is tests/fuzz/fuzz_erofs.c's, trees of mkfs.erofs tests/vm/images.sh's.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../fuzz/erofs_image.h"
#include "../../guest/fs/erofs_disk.h"
#include "../../guest/libos/sys.h"

static char names[1000];

static void mounted(unsigned layout)
{
	image_begin(layout);
	assert_true(image_mount());
}

/* The names, "," instead of each NUL. */
static const char *listed(const char *path)
{
	long n = sys_llistxattr(path, names, sizeof(names) - 1);

	assert_true(n >= 0);
	assert_int_equal(sys_llistxattr(path, NULL, 0), n);
	for (long i = 0; i < n; i++)
		if (names[i] == 0)
			names[i] = ',';
	names[n] = 0;
	return names;
}

static void names_in_linux_order(void **state)
{
	(void)state;
	for (unsigned layout = 0; layout < IMAGES; layout++) {
		mounted(layout);
		assert_string_equal(listed("/mnt/small"),
				    "user.a,system.posix_acl_access,user.empty,"
				    "trusted.shared,security.shared,");
		assert_string_equal(listed("/mnt/link"), listed("/mnt/fifo"));
		assert_string_equal(listed("/mnt/plain"), "");
		assert_int_equal(sys_llistxattr("/mnt/small", names, 10), -ERANGE);
		image_end();
	}
}

static void trusted_ones_are_the_administrators(void **state)
{
	(void)state;
	mounted(0);
	fake_process.cred.uid.effective = 1000;
	assert_string_equal(listed("/mnt/small"),
			    "user.a,system.posix_acl_access,user.empty,security.shared,");
	assert_int_equal(sys_getxattr("/mnt/small", "trusted.shared", names, 9), -ENODATA);
	fake_process.cred.uid.effective = 0;
	image_end();
}

static void values(void **state)
{
	char value[100] = "";

	(void)state;
	mounted(1);
	assert_int_equal(sys_getxattr("/mnt/small", "user.a", NULL, 0), 3);
	assert_int_equal(sys_getxattr("/mnt/small", "user.a", value, 2), -ERANGE);
	assert_int_equal(sys_getxattr("/mnt/small", "user.a", value, 3), 3);
	assert_string_equal(value, "one");
	assert_int_equal(sys_getxattr("/mnt/small", "user.empty", value, 9), 0);
	assert_int_equal(sys_lgetxattr("/mnt/link", "trusted.shared", value, 99), 5);
	assert_string_equal(value, "first");
	assert_int_equal(sys_getxattr("/mnt", "security.shared", value, 99), 6);
	assert_string_equal(value, "second");
	assert_int_equal(sys_getxattr("/mnt/small", "system.posix_acl_access", value, 99), 28);
	assert_int_equal(value[0], 2);
	image_end();
}

static void what_is_not_there(void **state)
{
	char value[8];

	(void)state;
	mounted(2);
	assert_int_equal(sys_getxattr("/mnt/small", "user.b", value, 8), -ENODATA);
	assert_int_equal(sys_getxattr("/mnt/plain", "user.a", value, 8), -ENODATA);
	assert_int_equal(sys_getxattr("/mnt/small", "system.posix_acl_default", value, 8),
			 -ENODATA);
	assert_int_equal(sys_lgetxattr("/mnt/link", "system.posix_acl_access", value, 8),
			 -EOPNOTSUPP);
	assert_int_equal(sys_getxattr("/mnt/small", "system.other", value, 8), -EOPNOTSUPP);
	assert_int_equal(sys_getxattr("/mnt/small", "unknown", value, 8), -EOPNOTSUPP);
	assert_int_equal(sys_setxattr("/mnt/small", "user.a", "x", 1, 0), -EROFS);
	image_end();
}

/* A byte of the superblock, the last one its checksum's own. */
static void checksum(void **state)
{
	static const unsigned at[] = { 12, 44, 80, 127, 4 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		image_begin(IMAGE_SUMMED);
		image_change(0, at[i], 0x55, 1);
		assert_false(image_mount());
		assert_int_equal(fake_klogs, 1);
		image_end();
	}
	mounted(0); /* none is asked for */
	image_end();
	image_begin(0);
	image_change(0, 127, 0x55, 1);
	assert_true(image_mount());
	image_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_linux_order),
		cmocka_unit_test(trusted_ones_are_the_administrators),
		cmocka_unit_test(values),
		cmocka_unit_test(what_is_not_there),
		cmocka_unit_test(checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
