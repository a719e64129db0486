/*
 * Inherited descriptors (standard input, output, error) read and written
 * without ever blocking, and without O_NONBLOCK on the open file, which other
 * processes share.
 */
#ifndef VMM_STREAM_H
#define VMM_STREAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

enum stream_kind {
	STREAM_UNKNOWN, /* not looked at yet */
	STREAM_CLOSED,
	STREAM_FILE, /* regular file or block device: never "not ready" */
	STREAM_SOCKET,
	STREAM_NOWAIT, /* pipes and some devices, by RWF_NOWAIT */
	STREAM_PRIVATE, /* through an open file of our own with O_NONBLOCK */
	STREAM_POLL, /* the rest: poll(2), then little at a time */
};

struct stream {
	int fd; /* as inherited, or -1 */
	int use; /* the descriptor to use: fd, or the private one */
	enum stream_kind kind;
	bool writes, tty;
};

/* Looks at the descriptor at its first use, so this costs nothing. */
void stream_init(struct stream *s, int fd, bool writes);

/*
 * What one readv() or writev() gives, or -errno; -EAGAIN where it would wait
 * for somebody. n <= 64 and the buffers are not empty. Writes to files may
 * wait for the disk; reads don't, they give -EAGAIN, and then stream_pollable()
 * is false and only a read by another thread helps. May stop the process when
 * the terminal belongs to another job (SIGTTIN), as reading does.
 */
ssize_t stream_read(struct stream *s, const struct iovec *iov, int n);
ssize_t stream_write(struct stream *s, const struct iovec *iov, int n);

/* After -EAGAIN: whether poll() of s->use tells when to try again. */
bool stream_pollable(const struct stream *s);

#endif
