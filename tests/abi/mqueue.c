/*
 * POSIX message queues: their names, limits and messages, and what they are as files.
 * (mqueue_waits.c: waiting for messages.)
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "abi.h"
#include "queues.h"

OWN_IPC

/* CAP_SYS_RESOURCE, with which more is allowed: not everybody's root has it. */
static void drop_privilege(void)
{
	struct {
		uint32_t version;
		int pid;
	} header = { 0x20080522, 0 };
	struct {
		uint32_t effective, permitted, inheritable;
	} data[2];

	NEED(syscall(SYS_capget, &header, data));
	data[0].effective &= ~(1u << 24);
	NEED(syscall(SYS_capset, &header, data));
}

/* ---- names ---- */

CASE(mq_names)
{
	char longest[NAME_MAX + 3];
	mqd_t q, again;

	name_queue();
	SHOW(mq_open(queue_name, O_RDWR));
	SHOW(mq_unlink(queue_name));
	q = (mqd_t)NEED(mq_open(queue_name, O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
	again = (mqd_t)NEED(mq_open(queue_name, O_RDONLY | O_CREAT, 0, NULL));
	NEED(mq_send(q, "through", 7, 3));
	show_receive(again);
	show_attr(again);
	SHOW(mq_unlink(queue_name));
	SHOW(mq_unlink(queue_name));
	SHOW(mq_open(queue_name, O_RDWR));
	SHOW(mq_send(q, "still", 5, 0));
	show_receive(again);
	SHOW(mq_close(q));
	SHOW(mq_close(q));
	SHOW(mq_close(again));
	SHOW(mq_open("/", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_open("", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_open("/.", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_open("/..", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_open("/a/b", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_open("//a", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_unlink("/"));
	SHOW(mq_unlink("/a/b"));
	SHOW(mq_unlink("/.."));
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[NAME_MAX + 2] = 0;
	SHOW(mq_open(longest, O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_unlink(longest));
	longest[NAME_MAX + 1] = 0;
	q = (mqd_t)NEED(mq_open(longest, O_RDWR | O_CREAT, 0600, NULL));
	SHOW(mq_unlink(longest));
	close(q);
}

CASE(mq_raw_names)
{
	static char path[4200];

	memset(path, 'a', sizeof(path) - 1);
	SHOW(syscall(SYS_mq_open, "/abi", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(syscall(SYS_mq_open, "abi/", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, NULL));
	SHOW(syscall(SYS_mq_open, path, O_RDWR | O_CREAT, 0600, NULL));
	path[4095] = 0;
	SHOW(syscall(SYS_mq_open, path, O_RDWR | O_CREAT, 0600, NULL));
	path[3000] = '/';
	SHOW(syscall(SYS_mq_open, path, O_RDWR | O_CREAT, 0600, NULL));
	SHOW(syscall(SYS_mq_open, bad_ptr(), O_RDWR, 0, NULL));
	SHOW(syscall(SYS_mq_open, "none", O_RDWR, 0, bad_ptr()));
	SHOW(syscall(SYS_mq_unlink, "/abi"));
	SHOW(syscall(SYS_mq_unlink, "."));
	SHOW(syscall(SYS_mq_unlink, path));
	SHOW(syscall(SYS_mq_unlink, bad_ptr()));
}

static void try_attr(long most, long size)
{
	struct mq_attr attr = { .mq_maxmsg = most, .mq_msgsize = size, .mq_flags = O_NONBLOCK };
	mqd_t q = mq_open(name_queue(), O_RDWR | O_CREAT, 0600, &attr);

	say("%ld %ld: %s", most, size, q < 0 ? errno_name(errno) : "ok");
	if (q < 0)
		return;
	show_attr(q);
	close(q);
	mq_unlink(queue_name);
}

CASE(mq_attributes, ALONE)
{
	mqd_t q = (mqd_t)NEED(mq_open(name_queue(), O_RDWR | O_CREAT, 0600, NULL));
	struct mq_attr set = { .mq_flags = O_NONBLOCK, .mq_maxmsg = 5, .mq_msgsize = 6 }, old;

	drop_privilege();
	show_attr(q);
	memset(&old, 0x55, sizeof(old));
	SHOW(mq_setattr(q, &set, &old));
	say("old: %ld %ld %ld %ld", old.mq_flags, old.mq_maxmsg, old.mq_msgsize, old.mq_curmsgs);
	show_attr(q);
	SHOW(fcntl(q, F_GETFL));
	SHOW(fcntl(q, F_GETFD));
	SHOW(fcntl(q, F_SETFL, 0));
	show_attr(q);
	set.mq_flags = O_NONBLOCK | O_APPEND;
	SHOW(mq_setattr(q, &set, NULL));
	SHOW(mq_setattr(STDOUT_FILENO, &set, NULL));
	set.mq_flags = 0;
	SHOW(mq_setattr(STDOUT_FILENO, &set, NULL));
	SHOW(mq_setattr(-1, &set, NULL));
	SHOW(syscall(SYS_mq_getsetattr, q, NULL, NULL));
	SHOW(syscall(SYS_mq_getsetattr, q, NULL, bad_ptr()));
	SHOW(syscall(SYS_mq_getsetattr, q, bad_ptr(), NULL));
	close(q);
	mq_unlink(queue_name);
	try_attr(0, 1);
	try_attr(1, 0);
	try_attr(-1, 1);
	try_attr(1, -1);
	try_attr(1, 1);
	try_attr(11, 8193);
	try_attr(65536, 1);
	try_attr(65537, 1);
	try_attr(1, 16 << 20);
	try_attr(1, (16 << 20) + 1);
}

/* Without privileges the limits are those of /proc/sys/fs/mqueue. */
CASE(mq_rights, ALONE)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	mqd_t q;

	umask(022);
	q = (mqd_t)NEED(mq_open(name_queue(), O_RDWR | O_CREAT, 0666, &attr));
	close(q);
	NEED(seteuid(65534));
	try_attr(11, 8192); /* it exists, so they are not looked at */
	SHOW_OK(q = mq_open(queue_name, O_RDONLY));
	SHOW(mq_send(q, "x", 1, 0));
	close(q);
	SHOW(mq_open(queue_name, O_WRONLY));
	SHOW(mq_open(queue_name, O_RDWR));
	SHOW(mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0666, &attr));
	SHOW(mq_unlink(queue_name));
	SHOW(syscall(SYS_mq_unlink, queue_name + 1));
	NEED(seteuid(0));
	SHOW(mq_unlink(queue_name));
	NEED(seteuid(65534));
	try_attr(10, 8192);
	try_attr(11, 8192);
	try_attr(10, 8193);
	q = (mqd_t)NEED(mq_open(queue_name, O_RDWR | O_CREAT, 0200, &attr));
	SHOW(mq_open(queue_name, O_RDONLY));
	SHOW(mq_unlink(queue_name));
	NEED(seteuid(0));
	close(q);
	umask(0777);
	q = (mqd_t)NEED(mq_open(queue_name, O_RDWR | O_CREAT, 0666, &attr));
	umask(022);
	struct stat st;
	NEED(fstat(q, &st));
	say("%o", st.st_mode);
	SHOW(mq_unlink(queue_name));
	close(q);
}

CASE(mq_access_modes)
{
	struct mq_attr attr = { .mq_maxmsg = 2, .mq_msgsize = 8 };
	char text[8];
	mqd_t in, out, none;

	NEED(out = mq_open(name_queue(), O_WRONLY | O_CREAT | O_NONBLOCK, 0600, &attr));
	NEED(in = mq_open(queue_name, O_RDONLY | O_NONBLOCK));
	SHOW(mq_open(queue_name, O_ACCMODE));
	SHOW(fcntl(in, F_GETFL));
	SHOW(fcntl(out, F_GETFL));
	SHOW(mq_send(in, "a", 1, 0));
	SHOW(mq_send(out, "a", 1, 0));
	SHOW(mq_receive(out, text, 8, NULL));
	SHOW(read(out, text, 8));
	SHOW(write(out, "a", 1));
	SHOW(write(in, "a", 1));
	SHOW(mq_receive(in, text, 8, NULL));
	SHOW(mq_receive(STDOUT_FILENO, text, 8, NULL));
	SHOW(mq_send(STDOUT_FILENO, text, 8, 0));
	SHOW(mq_send(-1, text, 8, 0));
	mq_unlink(queue_name);
	NEED(none = mq_open(queue_name, O_ACCMODE | O_CREAT, 0600, &attr));
	SHOW(mq_send(none, text, 1, 0));
	SHOW(mq_receive(none, text, 8, NULL));
	show_attr(none);
	mq_unlink(queue_name);
	close(in);
	close(out);
	close(none);
}

/* ---- limits ---- */

/* A user's queues are counted together, those of IPC namespaces too that Linux has not
 * cleared away yet: somebody who has none. */
static void be_somebody(void)
{
	uid_t uid = 100000 + (uid_t)getpid();
	drop_privilege();
	if (geteuid() == 0)
		NEED(setresuid(uid, uid, uid));
}

CASE(mq_limits, ALONE)
{
	struct rlimit limit = { 819200, 819200 };
	struct mq_attr attr = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	mqd_t q[20];
	int n = 0;

	be_somebody();
	NEED(setrlimit(RLIMIT_MSGQUEUE, &limit));
	while (n < 20 &&
	       (q[n] = mq_open(name_queue(), O_RDWR | O_CREAT | O_EXCL, 0600, &attr)) >= 0) {
		NEED(mq_unlink(queue_name));
		n++;
	}
	say("%d, then %s", n, errno_name(errno));
	close(q[0]);
	attr.mq_maxmsg = 11;
	SHOW(mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	attr.mq_maxmsg = 10;
	SHOW_OK(q[0] = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	/* what is left, to the byte */
	limit.rlim_cur = (rlim_t)n * 10 * (8192 + 96) + 5 * (100 + 96);
	NEED(setrlimit(RLIMIT_MSGQUEUE, &limit));
	mq_unlink(queue_name);
	attr = (struct mq_attr){ .mq_maxmsg = 5, .mq_msgsize = 101 };
	SHOW(mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	attr.mq_msgsize = 100;
	SHOW_OK(q[n] = mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	SHOW(mq_unlink(queue_name));
	for (int i = 0; i <= n; i++)
		close(q[i]);
	limit.rlim_cur = 0;
	NEED(setrlimit(RLIMIT_MSGQUEUE, &limit));
	SHOW(mq_open(queue_name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
}

CASE(mq_many, ALONE)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = 1 };
	char some[40];
	int made = 0, opened = 0, unlinked = 0;

	drop_privilege();
	for (int i = 0; i < 300; i++) {
		snprintf(some, sizeof(some), "/abi.%d.%d", getpid(), i);
		mqd_t q = mq_open(some, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
		made += q >= 0;
		close(q);
	}
	for (int i = 0; i < 300; i++) {
		snprintf(some, sizeof(some), "/abi.%d.%d", getpid(), i);
		mqd_t q = mq_open(some, O_RDWR);
		opened += q >= 0;
		close(q);
	}
	NEED(seteuid(65534));
	SHOW(mq_open(name_queue(), O_RDWR | O_CREAT, 0600, &attr));
	NEED(seteuid(0));
	for (int i = 0; i < 300; i++) {
		snprintf(some, sizeof(some), "/abi.%d.%d", getpid(), i);
		unlinked += mq_unlink(some) == 0;
	}
	say("made %d opened %d unlinked %d", made, opened, unlinked);
}

CASE(mq_descriptors_used_up, ALONE)
{
	struct rlimit limit = { 3, 1024 };

	NEED(setrlimit(RLIMIT_NOFILE, &limit));
	for (int fd = 3; fd < 20; fd++)
		close(fd);
	SHOW(mq_open(name_queue(), O_RDWR | O_CREAT, 0600, NULL));
	limit.rlim_cur = 20;
	NEED(setrlimit(RLIMIT_NOFILE, &limit));
	SHOW(mq_open(queue_name, O_RDWR));
}

static void show_setting(const char *which)
{
	char path[60];

	snprintf(path, sizeof(path), "/proc/sys/fs/mqueue/%s", which);
	show_file(path);
}

CASE(mq_settings)
{
	show_setting("msg_default");
	show_setting("msg_max");
	show_setting("msgsize_default");
	show_setting("msgsize_max");
	show_setting("queues_max");
}

/* ---- messages ---- */

CASE(mq_priorities)
{
	static const unsigned order[] = { 5, 0, 32767, 5, 1, 0, 5, 32767 };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 8, 8);
	char text[8];

	for (int i = 0; i < 8; i++) {
		snprintf(text, sizeof(text), "%d", i);
		NEED(mq_send(q, text, strlen(text), order[i]));
	}
	SHOW(mq_send(q, "more", 4, 0));
	show_attr(q);
	for (int i = 0; i < 9; i++)
		show_receive(q);
	SHOW(mq_send(q, "x", 1, 32768));
	SHOW(mq_send(q, "x", 1, (unsigned)-1));
	SHOW(mq_send(-1, "x", 1, 32768));
	close(q);
}

CASE(mq_sizes)
{
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 3, 8);
	char text[16] = "";

	SHOW(mq_send(q, "123456789", 9, 0));
	SHOW(mq_send(q, "12345678", 8, 0));
	SHOW(mq_send(q, "", 0, 0));
	SHOW(mq_receive(q, text, 7, NULL));
	SHOW(mq_receive(q, text, 8, NULL));
	SHOW(mq_receive(q, text, 8, NULL));
	SHOW(mq_receive(q, text, 8, NULL));
	SHOW(mq_receive(q, text, 7, NULL));
	SHOW(mq_send(q, bad_ptr(), 9, 0));
	SHOW(mq_send(q, bad_ptr(), 8, 0));
	SHOW(mq_send(q, bad_ptr(), 0, 0));
	show_state(q);
	SHOW(mq_receive(q, bad_ptr(), 8, NULL));
	SHOW(mq_send(q, "lost", 4, 0));
	SHOW(mq_receive(q, bad_ptr(), 8, NULL));
	show_attr(q);
	SHOW(mq_send(q, "lost", 4, 0));
	SHOW(mq_receive(q, text, 8, bad_ptr()));
	show_attr(q);
	close(q);
}

CASE(mq_large)
{
	static char text[8192];
	mqd_t q = make_queue(O_RDWR, 2, 8192);
	long sum = 0;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	NEED(mq_send(q, text, sizeof(text), 0));
	NEED(mq_send(q, text, sizeof(text) - 1, 1));
	show_state(q);
	memset(text, 0, sizeof(text));
	SHOW(mq_receive(q, text, sizeof(text), NULL));
	SHOW(mq_receive(q, text, sizeof(text), NULL));
	for (size_t i = 0; i < sizeof(text); i++)
		sum += text[i] == (char)(i * 7);
	say("%ld", sum);
	close(q);
}

/* ---- as a file ---- */

CASE(mq_file)
{
	char text[100] = "", link[60], own[60];
	struct statfs fs;
	struct stat st;
	int left = -1;
	mqd_t q, copy;

	NEED(q = mq_open(name_queue(), O_RDWR | O_CREAT | O_NONBLOCK, 0640, NULL));
	NEED(fstat(q, &st));
	say("mode %o links %d size %ld own %d", st.st_mode, (int)st.st_nlink, (long)st.st_size,
	    st.st_uid == geteuid());
	NEED(fstatfs(q, &fs));
	say("type %lx name %ld", (long)fs.f_type, (long)fs.f_namelen);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", q);
	NEED(readlink(link, text, sizeof(text) - 1));
	snprintf(own, sizeof(own), "%s (deleted)", queue_name);
	CHECK(strcmp(text, queue_name) == 0);
	mq_unlink(queue_name);
	NEED(readlink(link, text, sizeof(text) - 1));
	CHECK(strcmp(text, own) == 0);
	NEED(fstat(q, &st));
	say("links %d", (int)st.st_nlink);
	SHOW(fchmod(q, 0600));
	NEED(fstat(q, &st));
	say("mode %o", st.st_mode);
	NEED(mq_send(q, "hello", 5, 9));
	show_state(q);
	SHOW(read(q, text, 10));
	SHOW(lseek(q, 0, SEEK_CUR));
	SHOW(ioctl(q, FIONREAD, &left));
	say("%d", left);
	SHOW(read(q, text, 100));
	SHOW(read(q, text, 100));
	SHOW(lseek(q, 0, SEEK_END));
	SHOW(read(q, bad_ptr(), 100));
	SHOW(pread(q, bad_ptr(), 100, 0));
	SHOW(write(q, "x", 1));
	SHOW(fsync(q));
	SHOW(ioctl(q, TIOCGWINSZ, text));
	copy = (mqd_t)NEED(dup(q));
	close(q);
	show_receive(copy);
	show_receive(copy);
	show_state(copy);
	close(copy);
}

/* What other files can do, or not. */
CASE(mq_file_odd)
{
	struct flock lock = { .l_type = F_WRLCK };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 2, 8);
	char link[60], text[8];
	int again;
	struct stat st;

	SHOW_MAP(mmap(NULL, 4096, PROT_READ, MAP_SHARED, q, 0));
	SHOW(fallocate(q, 0, 0, 100));
	SHOW(ftruncate(q, 7));
	NEED(fstat(q, &st));
	say("size %ld blocks %ld", (long)st.st_size, (long)st.st_blocks);
	SHOW(fchown(q, 1, 2));
	NEED(fstat(q, &st));
	say("%d %d", st.st_uid, st.st_gid);
	SHOW(flock(q, LOCK_EX));
	SHOW(fcntl(q, F_SETLK, &lock));
	SHOW(fdatasync(q));
	SHOW(syscall(SYS_fgetxattr, q, "user.x", text, 8));
	NEED(mq_send(q, "hello", 5, 0));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", q);
	again = open(link, O_RDONLY);
	SHOW(fcntl(again, F_GETFL) & O_ACCMODE);
	SHOW(mq_receive(again, text, 8, NULL));
	SHOW(mq_send(again, "x", 1, 0));
	close(again);
	again = open(link, O_PATH);
	SHOW(mq_receive(again, text, 8, NULL));
	SHOW(syscall(SYS_mq_getsetattr, again, NULL, NULL));
	close(again);
	close(q);
}

CASE(mq_poll)
{
	mqd_t q = make_queue(O_RDWR, 2, 8);
	struct timeval none = { 0, 0 };
	fd_set in, out;

	SHOW(ready(q));
	NEED(mq_send(q, "a", 1, 0));
	SHOW(ready(q));
	NEED(mq_send(q, "b", 1, 0));
	SHOW(ready(q));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(q, &in);
	FD_SET(q, &out);
	SHOW(select(q + 1, &in, &out, NULL, &none));
	SHOW(FD_ISSET(q, &in));
	SHOW(FD_ISSET(q, &out));
	close(q);
}
