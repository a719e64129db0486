/*
 * Signals for I/O: O_ASYNC, F_SETOWN, F_SETOWN_EX, F_SETSIG. They are blocked, so
 * that each is fetched when it is looked for.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "pty.h"

#ifndef FIOSETOWN
#define FIOSETOWN 0x8901
#define FIOGETOWN 0x8903
#endif
#ifndef SIOCSPGRP
#define SIOCSPGRP 0x8902
#define SIOCGPGRP 0x8904
#endif

static sigset_t both; /* SIGIO, and what F_SETSIG asks for here */

static void begin(void)
{
	sigemptyset(&both);
	sigaddset(&both, SIGIO);
	sigaddset(&both, SIGCHLD);
	sigaddset(&both, SIGRTMIN + 1);
	NEED(sigprocmask(SIG_BLOCK, &both, NULL));
}

static void end(void)
{
	struct timespec now = { 0 };

	while (sigtimedwait(&both, NULL, &now) > 0)
		;
	NEED(sigprocmask(SIG_UNBLOCK, &both, NULL));
}

static int enable(int fd)
{
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
}

static void own(int fd)
{
	NEED(fcntl(fd, F_SETOWN, getpid()));
	NEED(enable(fd));
}

static const char *name_of(int sig)
{
	return sig == SIGRTMIN + 1 ? "SIGRTMIN+1" : signal_name(sig);
}

/* What has come; ms: as Linux may take its time. */
static void signals(const char *when, int fd, int ms)
{
	struct timespec wait = { 0, ms * 1000000 };
	siginfo_t info;
	int n = 0, sig;

	while ((sig = sigtimedwait(&both, &info, &wait)) > 0) {
		n++;
		wait.tv_nsec = 0;
		if (info.si_code == SI_KERNEL)
			say("%s: %s", when, name_of(sig));
		else
			say("%s: %s, code %d, band %lx, of %s", when, name_of(sig), info.si_code,
			    (long)info.si_band, info.si_fd == fd ? "it" : "another");
	}
	if (n == 0)
		say("%s: none", when);
}

CASE(flags, IN_DIR)
{
	int on = 1, off = 0, p[2], file = NEED(open("file", O_RDWR | O_CREAT, 0600));

	NEED(pipe(p));
	SHOW(enable(file));
	CHECK(fcntl(file, F_GETFL) & O_ASYNC);
	SHOW(ioctl(file, FIOASYNC, &on));
	SHOW(ioctl(file, FIOASYNC, &off));
	SHOW(ioctl(p[0], FIOASYNC, &on));
	CHECK(fcntl(p[0], F_GETFL) & O_ASYNC);
	SHOW(ioctl(p[0], FIOASYNC, &on));
	SHOW(ioctl(p[0], FIOASYNC, bad_ptr()));
	SHOW(fcntl(p[0], F_SETFL, 0));
	CHECK(fcntl(p[0], F_GETFL) & O_ASYNC);
	close(p[0]);
	close(p[1]);
	close(file);
}

static void show_owner(int fd)
{
	struct f_owner_ex owner = { -1, -1 };
	int n = fcntl(fd, F_GETOWN);

	SHOW(fcntl(fd, F_GETOWN_EX, &owner));
	say("type %d, %s, by number %s", owner.type,
	    owner.pid == 0                        ? "nobody" :
	    owner.type == F_OWNER_PGRP            ? owner.pid == getpgrp() ? "the group" : "?" :
	    owner.pid == getpid()                 ? "the process" :
	    owner.pid == (int)syscall(SYS_gettid) ? "the thread" :
						    "another",
	    n == 0          ? "nobody" :
	    n == owner.pid  ? "the same" :
	    n == -owner.pid ? "a group" :
			      "?");
}

CASE(owner)
{
	struct f_owner_ex ex = { F_OWNER_TID, 0 };
	int p[2], n = getpid();

	NEED(pipe(p));
	show_owner(p[0]);
	SHOW(fcntl(p[0], F_SETOWN, getpid()));
	show_owner(p[0]);
	SHOW(fcntl(p[0], F_SETOWN, 0));
	show_owner(p[0]);
	SHOW(fcntl(p[0], F_SETOWN, 0x3ffffff));
	SHOW(fcntl(p[0], F_SETOWN, -0x3ffffff));
	SHOW(fcntl(p[0], F_SETOWN, 1u << 31));
	show_owner(p[0]);
	ex.pid = syscall(SYS_gettid);
	SHOW(fcntl(p[0], F_SETOWN_EX, &ex));
	show_owner(p[0]);
	ex.type = F_OWNER_PID;
	SHOW(fcntl(p[0], F_SETOWN_EX, &ex));
	show_owner(p[0]);
	ex.pid = 0x3ffffff;
	SHOW(fcntl(p[0], F_SETOWN_EX, &ex));
	ex.pid = -getpid();
	SHOW(fcntl(p[0], F_SETOWN_EX, &ex));
	ex = (struct f_owner_ex){ 3, getpid() };
	SHOW(fcntl(p[0], F_SETOWN_EX, &ex));
	SHOW(fcntl(p[0], F_SETOWN_EX, bad_ptr()));
	SHOW(fcntl(p[0], F_GETOWN_EX, bad_ptr()));
	SHOW(fcntl(p[0], F_SETSIG, 65));
	SHOW(fcntl(p[0], F_SETSIG, -1));
	SHOW(fcntl(p[0], F_GETSIG));
	SHOW(fcntl(p[0], F_SETSIG, 64));
	SHOW(fcntl(p[0], F_GETSIG));
	SHOW(ioctl(p[0], FIOSETOWN, &n));
	close(p[0]);
	close(p[1]);
}

CASE(group)
{
	int p[2];

	begin();
	NEED(pipe(p));
	NEED(fcntl(p[0], F_SETOWN, -getpgrp()));
	show_owner(p[0]);
	close(p[0]);
	close(p[1]);
	end();
}

CASE(through_a_pipe)
{
	char buf[8];
	int p[2];

	begin();
	NEED(pipe(p));
	NEED(enable(p[0]));
	SEND(p[1], "one");
	signals("nobody owns it", p[0], 0);
	own(p[0]);
	signals("it is ready", p[0], 0);
	SEND(p[1], "two");
	signals("written", p[0], 0);
	SEND(p[1], "three");
	signals("again", p[0], 0);
	SHOW(read(p[0], buf, sizeof(buf)));
	signals("read", p[0], 0);
	NEED(fcntl(p[0], F_SETOWN, 0));
	SEND(p[1], "four");
	signals("without owner", p[0], 0);
	own(p[0]);
	NEED(fcntl(p[0], F_SETFL, 0));
	SEND(p[1], "five");
	signals("without the flag", p[0], 0);
	own(p[0]);
	close(p[1]);
	signals("closed", p[0], 0);
	close(p[0]);
	end();
}

CASE(room_in_a_pipe)
{
	static char buf[4096];
	int p[2];

	begin();
	NEED(pipe(p));
	NEED(fcntl(p[1], F_SETSIG, SIGRTMIN + 1));
	NEED(fcntl(p[1], F_SETPIPE_SZ, 4096));
	own(p[1]);
	SHOW(write(p[1], buf, sizeof(buf)));
	signals("full", p[1], 0);
	SHOW(read(p[0], buf, sizeof(buf)));
	signals("empty", p[1], 0);
	close(p[0]);
	close(p[1]);
	end();
}

CASE(which_signal)
{
	int p[2];

	begin();
	NEED(pipe(p));
	NEED(fcntl(p[0], F_SETSIG, SIGRTMIN + 1));
	own(p[0]);
	SEND(p[1], "one");
	SEND(p[1], "two");
	signals("queued", p[0], 0);
	NEED(fcntl(p[0], F_SETSIG, SIGCHLD));
	SEND(p[1], "three");
	signals("one with codes of its own", p[0], 0);
	NEED(fcntl(p[0], F_SETSIG, SIGIO));
	SEND(p[1], "four");
	signals("SIGIO by name", p[0], 0);
	int copy = NEED(dup(p[0]));
	NEED(fcntl(p[0], F_SETFL, 0));
	NEED(enable(copy));
	SEND(p[1], "five");
	signals("by another descriptor", p[0], 0);
	close(copy);
	SEND(p[1], "six");
	signals("which is closed", copy, 0);
	NEED(fcntl(p[0], F_SETSIG, 0));
	SEND(p[1], "seven");
	signals("plain", p[0], 0);
	close(p[0]);
	close(p[1]);
	end();
}

CASE(between_sockets)
{
	char buf[8];
	int s[2];

	begin();
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		NEED(socketpair(AF_UNIX, type, 0, s));
		NEED(fcntl(s[0], F_SETSIG, SIGRTMIN + 1));
		own(s[0]);
		SEND(s[1], "one");
		signals("sent", s[0], 0);
		SEND(s[1], "two");
		signals("again", s[0], 0);
		SHOW(recv(s[0], buf, 3, 0));
		SHOW(recv(s[0], buf, 3, 0));
		signals("received", s[0], 0);
		close(s[1]);
		if (type == SOCK_STREAM)
			signals("closed", s[0], 0);
		close(s[0]);
	}
	end();
}

CASE(owner_of_a_socket)
{
	int n = 0, s = NEED(socket(AF_UNIX, SOCK_DGRAM, 0));

	SHOW(ioctl(s, FIOGETOWN, &n));
	say("owner %d", n);
	n = getpid();
	SHOW(ioctl(s, SIOCSPGRP, &n));
	n = 0;
	SHOW(ioctl(s, SIOCGPGRP, &n));
	CHECK(n == getpid());
	show_owner(s);
	SHOW(ioctl(s, FIOSETOWN, bad_ptr()));
	SHOW(ioctl(s, FIOGETOWN, bad_ptr()));
	n = 0x3ffffff;
	SHOW(ioctl(s, FIOSETOWN, &n));
	close(s);
}

CASE(connections)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int listener = NEED(socket(AF_INET, SOCK_STREAM, 0)), client, server;

	begin();
	NEED(bind(listener, (struct sockaddr *)&a, sizeof(a)));
	NEED(getsockname(listener, (struct sockaddr *)&a, &len));
	NEED(listen(listener, 1));
	NEED(fcntl(listener, F_SETSIG, SIGRTMIN + 1));
	own(listener);
	client = NEED(socket(AF_INET, SOCK_STREAM, 0));
	NEED(connect(client, (struct sockaddr *)&a, sizeof(a)));
	signals("connected", listener, 500);
	server = NEED(accept(listener, NULL, NULL));
	NEED(fcntl(server, F_SETSIG, SIGRTMIN + 1));
	own(server);
	SEND(client, "text");
	signals("sent", server, 500);
	SHOW(shutdown(client, SHUT_WR));
	signals("its end", server, 500);
	close(client);
	close(server);
	close(listener);
	end();
}

CASE(datagrams)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int to = NEED(socket(AF_INET, SOCK_DGRAM, 0)), from = NEED(socket(AF_INET, SOCK_DGRAM, 0));

	begin();
	NEED(bind(to, (struct sockaddr *)&a, sizeof(a)));
	NEED(getsockname(to, (struct sockaddr *)&a, &len));
	own(to);
	SHOW(sendto(from, "x", 1, 0, (struct sockaddr *)&a, len));
	signals("sent", to, 500);
	close(to);
	close(from);
	end();
}

CASE(terminal)
{
	begin();
	open_pair();
	NEED(enable(slave));
	show_owner(slave);
	NEED(fcntl(slave, F_SETSIG, SIGRTMIN + 1));
	SEND(master, "lin");
	signals("half a line", slave, 50);
	SEND(master, "e\n");
	signals("a line", slave, 500);
	NEED(fcntl(slave, F_SETFL, 0));
	poll(NULL, 0, 50); /* the echo may come in two pieces */
	show_read("echo", master);
	own(master);
	SEND(slave, "text");
	signals("shown", master, 500);
	close_pair();
	end();
}

CASE(watched_files, IN_DIR)
{
	int in = NEED(inotify_init1(0));

	begin();
	NEED(inotify_add_watch(in, ".", IN_CREATE));
	own(in);
	make_file("new", "text");
	signals("made", in, 0);
	close(in);
	end();
}

static int thread_pipe[2];

static void *owns(void *arg)
{
	struct f_owner_ex ex = { F_OWNER_TID, syscall(SYS_gettid) };

	(void)arg;
	NEED(fcntl(thread_pipe[0], F_SETOWN_EX, &ex));
	NEED(enable(thread_pipe[0]));
	SEND(thread_pipe[1], "x");
	signals("in the thread", thread_pipe[0], 0);
	SEND(thread_pipe[1], "x");
	return NULL;
}

CASE(to_a_thread)
{
	pthread_t t;

	begin();
	NEED(pipe(thread_pipe));
	NEED(pthread_create(&t, NULL, owns, NULL));
	pthread_join(t, NULL);
	signals("for a thread that is gone", thread_pipe[0], 0);
	SEND(thread_pipe[1], "x");
	signals("again", thread_pipe[0], 0);
	close(thread_pipe[0]);
	close(thread_pipe[1]);
	end();
}
