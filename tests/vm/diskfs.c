/*
 * Works on a file system on /dev/vda, mounted at /mnt. Run in a VM by ext2.sh.
 *
 *   diskfs read [TYPE]    the sum of every file below /mnt, by path
 *   diskfs work N         makes N files and others, changes, renames and
 *                         removes; says what failed
 *   diskfs full           fills it up, frees, fills again
 *   diskfs stable N       N times: a file is written and fsynced, or mapped, written
 *                         and msynced, and renamed over the last one, as databases
 *                         do; says each that is stable
 *   diskfs make           makes a file
 *   diskfs show DIR       what `read` would say, without a mount, on the host
 *   diskfs label DIR      gives extended attributes to what images.sh has there
 *   diskfs set PATH NAME VALUE, diskfs keep PATH: gives one; shows all, and again
 *                         when one has changed and the file was written to
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "attributes.h"
#include "expect.h"

static char block[65536];

static unsigned sum_of(const char *path)
{
	unsigned sum = 2166136261u;
	int fd = open(path, O_RDONLY);
	ssize_t n;

	expect(fd >= 0, "open %s", path);
	while ((n = read(fd, block, sizeof(block))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ (unsigned char)block[i]) * 16777619u;
	expect(n == 0, "read %s", path);
	close(fd);
	return sum;
}

static void show_attribute(const char *path, const char *name)
{
	ssize_t n = lgetxattr(path, name, block, sizeof(block));

	printf(" %s %zd ", name, n);
	expect(n >= 0 && lgetxattr(path, name, NULL, 0) == n, "lgetxattr %s %s", path, name);
	expect(n < 2 || (lgetxattr(path, name, block, (size_t)n - 1) < 0 && errno == ERANGE),
	       "lgetxattr %s %s: one byte less", path, name);
	for (ssize_t i = 0; i < n; i++)
		printf("%02x", (unsigned char)block[i]);
	printf("\n");
}

/* Each on a line. */
static void show_attributes(const char *path)
{
	char *name[ATTRIBUTES];
	int count = attribute_names(path, name);

	expect(count >= 0, "llistxattr %s", path);
	for (int i = 0; i < count; i++)
		show_attribute(path, name[i]);
	expect(lgetxattr(path, "trusted.none", block, 1) < 0 &&
		       (errno == ENODATA || (count == 0 && errno == ENOTSUP)),
	       "lgetxattr %s: one that is not there", path);
}

static void set(const char *path, const char *name, const void *value, size_t size)
{
	expect(lsetxattr(path, name, value, size, 0) == 0, "lsetxattr %s %s", path, name);
}

/* In order of names, so that a run on the host gives the same. */
static void show(const char *dir)
{
	struct dirent **entry;
	int n = scandir(dir, &entry, NULL, alphasort);

	expect(n >= 0, "scandir %s", dir);
	for (int i = 0; i < n; i++) {
		const char *name = entry[i]->d_name;
		char path[4096], target[4096];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "lost+found"))
			continue;
		expect(lstat(path, &st) == 0, "lstat %s", path);
		printf("%s %o %u:%u %u", path, st.st_mode, st.st_uid, st.st_gid,
		       S_ISDIR(st.st_mode) ? 0 : (unsigned)st.st_nlink);
		if (S_ISREG(st.st_mode))
			printf(" %ld %08x\n", (long)st.st_size, sum_of(path));
		else if (S_ISLNK(st.st_mode))
			printf(" -> %.*s\n", (int)readlink(path, target, sizeof(target)), target);
		else
			printf("\n");
		show_attributes(path);
		if (S_ISDIR(st.st_mode))
			show(path);
		free(entry[i]);
	}
	free(entry);
}

/* Some of one file, some of many, some large, of all kinds. */
static void label(void)
{
	static const unsigned char list[] = "\2\0\0\0\1\0\6\0\377\377\377\377\2\0\4\0\350\3\0"
					    "\0\4\0\4\0\377\377\377\377\20\0\4\0\377\377\377\377"
					    "\40\0\4\0\377\377\377\377";
	char path[64], text[3000];

	memset(text, 'v', sizeof(text));
	for (unsigned i = 0; i < 8; i++) {
		snprintf(path, sizeof(path), "many/an-empty-file-with-a-longer-name-%u", i);
		set(path, "user.shared", "by many", 7);
		set(path, "trusted.shared", text, 100);
		set(path, "user.own", path, strlen(path));
	}
	set("page", "user.long", text, sizeof(text));
	set("page", "user.empty", "", 0);
	set("pages", "security.some", "bytes\0and more", 14);
	set("pages", "user.n", "1", 1);
	set("link", "trusted.link", "of a link", 9);
	set("fifo", "trusted.fifo", "of a fifo", 9);
	set("a/b", "user.dir", "of a directory", 14);
	set("sparse", "system.posix_acl_access", list, sizeof(list) - 1);
	set("a/b", "system.posix_acl_default", list, sizeof(list) - 1);
}

static void put(const char *path, size_t size, unsigned seed)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	size_t done = 0;

	expect(fd >= 0, "create %s", path);
	for (; done < size; done += 977) {
		size_t n = size - done < 977 ? size - done : 977;

		memset(block, (int)(seed + done / 977), n);
		expect(write(fd, block, n) == (ssize_t)n, "write %s", path);
	}
	close(fd);
}

/* The first revision of the file system has no attributes. */
static void label_one(const char *path, const char *value, size_t size)
{
	expect(lsetxattr(path, "user.label", value, size, 0) == 0 || errno == EOPNOTSUPP,
	       "lsetxattr %s", path);
}

static void work(unsigned count)
{
	char name[300], longest[256];
	int fd;

	mkdir("dir", 0750);
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "dir/file-%u", i);
		put(name, i % 7 * 1500, i);
		if (i % 5 == 0)
			label_one(name, name, i % 11 * 10);
	}
	for (unsigned i = 0; i < count; i += 3) {
		snprintf(name, sizeof(name), "dir/file-%u", i);
		expect(unlink(name) == 0, "unlink %s", name);
	}
	put("big", 9 << 20, 7);
	expect(truncate("big", 5000001) == 0, "truncate");
	expect(truncate("big", 7000001) == 0, "truncate up");
	expect(link("big", "dir/hard") == 0, "link");
	expect(symlink("big", "short") == 0, "symlink");
	memset(longest, 'x', 200);
	longest[200] = 0;
	expect(symlink(longest, "long") == 0, "symlink");
	expect(mkfifo("fifo", 0600) == 0 && mknod("null", S_IFCHR | 0666, 0x103) == 0, "mknod");
	fd = open("sparse", O_RDWR | O_CREAT, 0600);
	expect(pwrite(fd, "x", 1, 80 << 20) == 1, "sparse");
	expect(lseek(fd, 0, SEEK_DATA) == 80 << 20, "SEEK_DATA");
	expect(lseek(fd, 0, SEEK_HOLE) == 0, "SEEK_HOLE");
	close(fd);
	for (unsigned i = 0; i < 40; i++) {
		expect(mkdir("deep", 0755) == 0 && chdir("deep") == 0, "deep %u", i);
	}
	put("bottom", 100, 1);
	expect(chdir("/mnt") == 0, "chdir");
	expect(mkdir("other", 0755) == 0 && rename("deep", "other/deep") == 0,
	       "rename a directory");
	for (unsigned i = 5; i < count; i += 25) {
		snprintf(name, sizeof(name), "dir/file-%u", i);
		if (access(name, F_OK) == 0)
			label_one(name, longest, i % 50 == 5 ? 0 : 200);
		if (access(name, F_OK) == 0 && i % 100 == 30)
			expect(lremovexattr(name, "user.label") == 0 || errno == EOPNOTSUPP,
			       "lremovexattr %s", name);
	}
	expect(rename("dir/file-1", "dir/file-2") == 0, "rename over");
	expect(rename("dir/file-4", "other/file") == 0, "rename away");
	expect(rmdir("dir") < 0 && errno == ENOTEMPTY, "rmdir of a full one");
	memset(longest, 'n', 255);
	longest[255] = 0;
	put(longest, 10, 3);
	expect(mount("/dev/vda", "/tmp", "ext2", 0, NULL) < 0 && errno == EBUSY, "mount twice");
	expect(chmod("big", 0640) == 0 && chown("big", 70000, 80000) == 0, "chmod");
	fd = open("gone", O_RDWR | O_CREAT, 0600);
	expect(write(fd, block, 60000) == 60000 && unlink("gone") == 0, "open and deleted");
	expect(write(fd, block, 60000) == 60000, "written when deleted");
	/* stays open until the end */
}

/* Few blocks are left: soon there is none for attributes either. */
static void label_until_full(void)
{
	char name[32];
	unsigned n = 0;
	int r = 0;

	for (; n < 40 && r == 0; n++) {
		snprintf(name, sizeof(name), "labelled-%u", n);
		expect(mknod(name, S_IFREG | 0600, 0) == 0, "mknod");
		r = lsetxattr(name, "user.x", "x", 1, 0);
	}
	expect(r < 0 && (errno == ENOSPC || errno == EOPNOTSUPP), "attributes on a full disk");
	while (n-- > 0) {
		snprintf(name, sizeof(name), "labelled-%u", n);
		expect(unlink(name) == 0, "unlink");
	}
}

static void full(void)
{
	struct statvfs before, after;
	int fd;

	for (int round = 0; round < 2; round++) {
		ssize_t n;

		fd = open("fill", O_WRONLY | O_CREAT, 0600);
		expect(fd >= 0, "create");
		while ((n = write(fd, block, sizeof(block))) > 0)
			;
		expect(n < 0 && errno == ENOSPC, "the end of the disk");
		close(fd);
		label_until_full();
		statvfs(".", &before);
		expect(before.f_bfree < 16, "%lu blocks left", (unsigned long)before.f_bfree);
		expect(unlink("fill") == 0, "unlink");
	}
	sync();
	statvfs(".", &after);
	expect(after.f_bfree > before.f_bfree + 100, "nothing was freed");
}

static void write_rows(int fd, const char *text, size_t n)
{
	for (unsigned k = 0; k < 400; k++)
		expect(write(fd, text, n) == (ssize_t)n, "write");
	expect(fsync(fd) == 0, "fsync");
}

static void map_rows(int fd, const char *text, size_t n)
{
	char *p;

	expect(ftruncate(fd, (off_t)(400 * n)) == 0, "ftruncate");
	p = mmap(NULL, 400 * n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	expect(p != MAP_FAILED, "mmap");
	for (unsigned k = 0; k < 400 && p != MAP_FAILED; k++)
		memcpy(p + k * n, text, n);
	expect(msync(p, 400 * n, MS_SYNC) == 0, "msync");
	munmap(p, 400 * n);
}

/* Attributes that come and go, with blocks that others then have. */
static void toggle(unsigned i)
{
	set("db/one", i % 2 ? "user.large" : "user.small", block, i % 2 ? 700 : 10);
	if (i % 3 == 0) {
		lremovexattr("db/one", "user.small");
		lremovexattr("db/one", "user.large");
	}
	expect(unlink("db/two") == 0 || i == 0, "unlink");
	expect(mknod("db/two", S_IFREG | 0600, 0) == 0, "mknod");
	set("db/two", "user.x", block, i % 500);
}

static void stable(unsigned count)
{
	char name[64], text[128];

	mkdir("db", 0755);
	expect(mknod("db/one", S_IFREG | 0600, 0) == 0, "mknod");
	for (unsigned i = 0; i < count; i++) {
		int fd = open("db/new", O_RDWR | O_CREAT | O_TRUNC, 0644), dir;
		int n = snprintf(text, sizeof(text), "record %u\n", i);

		if (i % 2)
			map_rows(fd, text, (size_t)n);
		else
			write_rows(fd, text, (size_t)n);
		expect(fsetxattr(fd, "user.row", text, (size_t)n - 1, 0) == 0, "fsetxattr");
		expect(fsync(fd) == 0, "fsync");
		close(fd);
		snprintf(name, sizeof(name), "db/row-%u", i % 10);
		expect(rename("db/new", name) == 0, "rename");
		dir = open("db", O_RDONLY);
		expect(fsetxattr(dir, "user.last", text, (size_t)n - 1, 0) == 0, "fsetxattr");
		expect(fsync(dir) == 0, "fsync of the directory");
		close(dir);
		printf("%u\n", i);
		fflush(stdout);
		toggle(i);
		put("db/scratch", 300000, i); /* not stable, and in the way */
		unlink("db/scratch");
	}
}

static void keep(const char *path)
{
	int fd;

	show_attributes(path);
	set(path, "user.a", "three", 5);
	fd = open(path, O_WRONLY | O_APPEND);
	expect(write(fd, "x", 1) == 1, "write");
	close(fd);
	show_attributes(path);
}

/* What needs no disk. False: it is something else. */
static int without_disk(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "set") && argc > 4)
		set(argv[2], argv[3], argv[4], strlen(argv[4]));
	else if (!strcmp(what, "keep") && argc > 2)
		keep(argv[2]);
	else if (!strcmp(what, "show") && argc > 2 && chdir(argv[2]) == 0)
		show(".");
	else if (!strcmp(what, "label") && argc > 2 && chdir(argv[2]) == 0)
		label();
	else
		return 0;
	return 1;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int read_only = !strcmp(what, "read");

	if (without_disk(argc, argv))
		return wrong > 0;
	if (mount("/dev/vda", "/mnt", read_only && argc > 2 ? argv[2] : "ext2",
		  read_only ? MS_RDONLY : 0, NULL)) {
		printf("mount: %s\n", strerror(errno));
		return 2;
	}
	if (chdir("/mnt"))
		return 3;
	if (read_only)
		show(".");
	else if (!strcmp(what, "work"))
		work((unsigned)strtoul(argv[2], NULL, 10));
	else if (!strcmp(what, "full"))
		full();
	else if (!strcmp(what, "stable"))
		stable((unsigned)strtoul(argv[2], NULL, 10));
	else if (!strcmp(what, "make"))
		expect(open("new", O_WRONLY | O_CREAT, 0600) >= 0, "create");
	expect(chdir("/") == 0, "chdir");
	if (read_only)
		expect(umount("/mnt") == 0, "umount");
	else if (!strcmp(what, "work"))
		expect(umount("/mnt") < 0 && errno == EBUSY, "umount of one in use");
	return wrong > 0;
}
