/*
 * send and recv in all their forms. Names, control data and the message header
 * are copied here, data moves in the protocols. The order of the checks is
 * Linux's (net/socket.c).
 */
#include <linux/time_types.h>
#include "heap.h"
#include "iovec.h"
#include "sock.h"
#include "sys.h"
#include "timespec.h"

#define O_NONBLOCK     04000
#define CONTROL_MAX    131072 /* net.core.optmem_max */
#define CONTROL_ROOM   8192 /* 253 descriptors and all else fit well */
#define INTERNAL_FLAGS (MSG_ERRQUEUE) /* of no meaning when sending */

struct message { /* struct msghdr */
	void *name;
	int name_len;
	struct iovec *iov;
	size_t niov;
	void *control;
	size_t control_len;
	u32 flags;
};
struct many { /* struct mmsghdr */
	struct message hdr;
	u32 len;
};

static bool is_nonblock(const struct file *file, u32 flags)
{
	return file->flags & O_NONBLOCK || flags & MSG_DONTWAIT;
}

/* ---- one buffer ---- */

long sys_sendto(int fd, const void *buf, size_t n, u32 flags, const void *user, int user_len)
{
	struct sockmsg msg = { .flags = flags & ~INTERNAL_FLAGS };
	struct sockname name;
	struct buffers b;
	struct file *file;
	struct socket *s;
	int error;
	long r;

	if (buffers_one(&b, buf, n) < 0)
		return -EFAULT;
	s = socket_get(fd, &file, &error);
	if (s == NULL)
		return error;
	r = user != NULL ? sockname_from_user(&name, user, user_len) : 0;
	if (r == 0) {
		msg.uio = &b.uio;
		msg.name = user != NULL && user_len > 0 ? &name : NULL;
		msg.nonblock = is_nonblock(file, flags);
		r = socket_send(s, &msg);
	}
	file_put(file);
	return r;
}

long sys_recvfrom(int fd, void *buf, size_t n, u32 flags, void *user, int *user_len)
{
	struct sockmsg msg = { .flags = flags };
	struct sockname name = { .len = 0 };
	struct buffers b;
	struct file *file;
	struct socket *s;
	int error;
	long r;

	if (buffers_one(&b, buf, n) < 0)
		return -EFAULT;
	s = socket_get(fd, &file, &error);
	if (s == NULL)
		return error;
	msg.uio = &b.uio;
	msg.name = user != NULL ? &name : NULL;
	msg.nonblock = is_nonblock(file, flags);
	r = socket_recv(s, &msg);
	if (r >= 0 && user != NULL) {
		error = sockname_to_user(&name, user, user_len);
		if (error < 0)
			r = error;
	}
	file_put(file);
	return r;
}

/* ---- message headers ---- */

/* Copies the header and its vector; release b after success. */
static int header_get(struct message *m, const struct message *user, struct buffers *b)
{
	if (get_user(*m, user) < 0)
		return -EFAULT;
	if (m->name == NULL)
		m->name_len = 0;
	if (m->name_len < 0)
		return -EINVAL;
	m->name_len = MIN(m->name_len, (int)sizeof(((struct sockname *)0)->bytes));
	if (m->niov > MAX_IOV)
		return -EMSGSIZE;
	return buffers_import(b, m->iov, m->niov);
}

static long send_control(struct socket *s, const struct message *m, struct sockmsg *msg)
{
	long r;

	if (m->control_len == 0)
		return socket_send(s, msg);
	if (m->control_len > CONTROL_MAX)
		return -ENOBUFS;
	msg->control = kalloc(m->control_len);
	if (msg->control == NULL)
		return -ENOBUFS;
	msg->control_len = m->control_len;
	r = copy_from_user(msg->control, m->control, m->control_len) < 0 ? -EFAULT :
									   socket_send(s, msg);
	kfree(msg->control);
	return r;
}

static long send_header(struct file *file, struct socket *s, const struct message *user, u32 flags)
{
	struct sockmsg msg = { .flags = flags & ~INTERNAL_FLAGS };
	struct sockname name;
	struct message m;
	struct buffers b;
	long r = header_get(&m, user, &b);

	if (r < 0)
		return r;
	if (m.name_len > 0) {
		r = sockname_from_user(&name, m.name, m.name_len);
		msg.name = &name;
	}
	if (r == 0) {
		msg.uio = &b.uio;
		msg.nonblock = is_nonblock(file, flags);
		r = send_control(s, &m, &msg);
	}
	buffers_release(&b);
	return r;
}

/* What was received beside the data goes to the program; its header tells. */
static long put_header(struct message *user, const struct message *m, const struct sockmsg *msg)
{
	int error;

	if (m->name != NULL) {
		error = sockname_to_user(msg->name, m->name, &user->name_len);
		if (error < 0)
			return error;
	}
	if (put_user(&user->flags, msg->out_flags) < 0)
		return -EFAULT;
	if (msg->control_len > 0 && copy_to_user(m->control, msg->control, msg->control_len) < 0)
		return -EFAULT;
	return put_user(&user->control_len, (size_t)msg->control_len);
}

static long receive(struct socket *s, struct message *user, const struct message *m,
		    struct sockmsg *msg)
{
	long r, error;

	msg->control_room = MIN(m->control_len, (size_t)CONTROL_ROOM);
	if (msg->control_room > 0) {
		msg->control = kalloc(msg->control_room);
		if (msg->control == NULL)
			return -ENOMEM;
	}
	r = socket_recv(s, msg);
	if (r >= 0) {
		error = put_header(user, m, msg);
		if (error < 0)
			r = error;
	}
	kfree(msg->control);
	return r;
}

static long recv_header(struct file *file, struct socket *s, struct message *user, u32 flags)
{
	struct sockmsg msg = { .flags = flags, .out_flags = flags & MSG_CMSG_CLOEXEC };
	struct sockname name = { .len = 0 };
	struct message m;
	struct buffers b;
	long r = header_get(&m, user, &b);

	if (r < 0)
		return r;
	msg.uio = &b.uio;
	msg.name = m.name != NULL ? &name : NULL;
	msg.nonblock = is_nonblock(file, flags);
	r = receive(s, user, &m, &msg);
	buffers_release(&b);
	return r;
}

#define MSG_CMSG_COMPAT 0x80000000 /* 32-bit programs' */

/* The socket of a call with message headers, whose file is to be put; NULL and
 * an error. */
static struct socket *message_socket(int fd, u32 flags, struct file **file, int *error)
{
	*error = -EINVAL;
	return flags & MSG_CMSG_COMPAT ? NULL : socket_get(fd, file, error);
}

long sys_sendmsg(int fd, const struct message *user, u32 flags)
{
	struct file *file;
	int error;
	struct socket *s = message_socket(fd, flags, &file, &error);
	long r;

	if (s == NULL)
		return error;
	r = send_header(file, s, user, flags);
	file_put(file);
	return r;
}

long sys_recvmsg(int fd, struct message *user, u32 flags)
{
	struct file *file;
	int error;
	struct socket *s = message_socket(fd, flags, &file, &error);
	long r;

	if (s == NULL)
		return error;
	r = recv_header(file, s, user, flags);
	file_put(file);
	return r;
}

/* ---- many at once ---- */

long sys_sendmmsg(int fd, struct many *user, unsigned n, u32 flags)
{
	struct file *file;
	unsigned done = 0;
	int error;
	struct socket *s = message_socket(fd, flags, &file, &error);
	long r = 0;

	if (s == NULL)
		return error;
	n = MIN(n, (unsigned)MAX_IOV);
	socket_enter(s); /* one doorbell for all */
	for (; done < n; done++) {
		r = send_header(file, s, &user[done].hdr, flags);
		if (r >= 0 && put_user(&user[done].len, (u32)r) < 0)
			r = -EFAULT;
		if (r < 0)
			break;
	}
	socket_leave(s);
	file_put(file);
	return done > 0 ? (long)done : r;
}

static long receive_many(struct file *file, struct socket *s, struct many *user, unsigned n,
			 u32 flags, u64 deadline)
{
	unsigned done = 0;
	long r = socket_take_error(s);

	while (r >= 0 && done < n) {
		r = recv_header(file, s, &user[done].hdr, flags & ~MSG_WAITFORONE);
		if (r >= 0 && put_user(&user[done].len, (u32)r) < 0)
			r = -EFAULT;
		if (r < 0)
			break;
		done++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != NEVER && now_ns() >= deadline)
			break;
	}
	if (done == 0)
		return r;
	/* an error after the first message is for the next call */
	if (r < 0 && r != -EAGAIN && r != -EINTR)
		s->error = -r;
	return done;
}

/* The timeout is looked at after each message only (recvmmsg(2), "BUGS"). */
long sys_recvmmsg(int fd, struct many *user, unsigned n, u32 flags,
		  struct __kernel_timespec *timeout)
{
	struct __kernel_timespec ts;
	u64 deadline = NEVER, now;
	struct file *file;
	struct socket *s;
	int error;
	long r;

	if (flags & MSG_CMSG_COMPAT)
		return -EINVAL;
	if (timeout != NULL) {
		if (get_user(ts, timeout) < 0)
			return -EFAULT;
		if (!timespec_valid(&ts))
			return -EINVAL;
		deadline = deadline_after(now_ns(), timespec_ns(&ts));
	}
	s = socket_get(fd, &file, &error);
	if (s == NULL)
		return error;
	r = receive_many(file, s, user, n, flags, deadline);
	file_put(file);
	if (timeout == NULL || r <= 0)
		return r;
	now = now_ns();
	ts = ns_timespec(deadline > now ? deadline - now : 0);
	return put_user(timeout, ts) < 0 ? -EFAULT : r;
}
