// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/xattr.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_attr.c guest/libos/sys_dir.c guest/libos/getdents.c
// clang-format on
/*
 * Path resolution: links, "..", mounts, confinement, permissions, and every
 * allocation failing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/libos/path.h"
#include "../../guest/libos/sys.h"

static void put_file(const char *path)
{
	int fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL, 0644);

	assert_true(fd >= 0);
	sys_close(fd);
}

/* /a/b/c (directories), /a/b/file, and links of all kinds. */
static int begin(void **state)
{
	(void)state;
	fake_begin_files();
	sys_mkdir("/a", 0755);
	sys_mkdir("/a/b", 0755);
	sys_mkdir("/a/b/c", 0755);
	put_file("/a/b/file");
	sys_symlink("b/file", "/a/relative");
	sys_symlink("/a/b", "/a/absolute");
	sys_symlink("..", "/a/b/up");
	sys_symlink("nowhere", "/a/dangling");
	sys_symlink("self", "/a/self");
	sys_symlink("two", "/a/one");
	sys_symlink("one", "/a/two");
	sys_symlink("file/", "/a/b/slashed");
	return 0;
}

static u64 inode_of(const char *path)
{
	struct stat st;
	long r = sys_stat(path, &st);

	return r < 0 ? (u64)r : st.st_ino;
}

/* ---- where paths lead ---- */

static void paths_lead_where_they_say(void **state)
{
	static const struct {
		const char *path, *same;
		int error;
	} cases[] = {
		{ "/", "/..", 0 },
		{ "/a/b/file", "/a/relative", 0 },
		{ "/a/b", "/a/absolute", 0 },
		{ "/a/b/", "/a/absolute/", 0 },
		{ "/a/b/file", "//a///b//file", 0 },
		{ "/a/b/file", "/a/./b/../b/./file", 0 },
		{ "/a", "/a/b/up", 0 },
		{ "/a/b/file", "/a/absolute/up/absolute/up/relative", 0 },
		{ "/a/b/c", "/../../a/b/c/.", 0 },
		{ "/a", "/a/b/c/../..", 0 },
		{ "", NULL, -ENOENT },
		{ "/nothing", NULL, -ENOENT },
		{ "/nothing/", NULL, -ENOENT },
		{ "/nothing/more", NULL, -ENOENT },
		{ "/a/dangling", NULL, -ENOENT },
		{ "/a/b/file/", NULL, -ENOTDIR },
		{ "/a/b/file/.", NULL, -ENOTDIR },
		{ "/a/b/file/..", NULL, -ENOTDIR },
		{ "/a/b/file/x", NULL, -ENOTDIR },
		{ "/a/relative/", NULL, -ENOTDIR },
		{ "/a/b/slashed", NULL, -ENOTDIR },
		{ "/a/self", NULL, -ELOOP },
		{ "/a/one", NULL, -ELOOP },
		{ "/a/one/x", NULL, -ELOOP },
	};
	(void)state;

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		u64 found = inode_of(cases[i].path);

		if (cases[i].same != NULL)
			assert_int_equal(found, inode_of(cases[i].same));
		else
			assert_int_equal((i64)found, cases[i].error);
	}
}

static void lengths_are_limited(void **state)
{
	static char path[5000];
	struct stat st;
	(void)state;

	memset(path, 'x', 256);
	assert_int_equal(sys_stat(path, &st), -ENAMETOOLONG);
	path[255] = 0;
	assert_int_equal(sys_stat(path, &st), -ENOENT);
	memset(path, '/', 4096);
	path[4095] = 0;
	assert_int_equal(sys_stat(path, &st), 0);
	path[4095] = '/';
	path[4096] = 0;
	assert_int_equal(sys_stat(path, &st), -ENAMETOOLONG);
	assert_int_equal(sys_stat((char *)8, &st), -EFAULT);
}

static void forty_links_and_no_more(void **state)
{
	char name[] = "/l00", target[] = "l00";
	(void)state;

	sys_symlink("/a/b/file", "/l00");
	for (unsigned i = 1; i <= 40; i++) {
		memcpy(target, name + 1, 3);
		name[2] = '0' + i / 10;
		name[3] = '0' + i % 10;
		assert_int_equal(sys_symlink(target, name), 0);
	}
	assert_int_equal(inode_of("/l39"), inode_of("/a/b/file")); /* 40 links */
	assert_int_equal((i64)inode_of("/l40"), -ELOOP);
}

static void directories_by_descriptor(void **state)
{
	struct stat st;
	int dir = sys_open("/a/b", O_RDONLY, 0), file = sys_open("/a/b/file", O_RDONLY, 0);
	int place = sys_open("/a/b", O_PATH, 0);
	(void)state;

	assert_int_equal(sys_newfstatat(dir, "file", &st, 0), 0);
	assert_int_equal(sys_newfstatat(place, "file", &st, 0), 0);
	assert_int_equal(sys_newfstatat(dir, "../relative", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(sys_newfstatat(file, "x", &st, 0), -ENOTDIR);
	assert_int_equal(sys_newfstatat(99, "x", &st, 0), -EBADF);
	assert_int_equal(sys_newfstatat(99, "/a", &st, 0), 0);
	assert_int_equal(sys_newfstatat(file, "", &st, 0), -ENOENT);
	assert_int_equal(sys_newfstatat(file, "", &st, AT_EMPTY_PATH), 0);
	assert_int_equal(sys_fchdir(file), -ENOTDIR);
	assert_int_equal(sys_fchdir(place), 0);
	assert_int_equal(sys_newfstatat(AT_FDCWD, "file", &st, 0), 0);
	assert_int_equal(sys_getdents64(place, &st, sizeof(st)), -EBADF);
	sys_close(dir);
	sys_close(file);
	sys_close(place);
}

/* ---- confinement ---- */

static long try_open(int dir, const char *path, u64 resolve)
{
	struct open_how how = { .flags = O_RDONLY, .resolve = resolve };
	long fd = sys_openat2(dir, path, &how, sizeof(how));

	if (fd >= 0)
		sys_close(fd);
	return fd < 0 ? fd : 0;
}

static void openat2_confines(void **state)
{
	int dir = sys_open("/a", O_RDONLY, 0);
	(void)state;

	assert_int_equal(try_open(dir, "b/../b/file", RESOLVE_BENEATH), 0);
	assert_int_equal(try_open(dir, "b/up/relative", RESOLVE_BENEATH), 0);
	assert_int_equal(try_open(dir, "..", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(try_open(dir, "b/up/..", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(try_open(dir, "/a", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(try_open(dir, "absolute", RESOLVE_BENEATH), -EXDEV);
	assert_int_equal(try_open(dir, "../../b/file", RESOLVE_IN_ROOT), 0);
	assert_int_equal(try_open(dir, "/b/file", RESOLVE_IN_ROOT), 0);
	assert_int_equal(try_open(dir, "absolute", RESOLVE_IN_ROOT), -ENOENT);
	assert_int_equal(try_open(dir, "relative", RESOLVE_NO_SYMLINKS), -ELOOP);
	assert_int_equal(try_open(dir, "b/file", RESOLVE_NO_SYMLINKS), 0);
	assert_int_equal(try_open(dir, "b", RESOLVE_BENEATH | RESOLVE_IN_ROOT), -EINVAL);
	sys_close(dir);
}

static void chroot_holds(void **state)
{
	char cwd[64];
	(void)state;

	assert_int_equal(sys_chdir("/a/b/c"), 0);
	assert_int_equal(sys_getcwd(cwd, sizeof(cwd)), 7);
	assert_string_equal(cwd, "/a/b/c");
	assert_int_equal(sys_getcwd(cwd, 6), -ERANGE);
	assert_int_equal(sys_chroot("/a/b"), 0);
	assert_int_equal(sys_getcwd(cwd, sizeof(cwd)), 3);
	assert_string_equal(cwd, "/c");
	assert_int_equal((i64)inode_of("/a"), -ENOENT);
	assert_int_equal(inode_of("/.."), inode_of("/"));
	assert_int_equal(inode_of("../.."), inode_of("/"));
	assert_int_equal((i64)inode_of("/up/relative"), -ENOENT);
	/* a working directory outside of the root says so */
	assert_int_equal(sys_chroot("/c"), 0);
	assert_int_equal(sys_chdir("/"), 0);
	assert_int_equal(sys_getcwd(cwd, sizeof(cwd)), 2);
}

static void removed_working_directory(void **state)
{
	char cwd[64];
	(void)state;

	sys_chdir("/a/b/c");
	assert_int_equal(sys_rmdir("../c"), 0);
	assert_int_equal(sys_getcwd(cwd, sizeof(cwd)), -ENOENT);
	assert_int_equal(sys_open("new", O_CREAT | O_RDWR, 0600), -ENOENT);
	assert_int_equal(sys_mkdir("new", 0700), -ENOENT);
	assert_int_equal((i64)inode_of("file"), -ENOENT);
	assert_int_equal(inode_of(".."), inode_of("/a/b"));
}

/* ---- mounts ---- */

static void mounts_are_crossed_both_ways(void **state)
{
	static struct super sb;
	static struct mount m;
	struct path point;
	struct stat st;
	char cwd[64];
	int dir;
	(void)state;

	memset(&sb, 0, sizeof(sb));
	memset(&m, 0, sizeof(m));
	assert_int_equal(tmpfs_init(&sb, MKDEV(0, 99), 0755), 0);
	assert_int_equal(path_lookup(AT_FDCWD, "/a/b/c", 0, &point), 0);
	assert_int_equal(mount_add(&m, &sb, &point), 0);
	put_file("/a/b/c/inside");
	sys_symlink("/a/b/file", "/a/b/c/out");
	assert_int_equal(sys_stat("/a/b/c", &st), 0);
	assert_int_equal(st.st_dev, MKDEV(0, 99));
	assert_int_equal(sys_stat("/a/b/c/..", &st), 0);
	assert_int_equal(st.st_ino, inode_of("/a/b"));
	assert_int_equal(inode_of("/a/b/c/out"), inode_of("/a/b/file"));
	sys_chdir("/a/b/c");
	sys_getcwd(cwd, sizeof(cwd));
	assert_string_equal(cwd, "/a/b/c");
	sys_chdir("/");
	assert_int_equal(sys_rename("/a/b/c/inside", "/a/x"), -EXDEV);
	assert_int_equal(sys_link("/a/b/c/inside", "/a/x"), -EXDEV);
	assert_int_equal(sys_rmdir("/a/b/c"), -EBUSY);
	assert_int_equal(sys_rename("/a/b/c", "/a/d"), -EBUSY);
	dir = sys_open("/a", O_RDONLY, 0);
	assert_int_equal(try_open(dir, "b/c/inside", RESOLVE_NO_XDEV), -EXDEV);
	assert_int_equal(try_open(dir, "b/c/inside", RESOLVE_BENEATH), 0);
	sys_close(dir);
	m.read_only = true;
	assert_int_equal(sys_unlink("/a/b/c/inside"), -EROFS);
	assert_int_equal(sys_open("/a/b/c/inside", O_RDWR, 0), -EROFS);
	assert_int_equal(sys_open("/a/b/c/new", O_CREAT | O_RDONLY, 0600), -EROFS);
	assert_int_equal(sys_open("/a/b/c/inside", O_CREAT | O_RDONLY, 0600), 0);
	assert_int_equal(sys_mkdir("/a/b/c/inside", 0700), -EEXIST);
	assert_int_equal(sys_chmod("/a/b/c/inside", 0700), -EROFS);
	assert_int_equal(sys_access("/a/b/c/inside", 2), -EROFS);
	sys_close(0);
	/* take it away again */
	m.read_only = false;
	sys_unlink("/a/b/c/inside");
	sys_unlink("/a/b/c/out");
	list_del(&m.link);
	point.dentry->mounted = false;
	path_put(&m.point);
	path_put(&point);
	dentry_put(sb.root);
}

/* ---- permissions ---- */

static void permissions_without_root(void **state)
{
	(void)state;
	sys_mkdir("/closed", 0700);
	put_file("/closed/file");
	sys_mkdir("/sticky", 01777);
	put_file("/sticky/roots");
	sys_chmod("/sticky", 01777);
	put_file("/secret");
	sys_chmod("/secret", 0600);
	fake_process.cred.uid = (struct ids){ 1000, 1000, 1000, 1000 };
	fake_process.cred.gid = (struct ids){ 1000, 1000, 1000, 1000 };
	assert_int_equal((i64)inode_of("/closed/file"), -EACCES);
	assert_int_equal(sys_chdir("/closed"), -EACCES);
	assert_int_equal(sys_open("/secret", O_RDONLY, 0), -EACCES);
	assert_int_equal(sys_open("/a/b/file", O_RDWR, 0), -EACCES);
	assert_int_equal(sys_open("/a/new", O_CREAT | O_RDWR, 0600), -EACCES);
	assert_int_equal(sys_unlink("/a/b/file"), -EACCES);
	assert_int_equal(sys_unlink("/sticky/roots"), -EPERM);
	assert_int_equal(sys_chmod("/a/b/file", 0777), -EPERM);
	assert_int_equal(sys_chown("/a/b/file", 1000, 1000), -EPERM);
	assert_int_equal(sys_truncate("/a/b/file", 0), -EACCES);
	put_file("/sticky/mine");
	assert_int_equal(sys_chmod("/sticky/mine", 0400), 0);
	assert_int_equal(sys_open("/sticky/mine", O_RDWR, 0), -EACCES);
	assert_int_equal(sys_access("/sticky/mine", 4), 0);
	assert_int_equal(sys_unlink("/sticky/mine"), 0);
	memset(&fake_process.cred, 0, sizeof(fake_process.cred));
	assert_int_equal(sys_access("/secret", 6), 0);
	assert_int_equal(sys_access("/secret", 1), -EACCES);
}

/* ---- running out of memory ---- */

static void scenario(void)
{
	char cwd[300];
	struct stat st;
	int fd;

	inode_of("/a/absolute/up/absolute/up/relative");
	inode_of("/a/one");
	memset(cwd, '/', 200);
	memcpy(cwd + 200, "a", 2);
	sys_stat(cwd, &st);
	sys_chdir("/a/absolute");
	sys_getcwd(cwd, sizeof(cwd));
	fd = sys_open("/a/dangling", O_CREAT | O_RDWR, 0600);
	if (fd >= 0)
		sys_close(fd);
	sys_readlink("/a/relative", cwd, sizeof(cwd));
	sys_chdir("/");
}

static void any_allocation_may_fail(void **state)
{
	assert_true(fake_each_allocation_fails(state, begin, scenario, fake_teardown_files) > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, fake_teardown_files)
		TEST(paths_lead_where_they_say), TEST(lengths_are_limited),
		TEST(forty_links_and_no_more),   TEST(directories_by_descriptor),
		TEST(openat2_confines),          TEST(chroot_holds),
		TEST(removed_working_directory), TEST(mounts_are_crossed_both_ways),
		TEST(permissions_without_root),  TEST(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
