/*
 * What files are: stat and its kin, modes, owners, access, times.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "abi.h"
#include "filing.h"

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
