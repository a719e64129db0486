/*
 * Directories: making, removing, renaming, reading, the current one.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE  2
#endif

struct entry {
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static long entries(int fd, void *buf, unsigned long size)
{
	return syscall(SYS_getdents64, fd, buf, size);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names with type, sorted: the order is the file system's own matter. */
static void show_directory(const char *path)
{
	static char buf[32768];
	char *names[64];
	int n = 0;
	int fd = NEED(open(path, O_RDONLY | O_DIRECTORY));
	long size = NEED(entries(fd, buf, sizeof(buf)));

	for (long at = 0; at < size && n < 64;) {
		struct entry *e = (struct entry *)(buf + at);

		at += e->len;
		names[n] = malloc(300);
		snprintf(names[n++], 300, "%s (%d)", e->name, e->type);
	}
	close(fd);
	qsort(names, (size_t)n, sizeof(names[0]), by_name);
	say("%s has %d:", path, n);
	for (int i = 0; i < n; i++) {
		say("  %s", names[i]);
		free(names[i]);
	}
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

/* ---- mkdir, rmdir ---- */

CASE(mkdir_cases, IN_DIR)
{
	struct stat st;

	make_file("f", "");
	NEED(symlink("nowhere", "l"));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d/", 0755));
	SHOW(mkdir("slash/", 0755));
	SHOW(mkdir("f", 0755));
	SHOW(mkdir("f/x", 0755));
	SHOW(mkdir("l", 0755));
	SHOW(mkdir("l/", 0755));
	SHOW(mkdir("none/x", 0755));
	SHOW(mkdir("", 0755));
	SHOW(mkdir(".", 0755));
	SHOW(mkdir("..", 0755));
	SHOW(mkdir("/", 0755));
	SHOW(mkdir(bad_ptr(), 0755));
	NEED(stat("d", &st));
	CHECK(S_ISDIR(st.st_mode));
}

CASE(mkdir_mode, IN_DIR)
{
	struct stat st;

	umask(027);
	SHOW(mkdir("a", 0777));
	umask(022);
	NEED(stat("a", &st));
	say("%#o", st.st_mode & 07777);
	SHOW(mkdir("b", 01700));
	NEED(stat("b", &st));
	say("%#o", st.st_mode & 07777);
}

CASE(mkdirat_cases, IN_DIR)
{
	NEED(mkdir("d", 0755));
	make_file("f", "");
	int dir = NEED(open("d", O_RDONLY));
	int file = NEED(open("f", O_RDONLY));

	SHOW(mkdirat(dir, "x", 0755));
	SHOW(mkdirat(dir, "x", 0755));
	SHOW(mkdirat(-1, "x", 0755));
	SHOW(mkdirat(file, "x", 0755));
	CHECK(exists("d/x"));
	close(dir);
	close(file);
}

CASE(rmdir_cases, IN_DIR)
{
	make_file("f", "");
	NEED(mkdir("d", 0755));
	NEED(mkdir("full", 0755));
	make_file("full/x", "");
	NEED(symlink("d", "l"));
	SHOW(rmdir("full"));
	SHOW(rmdir("f"));
	SHOW(rmdir("l"));
	SHOW(rmdir("l/"));
	SHOW(rmdir("none"));
	SHOW(rmdir(""));
	SHOW(rmdir("d/."));
	SHOW(rmdir("full/.."));
	SHOW(rmdir("."));
	SHOW(rmdir(bad_ptr()));
	SHOW(rmdir("d/"));
	SHOW(rmdir("d"));
}

CASE(directory_gone_under_us, IN_DIR)
{
	char buf[PATH_MAX];
	struct stat st;

	NEED(mkdir("d", 0755));
	NEED(chdir("d"));
	SHOW(rmdir("../d"));
	SHOW(open("x", O_RDWR | O_CREAT, 0644));
	SHOW(mkdir("x", 0755));
	SHOW(stat("x", &st));
	SHOW(stat(".", &st));
	SHOW(st.st_nlink);
	SHOW(syscall(SYS_getcwd, buf, sizeof(buf)));
	SHOW(chdir(".."));
	CHECK(!exists("d"));
}

CASE(directories_deep, IN_DIR)
{
	int depth = 0;

	while (depth < 100 && mkdir("d", 0755) == 0 && chdir("d") == 0)
		depth++;
	SHOW(depth);
	make_file("bottom", "");
	for (int i = 0; i < 100; i++)
		NEED(chdir(".."));
	CHECK(exists("d/d/d/d/d/d/d/d/d/d"));
}

/* ---- current directory ---- */

static const char *tail_of_cwd(void)
{
	static char buf[PATH_MAX];
	char *slash = getcwd(buf, sizeof(buf)) ? strrchr(buf, '/') : NULL;

	return slash ? slash + 1 : "none";
}

CASE(chdir_cases, IN_DIR)
{
	NEED(mkdir("d", 0755));
	NEED(symlink("d", "l"));
	make_file("f", "");
	say("%s", tail_of_cwd());
	SHOW(chdir("d"));
	say("%s", tail_of_cwd());
	SHOW(chdir(".."));
	say("%s", tail_of_cwd());
	SHOW(chdir("l"));
	say("%s", tail_of_cwd());
	SHOW(chdir("../d/.//../d/"));
	say("%s", tail_of_cwd());
	SHOW(chdir("../f"));
	SHOW(chdir("none"));
	SHOW(chdir(""));
	SHOW(chdir(bad_ptr()));
	say("%s", tail_of_cwd());
}

CASE(fchdir_cases, IN_DIR)
{
	NEED(mkdir("d", 0755));
	make_file("f", "");
	int dir = NEED(open("d", O_RDONLY));
	int file = NEED(open("f", O_RDONLY));
	int back = NEED(open(".", O_RDONLY));

	SHOW(fchdir(dir));
	say("%s", tail_of_cwd());
	SHOW(fchdir(file));
	SHOW(fchdir(-1));
	SHOW(fchdir(back));
	say("%s", tail_of_cwd());
	close(dir);
	close(file);
	close(back);
}

CASE(getcwd_cases)
{
	char buf[PATH_MAX];

	NEED(chdir("/"));
	SHOW(syscall(SYS_getcwd, buf, sizeof(buf)));
	say("%s", buf);
	SHOW(syscall(SYS_getcwd, buf, 2));
	SHOW(syscall(SYS_getcwd, buf, 1));
	SHOW(syscall(SYS_getcwd, buf, 0));
	SHOW(syscall(SYS_getcwd, bad_ptr(), 100));
	NEED(chdir("/dev"));
	SHOW(syscall(SYS_getcwd, buf, sizeof(buf)));
	say("%s", buf);
	SHOW(syscall(SYS_getcwd, buf, 4));
	SHOW(chdir("/.."));
	SHOW(syscall(SYS_getcwd, buf, sizeof(buf)));
}

CASE(getcwd_after_rename, IN_DIR)
{
	NEED(mkdir("before", 0755));
	NEED(chdir("before"));
	SHOW(rename("../before", "../after"));
	say("%s", tail_of_cwd());
}

CASE(realpath_call, IN_DIR)
{
	char *there, *here;

	NEED(mkdir("d", 0755));
	NEED(symlink("d/../d", "l"));
	there = realpath("l", NULL);
	here = realpath("d", NULL);
	CHECK(there && here && strcmp(there, here) == 0);
	free(there);
	free(here);
	CHECK(realpath("none/x", NULL) == NULL);
	say("%s", errno_name(errno));
}

/* ---- reading ---- */

CASE(getdents_empty, IN_DIR)
{
	NEED(mkdir("d", 0755));
	show_directory("d");
}

CASE(getdents_types, IN_DIR)
{
	make_file("file", "");
	NEED(mkdir("dir", 0755));
	NEED(symlink("x", "link"));
	NEED(link("file", "hard"));
	show_directory(".");
}

CASE(getdents_layout, IN_DIR)
{
	_Alignas(8) char buf[4096];
	struct stat st;
	bool aligned = true, fits = true, same = false;

	make_file("x", "");
	make_file("a_somewhat_longer_name", "");
	NEED(stat("x", &st));
	int fd = NEED(open(".", O_RDONLY));
	long size = NEED(entries(fd, buf, sizeof(buf)));
	for (long at = 0; at < size;) {
		struct entry *e = (struct entry *)(buf + at);

		aligned &= e->len % 8 == 0;
		fits &= e->len >= 19 + strlen(e->name) + 1 && e->len < 19 + strlen(e->name) + 1 + 8;
		same |= strcmp(e->name, "x") == 0 && e->ino == st.st_ino;
		at += e->len;
	}
	CHECK(aligned);
	CHECK(fits);
	CHECK(same);
	SHOW(entries(fd, buf, sizeof(buf)));
	close(fd);
}

CASE(getdents_errors, IN_DIR)
{
	char buf[200];

	make_file("f", "");
	int file = NEED(open("f", O_RDONLY));
	int dir = NEED(open(".", O_RDONLY));

	SHOW(entries(file, buf, sizeof(buf)));
	SHOW(entries(-1, buf, sizeof(buf)));
	SHOW(entries(dir, buf, 5));
	SHOW(entries(dir, buf, 0));
	SHOW(entries(dir, bad_ptr(), 200));
	close(file);
	close(dir);
}

CASE(getdents_removed, IN_DIR)
{
	char buf[200];

	NEED(mkdir("d", 0755));
	int dir = NEED(open("d", O_RDONLY));
	NEED(rmdir("d"));
	SHOW(entries(dir, buf, sizeof(buf)));
	SHOW(openat(dir, "x", O_RDWR | O_CREAT, 0644));
	SHOW(fchdir(dir));
	close(dir);
}

CASE(readdir_many, IN_DIR)
{
	static bool seen[300];
	int count = 0, repeated = 0;
	char name[32];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "file-%03d", i);
		make_file(name, "");
		seen[i] = false;
	}
	DIR *d = opendir(".");
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (strncmp(e->d_name, "file-", 5) != 0)
			continue;
		int i = atoi(e->d_name + 5);
		repeated += seen[i];
		seen[i] = true;
		count++;
	}
	closedir(d);
	say("%d, %d of them twice", count, repeated);
}

CASE(getdents_small_buffer, IN_DIR)
{
	_Alignas(8) char buf[64];
	char name[32];
	int count = 0;
	long n;

	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(name, "");
	}
	int fd = NEED(open(".", O_RDONLY));
	while ((n = entries(fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; count++)
			at += ((struct entry *)(buf + at))->len;
	show("last", n);
	SHOW(count);
	close(fd);
}

CASE(readdir_rewind, IN_DIR)
{
	int first = 0, second = 0;

	make_file("a", "");
	make_file("b", "");
	DIR *d = opendir(".");
	while (readdir(d) != NULL)
		first++;
	make_file("c", "");
	rewinddir(d);
	while (readdir(d) != NULL)
		second++;
	closedir(d);
	say("%d then %d", first, second);
}

CASE(readdir_seek, IN_DIR)
{
	char name[32], after[256] = "";

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(name, "");
	}
	DIR *d = opendir(".");
	for (int i = 0; i < 10; i++)
		readdir(d);
	long place = telldir(d);
	struct dirent *e = readdir(d);
	if (e != NULL)
		strcpy(after, e->d_name);
	while (readdir(d) != NULL)
		;
	seekdir(d, place);
	e = readdir(d);
	CHECK(e != NULL && strcmp(e->d_name, after) == 0);
	closedir(d);
}

CASE(readdir_remove_meanwhile, IN_DIR)
{
	char name[32];
	int removed = 0;

	for (int i = 0; i < 150; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make_file(name, "");
	}
	DIR *d = opendir(".");
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (e->d_name[0] == 'f' && unlink(e->d_name) == 0)
			removed++;
	closedir(d);
	SHOW(removed);
	show_directory(".");
}

CASE(opendir_errors, IN_DIR)
{
	make_file("f", "");
	CHECK(opendir("f") == NULL);
	say("%s", errno_name(errno));
	CHECK(opendir("none") == NULL);
	say("%s", errno_name(errno));
	CHECK(opendir("") == NULL);
	say("%s", errno_name(errno));
	CHECK(fdopendir(-1) == NULL);
	say("%s", errno_name(errno));
}

static int sum_sizes(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

CASE(scandir_call, IN_DIR)
{
	struct dirent **list;

	make_file("b", "");
	make_file("a", "");
	make_file("c", "");
	int n = scandir(".", &list, sum_sizes, alphasort);
	SHOW(n);
	for (int i = 0; i < n; i++) {
		say("%s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
}

/* ---- rename ---- */

CASE(rename_files, IN_DIR)
{
	make_file("a", "a");
	make_file("b", "b");
	SHOW(rename("a", "c"));
	show_file("c");
	SHOW(rename("c", "b"));
	show_file("b");
	SHOW(rename("b", "b"));
	show_file("b");
	SHOW(rename("none", "x"));
	SHOW(rename("none", "none"));
	SHOW(rename("b", "none/x"));
	SHOW(rename("b", "x/"));
	SHOW(rename("b/", "x"));
	SHOW(rename("", "x"));
	SHOW(rename("b", ""));
	SHOW(rename(bad_ptr(), "x"));
	SHOW(rename("b", bad_ptr()));
	show_directory(".");
}

CASE(rename_directories, IN_DIR)
{
	NEED(mkdir("a", 0755));
	make_file("a/f", "");
	NEED(mkdir("empty", 0755));
	NEED(mkdir("full", 0755));
	make_file("full/x", "");
	make_file("file", "");
	SHOW(rename("a", "full"));
	SHOW(rename("a", "file"));
	SHOW(rename("file", "a"));
	SHOW(rename("a", "a/b"));
	SHOW(rename("a", "a/b/c"));
	SHOW(rename("a/f", "a"));
	SHOW(rename("a", "empty"));
	CHECK(exists("empty/f"));
	SHOW(rename("empty/", "moved/"));
	CHECK(exists("moved/f"));
	SHOW(rename("moved", "full/moved"));
	CHECK(exists("full/moved/f"));
	SHOW(rename(".", "x"));
	SHOW(rename("full", "."));
	SHOW(rename("full/..", "x"));
}

CASE(rename_link_counts, IN_DIR)
{
	struct stat st;

	NEED(mkdir("a", 0755));
	NEED(mkdir("b", 0755));
	NEED(mkdir("a/x", 0755));
	NEED(rename("a/x", "b/x"));
	NEED(stat("a", &st));
	SHOW(st.st_nlink);
	NEED(stat("b", &st));
	SHOW(st.st_nlink);
	NEED(chdir("b/x"));
	CHECK(exists("../../b"));
	NEED(chdir("../.."));
}

CASE(rename_hard_links, IN_DIR)
{
	make_file("a", "same");
	NEED(link("a", "b"));
	/* two names of one file: nothing happens, and both stay */
	SHOW(rename("a", "b"));
	show_directory(".");
}

CASE(rename_symlink, IN_DIR)
{
	make_file("f", "f");
	NEED(symlink("f", "l"));
	SHOW(rename("l", "m"));
	make_file("g", "g");
	SHOW(rename("g", "m"));
	show_file("m");
	show_file("f");
	show_directory(".");
}

CASE(rename_open_file, IN_DIR)
{
	char buf[8] = "";

	make_file("a", "was a");
	make_file("b", "was b");
	int fd = NEED(open("b", O_RDONLY));
	SHOW(rename("a", "b"));
	SHOW(read(fd, buf, 5));
	say("%s", buf);
	close(fd);
	show_file("b");
}

CASE(renameat_cases, IN_DIR)
{
	NEED(mkdir("a", 0755));
	NEED(mkdir("b", 0755));
	make_file("a/f", "moved");
	int from = NEED(open("a", O_RDONLY)), to = NEED(open("b", O_RDONLY));

	SHOW(renameat(from, "f", to, "g"));
	show_file("b/g");
	SHOW(renameat(-1, "f", to, "g"));
	SHOW(renameat(to, "g", -1, "g"));
	close(from);
	close(to);
}

CASE(renameat2_cases, IN_DIR)
{
	int at = AT_FDCWD;

	make_file("a", "a");
	make_file("b", "b");
	SHOW(syscall(SYS_renameat2, at, "a", at, "b", RENAME_NOREPLACE));
	SHOW(syscall(SYS_renameat2, at, "a", at, "c", RENAME_NOREPLACE));
	SHOW(syscall(SYS_renameat2, at, "b", at, "c", RENAME_EXCHANGE));
	show_file("b");
	show_file("c");
	SHOW(syscall(SYS_renameat2, at, "b", at, "none", RENAME_EXCHANGE));
	SHOW(syscall(SYS_renameat2, at, "b", at, "c", RENAME_NOREPLACE | RENAME_EXCHANGE));
	SHOW(syscall(SYS_renameat2, at, "b", at, "c", 0x100));
	SHOW(syscall(SYS_renameat2, at, "b", at, "c", 0));
	show_directory(".");
}
