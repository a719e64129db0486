/*
 * Files by name: open in all its modes, links, names that resolve and names that
 * do not. What stat says of them is in attributes.c.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

/* open(), and close again if that worked: "ok" or the error */
static void try_open(const char *label, const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	show_ok(label, fd);
	if (fd >= 0)
		close(fd);
}

#define OPEN(path, flags) try_open("open(" #path ", " #flags ")", path, flags)

/* ---- open ---- */

CASE(open_missing, IN_DIR)
{
	OPEN("nothing", O_RDONLY);
	OPEN("nothing", O_RDWR);
	OPEN("nothing/at/all", O_RDONLY | O_CREAT);
	OPEN("", O_RDONLY);
	OPEN("", O_RDWR | O_CREAT);
}

CASE(open_creat, IN_DIR)
{
	OPEN("f", O_RDONLY | O_CREAT);
	show_type("f");
	OPEN("f", O_RDWR | O_CREAT);
	OPEN("f", O_WRONLY);
}

CASE(open_excl, IN_DIR)
{
	OPEN("f", O_RDWR | O_CREAT | O_EXCL);
	OPEN("f", O_RDWR | O_CREAT | O_EXCL);
	NEED(mkdir("d", 0755));
	OPEN("d", O_RDONLY | O_CREAT | O_EXCL);
	NEED(symlink("nowhere", "l"));
	OPEN("l", O_RDWR | O_CREAT | O_EXCL);
	show_type("nowhere");
}

CASE(open_trunc, IN_DIR)
{
	make_file("f", "content");
	OPEN("f", O_WRONLY);
	show_file("f");
	OPEN("f", O_WRONLY | O_TRUNC);
	show_file("f");
	OPEN("nothing", O_WRONLY | O_TRUNC);
}

CASE(open_mode_and_umask, IN_DIR)
{
	umask(027);
	close(NEED(open("a", O_WRONLY | O_CREAT, 0666)));
	close(NEED(open("b", O_WRONLY | O_CREAT, 0777)));
	close(NEED(open("b", O_WRONLY | O_CREAT, 0600)));
	umask(0);
	close(NEED(open("c", O_WRONLY | O_CREAT, 0666)));
	umask(022);
	show_type("a");
	show_type("b");
	show_type("c");
}

CASE(open_directory, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	OPEN("d", O_RDONLY);
	OPEN("d", O_RDONLY | O_DIRECTORY);
	OPEN("f", O_RDONLY | O_DIRECTORY);
	OPEN("nothing", O_RDONLY | O_DIRECTORY);
	OPEN("d", O_WRONLY);
	OPEN("d", O_RDWR);
	OPEN("d", O_RDONLY | O_CREAT);
	OPEN("d", O_RDONLY | O_TRUNC);
}

CASE(open_trailing_slash, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	OPEN("d/", O_RDONLY);
	OPEN("d///", O_RDONLY);
	OPEN("f/", O_RDONLY);
	OPEN("f/.", O_RDONLY);
	OPEN("f/..", O_RDONLY);
	OPEN("new/", O_RDWR | O_CREAT);
	show_type("new");
}

CASE(open_nofollow, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	NEED(symlink("f", "l"));
	NEED(symlink("d", "ld"));
	OPEN("l", O_RDONLY);
	OPEN("l", O_RDONLY | O_NOFOLLOW);
	OPEN("f", O_RDONLY | O_NOFOLLOW);
	OPEN("ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY);
	OPEN("ld/", O_RDONLY | O_NOFOLLOW);
	OPEN("ld/.", O_RDONLY | O_NOFOLLOW);
}

CASE(open_through_dangling, IN_DIR)
{
	NEED(symlink("target", "l"));
	OPEN("l", O_RDONLY);
	OPEN("l", O_RDWR | O_CREAT);
	show_type("target");
	show_type("l");
}

CASE(open_cloexec, IN_DIR)
{
	make_file("f", "");
	int a = NEED(open("f", O_RDONLY | O_CLOEXEC));
	int b = NEED(open("f", O_RDONLY));

	SHOW(fcntl(a, F_GETFD));
	SHOW(fcntl(b, F_GETFD));
	close(a);
	close(b);
}

CASE(open_path, IN_DIR)
{
	char c;
	struct stat st;

	make_file("f", "abc");
	int fd = NEED(open("f", O_PATH));
	SHOW(read(fd, &c, 1));
	SHOW(write(fd, &c, 1));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(ftruncate(fd, 0));
	SHOW(fchmod(fd, 0600));
	SHOW(fsync(fd));
	SHOW(fstat(fd, &st));
	SHOW(st.st_size);
	CHECK((fcntl(fd, F_GETFL) & O_PATH) != 0);
	SHOW(close(dup(fd)));
	close(fd);
}

CASE(open_path_of_link, IN_DIR)
{
	char buf[16];
	struct stat st;

	NEED(symlink("nowhere", "l"));
	int fd = NEED(open("l", O_PATH | O_NOFOLLOW));
	SHOW(fstat(fd, &st));
	CHECK(S_ISLNK(st.st_mode));
	SHOW(readlinkat(fd, "", buf, sizeof(buf)));
	close(fd);
	OPEN("l", O_PATH);
}

CASE(open_path_directory, IN_DIR)
{
	NEED(mkdir("d", 0755));
	make_file("d/f", "inside");
	int fd = NEED(open("d", O_PATH | O_DIRECTORY));
	char buf[100];

	SHOW(close(openat(fd, "f", O_RDONLY)));
	SHOW(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	SHOW(fchdir(fd));
	show_file("f");
	close(fd);
}

CASE(open_bad_pointer)
{
	OPEN(bad_ptr(), O_RDONLY);
	OPEN(kernel_ptr(), O_RDONLY);
	OPEN(wild_ptr(), O_RDONLY);
	OPEN(NULL, O_RDONLY | O_CREAT);
}

CASE(open_name_at_page_end, IN_DIR)
{
	char *p = pages(1);

	/* the byte after the terminator cannot be read */
	memcpy(p + 4096 - 5, "name", 5);
	OPEN(p + 4096 - 5, O_RDWR | O_CREAT);
	memcpy(p + 4096 - 4, "name", 4);
	OPEN(p + 4096 - 4, O_RDWR | O_CREAT);
	show_type("name");
	munmap(p, 8192);
}

CASE(openat_cases, IN_DIR)
{
	char path[PATH_MAX];

	NEED(mkdir("d", 0755));
	make_file("d/f", "in d");
	make_file("f", "outside");
	int dir = NEED(open("d", O_RDONLY | O_DIRECTORY));
	int file = NEED(open("f", O_RDONLY));
	SHOW_OK(close(openat(dir, "f", O_RDONLY)));
	SHOW_OK(close(openat(dir, "../f", O_RDONLY)));
	SHOW_OK(close(openat(AT_FDCWD, "f", O_RDONLY)));
	SHOW(openat(file, "f", O_RDONLY));
	SHOW(openat(-1, "f", O_RDONLY));
	SHOW(openat(999, "f", O_RDONLY));
	SHOW(openat(dir, "", O_RDONLY));
	SHOW(openat(dir, "none", O_RDONLY));
	NEED(getcwd(path, sizeof(path) - 3) ? 0 : -1);
	strcat(path, "/f");
	SHOW_OK(close(openat(-1, path, O_RDONLY)));
	close(dir);
	close(file);
}

CASE(creat_call, IN_DIR)
{
	make_file("f", "old");
	int fd = creat("f", 0600);

	SHOW(fd);
	SHOW(write(fd, "new content", 11));
	close(fd);
	show_file("f");
	show_type("f");
}

CASE(open_unlinked, IN_DIR)
{
	char buf[8] = "";
	struct stat st;

	make_file("f", "still");
	int fd = NEED(open("f", O_RDWR));
	SHOW(unlink("f"));
	SHOW(fstat(fd, &st));
	SHOW(st.st_nlink);
	SHOW(pwrite(fd, "S", 1, 0));
	SHOW(pread(fd, buf, 5, 0));
	say("%s", buf);
	OPEN("f", O_RDONLY);
	make_file("f", "other");
	SHOW(pread(fd, buf, 5, 0));
	say("%s", buf);
	close(fd);
}

CASE(open_tmpfile, IN_DIR)
{
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	show_ok("open O_TMPFILE", fd);
	if (fd < 0)
		return;
	SHOW(write(fd, "x", 1));
	SHOW(fstat(fd, &st));
	SHOW(st.st_nlink);
	SHOW(st.st_size);
	close(fd);
	OPEN(".", O_TMPFILE | O_RDONLY);
}

/* ---- links ---- */

CASE(link_cases, IN_DIR)
{
	make_file("f", "one");
	SHOW(link("f", "g"));
	show_type("f");
	make_file("g", "two");
	show_file("f");
	SHOW(link("f", "g"));
	SHOW(link("none", "h"));
	SHOW(link("f", "none/h"));
	SHOW(link(".", "h"));
	SHOW(link("f", ""));
	SHOW(link("", "h"));
	SHOW(link("f", bad_ptr()));
	SHOW(unlink("f"));
	show_type("g");
	show_file("g");
}

CASE(link_of_symlink, IN_DIR)
{
	make_file("f", "");
	NEED(symlink("f", "l"));
	SHOW(link("l", "hard"));
	show_type("hard");
	SHOW(linkat(AT_FDCWD, "l", AT_FDCWD, "followed", AT_SYMLINK_FOLLOW));
	show_type("followed");
	SHOW(linkat(AT_FDCWD, "f", AT_FDCWD, "x", 0x40000));
	SHOW(linkat(-1, "f", AT_FDCWD, "x", 0));
}

CASE(symlink_cases, IN_DIR)
{
	char buf[64] = "";

	SHOW(symlink("some/where", "l"));
	SHOW(readlink("l", buf, sizeof(buf)));
	say("%s", buf);
	SHOW(symlink("x", "l"));
	SHOW(symlink("", "empty"));
	SHOW(symlink("x", ""));
	SHOW(symlink("x", "none/l"));
	SHOW(symlink("x", "l/"));
	SHOW(symlink(bad_ptr(), "m"));
	SHOW(symlink("x", bad_ptr()));
	SHOW(symlinkat("y", -1, "m"));
}

CASE(readlink_cases, IN_DIR)
{
	char buf[64];

	memset(buf, '.', sizeof(buf));
	NEED(symlink("0123456789", "l"));
	make_file("f", "");
	SHOW(readlink("l", buf, 4));
	say("%.6s", buf);
	SHOW(readlink("l", buf, 10));
	SHOW(syscall(SYS_readlink, "l", buf, 0));
	SHOW(syscall(SYS_readlink, "l", buf, -1));
	SHOW(readlink("f", buf, 10));
	SHOW(readlink(".", buf, 10));
	SHOW(readlink("none", buf, 10));
	SHOW(readlink("", buf, 10));
	SHOW(readlink("l", bad_ptr(), 10));
	SHOW(readlink("l/", buf, 10));
	SHOW(readlinkat(-1, "l", buf, 10));
}

CASE(symlink_long, IN_DIR)
{
	char target[4097], buf[4097];

	memset(target, 'x', sizeof(target));
	target[4095] = 0;
	SHOW(symlink(target, "l"));
	SHOW(readlink("l", buf, sizeof(buf)));
	target[4095] = 'x';
	target[4096] = 0;
	SHOW(symlink(target, "m"));
	OPEN("l", O_RDONLY);
}

CASE(symlink_loops, IN_DIR)
{
	struct stat st;

	NEED(symlink("self", "self"));
	NEED(symlink("b", "a"));
	NEED(symlink("a", "b"));
	OPEN("self", O_RDONLY);
	OPEN("a", O_RDWR | O_CREAT);
	OPEN("a/x", O_RDONLY);
	SHOW(stat("self", &st));
	SHOW(lstat("self", &st));
	SHOW(chdir("a"));
}

/* Linux forgets to start the count anew when it walks a name a second time (its
 * lockless walk met a mount or an unmount): then a chain that is short enough is
 * ELOOP too, by chance. Asked again, it is right. */
static int open_through(const char *name)
{
	int fd, tries = 0;

	do {
		fd = open(name, O_RDONLY);
	} while (fd < 0 && errno == ELOOP && ++tries < 100);
	return fd;
}

CASE(symlink_chain, IN_DIR)
{
	char from[16], to[16];

	make_file("l0", "reached");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		NEED(symlink(to, from));
	}
	SHOW_OK(open_through("l1"));
	SHOW_OK(open_through("l39"));
	SHOW_OK(open_through("l40"));
	SHOW_OK(open_through("l41"));
}

CASE(symlink_in_the_middle, IN_DIR)
{
	NEED(mkdir("d", 0755));
	NEED(mkdir("d/e", 0755));
	make_file("d/f", "in d");
	NEED(symlink("d/e", "l"));
	NEED(symlink("../f", "d/e/up"));
	/* .. is of the place that the link leads to */
	show_file("l/../f");
	show_file("l/up");
	show_file("d//e/.././f");
	OPEN("l/none", O_RDONLY);
	NEED(symlink("f", "d/g"));
	OPEN("d/g/", O_RDONLY);
	OPEN("d/g/x", O_RDONLY);
}

CASE(symlink_absolute, IN_DIR)
{
	char path[PATH_MAX + 8];

	make_file("f", "by absolute name");
	NEED(getcwd(path, PATH_MAX) ? 0 : -1);
	strcat(path, "/f");
	SHOW(symlink(path, "l"));
	show_file("l");
	NEED(symlink("/", "root"));
	SHOW(chdir("root/dev"));
}

/* ---- names ---- */

CASE(name_lengths, IN_DIR)
{
	char name[300];

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	OPEN(name, O_RDWR | O_CREAT);
	show("unlink", unlink(name));
	name[255] = 'n';
	name[256] = 0;
	OPEN(name, O_RDWR | O_CREAT);
	OPEN(name, O_RDONLY);
	SHOW(mkdir(name, 0755));
	SHOW(symlink("x", name));
	SHOW(unlink(name));
}

CASE(path_lengths, IN_DIR)
{
	static char path[5000];

	make_file("f", "");
	for (int i = 0; i < 4094; i++)
		path[i] = i % 2 ? '/' : '.';
	strcpy(path + 4094, "f");
	say("%zu", strlen(path));
	OPEN(path, O_RDONLY);
	strcpy(path + 4094, "/f");
	say("%zu", strlen(path));
	OPEN(path, O_RDONLY);
	SHOW(chdir(path));
	SHOW(unlink(path));
	SHOW(rename("f", path));
}

CASE(names_odd, IN_DIR)
{
	make_file(" ", "space");
	make_file("...", "dots");
	make_file("a\nb", "newline");
	make_file("\xff\xfe", "not utf-8");
	make_file("-rf", "dash");
	show_file(" ");
	show_file("...");
	OPEN("a\nb", O_RDONLY);
	OPEN("\xff\xfe", O_RDONLY);
	show_file("./-rf");
}

CASE(path_corners, IN_DIR)
{
	make_file("f", "x");
	NEED(mkdir("d", 0755));
	OPEN("./f", O_RDONLY);
	OPEN(".//f", O_RDONLY);
	OPEN("d/../f", O_RDONLY);
	OPEN("d/./../f", O_RDONLY);
	OPEN("none/../f", O_RDONLY);
	OPEN("f/../f", O_RDONLY);
	OPEN("d/../d/..", O_RDONLY);
	OPEN("/..", O_RDONLY);
	OPEN("/../../..", O_RDONLY);
	OPEN("//", O_RDONLY);
	OPEN("/./dev/../dev//null", O_RDONLY);
}

/* ---- unlink ---- */

CASE(unlink_cases, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	NEED(symlink("d", "l"));
	SHOW(unlink("f"));
	SHOW(unlink("f"));
	SHOW(unlink("d"));
	SHOW(unlink("l/"));
	SHOW(unlink("l"));
	show_type("d");
	SHOW(unlink(""));
	SHOW(unlink("."));
	SHOW(unlink("d/.."));
	SHOW(unlink("none/f"));
	SHOW(unlink(bad_ptr()));
	make_file("g", "");
	SHOW(unlink("g/"));
	SHOW(unlink("g/x"));
}

CASE(unlinkat_cases, IN_DIR)
{
	NEED(mkdir("d", 0755));
	NEED(mkdir("d/e", 0755));
	make_file("d/f", "");
	int dir = NEED(open("d", O_RDONLY));
	int file = NEED(open("d/f", O_RDONLY));

	SHOW(unlinkat(dir, "e", 0));
	SHOW(unlinkat(dir, "f", AT_REMOVEDIR));
	SHOW(unlinkat(dir, "f", 0));
	SHOW(unlinkat(dir, "e", AT_REMOVEDIR));
	SHOW(unlinkat(dir, "e", AT_REMOVEDIR));
	SHOW(unlinkat(dir, "x", 0x4000));
	SHOW(unlinkat(-1, "x", 0));
	SHOW(unlinkat(file, "x", 0));
	close(dir);
	close(file);
}

CASE(remove_call, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	SHOW(remove("f"));
	SHOW(remove("d"));
	SHOW(remove("d"));
}

CASE(mkstemp_call, IN_DIR)
{
	char a[] = "tmpXXXXXX", b[] = "tmpXXXXXX", wrong[] = "tmpXXX";
	struct stat st;
	int fa = mkstemp(a), fb = mkstemp(b);

	CHECK(fa >= 0 && fb >= 0);
	CHECK(strcmp(a, b) != 0);
	NEED(fstat(fa, &st));
	say("%#o", st.st_mode & 07777);
	SHOW(mkstemp(wrong));
	close(fa);
	close(fb);
}

/* ---- mknod ---- */

CASE(mknod_regular, IN_DIR)
{
	SHOW(mknod("f", S_IFREG | 0644, 0));
	show_type("f");
	SHOW(mknod("f", S_IFREG | 0644, 0));
	SHOW(mknod("g", 0640, 0));
	show_type("g");
	SHOW(mknod("h", S_IFDIR | 0755, 0));
	SHOW(mknod("i", 0170000, 0));
}
