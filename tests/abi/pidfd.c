/*
 * Processes as descriptors: pidfd_open(2) and its kin, for oneself.
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438
#endif

static int open_self(unsigned flags)
{
	int fd = syscall(SYS_pidfd_open, getpid(), flags);

	return NEED(fd);
}

static volatile int got;
static volatile int got_code, got_value;

static void note(int sig, siginfo_t *info, void *context)
{
	(void)context;
	got = sig;
	got_code = info->si_code;
	got_value = info->si_value.sival_int;
}

CASE(pidfd_opened)
{
	int fd = open_self(0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	say("cloexec %d", fcntl(fd, F_GETFD));
	SHOW(poll(&p, 1, 0));
	SHOW(read(fd, &c, 1));
	SHOW(write(fd, &c, 1));
	close(fd);
	fd = open_self(O_NONBLOCK);
	CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
	close(fd);
}

CASE(pidfd_signals)
{
	int fd = open_self(0);
	siginfo_t info;

	on_signal(SIGUSR1, note, 0);
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, NULL, 0));
	say("%s %s", signal_name(got), code_name(got, got_code));
	memset(&info, 0, sizeof(info));
	info.si_signo = SIGUSR1;
	info.si_code = SI_QUEUE;
	info.si_value.sival_int = 42;
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, &info, 0));
	say("%s %s %d", signal_name(got), code_name(got, got_code), got_value);
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR2, &info, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, SIGUSR1, bad_ptr(), 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	SHOW(syscall(SYS_pidfd_send_signal, fd, 99, NULL, 0));
	signal(SIGUSR1, SIG_DFL);
	close(fd);
}

CASE(pidfd_waited_for)
{
	int fd = open_self(0), other = NEED(open("/", O_RDONLY));
	siginfo_t info;

	SHOW(waitid(3 /* P_PIDFD */, fd, &info, WEXITED));
	SHOW(waitid(3, other, &info, WEXITED));
	SHOW(waitid(3, -1, &info, WEXITED));
	close(other);
	close(fd);
}

CASE(pidfd_own_descriptors)
{
	int fd = open_self(0), ends[2];
	char c = 0;

	NEED(pipe(ends));
	int copy = syscall(SYS_pidfd_getfd, fd, ends[0], 0);
	say("cloexec %d", fcntl(copy, F_GETFD));
	NEED(write(ends[1], "x", 1));
	SHOW(read(copy, &c, 1));
	SHOW(syscall(SYS_pidfd_getfd, fd, 99, 0));
	SHOW(syscall(SYS_pidfd_getfd, fd, ends[0], 1));
	close(copy);
	close(ends[0]);
	close(ends[1]);
	close(fd);
}
