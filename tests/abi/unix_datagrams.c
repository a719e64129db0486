/*
 * AF_UNIX sockets: datagrams, and what is sent without the program.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

/* ---- datagrams ---- */

static int bound(int type, const char *path)
{
	struct sockaddr_un un = named(path);
	int fd = NEED(socket(AF_UNIX, type, 0));

	NEED(BIND(fd, un));
	return fd;
}

static void show_recvfrom(int fd)
{
	struct sockaddr_un from = { .sun_family = 77 };
	socklen_t len = sizeof(from);
	char buf[100] = "";
	long r = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len);

	show("recvfrom", r);
	if (r < 0)
		return;
	say("  \"%s\" length %u %s", buf, len, len > 2 ? from.sun_path : "");
}

CASE(datagrams, IN_DIR)
{
	struct sockaddr_un ua = named("a"), ub = named("b"), uc = named("c");
	int a = bound(SOCK_DGRAM, "a"), b = bound(SOCK_DGRAM, "b");
	int c = NEED(socket(AF_UNIX, SOCK_DGRAM, 0));

	show_events("fresh", a);
	SHOW(sendto(a, "one", 3, 0, (struct sockaddr *)&ub, sizeof(ub)));
	SHOW(sendto(c, "two", 3, 0, (struct sockaddr *)&ub, sizeof(ub)));
	SHOW(sendto(a, "", 0, 0, (struct sockaddr *)&ub, sizeof(ub)));
	show_recvfrom(b);
	show_recvfrom(b);
	show_recvfrom(b);
	show_recvfrom(b);
	SHOW(sendto(a, "x", 1, 0, (struct sockaddr *)&uc, sizeof(uc)));
	SHOW(send(c, "x", 1, 0));
	SHOW(CONNECT(c, ub));
	SHOW(send(c, "x", 1, 0));
	show_recvfrom(b);
	show_unix_peer(c);
	/* b hears a only, once it is connected */
	SHOW(CONNECT(b, ua));
	SHOW(send(c, "x", 1, 0));
	SHOW(sendto(a, "y", 1, 0, (struct sockaddr *)&ub, sizeof(ub)));
	show_recvfrom(b);
	int d = NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
	SHOW(CONNECT(d, ub));
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	SHOW(connect(b, &none, sizeof(none)));
	show_unix_peer(b);
	SHOW(send(c, "z", 1, 0));
	show_recvfrom(b);
	close(b);
	SHOW(send(c, "x", 1, 0));
	SHOW(send(c, "x", 1, 0));
	SHOW(sendto(a, "x", 1, 0, (struct sockaddr *)&ub, sizeof(ub)));
	SHOW(listen(a, 1));
	SHOW(accept(a, NULL, NULL));
	close(a);
	close(c);
	close(d);
}

CASE(datagram_queue, IN_DIR)
{
	struct sockaddr_un ub = named("b");
	int b = bound(SOCK_DGRAM, "b"), c = NEED(socket(AF_UNIX, SOCK_DGRAM, 0)), n = 0;

	NEED(CONNECT(c, ub));
	show_events("sender", c);
	while (send(c, "x", 1, MSG_DONTWAIT) == 1)
		n++;
	say("%s", errno_name(errno));
	SHOW(n);
	show_events("sender", c);
	show_recvfrom(b);
	show_events("sender", c);
	SHOW(send(c, "x", 1, MSG_DONTWAIT));
	SHOW(send(c, "x", 1, MSG_DONTWAIT));
	close(b);
	close(c);
}

CASE(datagram_truncation)
{
	char buf[10] = "";
	struct iovec iov = { buf, 4 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	static char big[300000];
	int n = -1;

	open_pair(SOCK_DGRAM);
	for (int i = 0; i < 4; i++)
		NEED(write(pair[0], "0123456789", 10));
	SHOW(ioctl(pair[1], FIONREAD, &n));
	SHOW(n);
	SHOW(recv(pair[1], buf, 4, 0));
	SHOW(recv(pair[1], buf, 4, MSG_TRUNC));
	SHOW(recv(pair[1], buf, 4, MSG_PEEK | MSG_TRUNC));
	SHOW(recvmsg(pair[1], &m, 0));
	say("%#x", m.msg_flags);
	SHOW(recv(pair[1], bad_ptr(), 4, 0));
	show_recv(pair[1], MSG_DONTWAIT);
	SHOW(send(pair[0], big, sizeof(big), 0));
	SHOW(send(pair[0], big, 200000, 0));
	SHOW(recv(pair[1], big, sizeof(big), 0));
	SHOW(send(pair[0], "x", 1, MSG_OOB));
	SHOW(recv(pair[1], buf, 1, MSG_OOB));
	close_pair();
}

CASE(seqpacket)
{
	struct sockaddr_un un = named("nobody");
	char buf[10] = "";
	struct iovec iov = { buf, 10 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	open_pair(SOCK_SEQPACKET);
	SHOW(write(pair[0], "first", 5));
	SHOW(write(pair[0], "second", 6));
	show_recv(pair[1], MSG_PEEK | MSG_DONTWAIT);
	SHOW(recvmsg(pair[1], &m, 0));
	say("%#x", m.msg_flags);
	show_recv(pair[1], MSG_DONTWAIT);
	show_recv(pair[1], MSG_DONTWAIT);
	SHOW(sendto(pair[0], "x", 1, 0, (struct sockaddr *)&un, sizeof(un)));
	show_recv(pair[1], MSG_DONTWAIT);
	close(pair[0]);
	show_events("closed", pair[1]);
	show_recv(pair[1], MSG_DONTWAIT);
	SHOW(send(pair[1], "x", 1, 0));
	close(pair[1]);
	int fd = NEED(socket(AF_UNIX, SOCK_SEQPACKET, 0));
	SHOW(send(fd, "x", 1, 0));
	show_recv(fd, MSG_DONTWAIT);
	close(fd);
	fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(send(fd, "x", 1, 0));
	show_recv(fd, MSG_DONTWAIT);
	SHOW(sendto(fd, "x", 1, 0, (struct sockaddr *)&un, sizeof(un)));
	close(fd);
}

/* ---- copies without the program ---- */

CASE(sendfile_to_socket, IN_DIR)
{
	static char buf[200000], back[200000];
	int fd, done = 0;

	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = i * 13 + i / 1000;
	fd = NEED(open("file", O_RDWR | O_CREAT, 0600));
	NEED(write(fd, buf, sizeof(buf)));
	open_pair(SOCK_STREAM);
	off_t at = 0;
	while (done < (int)sizeof(buf)) {
		fcntl(pair[0], F_SETFL, O_NONBLOCK);
		long n = syscall(SYS_sendfile, pair[0], fd, &at, sizeof(buf) - at);

		if (n < 0 && errno != EAGAIN) {
			show("sendfile", n);
			break;
		}
		n = recv(pair[1], back + done, sizeof(back) - done, MSG_DONTWAIT);
		if (n > 0)
			done += n;
	}
	SHOW(at);
	SHOW(done);
	CHECK(memcmp(buf, back, sizeof(buf)) == 0);
	SHOW(syscall(SYS_sendfile, fd, pair[0], NULL, 10));
	close(fd);
	close_pair();
}
