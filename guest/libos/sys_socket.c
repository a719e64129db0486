/*
 * Making, naming and connecting sockets. The order of the checks is Linux's
 * (net/socket.c, net/ipv4/af_inet.c), because programs see which error comes
 * first.
 */
#include <linux/capability.h>
#include <linux/in.h>
#include <linux/in6.h>
#include "../net/netif.h"
#include "process.h"
#include "sock.h"
#include "sys.h"

#define FAMILIES   46 /* AF_MAX */
#define TYPES      11 /* SOCK_MAX */
#define PROTOCOLS  263 /* IPPROTO_MAX, with MPTCP */
#define NETLINKS   32 /* MAX_LINKS */
#define O_NONBLOCK 04000

/* ---- making ---- */

/* The protocol that a family's type and number mean, or -errno: the table
 * inetsw of Linux. */
static int inet_protocol(int family, int type, int protocol)
{
	int ping = family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;

	if (protocol < 0 || protocol >= PROTOCOLS)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		return protocol == 0 || protocol == IPPROTO_TCP ? IPPROTO_TCP : -EPROTONOSUPPORT;
	case SOCK_DGRAM:
		if (protocol == ping)
			return ping;
		return protocol == 0 || protocol == IPPROTO_UDP ? IPPROTO_UDP : -EPROTONOSUPPORT;
	case SOCK_RAW:
		if (protocol == 0)
			return -EPROTONOSUPPORT;
		return capable(CAP_NET_RAW) ? protocol : -EPERM;
	}
	return -ESOCKTNOSUPPORT;
}

/* The network begins with the first socket that needs it. */
static int bring_up(void)
{
	return net_up() ? 0 : net_init();
}

static int make_inet(int family, int type, int protocol, struct socket **out)
{
	int error;

	protocol = inet_protocol(family, type, protocol);
	if (protocol < 0)
		return protocol;
	error = bring_up();
	if (error < 0)
		return error;
	if (type == SOCK_STREAM)
		return tcp_socket(family, out);
	if (type == SOCK_DGRAM && protocol == IPPROTO_UDP)
		return udp_socket(family, out);
	return raw_socket(family, type, protocol, out);
}

static int make_netlink(int type, int protocol, struct socket **out)
{
	int error;

	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (protocol < 0 || protocol >= NETLINKS)
		return -EPROTONOSUPPORT;
	error = bring_up();
	return error < 0 ? error : netlink_socket(type, protocol, out);
}

static int make(int family, int type, int protocol, struct socket **out)
{
	if (family < 0 || family >= FAMILIES)
		return -EAFNOSUPPORT;
	if (type < 0 || type >= TYPES)
		return -EINVAL;
	switch (family) {
	case AF_UNIX:
		if (protocol != 0 && protocol != AF_UNIX)
			return -EPROTONOSUPPORT;
		return unix_socket(type, out);
	case AF_INET:
	case AF_INET6:
		return make_inet(family, type, protocol, out);
	case AF_NETLINK:
		return make_netlink(type, protocol, out);
	}
	return -EAFNOSUPPORT;
}

static long install(struct socket *s, u32 flags)
{
	struct file *file = socket_file(s, flags);

	return file != NULL ? fd_install_or_put(file, flags) : -ENOMEM;
}

long sys_socket(int family, int type, int protocol)
{
	u32 flags = type & ~SOCK_TYPE_MASK;
	struct socket *s;
	int error;

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	error = make(family, type & SOCK_TYPE_MASK, protocol, &s);
	return error < 0 ? error : install(s, flags);
}

/* A pair of a family that has none fails as its first socket would. */
static int make_pair(int family, int type, int protocol, struct socket *pair[2])
{
	int error;

	if (family == AF_UNIX && type >= 0 && type < TYPES) {
		if (protocol != 0 && protocol != AF_UNIX)
			return -EPROTONOSUPPORT;
		return unix_pair(type, &pair[0], &pair[1]);
	}
	error = make(family, type, protocol, &pair[0]);
	if (error < 0)
		return error;
	socket_release(pair[0]);
	return -EOPNOTSUPP;
}

long sys_socketpair(int family, int type, int protocol, int *user)
{
	u32 flags = type & ~SOCK_TYPE_MASK;
	struct socket *pair[2];
	long fds[2];
	int error;

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	error = fd_room();
	if (error < 0)
		return error;
	if (clear_user(user, sizeof(int[2])) < 0)
		return -EFAULT;
	error = make_pair(family, type & SOCK_TYPE_MASK, protocol, pair);
	if (error < 0)
		return error;
	fds[0] = install(pair[0], flags);
	if (fds[0] < 0) {
		socket_release(pair[1]);
		return fds[0];
	}
	fds[1] = install(pair[1], flags);
	if (fds[1] < 0) {
		sys_close(fds[0]);
		return fds[1];
	}
	if (put_user(&user[0], (int)fds[0]) < 0 || put_user(&user[1], (int)fds[1]) < 0)
		return -EFAULT;
	return 0;
}

/* ---- names ---- */

int sockname_from_user(struct sockname *name, const void *user, int len)
{
	if (len < 0 || (size_t)len > sizeof(name->bytes))
		return -EINVAL;
	memset(name, 0, sizeof(*name));
	name->len = len;
	return len == 0 || copy_from_user(name->bytes, user, len) == 0 ? 0 : -EFAULT;
}

int sockname_to_user(const struct sockname *name, void *user, int *user_len)
{
	int room;

	if (get_user(room, user_len) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(user, name->bytes, MIN((u32)room, name->len)) < 0)
		return -EFAULT;
	return put_user(user_len, (int)name->len);
}

long sys_bind(int fd, const void *user, int len)
{
	struct sockname name;
	struct file *file;
	int error;
	struct socket *s = socket_get(fd, &file, &error);

	if (s == NULL)
		return error;
	error = sockname_from_user(&name, user, len);
	if (error == 0) {
		socket_enter(s);
		error = s->ops->bind != NULL ? s->ops->bind(s, &name) : -EOPNOTSUPP;
		socket_leave(s);
	}
	file_put(file);
	return error;
}

static long get_name(int fd, void *user, int *user_len, bool peer)
{
	struct sockname name = { .len = 0 };
	struct file *file;
	int error;
	struct socket *s = socket_get(fd, &file, &error);

	if (s == NULL)
		return error;
	socket_enter(s);
	error = s->ops->getname(s, &name, peer);
	socket_leave(s);
	if (error == 0)
		error = sockname_to_user(&name, user, user_len);
	file_put(file);
	return error;
}

long sys_getsockname(int fd, void *user, int *user_len)
{
	return get_name(fd, user, user_len, false);
}

long sys_getpeername(int fd, void *user, int *user_len)
{
	return get_name(fd, user, user_len, true);
}

/* ---- connections ---- */

/* The address is looked at before it is known whether this is a socket. */
long sys_connect(int fd, const void *user, int len)
{
	struct file *file = fd_get(fd);
	struct sockname name;
	struct socket *s;
	int error;

	if (file == NULL)
		return -EBADF;
	error = sockname_from_user(&name, user, len);
	s = socket_of(file);
	if (error == 0 && s == NULL)
		error = -ENOTSOCK;
	if (error == 0) {
		socket_enter(s);
		error = s->ops->connect != NULL ?
				s->ops->connect(s, &name, file->flags & O_NONBLOCK) :
				-EOPNOTSUPP;
		socket_leave(s);
	}
	file_put(file);
	return error;
}

long sys_listen(int fd, int backlog)
{
	struct file *file;
	int error;
	struct socket *s = socket_get(fd, &file, &error);

	if (s == NULL)
		return error;
	if ((unsigned)backlog > SOMAXCONN)
		backlog = SOMAXCONN;
	socket_enter(s);
	error = s->ops->listen != NULL ? s->ops->listen(s, backlog) : -EOPNOTSUPP;
	socket_leave(s);
	file_put(file);
	return error;
}

static int accept_one(struct socket *s, struct socket **out, struct sockname *name, bool nonblock)
{
	int error;

	if (s->ops->accept == NULL)
		return -EOPNOTSUPP;
	socket_enter(s);
	error = s->ops->accept(s, out, nonblock);
	if (error == 0 && name != NULL && (*out)->ops->getname(*out, name, true) < 0) {
		socket_release(*out);
		error = -ECONNABORTED;
	}
	socket_leave(s);
	return error;
}

static long accept_file(struct file *file, void *user, int *user_len, u32 flags)
{
	struct sockname name = { .len = 0 };
	struct socket *s, *connection;
	int error = fd_room();

	if (error < 0)
		return error;
	s = socket_of(file);
	if (s == NULL)
		return -ENOTSOCK;
	error = accept_one(s, &connection, user != NULL ? &name : NULL, file->flags & O_NONBLOCK);
	if (error == 0 && user != NULL) {
		error = sockname_to_user(&name, user, user_len);
		if (error < 0)
			socket_release(connection);
	}
	return error < 0 ? error : install(connection, flags);
}

long sys_accept4(int fd, void *user, int *user_len, int flags)
{
	struct file *file = fd_get(fd);
	long r;

	if (file == NULL)
		return -EBADF;
	r = flags & ~SOCK_FLAGS ? -EINVAL : accept_file(file, user, user_len, flags);
	file_put(file);
	return r;
}

long sys_accept(int fd, void *user, int *user_len)
{
	return sys_accept4(fd, user, user_len, 0);
}

long sys_shutdown(int fd, int how)
{
	struct file *file;
	int error;
	struct socket *s = socket_get(fd, &file, &error);

	if (s == NULL)
		return error;
	if (how < SHUT_RD || how > SHUT_RDWR) {
		error = -EINVAL;
	} else {
		socket_enter(s);
		error = s->ops->shutdown != NULL ? s->ops->shutdown(s, how) : -EOPNOTSUPP;
		socket_leave(s);
	}
	file_put(file);
	return error;
}
