// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/xattr.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c guest/libos/pipe.c guest/libos/iovec.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_size.c guest/libos/sys_stat.c guest/libos/sys_dir.c guest/libos/getdents.c
// clang-format on
/*
 * tmpfs through the system calls: contents against a plain array, names, the
 * program's image as a file, and every allocation failing once.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <linux/falloc.h>
#include "fake_libos.h"
#include "../../guest/fs/page_tree.h"
#include "../../guest/fs/tmpfs.h"
#include "../../guest/libos/frames.h"
#include "../../guest/libos/path.h"
#include "../../guest/libos/sys.h"

static int make(const char *path)
{
	int fd = sys_open(path, O_RDWR | O_CREAT, 0644);

	assert_true(fd >= 0);
	return fd;
}

static long size_of(int fd)
{
	struct stat st;

	assert_int_equal(sys_fstat(fd, &st), 0);
	return st.st_size;
}

static long blocks_of(int fd)
{
	struct stat st;

	assert_int_equal(sys_fstat(fd, &st), 0);
	return st.st_blocks;
}

static u32 seed = 1;
static u32 rnd(u32 below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

/* ---- the page tree ---- */

static void page_tree_holds_sparse_frames(void **state)
{
	static const u64 at[] = { 0, 1, 63, 64, 4095, 4096, 1 << 20, (u64)1 << 40, (u64)1 << 50 };
	struct page_tree t = { 0 };
	(void)state;

	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		assert_int_equal(page_tree_get(&t, at[i]), 0);
		assert_int_equal(page_tree_set(&t, at[i], frames_alloc(0)), 0);
	}
	assert_int_equal(t.frames, ARRAY_SIZE(at));
	for (unsigned i = 0; i < ARRAY_SIZE(at); i++) {
		u64 from = i == 0 ? 0 : at[i - 1] + 1;

		assert_int_not_equal(page_tree_get(&t, at[i]), 0);
		assert_int_equal(page_tree_next(&t, from, true), at[i]);
		assert_int_equal(page_tree_next(&t, at[i], true), at[i]);
	}
	assert_int_equal(page_tree_next(&t, 0, false), 2);
	assert_int_equal(page_tree_next(&t, 63, false), 65);
	assert_true(page_tree_next(&t, at[8] + 1, true) == UINT64_MAX);
	page_tree_remove(&t, 1, (u64)1 << 40);
	assert_int_equal(t.frames, 2);
	assert_int_equal(page_tree_next(&t, 1, true), at[8]);
	page_tree_remove(&t, 0, UINT64_MAX / PAGE_SIZE);
	assert_int_equal(t.frames, 0);
	assert_int_equal(t.root, 0);
}

/* ---- contents ---- */

#define MODEL (40 * PAGE_SIZE)

struct model {
	int fd;
	size_t size;
	u8 data[MODEL], buf[MODEL];
};
static struct model model;

static void model_write(void)
{
	size_t at = rnd(MODEL), n = rnd(rnd(4) == 0 ? 5 * PAGE_SIZE : 100);

	n = MIN(n, MODEL - at);
	for (size_t i = 0; i < n; i++)
		model.buf[i] = rnd(255) + 1;
	assert_int_equal(sys_pwrite64(model.fd, model.buf, n, at), n);
	memcpy(model.data + at, model.buf, n);
	if (n > 0)
		model.size = MAX(model.size, at + n);
}

static void model_truncate(void)
{
	size_t to = rnd(MODEL);

	assert_int_equal(sys_ftruncate(model.fd, to), 0);
	if (to < model.size)
		memset(model.data + to, 0, model.size - to);
	model.size = to;
}

static void model_punch(void)
{
	size_t at = rnd(MODEL - 1), n = rnd(3 * PAGE_SIZE) + 1;

	n = MIN(n, MODEL - at);
	assert_int_equal(sys_fallocate(model.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, n),
			 0);
	memset(model.data + at, 0, n);
}

static void model_fallocate(void)
{
	size_t at = rnd(MODEL - 1), n = rnd(3 * PAGE_SIZE) + 1;

	n = MIN(n, MODEL - at);
	assert_int_equal(sys_fallocate(model.fd, 0, at, n), 0);
	model.size = MAX(model.size, at + n);
}

/* What is in a hole according to lseek must be zero, and data is found. */
static void model_check_holes(void)
{
	long at = sys_lseek(model.fd, rnd(MODEL), SEEK_HOLE);
	long data;

	if (at < 0 || at == (long)model.size)
		return;
	data = sys_lseek(model.fd, at, SEEK_DATA);
	if (data < 0)
		data = model.size;
	for (long i = at; i < data; i++)
		assert_int_equal(model.data[i], 0);
}

static void model_check(void)
{
	size_t at = rnd(MODEL), n = rnd(MODEL);
	size_t want = at < model.size ? MIN(n, model.size - at) : 0;

	assert_int_equal(size_of(model.fd), model.size);
	assert_int_equal(sys_pread64(model.fd, model.buf, n, at), want);
	assert_memory_equal(model.buf, model.data + at, want);
	model_check_holes();
}

static void model_run(unsigned steps)
{
	static void (*const actions[])(void) = { model_write,    model_write, model_write,
						 model_truncate, model_punch, model_fallocate };

	for (unsigned i = 0; i < steps; i++) {
		actions[rnd(ARRAY_SIZE(actions))]();
		model_check();
	}
}

static void file_is_like_an_array(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		memset(&model, 0, sizeof(model));
		model.fd = make("/f");
		model_run(300);
		sys_close(model.fd);
		sys_unlink("/f");
		assert_int_equal(fake_frames, 0);
	}
}

/* The same where the file began as existing memory that must not change. */
static void mapped_file_is_like_an_array(void **state)
{
	static u8 image[9 * PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
	static u8 before[sizeof(image)];
	(void)state;

	for (unsigned round = 0; round < 20; round++) {
		size_t size = sizeof(image) - rnd(2 * PAGE_SIZE);
		struct path p;

		for (size_t i = 0; i < sizeof(image); i++)
			image[i] = rnd(255) + 1; /* behind the end of the file, too */
		memcpy(before, image, sizeof(image));
		memset(&model, 0, sizeof(model));
		model.fd = make("/f");
		assert_int_equal(path_lookup(AT_FDCWD, "/f", 0, &p), 0);
		tmpfs_set_mapped(p.dentry->inode, (paddr_t)(uintptr_t)image, size);
		path_put(&p);
		assert_int_equal(blocks_of(model.fd), (size + PAGE_SIZE - 1) / PAGE_SIZE * 8);
		assert_int_equal(fake_frames, 0);
		memcpy(model.data, image, size);
		model.size = size;
		model_check();
		model_run(100);
		assert_memory_equal(image, before, sizeof(image));
		sys_close(model.fd);
		sys_unlink("/f");
		assert_int_equal(fake_frames, 0);
	}
}

static void fault_in_the_middle_shows_no_old_memory(void **state)
{
	static char user[3 * PAGE_SIZE], back[3 * PAGE_SIZE];
	int fd = make("/f");
	(void)state;

	memset(user, 'u', sizeof(user));
	fake_fault_start = user + PAGE_SIZE + 100;
	fake_fault_end = user + sizeof(user);
	assert_int_equal(sys_write(fd, user, sizeof(user)), PAGE_SIZE + 100);
	assert_int_equal(size_of(fd), PAGE_SIZE + 100);
	assert_int_equal(sys_write(fd, user + 2 * PAGE_SIZE, 10), -EFAULT);
	assert_int_equal(size_of(fd), PAGE_SIZE + 100);
	assert_int_equal(sys_ftruncate(fd, 2 * PAGE_SIZE), 0);
	fake_fault_start = fake_fault_end = NULL;
	assert_int_equal(sys_pread64(fd, back, sizeof(back), 0), 2 * PAGE_SIZE);
	for (unsigned i = 0; i < 2 * PAGE_SIZE; i++)
		assert_int_equal(back[i], i < PAGE_SIZE + 100 ? 'u' : 0);
	/* a write that could not begin leaves no page behind */
	assert_int_equal(sys_pwrite64(fd, (void *)8, 10, 5 * PAGE_SIZE), -EFAULT);
	assert_int_equal(blocks_of(fd), 16);
	sys_close(fd);
}

static void full_memory_is_enospc(void **state)
{
	static char data[100 * PAGE_SIZE];
	int fd = make("/f");
	(void)state;

	fake_frames_max = 64;
	assert_int_equal(sys_write(fd, data, sizeof(data)), 63 * PAGE_SIZE);
	assert_int_equal(sys_write(fd, data, 1), -ENOSPC);
	assert_int_equal(size_of(fd), 63 * PAGE_SIZE);
	assert_int_equal(sys_fallocate(fd, 0, 0, 80 * PAGE_SIZE), -ENOSPC);
	assert_int_equal(sys_ftruncate(fd, 0), 0);
	assert_int_equal(fake_frames, 0);
	assert_int_equal(sys_pwrite64(fd, data, PAGE_SIZE, 0), PAGE_SIZE);
	sys_close(fd);
}

/* ---- names ---- */

#define MANY 3000

struct entry64 {
	u64 ino, off;
	u16 len;
	u8 type;
	char name[];
} __attribute__((packed));

static void name_of(unsigned i, char *name)
{
	snprintf(name, 16, "/d/name%u", i);
}

/* Lists a directory with a buffer of `size`; each entry goes to `seen`. */
static unsigned list(const char *path, size_t size, void (*seen)(const struct entry64 *e))
{
	static u8 buf[4096];
	int fd = sys_open(path, O_RDONLY | O_DIRECTORY, 0);
	unsigned count = 0;
	long n;

	assert_true(fd >= 0);
	while ((n = sys_getdents64(fd, buf, size)) > 0) {
		for (long at = 0; at < n; count++) {
			const struct entry64 *e = (const struct entry64 *)(buf + at);

			at += e->len;
			if (seen != NULL)
				seen(e);
		}
	}
	assert_int_equal(n, 0);
	sys_close(fd);
	return count;
}

static u8 times_seen[MANY];

static void note(const struct entry64 *e)
{
	unsigned i = 0;

	if (e->name[0] == '.')
		return;
	for (const char *c = e->name + 4; *c != 0; c++)
		i = i * 10 + *c - '0';
	assert_true(i < MANY);
	times_seen[i]++;
}

static void note_and_remove(const struct entry64 *e)
{
	char path[64];

	note(e);
	if (e->name[0] == '.')
		return;
	snprintf(path, sizeof(path), "/d/%s", e->name);
	assert_int_equal(sys_unlink(path), 0);
}

static void listing_survives_removal(void **state)
{
	char name[16];
	(void)state;

	fake_lasting = 1;
	sys_mkdir("/d", 0755);
	for (unsigned i = 0; i < MANY; i++) {
		name_of(i, name);
		assert_int_equal(sys_mknod(name, S_IFREG | 0600, 0), 0);
	}
	assert_int_equal(list("/d", 4096, note), MANY + 2);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(times_seen[i], 1);
	/* whatever the buffer's size, each name comes once */
	assert_int_equal(list("/d", 100, note_and_remove), MANY + 2);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(times_seen[i], 2);
	assert_int_equal(list("/d", 4096, NULL), 2);
	assert_int_equal(sys_rmdir("/d"), 0);
}

static void short_buffer_is_einval(void **state)
{
	u8 buf[64];
	int fd = sys_open("/", O_RDONLY, 0);
	(void)state;

	assert_int_equal(sys_getdents64(fd, buf, 23), -EINVAL);
	assert_int_equal(sys_getdents64(fd, buf, 24), 24);
	assert_int_equal(sys_getdents64(fd, (void *)8, 24), -EFAULT);
	assert_int_equal(sys_getdents64(fd, buf, 64), 24);
	sys_close(fd);
}

static void rename_keeps_long_and_short_names(void **state)
{
	char a[201] = "/", b[202] = "/";
	struct stat st, same;
	(void)state;

	memset(a + 1, 'a', 199);
	memset(b + 1, 'b', 200);
	sys_close(make("/short"));
	sys_stat("/short", &st);
	assert_int_equal(sys_rename("/short", a), 0);
	assert_int_equal(sys_rename(a, b), 0);
	sys_close(make("/x"));
	assert_int_equal(sys_renameat2(AT_FDCWD, b, AT_FDCWD, "/x", RENAME_NOREPLACE), -EEXIST);
	assert_int_equal(sys_renameat2(AT_FDCWD, b, AT_FDCWD, "/x", RENAME_EXCHANGE), 0);
	assert_int_equal(sys_stat("/x", &same), 0);
	assert_int_equal(same.st_ino, st.st_ino);
	assert_int_equal(sys_rename("/x", b), 0);
	assert_int_equal(sys_stat(b, &same), 0);
	assert_int_equal(same.st_ino, st.st_ino);
	assert_int_equal(sys_stat("/x", &same), -ENOENT);
	assert_int_equal(list("/", 4096, NULL), 3);
}

static void open_files_outlive_their_names(void **state)
{
	char c;
	int fd = make("/f"), dir;
	(void)state;

	sys_write(fd, "x", 1);
	assert_int_equal(sys_unlink("/f"), 0);
	assert_int_equal(sys_pread64(fd, &c, 1, 0), 1);
	assert_int_equal(c, 'x');
	sys_mkdir("/d", 0755);
	dir = sys_open("/d", O_RDONLY, 0);
	assert_int_equal(sys_rmdir("/d"), 0);
	assert_int_equal(sys_openat(dir, "f", O_CREAT | O_RDWR, 0600), -ENOENT);
	assert_int_equal(sys_mkdirat(dir, "e", 0700), -ENOENT);
	sys_close(dir);
	sys_close(fd);
}

static void nameless_files_can_get_a_name(void **state)
{
	int fd = sys_open("/", O_TMPFILE | O_RDWR, 0600);
	int never = sys_open("/", O_TMPFILE | O_RDWR | O_EXCL, 0600);
	(void)state;

	assert_true(fd >= 0);
	assert_int_equal(sys_write(fd, "text", 4), 4);
	assert_int_equal(sys_linkat(fd, "", AT_FDCWD, "/f", AT_EMPTY_PATH), 0);
	assert_int_equal(sys_linkat(never, "", AT_FDCWD, "/g", AT_EMPTY_PATH), -ENOENT);
	sys_close(fd);
	sys_close(never);
	fd = sys_open("/f", O_RDONLY, 0);
	assert_int_equal(size_of(fd), 4);
	sys_close(fd);
}

/* Makes "late" alone when it is asked for, "later" with all the rest. */
static bool fill(struct dentry *dir, const char *name)
{
	if (name == NULL || strcmp(name, "late") == 0)
		tmpfs_make(dir, "late", S_IFREG | 0644, 0);
	if (name == NULL)
		tmpfs_make(dir, "later", S_IFREG | 0644, 0);
	return name == NULL;
}

static void directory_fills_when_looked_into(void **state)
{
	struct stat st;
	struct path p;
	(void)state;

	for (unsigned way = 0; way < 3; way++) {
		sys_mkdir("/d", 0755);
		path_lookup(AT_FDCWD, "/d", 0, &p);
		tmpfs_populate_later(p.dentry, fill);
		path_put(&p);
		if (way == 0)
			assert_int_equal(sys_stat("/d/late", &st), 0);
		else if (way == 1)
			assert_int_equal(list("/d", 4096, NULL), 4);
		else
			assert_int_equal(sys_rmdir("/d"), -ENOTEMPTY);
		assert_int_equal(sys_open("/d/late", O_CREAT | O_EXCL, 0600), -EEXIST);
		assert_int_equal(sys_unlink("/d/late"), 0);
		assert_int_equal(sys_stat("/d/late", &st), -ENOENT);
		assert_int_equal(sys_unlink("/d/later"), 0);
		assert_int_equal(list("/d", 4096, NULL), 2);
		assert_int_equal(sys_rmdir("/d"), 0);
	}
}

/* ---- running out of memory ---- */

/* A little of everything; how far it gets depends on the memory. */
static void scenario(void)
{
	static char data[3 * PAGE_SIZE];
	char name[101] = "/d/";
	int fd;

	memset(name + 3, 'n', 97);
	sys_mkdir("/d", 0755);
	sys_mkdir("/d/e", 0755);
	sys_symlink("/d/e", "/s");
	sys_mknod("/s/fifo", S_IFIFO | 0600, 0);
	sys_link("/s/fifo", "/d/other");
	fd = sys_open(name, O_CREAT | O_RDWR, 0644);
	if (fd >= 0) {
		sys_write(fd, data, sizeof(data));
		sys_pwrite64(fd, data, 10, (u64)1 << 40);
		sys_ftruncate(fd, 5);
		sys_close(fd);
	}
	sys_rename(name, "/d/f");
	fd = sys_open("/s", O_RDONLY, 0);
	if (fd >= 0) {
		sys_getdents64(fd, data, sizeof(data));
		sys_close(fd);
	}
	sys_rename("/d/e", "/e");
	fd = sys_open("/", O_TMPFILE | O_RDWR, 0600);
	if (fd >= 0)
		sys_close(fd);
}

static void any_allocation_may_fail(void **state)
{
	assert_true(fake_each_allocation_fails(state, fake_setup_files, scenario,
					       fake_teardown_files) > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup_files, fake_teardown_files)
		TEST(page_tree_holds_sparse_frames),
		TEST(file_is_like_an_array),
		TEST(mapped_file_is_like_an_array),
		TEST(fault_in_the_middle_shows_no_old_memory),
		TEST(full_memory_is_enospc),
		TEST(short_buffer_is_einval),
		TEST(rename_keeps_long_and_short_names),
		TEST(open_files_outlive_their_names),
		TEST(nameless_files_can_get_a_name),
		TEST(directory_fills_when_looked_into),
		TEST(any_allocation_may_fail),
		TEST(listing_survives_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
