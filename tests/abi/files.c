/*
 * Files by name: open in all its modes, stat and its kin, modes, times,
 * links, names that resolve and names that do not.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "abi.h"

/* open(), and close again if that worked: "ok" or the error */
static void try_open(const char *label, const char *path, int flags)
{
	int fd = open(path, flags, 0644);

	show_ok(label, fd);
	if (fd >= 0)
		close(fd);
}

#define OPEN(path, flags) try_open("open(" #path ", " #flags ")", path, flags)

static void show_type(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		say("%s: %s", path, errno_name(errno));
		return;
	}
	say("%s: type %#o mode %#o links %lu", path, st.st_mode & S_IFMT, st.st_mode & 07777,
	    (unsigned long)st.st_nlink);
}

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

/* ---- stat ---- */

CASE(stat_regular, IN_DIR)
{
	struct stat st;

	make_file("f", "12345");
	SHOW(stat("f", &st));
	CHECK(S_ISREG(st.st_mode));
	say("mode %#o", st.st_mode & 07777);
	SHOW(st.st_size);
	SHOW(st.st_nlink);
	SHOW(st.st_blksize);
	SHOW(st.st_blocks);
	CHECK(st.st_uid == getuid());
	CHECK(st.st_gid == getgid());
	CHECK(st.st_ino != 0);
	CHECK(st.st_mtime > 0);
}

CASE(stat_same_everywhere, IN_DIR)
{
	struct stat a, b, c, d;

	make_file("f", "12345");
	int fd = NEED(open("f", O_RDONLY));
	NEED(stat("f", &a));
	NEED(lstat("f", &b));
	NEED(fstat(fd, &c));
	NEED(fstatat(AT_FDCWD, "f", &d, 0));
	CHECK(a.st_ino == b.st_ino && b.st_ino == c.st_ino);
	CHECK(c.st_ino == d.st_ino && c.st_dev == d.st_dev);
	CHECK(memcmp(&a.st_mtim, &d.st_mtim, sizeof(a.st_mtim)) == 0);
	make_file("g", "");
	NEED(stat("g", &b));
	CHECK(a.st_ino != b.st_ino);
	CHECK(a.st_dev == b.st_dev);
	close(fd);
}

CASE(stat_directory, IN_DIR)
{
	show_type(".");
	NEED(mkdir("a", 0755));
	NEED(mkdir("b", 0700));
	make_file("f", "");
	show_type(".");
	show_type("a");
	show_type("b");
	NEED(rmdir("a"));
	show_type(".");
}

CASE(stat_links, IN_DIR)
{
	struct stat st, target;

	make_file("f", "12345");
	NEED(symlink("f", "l"));
	SHOW(lstat("l", &st));
	CHECK(S_ISLNK(st.st_mode));
	SHOW(st.st_size);
	say("mode %#o", st.st_mode & 07777);
	SHOW(stat("l", &st));
	NEED(stat("f", &target));
	CHECK(st.st_ino == target.st_ino);
	NEED(symlink("none", "dangling"));
	SHOW(stat("dangling", &st));
	SHOW(lstat("dangling", &st));
}

CASE(stat_errors, IN_DIR)
{
	struct stat st;

	make_file("f", "");
	SHOW(stat("none", &st));
	SHOW(stat("", &st));
	SHOW(stat("f/x", &st));
	SHOW(stat("f/", &st));
	SHOW(stat("f/.", &st));
	SHOW(syscall(SYS_stat, "f", bad_ptr()));
	SHOW(syscall(SYS_stat, bad_ptr(), &st));
	SHOW(syscall(SYS_fstat, -1, &st));
	SHOW(syscall(SYS_fstat, 0, bad_ptr()));
	SHOW(syscall(SYS_lstat, kernel_ptr(), &st));
}

CASE(fstatat_cases, IN_DIR)
{
	struct stat st;

	NEED(mkdir("d", 0755));
	make_file("d/f", "123");
	NEED(symlink("none", "d/l"));
	int dir = NEED(open("d", O_RDONLY));
	int file = NEED(open("d/f", O_RDONLY));

	SHOW(fstatat(dir, "f", &st, 0));
	SHOW(st.st_size);
	SHOW(fstatat(dir, "l", &st, 0));
	SHOW(fstatat(dir, "l", &st, AT_SYMLINK_NOFOLLOW));
	SHOW(fstatat(dir, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISDIR(st.st_mode));
	SHOW(fstatat(file, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISREG(st.st_mode));
	SHOW(syscall(SYS_newfstatat, dir, "", &st, 0));
	SHOW(syscall(SYS_newfstatat, -1, "f", &st, 0));
	SHOW(syscall(SYS_newfstatat, file, "f", &st, 0));
	SHOW(syscall(SYS_newfstatat, dir, "f", &st, 0x4000000));
	SHOW(syscall(SYS_newfstatat, dir, bad_ptr(), &st, 0));
	SHOW(syscall(SYS_newfstatat, dir, "f", bad_ptr(), 0));
	close(dir);
	close(file);
}

/* What of the kernel's struct statx the cases look at; musl has no header. */
struct abi_statx {
	uint32_t mask, blksize;
	uint64_t attributes;
	uint32_t nlink, uid, gid;
	uint16_t mode, pad;
	uint64_t ino, size, blocks, attributes_mask;
	uint64_t times[8];
	uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
	uint64_t rest[14];
};

#define STATX_BASIC 0x7ffu

CASE(statx_basic, IN_DIR)
{
	struct abi_statx sx;
	struct stat st;

	_Static_assert(sizeof(sx) == 256, "the kernel's size");
	make_file("f", "12345");
	NEED(stat("f", &st));
	SHOW(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC, &sx));
	CHECK((sx.mask & STATX_BASIC) == STATX_BASIC);
	CHECK(sx.ino == st.st_ino && sx.size == 5 && sx.nlink == 1);
	CHECK(sx.mode == st.st_mode);
	CHECK(sx.uid == st.st_uid && sx.gid == st.st_gid);
	CHECK(makedev(sx.dev_major, sx.dev_minor) == st.st_dev);
	CHECK(sx.blksize == (uint32_t)st.st_blksize);
	int fd = NEED(open("f", O_RDONLY));
	SHOW(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, STATX_BASIC, &sx));
	CHECK(sx.ino == st.st_ino);
	close(fd);
}

CASE(statx_errors, IN_DIR)
{
	struct abi_statx sx;

	make_file("f", "");
	SHOW(syscall(SYS_statx, AT_FDCWD, "none", 0, STATX_BASIC, &sx));
	SHOW(syscall(SYS_statx, AT_FDCWD, "", 0, STATX_BASIC, &sx));
	SHOW(syscall(SYS_statx, AT_FDCWD, "f", 0x40000, STATX_BASIC, &sx));
	SHOW(syscall(SYS_statx, AT_FDCWD, "f", 0, 0x80000000u, &sx));
	SHOW(syscall(SYS_statx, -1, "f", 0, STATX_BASIC, &sx));
	SHOW(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_BASIC, bad_ptr()));
	SHOW(syscall(SYS_statx, AT_FDCWD, bad_ptr(), 0, STATX_BASIC, &sx));
}

CASE(stat_blocks_grow, IN_DIR)
{
	struct stat st;
	int fd = NEED(open("f", O_RDWR | O_CREAT, 0644));

	NEED(fstat(fd, &st));
	SHOW(st.st_blocks);
	NEED(pwrite(fd, "x", 1, 0));
	NEED(fstat(fd, &st));
	SHOW(st.st_blocks);
	NEED(pwrite(fd, "x", 1, 10 * 4096));
	NEED(fstat(fd, &st));
	SHOW(st.st_blocks);
	NEED(ftruncate(fd, 0));
	NEED(fstat(fd, &st));
	SHOW(st.st_blocks);
	close(fd);
}

/* ---- modes, owners, access ---- */

static void show_mode(const char *path)
{
	struct stat st;

	NEED(stat(path, &st));
	say("%s: %#o", path, st.st_mode & 07777);
}

CASE(chmod_cases, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	NEED(symlink("f", "l"));
	SHOW(chmod("f", 0640));
	show_mode("f");
	SHOW(chmod("f", 0));
	show_mode("f");
	SHOW(chmod("f", 0100777));
	show_mode("f");
	SHOW(chmod("d", 01777));
	show_mode("d");
	SHOW(chmod("l", 0600));
	show_mode("f");
	SHOW(chmod("none", 0600));
	SHOW(chmod(bad_ptr(), 0600));
}

CASE(fchmod_cases, IN_DIR)
{
	make_file("f", "");
	int fd = NEED(open("f", O_RDONLY));
	int dir = NEED(open(".", O_RDONLY));

	SHOW(fchmod(fd, 0604));
	show_mode("f");
	SHOW(fchmodat(dir, "f", 0660, 0));
	show_mode("f");
	SHOW(fchmodat(-1, "f", 0600, 0));
	SHOW(fchmodat(fd, "f", 0600, 0));
	SHOW(fchmod(-1, 0600));
	close(fd);
	close(dir);
}

CASE(chown_self, IN_DIR)
{
	struct stat st;

	make_file("f", "");
	NEED(symlink("none", "l"));
	int fd = NEED(open("f", O_RDONLY));
	SHOW(chown("f", getuid(), getgid()));
	SHOW(chown("f", -1, -1));
	SHOW(fchown(fd, getuid(), -1));
	SHOW(lchown("l", getuid(), getgid()));
	SHOW(chown("l", -1, -1));
	SHOW(fchownat(AT_FDCWD, "l", -1, -1, AT_SYMLINK_NOFOLLOW));
	SHOW(fchownat(AT_FDCWD, "f", -1, -1, 0x400000));
	SHOW(fchownat(fd, "", -1, -1, AT_EMPTY_PATH));
	SHOW(chown("none", -1, -1));
	SHOW(chown(bad_ptr(), -1, -1));
	SHOW(fchown(-1, -1, -1));
	NEED(stat("f", &st));
	CHECK(st.st_uid == getuid() && st.st_gid == getgid());
	close(fd);
}

CASE(access_cases, IN_DIR)
{
	make_file("f", "");
	NEED(chmod("f", 0600));
	NEED(mkdir("d", 0755));
	NEED(symlink("none", "l"));
	SHOW(access("f", F_OK));
	SHOW(access("f", R_OK | W_OK));
	/* nobody may execute it, root neither */
	SHOW(access("f", X_OK));
	NEED(chmod("f", 0700));
	SHOW(access("f", X_OK));
	SHOW(access("d", R_OK | W_OK | X_OK));
	SHOW(access("none", F_OK));
	SHOW(access("l", F_OK));
	SHOW(access("f/x", F_OK));
	SHOW(access("", F_OK));
	SHOW(access("f", 8));
	SHOW(access(bad_ptr(), F_OK));
}

CASE(faccessat_cases, IN_DIR)
{
	make_file("f", "");
	NEED(symlink("none", "l"));
	int dir = NEED(open(".", O_RDONLY));

	SHOW(faccessat(dir, "f", R_OK, 0));
	SHOW(faccessat(dir, "none", R_OK, 0));
	SHOW(faccessat(-1, "f", R_OK, 0));
	SHOW(syscall(SYS_faccessat, dir, "f", 9));
	SHOW(syscall(SYS_faccessat2, dir, "l", F_OK, AT_SYMLINK_NOFOLLOW));
	SHOW(syscall(SYS_faccessat2, dir, "l", F_OK, 0));
	SHOW(syscall(SYS_faccessat2, dir, "f", F_OK, 0x40000000));
	SHOW(syscall(SYS_faccessat2, dir, "", F_OK, AT_EMPTY_PATH));
	SHOW(syscall(SYS_faccessat2, dir, "f", R_OK, AT_EACCESS));
	close(dir);
}

CASE(umask_cases)
{
	say("%#o", umask(077));
	say("%#o", umask(0));
	say("%#o", umask(07777));
	say("%#o", umask(022));
}

/* ---- times ---- */

static void show_times(const char *path)
{
	struct stat st;

	NEED(lstat(path, &st));
	say("%s: atime %ld.%09ld mtime %ld.%09ld", path, (long)st.st_atim.tv_sec,
	    st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

CASE(utimensat_explicit, IN_DIR)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000000000, 999999999 } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 7, 7 } };
	struct timespec old[2] = { { -5, 1 }, { 0, 0 } };

	make_file("f", "");
	int fd = NEED(open("f", O_RDONLY));
	SHOW(utimensat(AT_FDCWD, "f", ts, 0));
	show_times("f");
	SHOW(utimensat(AT_FDCWD, "f", omit, 0));
	show_times("f");
	SHOW(utimensat(AT_FDCWD, "f", old, 0));
	show_times("f");
	SHOW(futimens(fd, ts));
	show_times("f");
	close(fd);
}

CASE(utimensat_link, IN_DIR)
{
	struct timespec ts[2] = { { 1, 2 }, { 3, 4 } };
	struct timespec other[2] = { { 5, 6 }, { 7, 8 } };

	make_file("f", "");
	NEED(symlink("f", "l"));
	SHOW(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	SHOW(utimensat(AT_FDCWD, "l", other, 0));
	show_times("f");
	NEED(utimensat(AT_FDCWD, "l", ts, AT_SYMLINK_NOFOLLOW));
	show_times("l");
}

CASE(utimensat_now, IN_DIR)
{
	struct timespec now[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
	struct timespec ts[2] = { { 1, 0 }, { 1, 0 } };
	struct stat st;

	make_file("f", "");
	NEED(utimensat(AT_FDCWD, "f", ts, 0));
	SHOW(utimensat(AT_FDCWD, "f", now, 0));
	NEED(stat("f", &st));
	CHECK(st.st_mtime > 1000000 && st.st_atime == st.st_mtime);
	NEED(utimensat(AT_FDCWD, "f", ts, 0));
	SHOW(utimensat(AT_FDCWD, "f", NULL, 0));
	NEED(stat("f", &st));
	CHECK(st.st_mtime > 1000000);
}

CASE(utimensat_errors, IN_DIR)
{
	struct timespec bad[2] = { { 0, 1000000000 }, { 0, 0 } };
	struct timespec minus[2] = { { 0, 0 }, { 0, -1 } };
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

	make_file("f", "");
	SHOW(utimensat(AT_FDCWD, "f", bad, 0));
	SHOW(utimensat(AT_FDCWD, "f", minus, 0));
	SHOW(utimensat(AT_FDCWD, "none", NULL, 0));
	SHOW(utimensat(AT_FDCWD, "none", omit, 0));
	SHOW(utimensat(AT_FDCWD, "f", NULL, 0x40000));
	SHOW(syscall(SYS_utimensat, AT_FDCWD, "f", bad_ptr(), 0));
	SHOW(syscall(SYS_utimensat, AT_FDCWD, bad_ptr(), NULL, 0));
	SHOW(syscall(SYS_utimensat, -1, "f", NULL, 0));
}

CASE(utimes_older_calls, IN_DIR)
{
	struct timeval tv[2] = { { 10, 20 }, { 30, 40 } };
	struct utimbuf ub = { 50, 60 };

	make_file("f", "");
	SHOW(utimes("f", tv));
	show_times("f");
	SHOW(utime("f", &ub));
	show_times("f");
	tv[0].tv_usec = 1000000;
	SHOW(syscall(SYS_utimes, "f", tv));
}

CASE(times_follow_changes, IN_DIR)
{
	struct timespec ts[2] = { { 1, 0 }, { 1, 0 } };
	struct stat st;

	make_file("f", "abc");
	int fd = NEED(open("f", O_RDWR));
	NEED(futimens(fd, ts));
	NEED(write(fd, "x", 1));
	NEED(fstat(fd, &st));
	CHECK(st.st_mtime > 1000000);
	CHECK(st.st_ctime > 1000000);
	NEED(futimens(fd, ts));
	NEED(fchmod(fd, 0600));
	NEED(fstat(fd, &st));
	SHOW(st.st_mtime);
	NEED(ftruncate(fd, 0));
	NEED(fstat(fd, &st));
	CHECK(st.st_mtime > 1000000);
	NEED(utimensat(AT_FDCWD, ".", ts, 0));
	make_file("new", "");
	NEED(stat(".", &st));
	CHECK(st.st_mtime > 1000000);
	NEED(utimensat(AT_FDCWD, ".", ts, 0));
	NEED(unlink("new"));
	NEED(stat(".", &st));
	CHECK(st.st_mtime > 1000000);
	close(fd);
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

CASE(symlink_chain, IN_DIR)
{
	char from[16], to[16];

	make_file("l0", "reached");
	for (int i = 1; i <= 41; i++) {
		snprintf(from, sizeof(from), "l%d", i);
		snprintf(to, sizeof(to), "l%d", i - 1);
		NEED(symlink(to, from));
	}
	OPEN("l1", O_RDONLY);
	OPEN("l39", O_RDONLY);
	OPEN("l40", O_RDONLY);
	OPEN("l41", O_RDONLY);
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
