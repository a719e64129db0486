/*
 * Sockets as open files: read, write, poll, ioctl and close lead to the
 * protocol's operations.
 */
#include <asm/fcntl.h>
#include <linux/sockios.h>
#include "../fs/vfs.h"
#include "../net/netif.h"
#include "async.h"
#include "poll.h"
#include "process.h"
#include "sigstate.h"
#include "sock.h"

/* AF_UNIX needs no network; it may be used before there is one. */
void socket_enter(const struct socket *s)
{
	if (s->family != AF_UNIX)
		net_enter();
}

void socket_leave(const struct socket *s)
{
	if (s->family != AF_UNIX)
		net_leave();
}

void socket_release(struct socket *s)
{
	bool unix_domain = s->family == AF_UNIX; /* s may be gone afterwards */

	s->file = NULL;
	if (!unix_domain)
		net_enter();
	s->ops->release(s);
	if (!unix_domain)
		net_leave();
}

/* A call with a timeout is never restarted (signal(7)): it would wait for its
 * whole time again. */
static long ended(long r, u64 timeout)
{
	return r == -EINTR && timeout != NEVER ? signal_restart(EINTR_NEVER_RESTARTED) : r;
}

long socket_send(struct socket *s, struct sockmsg *msg)
{
	long r;

	if (s->ops->send == NULL)
		return -EOPNOTSUPP;
	socket_enter(s);
	r = s->ops->send(s, msg);
	socket_leave(s);
	if (s->file != NULL)
		async_written(s->file);
	if (r == -EPIPE && s->type == SOCK_STREAM && !(msg->flags & MSG_NOSIGNAL))
		signal_send_self(SIGPIPE);
	return ended(r, s->opt.sndtimeo_ns);
}

long socket_recv(struct socket *s, struct sockmsg *msg)
{
	long r;

	if (s->ops->recv == NULL)
		return -EOPNOTSUPP;
	socket_enter(s);
	r = s->ops->recv(s, msg);
	socket_leave(s);
	return ended(r, s->opt.rcvtimeo_ns);
}

/* ---- the operations ---- */

static long file_recv(struct file *file, struct uio *uio, u64 *pos)
{
	struct sockmsg msg = { .uio = uio, .nonblock = file->flags & O_NONBLOCK };

	(void)pos;
	/* nothing is asked for: no datagram is lost */
	return uio->resid == 0 ? 0 : socket_recv(file->priv, &msg);
}

static long file_send(struct file *file, struct uio *uio, u64 *pos)
{
	struct socket *s = file->priv;
	struct sockmsg msg = { .uio = uio, .nonblock = file->flags & O_NONBLOCK };

	(void)pos;
	if (s->type == SOCK_SEQPACKET)
		msg.flags = MSG_EOR;
	return socket_send(s, &msg);
}

static u32 poll_socket(struct file *file, struct poll_table *table)
{
	struct socket *s = file->priv;

	poll_wait(table, &s->wait);
	return s->ops->poll(s);
}

static long own_ioctl(struct file *file, unsigned int cmd, int *user)
{
	int owner;

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		return get_user(owner, user) < 0 ? -EFAULT : async_fcntl(file, F_SETOWN, owner);
	case FIOGETOWN:
	case SIOCGPGRP:
		return put_user(user, (int)async_fcntl(file, F_GETOWN, 0));
	}
	return -ENOTTY;
}

static long ioctl_socket(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct socket *s = file->priv;
	long r = own_ioctl(file, cmd, (int *)arg);

	if (r == -ENOTTY && s->ops->ioctl != NULL) {
		socket_enter(s);
		r = s->ops->ioctl(s, cmd, arg);
		socket_leave(s);
	}
	return r == -ENOTTY ? netif_ioctl(cmd, arg) : r;
}

static void release_socket(struct file *file)
{
	socket_release(file->priv);
}

static const struct file_ops socket_ops = {
	.read = file_recv,
	.write = file_send,
	.poll = poll_socket,
	.ioctl = ioctl_socket,
	.sendfile = socket_sendfile,
	.release = release_socket,
	.async = ASYNC,
	.name = "socket",
};

/* What fchmod(2) and its like change is kept and shown, and means nothing. */
static int set_attr(struct inode *inode, const struct attr *attr)
{
	inode_set_attr(inode, attr, false);
	return 0;
}

static const struct inode_ops socket_inode_ops = { .setattr = set_attr };

/* ---- descriptors ---- */

struct socket *socket_of(struct file *file)
{
	return file->ops == &socket_ops ? file->priv : NULL;
}

struct socket *socket_get(int fd, struct file **file, int *error)
{
	struct socket *s;

	*file = fd_get(fd);
	*error = -EBADF;
	if (*file == NULL)
		return NULL;
	s = socket_of(*file);
	if (s != NULL)
		return s;
	*error = -ENOTSOCK;
	file_put(*file);
	return NULL;
}

struct file *socket_file(struct socket *s, u32 flags)
{
	struct inode *inode = inode_anonymous(S_IFSOCK | 0777);
	struct file *file;

	if (inode == NULL)
		goto failed;
	file = file_new(&socket_ops, inode, O_RDWR | (flags & O_NONBLOCK), s);
	if (file == NULL)
		goto failed;
	inode_set_owner(inode, NULL);
	inode->ops = &socket_inode_ops;
	s->file = file;
	s->inode = inode;
	return file;
failed:
	if (inode != NULL)
		inode_put(inode);
	socket_release(s);
	return NULL;
}
