// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/overlay.c guest/fs/overlay_dir.c guest/fs/overlay_file.c guest/fs/overlay_xattr.c guest/fs/xattr.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_attr.c guest/libos/sys_xattr.c guest/libos/sys_dir.c guest/libos/getdents.c
// clang-format on
/*
 * The overlay through the system calls, with a tmpfs below: what is below is
 * seen, changes hide it and never reach it, and every allocation fails once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/fs/overlay.h"
#include "../../guest/fs/xattr.h"
#include "../../guest/libos/frames.h"
#include "../../guest/libos/memory.h"
#include "../../guest/libos/path.h"
#include "../../guest/libos/sys.h"

#define LARGE (40 * PAGE_SIZE + 123)

static struct super below;
static struct mount below_mount;
static struct dentry *file_below;

static struct dentry *make_below(struct dentry *dir, const char *name, u32 mode, const char *text)
{
	struct dentry *d = tmpfs_make(dir, name, mode, 0);

	assert_non_null(d);
	if (text != NULL)
		assert_int_equal(tmpfs_put_text(d, text), 0);
	return d;
}

static int set_up(void **state)
{
	static char large[LARGE + 1];
	struct dentry *dir;

	(void)state;
	fake_begin_files();
	memset(&below_mount, 0, sizeof(below_mount));
	memset(&below, 0, sizeof(below));
	assert_int_equal(tmpfs_init(&below, MKDEV(0, 99), 0750), 0);
	below_mount = (struct mount){ .sb = &below, .root = below.root, .refs = 1 };
	file_below = make_below(below.root, "file", S_IFREG | 0640, "content");
	dir = make_below(below.root, "dir", S_IFDIR | 0755, NULL);
	make_below(dir, "one", S_IFREG | 0644, "1");
	make_below(dir, "two", S_IFREG | 0644, "2");
	make_below(below.root, "empty", S_IFDIR | 0755, NULL);
	assert_non_null(tmpfs_make_link(below.root, "link", "dir/two"));
	for (unsigned i = 0; i < LARGE; i++)
		large[i] = 'a' + i % 23;
	make_below(below.root, "large", S_IFREG | 0644, large);
	assert_int_equal(overlay_begin(root_mount->root->inode, &below_mount), 0);
	return 0;
}

static void remove_below(struct dentry *dir)
{
	while (!list_empty(&dir->children)) {
		struct dentry *d = container_of(dir->children.next, struct dentry, siblings);

		remove_below(d);
		if (S_ISDIR(d->inode->mode))
			assert_int_equal(tmpfs_dir_ops.rmdir(d), 0);
		else
			assert_int_equal(tmpfs_dir_ops.unlink(d), 0);
	}
}

/* fake_end_files() finds what was not given back. */
static int tear_down(void **state)
{
	(void)state;
	fake_allocations_left = -1;
	remove_below(root_mount->root);
	assert_int_equal(below_mount.refs, 1);
	remove_below(below.root);
	assert_int_equal(below.root->refs, 1);
	dentry_put(below.root);
	fake_end_files();
	return 0;
}

/* The content of a file, "" if there is none. */
static const char *text_of(const char *path)
{
	static char buf[100];
	int fd = sys_open(path, O_RDONLY, 0);
	long n = fd >= 0 ? sys_read(fd, buf, sizeof(buf) - 1) : 0;

	if (fd >= 0)
		sys_close(fd);
	assert_true(n >= 0);
	buf[n] = 0;
	return buf;
}

static void put(const char *path, int flags, const char *text)
{
	int fd = sys_open(path, O_WRONLY | flags, 0644);

	assert_true(fd >= 0);
	assert_int_equal(sys_write(fd, text, strlen(text)), strlen(text));
	sys_close(fd);
}

/* The names in a directory, sorted by nothing: just how many. */
static unsigned count(const char *path)
{
	static u8 buf[4096];
	int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
	unsigned found = 0;
	long n;

	assert_true(fd >= 0);
	while ((n = sys_getdents64(fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += *(u16 *)(buf + at + 16))
			found++;
	assert_int_equal(n, 0);
	sys_close(fd);
	return found - 2;
}

static void nothing_changed_below(void)
{
	char buf[10];
	struct file file = { .inode = file_below->inode };
	struct iovec iov = { buf, sizeof(buf) };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = sizeof(buf), .kernel = true };
	u64 pos = 0;

	assert_int_equal(tmpfs_file_ops.read(&file, &uio, &pos), 7);
	assert_memory_equal(buf, "content", 7);
	assert_int_equal(file_below->inode->mode, S_IFREG | 0640);
	assert_true(file_below->attached);
}

static void what_is_below_is_seen(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(count("/"), 5);
	assert_int_equal(count("/dir"), 2);
	assert_string_equal(text_of("/file"), "content");
	assert_string_equal(text_of("/link"), "2");
	assert_int_equal(sys_open("/nothing", O_RDONLY, 0), -ENOENT);
	assert_int_equal(sys_stat("/file", &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
	assert_int_equal(st.st_size, 7);
	assert_int_equal(st.st_ino, file_below->inode->ino);
	assert_int_equal(sys_stat("/", &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0750);
}

static void listing_goes_on_and_begins_anew(void **state)
{
	u8 buf[32]; /* room for one entry */
	unsigned found = 0;
	int fd = sys_open("/dir", O_RDONLY | O_DIRECTORY, 0);

	(void)state;
	assert_true(fd >= 0);
	assert_string_equal(text_of("/dir/two"), "2"); /* one is here, one is not */
	while (sys_getdents64(fd, buf, sizeof(buf)) > 0)
		found++;
	assert_int_equal(found, 4);
	put("/dir/three", O_CREAT, "3");
	assert_int_equal(sys_lseek(fd, 0, SEEK_SET), 0);
	assert_true(sys_getdents64(fd, buf, sizeof(buf)) > 0);
	assert_int_equal(sys_unlink("/dir/one"), 0);
	for (found = 1; sys_getdents64(fd, buf, sizeof(buf)) > 0;)
		found++;
	assert_true(found == 4 || found == 5); /* it may have been seen */
	assert_int_equal(sys_lseek(fd, 0, SEEK_SET), 0);
	for (found = 0; sys_getdents64(fd, buf, sizeof(buf)) > 0;)
		found++;
	assert_int_equal(found, 4);
	sys_close(fd);
	assert_int_equal(count("/dir"), 2);
}

static void writing_copies(void **state)
{
	char buf[20];
	int before = sys_open("/file", O_RDONLY, 0);

	(void)state;
	put("/file", O_APPEND, " more");
	assert_string_equal(text_of("/file"), "content more");
	assert_int_equal(sys_pread64(before, buf, sizeof(buf), 0), 12);
	sys_close(before);
	assert_int_equal(sys_truncate("/dir/one", 0), 0);
	assert_string_equal(text_of("/dir/one"), "");
	assert_int_equal(sys_chmod("/dir/two", 0600), 0);
	assert_string_equal(text_of("/dir/two"), "2");
	nothing_changed_below();
}

static void names_that_were_removed_stay_so(void **state)
{
	(void)state;
	assert_int_equal(sys_unlink("/dir/one"), 0);
	assert_int_equal(sys_open("/dir/one", O_RDONLY, 0), -ENOENT);
	assert_int_equal(count("/dir"), 1);
	assert_int_equal(sys_rmdir("/dir"), -ENOTEMPTY);
	assert_int_equal(sys_unlink("/dir/two"), 0);
	assert_int_equal(sys_rmdir("/dir"), 0);
	assert_int_equal(sys_mkdir("/dir", 0755), 0);
	assert_int_equal(count("/dir"), 0);
	assert_int_equal(sys_unlink("/file"), 0);
	put("/file", O_CREAT | O_EXCL, "new");
	assert_string_equal(text_of("/file"), "new");
	nothing_changed_below();
}

static void directories_are_renamed(void **state)
{
	(void)state;
	assert_int_equal(sys_rename("/dir", "/empty/moved"), 0);
	assert_string_equal(text_of("/empty/moved/two"), "2");
	assert_int_equal(count("/empty/moved"), 2);
	assert_int_equal(sys_open("/dir", O_RDONLY, 0), -ENOENT);
	assert_int_equal(sys_mkdir("/new", 0755), 0);
	assert_int_equal(sys_mkdir("/new/x", 0755), 0);
	assert_int_equal(sys_rename("/new/x", "/empty"), -ENOTEMPTY);
	assert_int_equal(sys_rename("/empty/moved", "/new/y"), 0);
	assert_int_equal(sys_rename("/new/x", "/new/y"), -ENOTEMPTY);
	assert_int_equal(sys_rename("/new/x", "/empty"), 0);
	assert_string_equal(text_of("/new/y/one"), "1");
}

static void pages_are_those_below(void **state)
{
	struct path p;
	struct inode *inode;
	paddr_t pa;

	(void)state;
	assert_int_equal(path_lookup(AT_FDCWD, "/large", 0, &p), 0);
	inode = p.dentry->inode;
	for (u64 at = 0; at < LARGE; at += 1000) {
		assert_int_equal(inode->ops->get_page(inode, at / PAGE_SIZE, false, &pa), 0);
		assert_int_equal(((char *)phys_to_virt(pa))[at % PAGE_SIZE], 'a' + at % 23);
	}
	assert_int_equal(inode->ops->get_page(inode, LARGE / PAGE_SIZE, false, &pa), 0);
	assert_int_equal(((char *)phys_to_virt(pa))[LARGE % PAGE_SIZE], 0);
	assert_int_equal(inode->ops->get_page(inode, LARGE / PAGE_SIZE + 1, false, &pa), -ENXIO);
	put("/large", 0, "HEAD");
	assert_int_equal(inode->ops->get_page(inode, 0, false, &pa), 0);
	assert_memory_equal(phys_to_virt(pa), "HEADefg", 7);
	path_put(&p);
}

static void label(const char *name, const char *value)
{
	struct inode *inode = file_below->inode;

	assert_int_equal(inode->ops->setxattr(inode, name, value, strlen(value), 0), 0);
}

/* An attribute's value, "" if there is none. */
static const char *label_of(const char *path, const char *name)
{
	static char buf[100];
	long n = sys_getxattr(path, name, buf, sizeof(buf) - 1);

	buf[MAX(n, 0l)] = 0;
	return buf;
}

static void attributes_stay_below_until_one_changes(void **state)
{
	char buf[100];

	(void)state;
	label("user.a", "1");
	label("trusted.b", "2");
	assert_string_equal(label_of("/file", "user.a"), "1");
	label("user.a", "other"); /* they are read below */
	assert_string_equal(label_of("/file", "user.a"), "other");
	assert_int_equal(sys_getxattr("/file", "user.a", buf, 4), -ERANGE);
	assert_int_equal(sys_listxattr("/file", buf, sizeof(buf)), 17);
	assert_int_equal(sys_setxattr("/file", "user.a", "x", 1, XATTR_CREATE), -EEXIST);
	assert_int_equal(sys_setxattr("/file", "user.c", "3", 1, 0), 0);
	label("user.a", "late"); /* all are here now */
	assert_string_equal(label_of("/file", "user.a"), "other");
	assert_string_equal(label_of("/file", "trusted.b"), "2");
	assert_string_equal(label_of("/file", "user.c"), "3");
	assert_int_equal(sys_removexattr("/file", "user.a"), 0);
	assert_int_equal(sys_removexattr("/file", "user.a"), -ENODATA);
	assert_int_equal(sys_listxattr("/file", NULL, 0), 17);
	assert_int_equal(xattr_get(tmpfs_inode(file_below->inode)->xattrs, "user.c", buf, 9),
			 -ENODATA);
	assert_int_equal(sys_setxattr("/dir", "user.d", "4", 1, 0), 0);
	assert_int_equal(sys_rename("/dir", "/empty/dir"), 0);
	assert_string_equal(label_of("/empty/dir", "user.d"), "4");
	nothing_changed_below();
}

static void copies_have_the_attributes(void **state)
{
	(void)state;
	label("user.a", "1");
	put("/file", O_APPEND, " more");
	assert_string_equal(label_of("/file", "user.a"), "1");
	label("user.a", "2");
	assert_string_equal(label_of("/file", "user.a"), "1");
	assert_int_equal(sys_setxattr("/file", "user.a", "3", 1, XATTR_REPLACE), 0);
	assert_string_equal(label_of("/file", "user.a"), "3");
	nothing_changed_below();
}

static void scenario(void)
{
	static const char *const file[] = { "/file", "/dir/one", "/large" };
	struct path p = { NULL, NULL };
	char buf[100];
	paddr_t pa;
	int fd;

	sys_setxattr("/dir/one", "user.a", "1", 1, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(file); i++) {
		fd = sys_open(file[i], O_RDONLY, 0);
		if (fd >= 0)
			sys_read(fd, buf, sizeof(buf));
		if (fd >= 0)
			sys_close(fd);
	}
	if (path_lookup(AT_FDCWD, "/large", 0, &p) == 0)
		p.dentry->inode->ops->get_page(p.dentry->inode, 3, false, &pa);
	path_put(&p);
	fd = sys_open("/file", O_RDWR, 0);
	if (fd >= 0) {
		sys_write(fd, "x", 1);
		sys_close(fd);
	}
	sys_truncate("/large", 5000);
	sys_readlink("/link", buf, sizeof(buf));
	fd = sys_open("/", O_RDONLY, 0);
	if (fd >= 0) {
		sys_getdents64(fd, buf, sizeof(buf));
		sys_close(fd);
	}
	sys_rename("/dir", "/empty/dir");
	sys_unlink("/empty/dir/one");
	sys_rmdir("/empty");
	sys_mkdir("/dir/new", 0755);
}

static void any_allocation_may_fail(void **state)
{
	assert_true(fake_each_allocation_fails(state, set_up, scenario, tear_down) > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
		TEST(what_is_below_is_seen),
		TEST(listing_goes_on_and_begins_anew),
		TEST(writing_copies),
		TEST(names_that_were_removed_stay_so),
		TEST(directories_are_renamed),
		TEST(pages_are_those_below),
		TEST(attributes_stay_below_until_one_changes),
		TEST(copies_have_the_attributes),
		TEST(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
