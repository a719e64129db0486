/*
 * AF_UNIX sockets: streams and connections.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

#define MS 1000000

static socklen_t abstract(struct sockaddr_un *un, const char *name)
{
	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strcpy(un->sun_path + 1, name);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

/* ---- making ---- */

CASE(socket_errors)
{
	SHOW(socket(-1, SOCK_STREAM, 0));
	SHOW(socket(46, SOCK_STREAM, 0));
	SHOW(socket(AF_UNIX, -1, 0));
	SHOW(socket(AF_UNIX, 15, 0));
	SHOW(socket(AF_UNIX, 0, 0));
	SHOW(socket(AF_UNIX, 4, 0));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 6));
	SHOW(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	SHOW(socket(AF_INET, SOCK_STREAM, 17));
	SHOW(socket(AF_INET, SOCK_DGRAM, 6));
	SHOW(socket(AF_INET, SOCK_SEQPACKET, 0));
	SHOW(socket(AF_INET, SOCK_RAW, 0));
	SHOW(socket(AF_INET, SOCK_STREAM, -1));
	SHOW(socket(AF_INET, SOCK_STREAM, 1000));
	SHOW(socket(AF_INET6, SOCK_STREAM, 17));
	SHOW(socket(AF_INET6, SOCK_SEQPACKET, 0));
	SHOW(socket(AF_NETLINK, SOCK_STREAM, 0));
	SHOW(socket(AF_NETLINK, SOCK_RAW, 99));
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 1));
	close(fd);
}

CASE(socket_is_a_file)
{
	struct stat st;
	char link[100] = "", want[100], path[100];
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	SHOW(fcntl(fd, F_GETFD));
	CHECK(fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK));
	SHOW(fstat(fd, &st));
	say("%o %ld %ld", st.st_mode, (long)st.st_size, (long)st.st_nlink);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	SHOW_OK(readlink(path, link, sizeof(link) - 1));
	snprintf(want, sizeof(want), "socket:[%lu]", (unsigned long)st.st_ino);
	CHECK(strcmp(link, want) == 0);
	SHOW(open(path, O_RDWR));
	SHOW(lseek(fd, 0, SEEK_SET));
	SHOW(pread(fd, link, 1, 0));
	SHOW(ftruncate(fd, 0));
	SHOW(fsync(fd));
	SHOW(fchmod(fd, 0600));
	SHOW(fstat(fd, &st));
	say("%o", st.st_mode);
	close(fd);
}

CASE(not_a_socket)
{
	int p[2], n = 0;
	socklen_t len = sizeof(n);
	struct sockaddr_un un = named("x");
	char c;

	NEED(pipe(p));
	SHOW(BIND(p[0], un));
	SHOW(BIND(-1, un));
	SHOW(bind(p[0], NULL, -5));
	SHOW(CONNECT(p[0], un));
	SHOW(connect(p[0], NULL, -5));
	SHOW(connect(p[0], bad_ptr(), 10));
	SHOW(listen(p[0], 1));
	SHOW(listen(-1, 1));
	SHOW(accept(p[0], NULL, NULL));
	SHOW(syscall(SYS_accept4, p[0], NULL, NULL, 7));
	SHOW(syscall(SYS_accept4, -1, NULL, NULL, 7));
	SHOW(send(p[0], "x", 1, 0));
	SHOW(recv(p[0], &c, 1, 0));
	SHOW(syscall(SYS_sendmsg, p[0], bad_ptr(), 0));
	SHOW(syscall(SYS_recvmsg, p[0], bad_ptr(), 0));
	SHOW(shutdown(p[0], SHUT_RD));
	SHOW(shutdown(p[0], 99));
	SHOW(getsockopt(p[0], SOL_SOCKET, SO_TYPE, &n, &len));
	SHOW(setsockopt(p[0], SOL_SOCKET, SO_TYPE, &n, len));
	SHOW(getsockname(p[0], (struct sockaddr *)&un, &len));
	SHOW(getpeername(p[0], (struct sockaddr *)&un, &len));
	close(p[0]);
	close(p[1]);
}

CASE(pair_errors)
{
	int s[2];

	SHOW(socketpair(AF_INET, SOCK_DGRAM, 0, s));
	SHOW(socketpair(AF_UNIX, 77, 0, s));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM | 0x100, 0, s));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 9, s));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, bad_ptr()));
	SHOW(socketpair(99, SOCK_STREAM, 0, s));
	int fd = NEED(dup(0));
	SHOW(fd);
	close(fd);
}

/* ---- streams ---- */

CASE(stream_pair)
{
	char buf[20] = "";

	open_pair(SOCK_STREAM);
	show_events("fresh", pair[0]);
	SHOW(write(pair[0], "hello ", 6));
	SHOW(send(pair[0], "world", 5, 0));
	show_events("filled", pair[1]);
	SHOW(read(pair[1], buf, 3));
	SHOW(read(pair[1], buf + 3, 17));
	say("%s", buf);
	show_recv(pair[1], MSG_DONTWAIT);
	SHOW(write(pair[1], "back", 4));
	show_recv(pair[0], MSG_PEEK | MSG_DONTWAIT);
	show_recv(pair[0], MSG_DONTWAIT);
	SHOW(write(pair[0], "", 0));
	SHOW(recv(pair[1], buf, 0, MSG_DONTWAIT));
	show_unix_local(pair[0]);
	show_unix_peer(pair[0]);
	close_pair();
}

CASE(stream_close)
{
	char c;

	open_pair(SOCK_STREAM);
	NEED(write(pair[0], "last", 4));
	close(pair[0]);
	show_events("closed", pair[1]);
	show_recv(pair[1], MSG_DONTWAIT);
	show_recv(pair[1], MSG_DONTWAIT);
	SHOW(read(pair[1], &c, 1));
	SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
	show_unix_peer(pair[1]);
	close(pair[1]);
	/* what was not read makes it a reset */
	open_pair(SOCK_STREAM);
	NEED(write(pair[0], "last", 4));
	NEED(write(pair[1], "first", 5));
	close(pair[1]);
	show_events("reset", pair[0]);
	show_recv(pair[0], MSG_DONTWAIT);
	show_recv(pair[0], MSG_DONTWAIT);
	show_recv(pair[0], MSG_DONTWAIT);
	close(pair[0]);
}

static volatile int pipes;

static void on_pipe(int sig, siginfo_t *info, void *context)
{
	(void)context;
	pipes++;
	say("signal %s code %d", signal_name(sig), info->si_code);
}

CASE(stream_sigpipe, ALONE)
{
	on_signal(SIGPIPE, on_pipe, 0);
	open_pair(SOCK_STREAM);
	close(pair[1]);
	SHOW(write(pair[0], "x", 1));
	SHOW(pipes);
	SHOW(send(pair[0], "x", 1, 0));
	SHOW(pipes);
	SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
	SHOW(pipes);
	close(pair[0]);
	open_pair(SOCK_SEQPACKET);
	close(pair[1]);
	SHOW(send(pair[0], "x", 1, 0));
	SHOW(pipes);
	close(pair[0]);
	open_pair(SOCK_DGRAM);
	close(pair[1]);
	SHOW(send(pair[0], "x", 1, 0));
	SHOW(send(pair[0], "x", 1, 0));
	SHOW(pipes);
}

CASE(stream_shutdown)
{
	char c;

	open_pair(SOCK_STREAM);
	NEED(write(pair[0], "x", 1));
	SHOW(shutdown(pair[0], SHUT_WR));
	show_events("writer", pair[0]);
	show_events("reader", pair[1]);
	SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
	SHOW(read(pair[1], &c, 1));
	SHOW(read(pair[1], &c, 1));
	SHOW(write(pair[1], "back", 4));
	show_recv(pair[0], MSG_DONTWAIT);
	SHOW(shutdown(pair[1], SHUT_RD));
	SHOW(shutdown(pair[1], SHUT_RDWR));
	show_events("writer", pair[0]);
	show_events("reader", pair[1]);
	SHOW(shutdown(pair[0], 3));
	SHOW(shutdown(pair[0], -1));
	close_pair();
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(shutdown(fd, SHUT_RD));
	close(fd);
}

CASE(stream_backpressure)
{
	static char buf[100000];
	long total = 0, n, got = 0;

	open_pair(SOCK_STREAM);
	while ((n = send(pair[0], buf, sizeof(buf), MSG_DONTWAIT)) > 0)
		total += n;
	show("send", n);
	CHECK(total > 100000 && total < 1000000);
	show_events("full", pair[0]);
	while (got < total) {
		n = NEED(read(pair[1], buf, sizeof(buf)));
		got += n;
	}
	CHECK(got == total);
	show_events("empty", pair[0]);
	show_recv(pair[1], MSG_DONTWAIT);
	close_pair();
}

CASE(stream_bytes_in_order)
{
	static unsigned char out[300000], in[300000];
	size_t sent = 0, got = 0;

	for (unsigned i = 0; i < sizeof(out); i++)
		out[i] = i * 31 + i / 257;
	open_pair(SOCK_STREAM);
	for (unsigned step = 1; got < sizeof(out); step = (step * 7 + 3) % 70000 + 1) {
		size_t want = sizeof(out) - sent < step ? sizeof(out) - sent : step;
		long n = want ? send(pair[0], out + sent, want, MSG_DONTWAIT) : 0;

		if (n > 0)
			sent += n;
		n = recv(pair[1], in + got, step / 2 + 1, MSG_DONTWAIT);
		if (n > 0)
			got += n;
	}
	CHECK(memcmp(in, out, sizeof(in)) == 0);
	close_pair();
}

CASE(stream_vectors)
{
	char a[4] = "", b[10] = "";
	struct iovec out[3] = { { "ab", 2 }, { "", 0 }, { "cdefg", 5 } };
	struct iovec in[2] = { { a, 3 }, { b, 9 } };

	open_pair(SOCK_STREAM);
	SHOW(writev(pair[0], out, 3));
	SHOW(readv(pair[1], in, 2));
	say("%s %s", a, b);
	close_pair();
}

CASE(stream_faults)
{
	char *page = pages(1), buf[100] = "";

	open_pair(SOCK_STREAM);
	SHOW(write(pair[0], bad_ptr(), 10));
	SHOW(write(pair[0], kernel_ptr(), 10));
	show_recv(pair[1], MSG_DONTWAIT);
	NEED(write(pair[0], "0123456789", 10));
	SHOW(read(pair[1], bad_ptr(), 10));
	SHOW(read(pair[1], page + 4096 - 4, 10));
	SHOW_OK(recv(pair[1], buf, 100, MSG_DONTWAIT));
	close_pair();
}

CASE(waitall)
{
	char buf[20] = "";

	open_pair(SOCK_STREAM);
	NEED(write(pair[0], "abc", 3));
	NEED(write(pair[0], "def", 3));
	SHOW(recv(pair[1], buf, 6, MSG_WAITALL));
	say("%s", buf);
	NEED(write(pair[0], "xy", 2));
	close(pair[0]);
	SHOW(recv(pair[1], buf, 6, MSG_WAITALL));
	close(pair[1]);
}

/* ---- connections ---- */

static void connections(int type)
{
	struct sockaddr_un un = named("sock"), from;
	socklen_t len = sizeof(from);
	int l = NEED(socket(AF_UNIX, type, 0)), c = NEED(socket(AF_UNIX, type, 0)), a;
	struct stat st;

	show_events("fresh", c);
	SHOW(CONNECT(c, un));
	SHOW(listen(l, 5));
	SHOW(BIND(l, un));
	SHOW(stat("sock", &st));
	CHECK(S_ISSOCK(st.st_mode));
	say("%o", st.st_mode & 07777);
	SHOW(CONNECT(c, un));
	SHOW(accept(l, NULL, NULL));
	SHOW(listen(l, 5));
	show_events("listening", l);
	SHOW(CONNECT(c, un));
	SHOW(CONNECT(c, un));
	show_events("called", l);
	/* data before the accept */
	SHOW(send(c, "early", 5, 0));
	show_unix_local(c);
	show_unix_peer(c);
	a = NEED(accept4(l, (struct sockaddr *)&from, &len, SOCK_CLOEXEC));
	show_unix_name("accept", 0, &from, len);
	SHOW(fcntl(a, F_GETFD));
	show_recv(a, MSG_DONTWAIT);
	show_unix_local(a);
	show_unix_peer(a);
	SHOW(send(a, "answer", 6, 0));
	show_recv(c, MSG_DONTWAIT);
	fcntl(l, F_SETFL, O_NONBLOCK);
	SHOW(accept(l, NULL, NULL));
	SHOW(CONNECT(l, un));
	SHOW(send(l, "x", 1, MSG_NOSIGNAL));
	show_recv(l, MSG_DONTWAIT);
	show_unix_peer(l);
	close(a);
	close(c);
	close(l);
	c = NEED(socket(AF_UNIX, type, 0));
	SHOW(CONNECT(c, un));
	SHOW(unlink("sock"));
	SHOW(CONNECT(c, un));
	close(c);
}

CASE(stream_connect, IN_DIR)
{
	connections(SOCK_STREAM);
}

CASE(seqpacket_connect, IN_DIR)
{
	connections(SOCK_SEQPACKET);
}

CASE(backlog, IN_DIR)
{
	struct sockaddr_un un = named("sock");
	int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c[5];

	NEED(BIND(l, un));
	NEED(listen(l, 2));
	for (int i = 0; i < 5; i++) {
		c[i] = NEED(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
		SHOW(CONNECT(c[i], un));
	}
	int a = NEED(accept(l, NULL, NULL));
	SHOW(CONNECT(c[3], un));
	close(a);
	close(l);
	/* those who were not accepted */
	show_recv(c[1], MSG_DONTWAIT);
	show_recv(c[1], MSG_DONTWAIT);
	SHOW(send(c[1], "x", 1, MSG_NOSIGNAL));
	for (int i = 0; i < 5; i++)
		close(c[i]);
}

CASE(abstract_names)
{
	struct sockaddr_un un;
	socklen_t len = abstract(&un, "abi-unix-test");
	int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));

	SHOW(connect(c, (struct sockaddr *)&un, len));
	SHOW(bind(l, (struct sockaddr *)&un, len));
	SHOW(bind(c, (struct sockaddr *)&un, len));
	SHOW(listen(l, 5));
	show_unix_local(l);
	/* the length is part of the name */
	SHOW(connect(c, (struct sockaddr *)&un, len + 1));
	SHOW(connect(c, (struct sockaddr *)&un, len - 1));
	SHOW(connect(c, (struct sockaddr *)&un, len));
	show_unix_peer(c);
	close(l);
	SHOW(bind(c, (struct sockaddr *)&un, len));
	close(c);
}

CASE(autobind)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);
	int fd = NEED(socket(AF_UNIX, SOCK_DGRAM, 0));

	SHOW(bind(fd, (struct sockaddr *)&un, 2));
	SHOW(getsockname(fd, (struct sockaddr *)&un, &len));
	SHOW(len);
	CHECK(un.sun_path[0] == 0);
	CHECK(strspn(un.sun_path + 1, "0123456789abcdef") == 5);
	SHOW(bind(fd, (struct sockaddr *)&un, 2));
	close(fd);
}

CASE(bind_errors, IN_DIR)
{
	struct sockaddr_un un = named("sock");
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), other;

	SHOW(bind(fd, (struct sockaddr *)&un, 0));
	SHOW(bind(fd, (struct sockaddr *)&un, 1));
	SHOW(bind(fd, (struct sockaddr *)&un, 111));
	SHOW(bind(fd, (struct sockaddr *)&un, 129));
	SHOW(bind(fd, bad_ptr(), 20));
	un.sun_family = AF_INET;
	SHOW(BIND(fd, un));
	un = named("no/dir");
	SHOW(BIND(fd, un));
	un = named("sock/");
	SHOW(BIND(fd, un));
	un = named(".");
	SHOW(BIND(fd, un));
	make_file("file", "x");
	un = named("file");
	SHOW(BIND(fd, un));
	SHOW(CONNECT(fd, un));
	un = named("file/x");
	SHOW(BIND(fd, un));
	SHOW(CONNECT(fd, un));
	umask(027);
	un = named("sock");
	SHOW(BIND(fd, un));
	SHOW(BIND(fd, un));
	show_unix_local(fd);
	struct stat st;
	NEED(stat("sock", &st));
	say("%o", st.st_mode);
	umask(022);
	other = NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
	SHOW(BIND(other, un));
	SHOW(CONNECT(other, un));
	SHOW(open("sock", O_RDWR));
	SHOW(rename("sock", "moved"));
	NEED(listen(fd, 1));
	close(other);
	other = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	un = named("moved");
	SHOW(CONNECT(other, un));
	show_unix_peer(other);
	close(other);
	close(fd);
}

CASE(name_without_end)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct {
		struct sockaddr_un un;
		char more[10];
	} back;
	socklen_t len = sizeof(back);
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));

	memset(un.sun_path, 'x', sizeof(un.sun_path));
	memset(&back, 0x55, sizeof(back));
	SHOW(bind(fd, (struct sockaddr *)&un, 50));
	SHOW(getsockname(fd, (struct sockaddr *)&back, &len));
	say("%u %d", len, back.un.sun_path[48]);
	unlink(back.un.sun_path);
	close(fd);
}

CASE(accept_errors, IN_DIR)
{
	struct sockaddr_un un = named("sock"), from;
	socklen_t len = sizeof(from);
	int l = NEED(socket(AF_UNIX, SOCK_STREAM, 0)), c;

	NEED(BIND(l, un));
	NEED(listen(l, 5));
	for (int i = 0; i < 4; i++) {
		c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
		NEED(CONNECT(c, un));
		close(c);
	}
	fcntl(l, F_SETFL, O_NONBLOCK);
	SHOW(accept(l, (struct sockaddr *)&from, bad_ptr()));
	SHOW(accept(l, bad_ptr(), &len));
	len = -1;
	SHOW(accept(l, (struct sockaddr *)&from, &len));
	SHOW(syscall(SYS_accept4, l, NULL, NULL, 1));
	len = sizeof(from);
	c = NEED(accept(l, (struct sockaddr *)&from, &len));
	show_unix_name("accept", 0, &from, len);
	show_recv(c, MSG_DONTWAIT);
	SHOW(accept(l, NULL, NULL));
	SHOW(shutdown(l, SHUT_RD));
	SHOW(accept(l, NULL, NULL));
	close(c);
	c = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(CONNECT(c, un));
	close(c);
	close(l);
}
