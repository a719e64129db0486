/*
 * Pseudo-terminals: /dev/ptmx and /dev/pts. Nobody's controlling terminal, so
 * that no signals are sent.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <termios.h>
#include <unistd.h>

#include "abi.h"
#include "pty.h"

static void set_raw(int min, int time)
{
	struct termios t;

	NEED(tcgetattr(slave, &t));
	t.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t.c_oflag &= ~OPOST;
	t.c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t.c_cc[VMIN] = min;
	t.c_cc[VTIME] = time;
	NEED(tcsetattr(slave, TCSANOW, &t));
}

CASE(pair)
{
	int n = -1;
	struct stat st;

	master = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCGPTLCK, &n));
	say("locked %d", n);
	CHECK(ioctl(master, TIOCGPTN, &n) == 0 && n >= 0);
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	SHOW(open(name, O_RDWR | O_NOCTTY));
	n = 0;
	SHOW(ioctl(master, TIOCSPTLCK, &n));
	slave = NEED(open(name, O_RDWR | O_NOCTTY));
	CHECK(isatty(master) && isatty(slave));
	CHECK(ptsname(master) != NULL && strcmp(ptsname(master), name) == 0);
	CHECK(ttyname(slave) != NULL && strcmp(ttyname(slave), name) == 0);
	NEED(fstat(slave, &st));
	say("slave: major %u", (unsigned)(st.st_rdev >> 8));
	NEED(fstat(master, &st));
	say("master: device %lx", (long)st.st_rdev);
	close(master);
	SHOW(access(name, F_OK)); /* whose number nobody gets before the slave's end */
	close(slave);
}

CASE(cooked)
{
	open_pair();
	SEND(master, "hello\n");
	show_read("slave", slave);
	show_read("echo", master);
	SEND(master, "ab\177c\025xyz\r");
	show_read("slave", slave);
	show_read("echo", master);
	SEND(master, "part");
	show_read("slave", slave);
	SEND(master, "\004");
	show_read("slave", slave);
	SEND(master, "\004");
	show_read("slave", slave);
	show_read("echo", master);
	SEND(slave, "one\ntwo\n");
	show_read("master", master);
	close_pair();
}

CASE(modes_by_both)
{
	struct termios a, b;

	open_pair();
	NEED(tcgetattr(slave, &a));
	say("i %x o %x c %x l %x", a.c_iflag, a.c_oflag, a.c_cflag, a.c_lflag);
	NEED(tcgetattr(master, &b));
	CHECK(a.c_lflag == b.c_lflag);
	b.c_lflag &= ~ECHO;
	SHOW(tcsetattr(master, TCSANOW, &b));
	NEED(tcgetattr(slave, &a));
	CHECK(!(a.c_lflag & ECHO));
	SEND(master, "unseen\n");
	show_read("slave", slave);
	show_read("master", master);
	close_pair();
}

CASE(raw)
{
	int n;

	open_pair();
	set_raw(1, 0);
	SEND(master, "\003x\n\r\177");
	show_read("slave", slave);
	show_read("master", master);
	SEND(slave, "a\nb\tc");
	SHOW(ioctl(master, FIONREAD, &n));
	show_read("master", master);
	SEND(master, "123");
	struct pollfd p = { .fd = slave, .events = POLLIN };
	poll(&p, 1, 200);
	SHOW(ioctl(slave, FIONREAD, &n));
	say("%d bytes", n);
	SHOW(tcflush(slave, TCIFLUSH));
	show_read("slave", slave);
	set_raw(0, 0);
	SHOW(read(slave, name, 1));
	close_pair();
}

CASE(window_size)
{
	struct winsize size = { 1, 1, 1, 1 };

	open_pair();
	SHOW(ioctl(slave, TIOCGWINSZ, &size));
	say("%u %u", size.ws_row, size.ws_col);
	size = (struct winsize){ 40, 100, 0, 0 };
	SHOW(ioctl(master, TIOCSWINSZ, &size));
	memset(&size, 0, sizeof(size));
	SHOW(ioctl(slave, TIOCGWINSZ, &size));
	say("%u %u", size.ws_row, size.ws_col);
	close_pair();
}

static short events_of(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

CASE(slave_closes)
{
	open_pair();
	SEND(slave, "last");
	say("master %x slave %x", events_of(master), events_of(slave));
	close(slave);
	say("master %x", events_of(master));
	show_read("master", master);
	show_read("master", master);
	say("master %x", events_of(master));
	slave = NEED(open(name, O_RDWR | O_NOCTTY));
	say("master %x", events_of(master));
	show_read("master", master);
	close_pair();
}

CASE(master_closes)
{
	struct termios t;
	char c;

	open_pair();
	SEND(master, "line\n");
	close(master);
	say("slave %x", events_of(slave));
	SHOW(read(slave, &c, 1));
	SHOW(write(slave, "x", 1));
	SHOW(tcgetattr(slave, &t));
	SHOW(open(name, O_RDWR | O_NOCTTY));
	close(slave);
}

CASE(peer)
{
	int zero = 0;

	master = NEED(open("/dev/ptmx", O_RDWR | O_NOCTTY));
	SHOW(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
	NEED(ioctl(master, TIOCSPTLCK, &zero));
	slave = NEED(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
	say("cloexec %d", fcntl(slave, F_GETFD));
	int other = NEED(ioctl(master, TIOCGPTPEER, O_WRONLY | O_NOCTTY | O_NONBLOCK));
	say("flags %o", fcntl(other, F_GETFL) & (O_ACCMODE | O_NONBLOCK));
	close(other);
	SEND(master, "to the peer\n");
	show_read("slave", slave);
	close_pair();
}

CASE(several)
{
	int m[3], s[3], zero = 0;

	for (int i = 0; i < 3; i++) {
		m[i] = NEED(posix_openpt(O_RDWR | O_NOCTTY));
		NEED(grantpt(m[i]));
		NEED(unlockpt(m[i]));
		NEED(ioctl(m[i], TIOCSPTLCK, &zero));
		s[i] = NEED(open(ptsname(m[i]), O_RDWR | O_NOCTTY));
	}
	for (int i = 0; i < 3; i++)
		dprintf(s[i], "number %d", i);
	for (int i = 2; i >= 0; i--)
		show_read("master", m[i]);
	for (int i = 0; i < 3; i++) {
		close(m[i]);
		close(s[i]);
	}
}

/* ---- /dev/pts */

static void show_stat(const char *path)
{
	struct stat st;

	NEED(stat(path, &st));
	say("type %o, %d links, size %ld, blocks %ld of %ld", st.st_mode & S_IFMT, (int)st.st_nlink,
	    (long)st.st_size, (long)st.st_blocks, (long)st.st_blksize);
}

CASE(devpts)
{
	struct stat dev, pts, node;
	struct statfs fs;
	unsigned n;

	open_pair();
	NEED(ioctl(master, TIOCGPTN, &n));
	NEED(stat("/dev", &dev));
	NEED(stat("/dev/pts", &pts));
	NEED(stat(name, &node));
	CHECK(dev.st_dev != pts.st_dev && pts.st_dev == node.st_dev);
	say("mode %o, inode %lu", pts.st_mode, (long)pts.st_ino);
	CHECK(node.st_ino == n + 3 && node.st_uid == getuid() && (node.st_mode & 0600) == 0600);
	show_stat("/dev/pts");
	show_stat(name);
	NEED(statfs(name, &fs));
	say("%lx: blocks %ld of %ld, %ld files, names of %ld", (long)fs.f_type, (long)fs.f_blocks,
	    (long)fs.f_bsize, (long)fs.f_files, (long)fs.f_namelen);
	NEED(stat("/dev/pts/ptmx", &node));
	say("ptmx: %lx, inode %ld, mode %o", (long)node.st_rdev, (long)node.st_ino, node.st_mode);
	close_pair();
}

CASE(devpts_is_fixed)
{
	open_pair();
	SHOW(open("/dev/pts/file", O_CREAT | O_RDWR, 0666));
	SHOW(mkdir("/dev/pts/dir", 0777));
	SHOW(symlink("x", "/dev/pts/link"));
	SHOW(unlink(name));
	SHOW(unlink("/dev/pts/ptmx"));
	SHOW(mknod("/dev/pts/fifo", S_IFIFO | 0600, 0));
	SHOW(mknod("/dev/pts/regular", S_IFREG | 0600, 0));
	SHOW(link(name, "/dev/pts/other"));
	SHOW(rename(name, "/dev/pts/other"));
	SHOW(rmdir("/dev/pts"));
	SHOW(chmod(name, 0604));
	struct stat st;
	NEED(fstat(slave, &st));
	say("mode %o", st.st_mode);
	close_pair();
}

CASE(devpts_in_mounts)
{
	char line[300];
	FILE *f = fopen("/proc/self/mounts", "r");
	int found = 0;

	while (f && fgets(line, sizeof(line), f))
		found |= !strncmp(line, "devpts /dev/pts devpts rw,", 26) &&
			 strstr(line, "ptmxmode=000") != NULL;
	CHECK(found);
	if (f)
		fclose(f);
}

CASE(own_ptmx)
{
	open_by("/dev/pts/ptmx");
	SEND(master, "by the other one\n");
	show_read("slave", slave);
	close_pair();
}

static void *drain(void *arg)
{
	static char buf[4096];
	long *total = arg;
	ssize_t n;

	while ((n = read(master, buf, sizeof(buf))) > 0)
		*total += n;
	return NULL;
}

/* More than fits: the writer waits for the reader. */
CASE(much_output)
{
	static char text[100000];
	pthread_t thread;
	long total = 0;

	open_pair();
	set_raw(1, 0);
	memset(text, 'x', sizeof(text));
	pthread_create(&thread, NULL, drain, &total);
	long done = 0;
	while (done < (long)sizeof(text)) {
		ssize_t n = write(slave, text + done, sizeof(text) - done);
		if (n <= 0)
			break;
		done += n;
	}
	say("written %ld", done);
	close(slave);
	pthread_join(thread, NULL);
	say("read %ld", total);
	close(master);
}

static short writable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	poll(&p, 1, 0);
	return p.revents;
}

/* What the slave's side of the flow is, and what the master's. */
CASE(flow)
{
	open_pair();
	SHOW(tcflow(slave, TCIOFF));
	SHOW(tcflow(slave, TCION));
	poll(NULL, 0, 50); /* Linux may move one after the other */
	show_read("master", master);
	SHOW(tcflow(master, TCOOFF));
	say("master %x, slave %x", writable(master), writable(slave));
	NEED(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK));
	SEND(master, "held");
	SEND(slave, "shown");
	show_read("master", master);
	SHOW(tcflow(master, TCOON));
	SEND(master, "a line\n");
	show_read("slave", slave);
	SHOW(tcflow(master, TCIOFF)); /* as if ^S were typed */
	poll(NULL, 0, 50);
	say("master %x, slave %x", writable(master), writable(slave));
	SHOW(tcflow(master, TCION));
	poll(NULL, 0, 50);
	say("master %x, slave %x", writable(master), writable(slave));
	SHOW(tcflow(master, 4));
	SHOW(tcflow(slave, 4));
	close_pair();
}

CASE(flushed_by_the_master)
{
	open_pair();
	set_raw(1, 0);
	SEND(slave, "shown");
	struct pollfd p = { .fd = master, .events = POLLIN };
	poll(&p, 1, 200);
	SHOW(tcflush(master, TCOFLUSH));
	show_read("master", master);
	SEND(slave, "again");
	poll(&p, 1, 200);
	SHOW(tcflush(master, TCIFLUSH));
	show_read("master", master);
	SEND(master, "typed");
	p.fd = slave;
	poll(&p, 1, 200);
	SHOW(tcflush(master, TCIOFLUSH));
	show_read("slave", slave);
	SHOW(tcflush(master, 3));
	SHOW(tcflush(slave, 3));
	SHOW(ioctl(master, TIOCGSID, &p));
	SHOW(ioctl(slave, TIOCGSID, &p));
	close_pair();
}

CASE(wrong)
{
	int n = 0;

	open_pair();
	SHOW(ioctl(slave, TIOCGPTN, &n));
	SHOW(ioctl(slave, TIOCSPTLCK, &n));
	SHOW(ioctl(master, TIOCGPTN, bad_ptr()));
	SHOW(ioctl(master, TIOCSPTLCK, bad_ptr()));
	SHOW(lseek(master, 0, SEEK_SET));
	SHOW(lseek(slave, 0, SEEK_SET));
	SHOW(read(slave, bad_ptr(), 0));
	SHOW(open("/dev/pts/9999", O_RDWR));
	close_pair();
}
