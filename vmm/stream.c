/*
 * Reading and writing without blocking, one way for each kind of file:
 *
 *   pipe      RWF_NOWAIT (Linux 6.4), before that a private open file
 *   terminal  private open file: /proc/self/fd/N opened again with O_NONBLOCK
 *             gives the same terminal or pipe with flags of its own
 *   socket    MSG_DONTWAIT
 *   file      reads RWF_NOWAIT, so that only the page cache is waited for;
 *             writes as they are
 *   others    RWF_NOWAIT, or poll(2) and then a small piece. Not opened
 *             again, since opening a device can have effects.
 *
 * Another process may empty or fill a STREAM_POLL file between poll and read
 * or write, and then we block; nothing but a descriptor of our own helps.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include "rwf.h"
#include "stream.h"

#define DEVICE_CHUNK 256 /* a terminal polls writable below this many bytes pending */

void stream_init(struct stream *s, int fd, bool writes)
{
	*s = (struct stream){ .fd = fd, .use = fd, .writes = writes };
}

static bool open_again(struct stream *s)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	fd = open(path, (s->writes ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return false;
	s->use = fd;
	s->kind = STREAM_PRIVATE;
	return true;
}

static void classify(struct stream *s)
{
	struct winsize size;
	struct stat st;

	s->kind = STREAM_CLOSED;
	if (s->fd < 0 || fstat(s->fd, &st))
		return;
	if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode))
		s->kind = STREAM_FILE;
	else if (S_ISSOCK(st.st_mode))
		s->kind = STREAM_SOCKET;
	else
		s->kind = STREAM_NOWAIT;
	/* ioctl and not isatty(), which also wants ICANON and friends copied */
	s->tty = S_ISCHR(st.st_mode) && ioctl(s->fd, TIOCGWINSZ, &size) == 0;
	if (s->tty && !open_again(s))
		s->kind = STREAM_POLL;
}

/* RWF_NOWAIT is not known for this file: the next best way. */
static void downgrade(struct stream *s)
{
	struct stat st;

	if (fstat(s->fd, &st) == 0 && S_ISFIFO(st.st_mode) && open_again(s))
		return;
	s->kind = STREAM_POLL;
}

static bool ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0;
}

static ssize_t result(ssize_t n)
{
	if (n >= 0)
		return n;
	return errno == EWOULDBLOCK || errno == EINTR ? -EAGAIN : -errno;
}

/*
 * A terminal lets only its foreground job read; others are stopped until they
 * come to the foreground. Reading nothing asks for exactly that check and
 * can't block. The I/O thread has SIGTTIN blocked, which would make it an
 * error, so it is let through here. 0, or -EIO for a job that nobody will
 * ever continue (orphaned), or that ignores SIGTTIN.
 */
static int wait_for_foreground(int tty)
{
	sigset_t ttin, old;
	char nothing;
	ssize_t n;

	sigemptyset(&ttin);
	sigaddset(&ttin, SIGTTIN);
	pthread_sigmask(SIG_UNBLOCK, &ttin, &old);
	do {
		n = read(tty, &nothing, 0);
	} while (n < 0 && errno == EINTR);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n < 0 && errno == EIO ? -EIO : 0;
}

ssize_t stream_read(struct stream *s, const struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };
	ssize_t r;

	if (s->kind == STREAM_UNKNOWN)
		classify(s);
	if (s->tty && wait_for_foreground(s->use))
		return -EIO;
	switch (s->kind) {
	case STREAM_FILE:
		r = rwf_read(s->use, iov, n, -1, RWF_NOWAIT);
		return r < 0 && errno == EOPNOTSUPP ? -EAGAIN : result(r);
	case STREAM_SOCKET:
		return result(recvmsg(s->use, &msg, MSG_DONTWAIT));
	case STREAM_NOWAIT:
		r = rwf_read(s->use, iov, n, -1, RWF_NOWAIT);
		if (r >= 0 || errno != EOPNOTSUPP)
			return result(r);
		downgrade(s);
		return stream_read(s, iov, n);
	case STREAM_PRIVATE:
		return result(readv(s->use, iov, n));
	case STREAM_POLL:
		return ready(s->use, POLLIN) ? result(readv(s->use, iov, n)) : -EAGAIN;
	default:
		return -EBADF;
	}
}

ssize_t stream_write(struct stream *s, const struct iovec *iov, int n)
{
	struct msghdr msg = { .msg_iov = (struct iovec *)iov, .msg_iovlen = n };
	size_t most = s->tty ? DEVICE_CHUNK : PIPE_BUF;
	ssize_t r;

	if (s->kind == STREAM_UNKNOWN)
		classify(s);
	switch (s->kind) {
	case STREAM_FILE:
	case STREAM_PRIVATE:
		return result(writev(s->use, iov, n));
	case STREAM_SOCKET:
		return result(sendmsg(s->use, &msg, MSG_DONTWAIT | MSG_NOSIGNAL));
	case STREAM_NOWAIT:
		r = rwf_write(s->use, iov, n, -1, RWF_NOWAIT);
		if (r >= 0 || errno != EOPNOTSUPP)
			return result(r);
		downgrade(s);
		return stream_write(s, iov, n);
	case STREAM_POLL:
		if (!ready(s->use, POLLOUT))
			return -EAGAIN;
		if (most > iov[0].iov_len)
			most = iov[0].iov_len;
		return result(write(s->use, iov[0].iov_base, most));
	default:
		return -EBADF;
	}
}

bool stream_pollable(const struct stream *s)
{
	return s->kind != STREAM_FILE;
}
