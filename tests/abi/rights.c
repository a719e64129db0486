/*
 * Messages of AF_UNIX sockets, and what travels with them: descriptors and
 * credentials.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

/* ---- what travels along ---- */

static long send_fds(int to, const int *fds, int n, const char *text)
{
	static char control[CMSG_SPACE(300 * sizeof(int))];
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };
	struct cmsghdr *c;

	memset(control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(to, &m, 0);
}

/* Shows what comes; descriptors are closed, the last of them is left. */
static int recv_fds(int from, size_t room, int flags, size_t size)
{
	static char control[CMSG_SPACE(300 * sizeof(int))];
	char buf[100] = "";
	struct iovec iov = { buf, size };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = room ? control : NULL,
			    .msg_controllen = room };
	int last = -1;

	memset(control, 0, sizeof(control));
	show("recvmsg", recvmsg(from, &m, flags | MSG_DONTWAIT));
	say("  \"%s\" flags %#x control %zu", buf, m.msg_flags, (size_t)m.msg_controllen);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c != NULL; c = CMSG_NXTHDR(&m, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		say("  level %d type %d length %zu", c->cmsg_level, c->cmsg_type,
		    (size_t)c->cmsg_len);
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (last >= 0)
				close(last);
			memcpy(&last, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
	return last;
}

CASE(rights)
{
	int p[2], fd;

	open_pair(SOCK_STREAM);
	NEED(pipe(p));
	SHOW(send_fds(pair[0], p, 2, "two"));
	fd = recv_fds(pair[1], 100, 0, 99);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(write(fd, "x", 1));
	close(fd);
	SHOW(send_fds(pair[0], p + 1, 1, "one"));
	fd = recv_fds(pair[1], 100, MSG_CMSG_CLOEXEC, 99);
	SHOW(fcntl(fd, F_GETFD));
	close(fd);
	/* no room: the descriptors are lost */
	SHOW(send_fds(pair[0], p + 1, 1, "none"));
	recv_fds(pair[1], 0, 0, 99);
	int three[3] = { p[1], p[1], p[1] };
	SHOW(send_fds(pair[0], three, 3, "three"));
	fd = recv_fds(pair[1], CMSG_LEN(2 * sizeof(int)), 0, 99);
	close(fd);
	/* read(2) loses them too */
	SHOW(send_fds(pair[0], three, 3, "three"));
	show_recv(pair[1], MSG_DONTWAIT);
	close(p[0]);
	close(p[1]);
	close_pair();
}

CASE(rights_and_streams)
{
	int fd;

	open_pair(SOCK_STREAM);
	NEED(write(pair[0], "before ", 7));
	SHOW(send_fds(pair[0], pair, 1, "with"));
	NEED(write(pair[0], " after", 6));
	/* a read goes no further than the message with them */
	fd = recv_fds(pair[1], 100, 0, 99);
	if (fd >= 0)
		close(fd);
	fd = recv_fds(pair[1], 100, 0, 99);
	if (fd >= 0)
		close(fd);
	SHOW(send_fds(pair[0], pair, 1, "parts"));
	fd = recv_fds(pair[1], 100, 0, 2);
	if (fd >= 0)
		close(fd);
	fd = recv_fds(pair[1], 100, 0, 99);
	if (fd >= 0)
		close(fd);
	SHOW(send_fds(pair[0], pair, 1, "peek"));
	fd = recv_fds(pair[1], 100, MSG_PEEK, 99);
	if (fd >= 0)
		close(fd);
	fd = recv_fds(pair[1], 100, 0, 99);
	if (fd >= 0)
		close(fd);
	close_pair();
}

CASE(rights_errors)
{
	int bad[2] = { 0, 999 }, many[300] = { 0 };

	open_pair(SOCK_DGRAM);
	SHOW(send_fds(pair[0], bad, 2, "bad"));
	SHOW(send_fds(pair[0], many, 253, "most"));
	SHOW(send_fds(pair[0], many, 254, "more"));
	close(recv_fds(pair[1], CMSG_SPACE(300 * sizeof(int)), 0, 99));
	show_recv(pair[1], MSG_DONTWAIT);
	for (int fd = 3; fd < 300; fd++)
		if (fd != pair[0] && fd != pair[1])
			close(fd);
	close_pair();
}

CASE(rights_keep_files_open)
{
	int p[2];
	char c;

	open_pair(SOCK_DGRAM);
	NEED(pipe(p));
	NEED(send_fds(pair[0], p + 1, 1, "x"));
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	SHOW(read(p[0], &c, 1));
	show_recv(pair[1], MSG_DONTWAIT);
	SHOW(read(p[0], &c, 1));
	close(p[0]);
	NEED(pipe(p));
	NEED(send_fds(pair[0], p + 1, 1, "x"));
	close(p[1]);
	close_pair();
	SHOW(read(p[0], &c, 1));
	close(p[0]);
}

CASE(credentials)
{
	struct ucred cred = { 0, 77, 77 };
	socklen_t len = sizeof(cred);
	char control[100];
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int on = 1;

	open_pair(SOCK_STREAM);
	SHOW(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &cred, &len));
	CHECK(cred.pid == getpid() && cred.uid == getuid() && cred.gid == getgid());
	SHOW(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	NEED(write(pair[0], "x", 1));
	char buf[10];
	iov = (struct iovec){ buf, 10 };
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	SHOW(recvmsg(pair[1], &m, 0));
	c = CMSG_FIRSTHDR(&m);
	CHECK(c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS);
	if (c != NULL) {
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		CHECK(cred.pid == getpid() && cred.uid == getuid());
	}
	close_pair();
	int fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	len = sizeof(cred);
	SHOW(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	say("%d %d %d", cred.pid, (int)cred.uid, (int)cred.gid);
	len = 4;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	SHOW(len);
	close(fd);
}

/* ---- message headers ---- */

CASE(message_errors)
{
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	char control[64] = "";

	open_pair(SOCK_DGRAM);
	SHOW(syscall(SYS_sendmsg, pair[0], bad_ptr(), 0));
	SHOW(syscall(SYS_recvmsg, pair[0], bad_ptr(), MSG_DONTWAIT));
	m.msg_iovlen = 1025;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	SHOW(syscall(SYS_recvmsg, pair[0], &m, MSG_DONTWAIT));
	m.msg_iovlen = 1;
	m.msg_iov = bad_ptr();
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	m.msg_iov = &iov;
	m.msg_name = control;
	m.msg_namelen = -1;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	m.msg_name = bad_ptr();
	m.msg_namelen = 10;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	m.msg_name = NULL;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	m.msg_control = bad_ptr();
	m.msg_controllen = 32;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	m.msg_control = control;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	m.msg_controllen = 5;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
#ifdef __GLIBC__ /* musl's is an int with padding */
	m.msg_controllen = (size_t)1 << 40;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
#endif
	struct cmsghdr *c = (struct cmsghdr *)control;
	m.msg_controllen = sizeof(control);
	c->cmsg_len = CMSG_LEN(0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = 99;
	SHOW(syscall(SYS_sendmsg, pair[0], &m, 0));
	close_pair();
}
