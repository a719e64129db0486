// link: vmm/copy.c vmm/copy_value.c vmm/copy_list.c vmm/copy_tree.c vmm/copy_cpio.c vmm/mem.c
/*
 * --copy up to guest memory: the list of files is read back by its physical
 * address, as the guest does. What ends the process runs in a fork of its own.
 */
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../shared/abi.h"
#include "../../shared/x86.h"
#include "../../vmm/copy.h"
#include "../../vmm/fail.h"
#include "../../vmm/timeline.h"

#define MIB (1ull << 20)
#define GIB (1ull << 30)

#define give_up(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

static char dir[] = "/tmp/copyXXXXXX";
static struct guest_mem mem;
static struct copied copied;
static char warned[4096];

static void say(int fd, const char *format, va_list args)
{
	char text[4096];

	vsnprintf(text, sizeof(text), format, args);
	if (fd < 0)
		strcpy(warned, text);
	else if (write(fd, text, strlen(text)) < 0)
		_exit(99);
}

_Noreturn void fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(STDERR_FILENO, format, args);
	va_end(args);
	_exit(status);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(-1, format, args);
	va_end(args);
}

/* ---- helpers */

static int in_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_dir(void **state)
{
	(void)state;
	return chdir("/") == 0 && nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

static void put(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void load(uint64_t size, char **values)
{
	struct string_list list = { .item = values };

	while (values[list.count])
		list.count++;
	mem_create(&mem, size);
	copied = copy_load(&mem, &list);
}

#define VALUES(...) ((char *[]){ __VA_ARGS__, NULL })

/* A line with `part` and status 125. */
static void rejects(uint64_t size, char **values, const char *part)
{
	char text[4096] = "";
	int out[2], status;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(out[1], STDERR_FILENO);
		load(size, values);
		_exit(0);
	}
	close(out[1]);
	assert_true(read(out[0], text, sizeof(text) - 1) >= 0);
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!strstr(text, part))
		give_up("\"%s\" has no \"%s\"", text, part);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_VMM);
}

/* The n-th record; its path, ended, in path. */
static const struct copied_file *record(unsigned n, char path[256])
{
	uint64_t gpa = copied.files_gpa, end = gpa + copied.files_size;

	while (gpa < end) {
		const struct copied_file *f = mem_to_read(&mem, gpa, sizeof(*f));

		if (n-- == 0) {
			snprintf(path, 256, "%.*s", (int)f->name_len, (const char *)(f + 1));
			return f;
		}
		gpa += (sizeof(*f) + f->name_len + f->link_len + 7) & -8ull;
	}
	assert_int_equal(gpa, end);
	return NULL;
}

static const struct copied_file *named(const char *path)
{
	char name[256];
	const struct copied_file *f;

	for (unsigned n = 0; (f = record(n, name)) != NULL; n++)
		if (!strcmp(name, path))
			return f;
	return NULL;
}

static unsigned count(void)
{
	char name[256];
	unsigned n = 0;

	while (record(n, name))
		n++;
	return n;
}

static void holds(const char *path, const void *bytes, size_t len)
{
	const struct copied_file *f = named(path);

	assert_non_null(f);
	assert_int_equal(f->size, len);
	assert_int_equal(f->gpa % PAGE_SIZE, 0);
	assert_memory_equal(mem_to_read(&mem, f->gpa, len), bytes, len);
}

/* ---- places */

static void checked(void **state)
{
	(void)state;
	assert_null(copy_check("a"));
	assert_null(copy_check("a:/"));
	assert_null(copy_check("a:b:/c"));
	assert_null(copy_check("a:/..b/c.."));
	assert_non_null(copy_check(""));
	assert_non_null(copy_check(":/a"));
	assert_non_null(copy_check("a:"));
	assert_non_null(copy_check("a:b"));
	assert_non_null(copy_check("a:/.."));
	assert_non_null(copy_check("a:/../b"));
	assert_non_null(copy_check("a:/b/.."));
}

static void places(void **state)
{
	(void)state;
	put("f", "1", 1);
	put("g:h", "2", 1);
	load(128 * MIB, VALUES("f", "./f:/a/b", "f:/c//d/", "f:/./e/.", "g:h:/"));
	holds("f", "1", 1);
	holds("a/b", "1", 1);
	holds("c/d/f", "1", 1);
	holds("e", "1", 1);
	holds("g:h", "2", 1);
}

static void no_room_for(void **state)
{
	(void)state;
	put("f", "1", 1);
	assert_int_equal(mkdir("d", 0755), 0);
	rejects(128 * MIB, VALUES("none"), "--copy none: not found");
	rejects(128 * MIB, VALUES("f/none"), "--copy f/none: not found");
	rejects(128 * MIB, VALUES("/dev/zero"), "neither a file nor a directory");
	rejects(128 * MIB, VALUES("f", "./f"), "/f comes from --copy f already");
	rejects(128 * MIB, VALUES("f", "d:/f"), "/f comes from --copy ");
	rejects(128 * MIB, VALUES("f", "f:/f/g/h"), "/f/g/h cannot be made, as /f (--copy f)");
	rejects(128 * MIB, VALUES("f:/."), "a file cannot be the root");
	rejects(128 * MIB, VALUES("d/..:/x/"), "say where to");
}

/* ---- directories */

static void tree(void **state)
{
	static uint8_t bytes[5000];
	const struct timespec then[2] = { { 0, 0 }, { -5, 7 } };
	const struct copied_file *f;
	char name[256];

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	assert_int_equal(mkdir("t", 0750), 0);
	assert_int_equal(mkdir("t/s", 0700), 0);
	put("t/s/large", bytes, sizeof(bytes));
	put("t/s-1", "x", 1);
	put("t/empty", "", 0);
	assert_int_equal(symlink("s/large", "t/link"), 0);
	assert_int_equal(mkfifo("t/fifo", 0600), 0);
	assert_int_equal(utimensat(AT_FDCWD, "t/s-1", then, 0), 0);
	assert_int_equal(chmod("t/s-1", 04711), 0);
	load(128 * MIB, VALUES("t", "t/s:/t/more"));
	assert_int_equal(count(), 9);
	holds("t/s/large", bytes, sizeof(bytes));
	holds("t/more/large", bytes, sizeof(bytes));
	assert_int_equal(named("t")->mode, S_IFDIR | 0750);
	assert_int_equal(named("t/s")->mode, S_IFDIR | 0700);
	assert_int_equal(named("t/fifo")->mode, S_IFIFO | 0600);
	assert_int_equal(named("t/s-1")->mode, S_IFREG | 04711);
	assert_int_equal(named("t/s-1")->mtime_ns, -5 * 1000000000ll + 7);
	assert_int_equal(named("t/empty")->gpa, 0);
	f = named("t/link");
	assert_int_equal(f->mode & S_IFMT, S_IFLNK);
	assert_int_equal(f->link_len, 7);
	assert_memory_equal((const char *)(f + 1) + f->name_len, "s/large", 7);
	record(0, name);
	assert_string_equal(name, "t"); /* parents first */
	/* the last page of a file is zero behind its end */
	f = named("t/s/large");
	assert_int_equal(*(const char *)mem_to_read(&mem, f->gpa + 5000, 1), 0);
}

/* ---- where in memory */

static void region(void **state)
{
	(void)state;
	put("f", "1", 1);
	load(128 * MIB, VALUES("f"));
	assert_int_equal(mem.contents.gpa, 4 * GIB);
	assert_null(mem_at(&mem, mem.contents.gpa, 1));
	assert_non_null(mem_to_read(&mem, mem.contents.gpa, mem.contents.size));
	assert_null(mem_to_read(&mem, mem.contents.gpa, mem.contents.size + 1));
	assert_null(mem_to_read(&mem, mem.contents.gpa + mem.contents.size, 0));
	assert_null(mem_to_read(&mem, mem.contents.gpa - 1, 2));
	assert_null(mem_to_read(&mem, mem.contents.gpa + 1, UINT64_MAX));
	assert_ptr_equal(mem_to_read(&mem, 0, 1), mem.base);
	load(4 * GIB + 4096, VALUES("f"));
	assert_int_equal(mem.contents.gpa, 6 * GIB);
	holds("f", "1", 1);
}

static void too_much(void **state)
{
	(void)state;
	put("sparse", "1", 1);
	assert_int_equal(truncate("sparse", 200 * GIB), 0);
	rejects(128 * MIB, VALUES("sparse", "sparse:/2", "sparse:/3"), "more than 508 GiB in all");
	put("f", "1", 1);
	char *values[3000], text[3000][16];
	for (unsigned i = 0; i < 2999; i++) {
		snprintf(text[i], sizeof(text[i]), "f:/%u", i);
		values[i] = text[i];
	}
	values[2999] = NULL;
	rejects(2 * MIB, values,
		"2999 files are too many for the memory of the VM; give it --mem 3M");
}

/* ---- cpio images */

static char image[65536];
static size_t image_len;

static void begin_image(void)
{
	image_len = 0;
}

static void add_bytes(const void *bytes, size_t len)
{
	memcpy(image + image_len, bytes, len);
	image_len += len;
	while (image_len % 4)
		image[image_len++] = 0;
}

static void add_entry(unsigned ino, unsigned mode, unsigned nlink, const char *name,
		      const char *bytes, size_t len)
{
	char header[111 + 256];
	int n = snprintf(header, sizeof(header),
			 "070701%08X%08X%08X%08X%08X%08X%08zx%08X%08X%08X%08X%08zX%08X%s", ino,
			 mode, 7, 8, nlink, 9, len, 0, 0, 4, 0x123, strlen(name) + 1, 0, name);

	add_bytes(header, (size_t)n + 1);
	add_bytes(bytes, len);
}

static void end_image(const char *path)
{
	add_entry(0, 0, 1, "TRAILER!!!", "", 0);
	put(path, image, image_len);
}

static void cpio(void **state)
{
	(void)state;
	begin_image();
	add_entry(1, S_IFDIR | 0700, 2, ".", "", 0);
	add_entry(2, S_IFDIR | 0711, 2, "./d", "", 0);
	add_entry(3, S_IFREG | 0644, 1, "d/one", "1", 1);
	add_entry(4, S_IFREG | 0600, 3, "d/a", "", 0);
	add_entry(4, S_IFREG | 0600, 3, "d/b", "", 0);
	add_entry(4, S_IFREG | 0600, 3, "/d/c", "three", 5);
	add_entry(5, S_IFREG | 0600, 2, "d/alone", "", 0);
	add_entry(6, S_IFLNK | 0777, 1, "l", "d/one", 5);
	add_entry(7, S_IFCHR | 0666, 1, "null", "", 0);
	add_entry(8, S_IFREG | 0600, 1, "empty", "", 0);
	end_image("i");
	memset(image + image_len, 0, 600);
	image_len += 600;
	add_entry(1, S_IFREG | 0644, 1, "second", "2", 1);
	end_image("two");
	load(128 * MIB, VALUES("i", "two:/x/y/"));
	assert_int_equal(count(), 9 + 11); /* "." of the second is x/y */
	assert_null(named(""));
	holds("d/one", "1", 1);
	holds("d/a", "three", 5);
	holds("d/b", "three", 5);
	holds("d/c", "three", 5);
	assert_int_equal(named("d/alone")->size, 0);
	assert_int_equal(named("empty")->size, 0);
	assert_int_equal(named("null")->rdev, 0x100423);
	assert_int_equal(named("null")->uid, 7);
	assert_int_equal(named("null")->gid, 8);
	assert_int_equal(named("null")->mtime_ns, 9000000000);
	assert_memory_equal((const char *)(named("l") + 1) + 1, "d/one", 5);
	holds("x/y/second", "2", 1);
}

static void bad_image(const char *what)
{
	put("bad", image, image_len);
	rejects(128 * MIB, VALUES("bad"), what);
}

static void set_field(size_t at, const char *digits)
{
	for (; *digits; digits++)
		image[at++] = *digits;
}

static void bad_cpio(void **state)
{
	(void)state;
	begin_image();
	add_entry(1, S_IFREG | 0644, 1, "f", "1", 1);
	bad_image("it ends too early"); /* no trailer */
	for (size_t cut = 7; cut < image_len; cut++) {
		put("bad", image, cut);
		rejects(128 * MIB, VALUES("bad"), "it ends too early at byte");
	}
	image[20] = 'g';
	bad_image("a bad header");
	begin_image();
	add_entry(1, S_IFREG | 0644, 1, "a/../b", "1", 1);
	bad_image("a name with \"..\"");
	begin_image();
	add_entry(1, S_IFREG | 0644, 1, "f", "1", 1);
	set_field(54, "FFFFFFFF");
	bad_image("it ends too early");
	begin_image();
	add_entry(1, 0150000, 1, "f", "", 0);
	bad_image("a bad type");
	begin_image();
	add_entry(1, S_IFREG, 1, ".", "x", 1);
	bad_image("a bad name");
	begin_image();
	add_entry(1, S_IFLNK, 1, "l", "a\0b", 3);
	bad_image("a bad symbolic link");
	begin_image();
	add_entry(1, S_IFLNK, 1, "l", "", 0);
	bad_image("a bad symbolic link");
	begin_image();
	add_entry(1, S_IFREG, 1, "f", "x", 1);
	set_field(94, "00000000");
	bad_image("a bad name");
	set_field(94, "FFFFFFFF");
	bad_image("a bad name");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checked),     cmocka_unit_test(places),
		cmocka_unit_test(no_room_for), cmocka_unit_test(tree),
		cmocka_unit_test(region),      cmocka_unit_test(too_much),
		cmocka_unit_test(cpio),        cmocka_unit_test(bad_cpio),
	};

	return cmocka_run_group_tests(tests, in_dir, remove_dir);
}
