/*
 * Extended attributes, on a tmpfs.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "abi.h"

static void show_value(const char *path, const char *name)
{
	char buf[100];
	long n = getxattr(path, name, buf, sizeof(buf));

	if (n < 0)
		show(name, n);
	else
		say("%s = \"%.*s\" (%ld)", name, (int)n, buf, n);
}

/* tmpfs takes what begins with user. */
#define TMPFS_HAS_USER SINCE(6, 6)

/* One name a line. */
static void show_list(const char *path)
{
	char buf[1000];
	long n = listxattr(path, buf, sizeof(buf));

	show("list", n);
	for (long at = 0; at < n; at += strlen(buf + at) + 1)
		say("  %s", buf + at);
}

CASE(set_get_remove, IN_DIR, TMPFS_HAS_USER)
{
	char buf[8];

	make_file("f", "x");
	show_list("f");
	SHOW(getxattr("f", "user.a", buf, 8));
	SHOW(setxattr("f", "user.a", "hello", 5, 0));
	show_value("f", "user.a");
	SHOW(getxattr("f", "user.a", NULL, 0));
	SHOW(getxattr("f", "user.a", buf, 4));
	SHOW(getxattr("f", "user.a", buf, 5));
	SHOW(setxattr("f", "user.a", "by", 2, 0));
	show_value("f", "user.a");
	SHOW(setxattr("f", "user.empty", "", 0, 0));
	show_value("f", "user.empty");
	SHOW(removexattr("f", "user.a"));
	SHOW(removexattr("f", "user.a"));
	show_value("f", "user.a");
	show_list("f");
}

CASE(create_replace, IN_DIR, TMPFS_HAS_USER)
{
	make_file("f", "x");
	SHOW(setxattr("f", "user.a", "1", 1, XATTR_REPLACE));
	SHOW(setxattr("f", "user.a", "2", 1, XATTR_CREATE));
	SHOW(setxattr("f", "user.a", "3", 1, XATTR_CREATE));
	SHOW(setxattr("f", "user.a", "4", 1, XATTR_REPLACE));
	SHOW(setxattr("f", "user.b", "5", 1, XATTR_CREATE | XATTR_REPLACE));
	SHOW(setxattr("f", "user.a", "5", 1, 4));
	show_value("f", "user.a");
}

CASE(spaces, IN_DIR, TMPFS_HAS_USER)
{
	static const char *const names[] = { "user.x",  "trusted.x", "security.x", "system.x",
					     "other.x", "user",      "user.",      "trusted.",
					     "x",       "",          "security." };

	make_file("f", "x");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		show(names[i], setxattr("f", names[i], names[i], strlen(names[i]), 0));
		show_value("f", names[i]);
	}
	show_list("f");
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		show(names[i], removexattr("f", names[i]));
	show_list("f");
}

CASE(list_order_and_size, IN_DIR, TMPFS_HAS_USER)
{
	char buf[20];

	make_file("f", "x");
	NEED(setxattr("f", "user.b", "1", 1, 0));
	NEED(setxattr("f", "user.bb", "1", 1, 0));
	NEED(setxattr("f", "user.a", "1", 1, 0));
	NEED(setxattr("f", "trusted.z", "1", 1, 0));
	show_list("f");
	SHOW(listxattr("f", NULL, 0));
	SHOW(listxattr("f", buf, sizeof(buf)));
	SHOW(listxattr("f", bad_ptr(), 100));
}

CASE(links_and_kinds, IN_DIR, TMPFS_HAS_USER)
{
	char buf[8];

	make_file("f", "x");
	NEED(symlink("f", "l"));
	NEED(mkdir("d", 0777));
	NEED(mkfifo("p", 0666));
	SHOW(setxattr("l", "user.a", "via", 3, 0));
	show_value("f", "user.a");
	SHOW(lsetxattr("l", "user.a", "own", 3, 0));
	SHOW(lgetxattr("l", "user.a", buf, 8));
	SHOW(lsetxattr("l", "trusted.a", "own", 3, 0));
	SHOW(lgetxattr("l", "trusted.a", buf, 8));
	SHOW(getxattr("l", "trusted.a", buf, 8));
	SHOW(llistxattr("l", NULL, 0));
	SHOW(lremovexattr("l", "trusted.a"));
	SHOW(setxattr("d", "user.a", "dir", 3, 0));
	show_value("d", "user.a");
	SHOW(setxattr("p", "user.a", "fifo", 4, 0));
	SHOW(getxattr("p", "user.a", buf, 8));
	SHOW(setxattr("p", "security.a", "fifo", 4, 0));
	SHOW(link("f", "g"));
	show_value("g", "user.a");
	SHOW(rename("g", "h"));
	show_value("h", "user.a");
}

CASE(by_descriptor, IN_DIR, TMPFS_HAS_USER)
{
	char buf[8];
	int fd, path, p[2];

	make_file("f", "x");
	NEED(pipe(p));
	fd = NEED(open("f", O_RDONLY));
	path = NEED(open("f", O_PATH));
	SHOW(fsetxattr(fd, "user.a", "v", 1, 0));
	SHOW(fgetxattr(fd, "user.a", buf, 8));
	SHOW(flistxattr(fd, buf, 8));
	SHOW(fremovexattr(fd, "user.a"));
	SHOW(fsetxattr(-1, "user.a", "v", 1, 0));
	SHOW(fgetxattr(-1, "user.a", buf, 8));
	SHOW(flistxattr(999, buf, 8));
	SHOW(fremovexattr(999, "user.a"));
	SHOW(fsetxattr(path, "user.a", "v", 1, 0));
	SHOW(fgetxattr(path, "user.a", buf, 8));
	SHOW(fsetxattr(p[0], "user.a", "v", 1, 0));
	close(fd);
	close(path);
	close(p[0]);
	close(p[1]);
}

CASE(errors, IN_DIR, TMPFS_HAS_USER)
{
	static char big[70000], name[300];
	char buf[8];

	make_file("f", "x");
	memset(name, 'n', sizeof(name) - 1);
	memcpy(name, "user.", 5);
	SHOW(setxattr("none", "user.a", "v", 1, 0));
	SHOW(getxattr("none", "user.a", buf, 8));
	SHOW(listxattr("none", buf, 8));
	SHOW(removexattr("none", "user.a"));
	SHOW(getxattr("f/x", "user.a", buf, 8));
	SHOW(setxattr("f", name, "v", 1, 0));
	name[255] = 0;
	SHOW(setxattr("f", name, "v", 1, 0));
	SHOW(setxattr("f", "user.big", big, 65537, 0));
	SHOW(setxattr("f", "user.big", big, 65536, 0));
	SHOW(getxattr("f", "user.big", NULL, 0));
	SHOW(getxattr("f", "user.big", big, 70000));
	SHOW(setxattr("f", "user.a", bad_ptr(), 5, 0));
	SHOW(setxattr("f", bad_ptr(), "v", 1, 0));
	SHOW(setxattr(bad_ptr(), "user.a", "v", 1, 0));
	SHOW(getxattr("f", bad_ptr(), buf, 8));
	SHOW(getxattr("f", "user.big", bad_ptr(), 65536));
	SHOW(getxattr(bad_ptr(), "user.a", buf, 8));
	SHOW(listxattr(bad_ptr(), buf, 8));
	SHOW(removexattr("f", bad_ptr()));
	SHOW(removexattr(bad_ptr(), "user.a"));
}

CASE(changes_ctime, IN_DIR, TMPFS_HAS_USER)
{
	struct stat before, after;

	make_file("f", "x");
	NEED(stat("f", &before));
	usleep(20000);
	NEED(setxattr("f", "user.a", "v", 1, 0));
	NEED(stat("f", &after));
	CHECK(after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
	CHECK(after.st_mtim.tv_nsec == before.st_mtim.tv_nsec);
}

CASE(unprivileged, IN_DIR, ALONE, TMPFS_HAS_USER)
{
	char buf[8];

	make_file("f", "x");
	make_file("mine", "x");
	NEED(chmod("f", 0644));
	NEED(chmod(".", 0755));
	NEED(chown("mine", 1000, 1000));
	NEED(setxattr("f", "trusted.t", "v", 1, 0));
	NEED(setxattr("f", "user.u", "v", 1, 0));
	NEED(setresuid(1000, 1000, 1000));
	SHOW(setxattr("f", "user.a", "v", 1, 0));
	SHOW(getxattr("f", "user.u", buf, 8));
	SHOW(getxattr("f", "trusted.t", buf, 8));
	SHOW(setxattr("f", "trusted.t", "v", 1, 0));
	SHOW(removexattr("f", "user.u"));
	show_list("f");
	SHOW(setxattr("mine", "user.a", "v", 1, 0));
	SHOW(setxattr("mine", "trusted.a", "v", 1, 0));
	SHOW(setxattr("mine", "security.a", "v", 1, 0));
	show_list("mine");
}

CASE(rights, IN_DIR, ALONE, TMPFS_HAS_USER)
{
	char buf[8];

	make_file("f", "x");
	make_file("unreadable", "x");
	NEED(mkdir("sticky", 0777));
	NEED(mkdir("own", 0777));
	NEED(chmod("sticky", 01777));
	NEED(chmod("own", 01777));
	NEED(chown("own", 1000, 1000));
	NEED(setxattr("unreadable", "user.u", "v", 1, 0));
	NEED(setxattr("sticky", "user.u", "v", 1, 0));
	NEED(chmod("unreadable", 0622));
	NEED(chmod(".", 0755));
	NEED(setresuid(1000, 1000, 1000));
	SHOW(setxattr("sticky", "user.a", "v", 1, 0));
	SHOW(removexattr("sticky", "user.u"));
	SHOW(getxattr("sticky", "user.u", buf, 8));
	SHOW(setxattr("own", "user.a", "v", 1, 0));
	SHOW(getxattr("unreadable", "user.u", buf, 8));
	SHOW(setxattr("unreadable", "user.a", "v", 1, 0));
	SHOW(removexattr("unreadable", "user.u"));
	SHOW(listxattr("unreadable", NULL, 0));
	SHOW(listxattr("f", NULL, 0));
	SHOW(removexattr("f", "user.none"));
	SHOW(removexattr("f", "trusted.none"));
	SHOW(removexattr("f", "security.none"));
	SHOW(getxattr("f", "security.none", buf, 8));
}

CASE(special_files, IN_DIR)
{
	static const char *const names[] = { "fifo", "socket", "device", "link", "dangling" };
	static const char *const labels[] = { "user.a", "trusted.a", "security.a" };
	char buf[8];

	NEED(mkfifo("fifo", 0666));
	NEED(mknod("socket", S_IFSOCK | 0666, 0));
	NEED(mknod("device", S_IFCHR | 0666, 0x103));
	NEED(symlink("fifo", "link"));
	NEED(symlink("nothing", "dangling"));
	for (unsigned i = 0; i < 15; i++) {
		const char *name = names[i / 3], *label = labels[i % 3];

		say("%s %s", name, label);
		SHOW(lgetxattr(name, label, buf, 8));
		SHOW(lsetxattr(name, label, "v", 1, XATTR_REPLACE));
		SHOW(lsetxattr(name, label, "v", 1, 0));
		SHOW(lgetxattr(name, label, buf, 8));
		SHOW(llistxattr(name, NULL, 0));
		SHOW(lremovexattr(name, label));
		SHOW(lremovexattr(name, label));
	}
	SHOW(setxattr("dangling", "user.a", "v", 1, 0));
	SHOW(listxattr("dangling", NULL, 0));
}

CASE(longest, IN_DIR, TMPFS_HAS_USER)
{
	static char value[65537], name[257], list[100000];
	long n;

	make_file("f", "x");
	memset(name, 'n', sizeof(name) - 1);
	memcpy(name, "user.", 5);
	SHOW(getxattr("f", name, value, 8));
	SHOW(removexattr("f", name));
	SHOW(setxattr("none", name, value, sizeof(value), 0));
	name[255] = 0;
	SHOW(setxattr("none", name, value, sizeof(value), 0));
	SHOW(setxattr("f", name, value, sizeof(value), 0));
	SHOW(setxattr("f", name, value, sizeof(value) - 1, 0));
	SHOW(getxattr("f", name, value, sizeof(value) - 2));
	SHOW(getxattr("f", name, value, sizeof(value) - 1));
	SHOW(getxattr("f", name, value, ~0ul));
	SHOW(setxattr("f", "user.null", NULL, 0, 0));
	SHOW(setxattr("f", "user.null", NULL, 1, 0));
	SHOW(getxattr("f", "user.null", NULL, 8));
	for (unsigned i = 0; i < 300; i++) {
		name[5] = (char)('a' + i / 20);
		name[6] = (char)('a' + i % 20);
		NEED(setxattr("f", name, "v", 1, 0));
	}
	n = listxattr("f", NULL, 0);
	SHOW(n);
	SHOW(listxattr("f", list, 60000));
	SHOW(listxattr("f", list, 65535));
	SHOW(listxattr("f", list, 65536));
	SHOW(listxattr("f", list, sizeof(list)));
}

/* What has the form of file capabilities is kept. */
CASE(capabilities, IN_DIR)
{
	unsigned char cap[24] = { 0, 0, 0, 2, 0, 0x20 };
	char buf[32];

	make_file("f", "x");
	SHOW(setxattr("f", "security.capability", cap, 20, 0));
	SHOW(getxattr("f", "security.capability", buf, 32));
	SHOW(getxattr("f", "security.capability", buf, 19));
	CHECK(memcmp(buf, cap, 20) == 0);
	SHOW(setxattr("f", "security.capability", cap, 19, 0));
	SHOW(setxattr("f", "security.capability", cap, 24, 0));
	SHOW(setxattr("f", "security.capability", cap, 0, 0));
	SHOW(setxattr("f", "security.capability", "some other text here", 20, 0));
	cap[3] = 3;
	SHOW(setxattr("f", "security.capability", cap, 20, 0));
	show_list("f");
	SHOW(removexattr("f", "security.capability"));
	SHOW(removexattr("f", "security.capability"));
}

CASE(capabilities_unprivileged, IN_DIR, ALONE)
{
	unsigned char cap[20] = { 0, 0, 0, 2, 0, 0x20 };

	make_file("f", "x");
	NEED(chown("f", 1000, 1000));
	NEED(setxattr("f", "security.capability", cap, 20, 0));
	NEED(chmod(".", 0755));
	NEED(setresuid(1000, 1000, 1000));
	SHOW(setxattr("f", "security.capability", cap, 20, 0));
	SHOW(setxattr("f", "security.capability", cap, 19, 0));
	SHOW(getxattr("f", "security.capability", cap, 20));
	SHOW(removexattr("f", "security.capability"));
}

CASE(of_other_file_systems)
{
	char buf[100];

	SHOW(getxattr("/proc/self/status", "user.a", buf, 8));
	SHOW(setxattr("/proc/self/status", "user.a", "v", 1, 0));
	SHOW(getxattr("/proc/self/status", "trusted.a", buf, 8));
	SHOW(listxattr("/proc/self/status", buf, 100));
	SHOW(removexattr("/proc/self/status", "user.a"));
	SHOW(getxattr("/sys/kernel", "user.a", buf, 8));
}

static void change_owned(const char *how, unsigned mode)
{
	unsigned char cap[20] = { 0, 0, 0, 2, 0, 0x20 };
	struct stat st;
	int fd;

	make_file("f", "text");
	NEED(chown("f", 1000, 1000));
	NEED(chmod("f", mode));
	NEED(setxattr("f", "security.capability", cap, 20, 0));
	NEED(setresuid(-1, *how == 'r' ? 0 : 1000, 0));
	fd = NEED(open("f", O_RDWR));
	if (strstr(how, "write"))
		NEED(write(fd, "x", 1));
	else if (strstr(how, "truncate"))
		NEED(ftruncate(fd, 2));
	else if (strstr(how, "allocate"))
		NEED(fallocate(fd, 0, 0, 100));
	else if (strstr(how, "own"))
		NEED(fchown(fd, -1, -1));
	else if (strstr(how, "nothing"))
		NEED(write(fd, "x", 0));
	NEED(setresuid(-1, 0, 0));
	NEED(fstat(fd, &st));
	say("%s: %o before, %o after", how, mode, st.st_mode & 07777);
	SHOW(getxattr("f", "security.capability", NULL, 0));
	close(fd);
	NEED(unlink("f"));
}

CASE(rights_that_a_change_takes, IN_DIR, ALONE)
{
	static const char *const how[] = {
		"write",      "truncate",       "allocate",        "own",
		"nothing",    "root's write",   "root's truncate", "root's allocate",
		"root's own", "root's nothing",
	};
	static const unsigned modes[] = { 06755, 02745, 04644, 0755 };

	NEED(chmod(".", 0777));
	for (unsigned i = 0; i < 10; i++)
		for (unsigned j = 0; j < 4; j++)
			change_owned(how[i], modes[j]);
}
