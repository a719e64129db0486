/*
 * inotify(7): which events what happens makes, in their order.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "abi.h"

static int in, dir_wd, file_wd;

static const struct {
	uint32_t bit;
	const char *name;
} names[] = {
	{ IN_ACCESS, "ACCESS" },
	{ IN_MODIFY, "MODIFY" },
	{ IN_ATTRIB, "ATTRIB" },
	{ IN_CLOSE_WRITE, "CLOSE_WRITE" },
	{ IN_CLOSE_NOWRITE, "CLOSE_NOWRITE" },
	{ IN_OPEN, "OPEN" },
	{ IN_MOVED_FROM, "MOVED_FROM" },
	{ IN_MOVED_TO, "MOVED_TO" },
	{ IN_CREATE, "CREATE" },
	{ IN_DELETE, "DELETE" },
	{ IN_DELETE_SELF, "DELETE_SELF" },
	{ IN_MOVE_SELF, "MOVE_SELF" },
	{ IN_UNMOUNT, "UNMOUNT" },
	{ IN_Q_OVERFLOW, "Q_OVERFLOW" },
	{ IN_IGNORED, "IGNORED" },
	{ IN_ISDIR, "ISDIR" },
};

/* Cookies by the order in which they come. */
static uint32_t known[16];

static int cookie_number(uint32_t cookie)
{
	if (cookie == 0)
		return 0;
	for (int i = 0; i < 16; i++) {
		if (known[i] == 0)
			known[i] = cookie;
		if (known[i] == cookie)
			return i + 1;
	}
	return -1;
}

static void tell(const struct inotify_event *e)
{
	char text[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (e->mask & names[i].bit)
			at += snprintf(text + at, sizeof(text) - at, " %s", names[i].name);
	say("  %s%s%s%s len %u cookie %d",
	    e->wd == dir_wd  ? "dir" :
	    e->wd == file_wd ? "file" :
	    e->wd == -1      ? "none" :
			       "other",
	    text, e->len ? " " : "", e->len ? e->name : "", e->len, cookie_number(e->cookie));
}

/* All events that wait, with what made them. */
static void events(const char *what)
{
	static char buf[65536] __attribute__((aligned(8)));
	ssize_t n;

	say("%s:", what);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *e = (void *)(buf + at);

			tell(e);
			at += sizeof(*e) + e->len;
		}
}

#define DO(expr)               \
	do {                   \
		SHOW_OK(expr); \
		events("->");  \
	} while (0)

static void begin(uint32_t dir_mask, const char *file, uint32_t file_mask)
{
	in = NEED(inotify_init1(IN_NONBLOCK));
	dir_wd = file_wd = -2;
	memset(known, 0, sizeof(known));
	if (dir_mask)
		dir_wd = NEED(inotify_add_watch(in, ".", dir_mask));
	if (file)
		file_wd = NEED(inotify_add_watch(in, file, file_mask));
}

CASE(dir_of_files, IN_DIR)
{
	char c;

	begin(IN_ALL_EVENTS, NULL, 0);
	int fd = NEED(open("file", O_RDWR | O_CREAT, 0644));
	events("created");
	DO(write(fd, "text", 4));
	DO(pread(fd, &c, 1, 0));
	DO(pread(fd, &c, 1, 100));
	DO(ftruncate(fd, 2));
	DO(fchmod(fd, 0600));
	DO(close(fd));
	DO(chmod("file", 0644));
	DO(truncate("file", 1));
	DO(rename("file", "other"));
	DO(unlink("other"));
	close(in);
}

CASE(dir_of_names, IN_DIR)
{
	begin(IN_ALL_EVENTS, NULL, 0);
	DO(mkdir("d", 0755));
	DO(symlink("target", "link"));
	DO(mknod("fifo", S_IFIFO | 0644, 0));
	make_file("file", "");
	events("made");
	DO(link("file", "hard"));
	DO(chmod("d", 0700));
	DO(rename("file", "d/file"));
	DO(rename("d/file", "back"));
	DO(rename("back", "hard"));
	DO(unlink("hard"));
	DO(rmdir("d"));
	DO(unlink("link"));
	DO(unlink("fifo"));
	DO(mkdir("d", 0755));
	DO(rename("d", "a-much-longer-name-of-it"));
	close(in);
	rmdir("a-much-longer-name-of-it");
}

CASE(file_itself, IN_DIR)
{
	char c;

	make_file("file", "text");
	begin(0, "file", IN_ALL_EVENTS);
	int fd = NEED(open("file", O_RDONLY));
	events("open");
	DO(read(fd, &c, 1));
	DO(close(fd));
	fd = NEED(open("file", O_WRONLY));
	events("open");
	DO(write(fd, "x", 1));
	DO(write(fd, "", 0));
	DO(close(fd));
	DO(link("file", "hard"));
	DO(chmod("hard", 0600));
	DO(rename("file", "moved"));
	DO(unlink("moved"));
	DO(unlink("hard"));
	SHOW(inotify_rm_watch(in, file_wd));
	close(in);
}

CASE(file_open_while_deleted, IN_DIR)
{
	char c;

	make_file("file", "text");
	begin(IN_ALL_EVENTS, "file", IN_ALL_EVENTS);
	int fd = NEED(open("file", O_RDONLY));
	events("open");
	DO(unlink("file"));
	DO(read(fd, &c, 1));
	DO(close(fd));
	close(in);
}

CASE(excluded_when_unlinked, IN_DIR)
{
	char c;

	make_file("file", "text");
	begin(IN_ALL_EVENTS | IN_EXCL_UNLINK, NULL, 0);
	int fd = NEED(open("file", O_RDONLY));
	events("open");
	DO(read(fd, &c, 1));
	DO(unlink("file"));
	DO(read(fd, &c, 1));
	DO(close(fd));
	close(in);
}

CASE(both_watched, IN_DIR)
{
	make_file("file", "text");
	make_file("victim", "text");
	begin(IN_ALL_EVENTS, "victim", IN_ALL_EVENTS);
	DO(chmod("victim", 0600));
	DO(rename("file", "victim"));
	make_file("file", "text");
	events("made");
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "victim", 2 /* exchange */));
	events("->");
	close(in);
}

CASE(directory_itself, IN_DIR)
{
	NEED(mkdir("d", 0755));
	begin(0, "d", IN_ALL_EVENTS);
	make_file("d/file", "");
	events("made");
	int fd = NEED(open("d", O_RDONLY | O_DIRECTORY));
	events("open");
	char buf[512];
	DO(syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	DO(close(fd));
	DO(chmod("d", 0700));
	DO(rename("d", "e"));
	DO(unlink("e/file"));
	DO(rmdir("e"));
	close(in);
}

CASE(more_ways, IN_DIR, SINCE(6, 8))
{
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 0, UTIME_NOW } };

	make_file("file", "text");
	make_file("to", "");
	begin(IN_ALL_EVENTS, NULL, 0);
	DO(utimensat(AT_FDCWD, "file", NULL, 0));
	DO(utimensat(AT_FDCWD, "file", omit, 0));
	DO(chown("file", 0, 0));
	DO(chown("file", -1, -1));
	int a = NEED(open("file", O_RDWR)), b = NEED(open("to", O_RDWR));
	events("open");
	DO(posix_fallocate(a, 0, 100));
	DO(syscall(SYS_sendfile, b, a, NULL, 4));
	struct {
		char *p;
		size_t n;
	} iov = { (char[2]){ "x" }, 1 };
	DO(syscall(SYS_writev, a, &iov, 1));
	close(a);
	events("closed");
	NEED(dup(b));
	DO(close(b));
	int fd = open("file", O_PATH);
	events("O_PATH");
	DO(close(fd));
	close(in);
}

CASE(truncated_by_open, IN_DIR)
{
	make_file("file", "text");
	begin(IN_MODIFY, NULL, 0);
	make_file("file", "new");
	events("made anew");
	close(in);
}

CASE(masks, IN_DIR)
{
	make_file("file", "text");
	begin(0, "file", IN_MODIFY);
	CHECK(inotify_add_watch(in, "file", IN_ATTRIB) == file_wd);
	chmod("file", 0600);
	truncate("file", 1);
	events("only ATTRIB");
	CHECK(inotify_add_watch(in, "file", IN_MODIFY | IN_MASK_ADD) == file_wd);
	chmod("file", 0644);
	truncate("file", 0);
	events("both");
	SHOW(inotify_add_watch(in, "file", IN_MODIFY | IN_MASK_CREATE));
	SHOW(inotify_add_watch(in, "file", IN_MODIFY | IN_MASK_CREATE | IN_MASK_ADD));
	close(in);
}

CASE(one_shot, IN_DIR)
{
	make_file("file", "text");
	begin(0, "file", IN_ATTRIB | IN_ONESHOT);
	DO(truncate("file", 1));
	DO(chmod("file", 0600));
	DO(chmod("file", 0644));
	SHOW(inotify_rm_watch(in, file_wd));
	close(in);
}

CASE(same_events_are_one, IN_DIR)
{
	int n;

	make_file("file", "text");
	begin(IN_ATTRIB, "file", IN_MODIFY);
	for (int i = 0; i < 5; i++)
		chmod("file", 0600);
	SHOW(ioctl(in, FIONREAD, &n));
	say("%d bytes", n);
	truncate("file", 1);
	chmod("file", 0600);
	SHOW(ioctl(in, FIONREAD, &n));
	say("%d bytes", n);
	events("all");
	SHOW(ioctl(in, FIONREAD, &n));
	say("%d bytes", n);
	close(in);
}

CASE(removed_watch, IN_DIR)
{
	make_file("file", "text");
	begin(IN_ATTRIB, "file", IN_MODIFY);
	chmod("file", 0600);
	SHOW(inotify_rm_watch(in, dir_wd));
	SHOW(inotify_rm_watch(in, dir_wd));
	chmod("file", 0600);
	events("all");
	CHECK(inotify_add_watch(in, ".", IN_ATTRIB) == file_wd + 1);
	close(in);
}

CASE(small_buffers, IN_DIR)
{
	char buf[64];

	begin(IN_CREATE | IN_DELETE, NULL, 0);
	make_file("a", "");
	make_file("a-name-of-twenty-odd-bytes", "");
	SHOW(read(in, buf, 15));
	SHOW(read(in, buf, 31));
	SHOW(read(in, buf, 63));
	SHOW(read(in, buf, 47));
	SHOW(read(in, bad_ptr(), 48));
	SHOW(read(in, buf, 0));
	unlink("a");
	SHOW(read(in, buf, sizeof(buf)));
	SHOW(read(in, buf, sizeof(buf)));
	close(in);
}

CASE(links_and_kinds, IN_DIR)
{
	make_file("file", "text");
	NEED(symlink("file", "link"));
	NEED(symlink("missing", "dangling"));
	begin(0, "link", IN_ATTRIB);
	int own = inotify_add_watch(in, "link", IN_ALL_EVENTS | IN_DONT_FOLLOW);
	CHECK(own > 0 && own != file_wd);
	DO(chmod("file", 0600));
	DO(unlink("link"));
	SHOW(inotify_add_watch(in, "dangling", IN_ATTRIB));
	SHOW(inotify_add_watch(in, "file", IN_ATTRIB | IN_ONLYDIR));
	SHOW_OK(inotify_add_watch(in, ".", IN_ATTRIB | IN_ONLYDIR));
	close(in);
}

CASE(overflow, IN_DIR)
{
	int n, last = 0, count = 0;
	static char buf[1 << 20] __attribute__((aligned(8)));

	make_file("file", "");
	begin(IN_ATTRIB | IN_MODIFY, NULL, 0);
	for (int i = 0; i < 17000; i++)
		if (i & 1)
			chmod("file", 0600);
		else
			truncate("file", i);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (int at = 0; at < n;) {
			const struct inotify_event *e = (void *)(buf + at);

			count++;
			last = e->mask;
			at += sizeof(*e) + e->len;
		}
	say("%d events, the last %x", count, last);
	close(in);
}

CASE(waiting, IN_DIR)
{
	struct pollfd p = { .events = POLLIN | POLLOUT };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = NEED(epoll_create1(0));

	begin(IN_CREATE, NULL, 0);
	p.fd = in;
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, in, &ev));
	SHOW(poll(&p, 1, 0));
	make_file("file", "");
	SHOW(poll(&p, 1, 0));
	say("revents %x", p.revents);
	SHOW(epoll_wait(ep, &ev, 1, 0));
	events("read");
	SHOW(epoll_wait(ep, &ev, 1, 0));
	SHOW(write(in, "x", 1));
	SHOW(lseek(in, 0, SEEK_SET));
	close(ep);
	close(in);
}

CASE(descriptors, IN_DIR)
{
	SHOW(inotify_init1(1));
	in = NEED(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	say("flags %x %x", fcntl(in, F_GETFL), fcntl(in, F_GETFD));
	close(in);
	in = NEED(syscall(SYS_inotify_init));
	say("flags %x %x", fcntl(in, F_GETFL), fcntl(in, F_GETFD));
	close(in);
	struct stat st;
	in = NEED(inotify_init());
	NEED(fstat(in, &st));
	say("mode %o", st.st_mode);
	char link[64] = "", path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	CHECK(readlink(path, link, sizeof(link) - 1) > 0);
	say("%s", link);
	close(in);
}

CASE(wrong, IN_DIR)
{
	int fd = NEED(open(".", O_RDONLY));

	begin(0, NULL, 0);
	SHOW(inotify_add_watch(in, ".", 0));
	SHOW(inotify_add_watch(in, ".", IN_ONESHOT));
	SHOW(inotify_add_watch(in, ".", 0x00100000));
	SHOW(inotify_add_watch(-1, ".", IN_CREATE));
	SHOW(inotify_add_watch(fd, ".", IN_CREATE));
	SHOW(inotify_add_watch(in, "missing", IN_CREATE));
	SHOW(inotify_add_watch(in, "", IN_CREATE));
	SHOW(inotify_add_watch(in, bad_ptr(), IN_CREATE));
	SHOW(inotify_rm_watch(in, 99));
	SHOW(inotify_rm_watch(fd, 1));
	SHOW(inotify_rm_watch(-1, 1));
	close(fd);
	close(in);
}
