/*
 * setsockopt and getsockopt: the options of SOL_SOCKET are kept here
 * (socket(7)), those of other levels are the protocols'. A table says which
 * member of struct sock_options a simple switch is.
 */
#include <linux/capability.h>
#include <linux/time_types.h>
#include "../net/netif.h"
#include "process.h"
#include "sock.h"
#include "sys.h"
#include "timespec.h"

#define VALUE_MAX  256 /* longest value of any option that is known */
#define BUF_MAX    4194304 /* net.core.rmem_max, wmem_max */
#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304

union value {
	int n;
	u32 u[2];
	struct __kernel_old_timeval tv; /* the new one has the same layout */
	struct sock_cred cred;
	u8 bytes[VALUE_MAX];
};

/* Switches: on or off, nothing to check. */
static bool *switch_of(struct socket *s, int name)
{
	struct sock_options *o = &s->opt;

	switch (name) {
	case SO_REUSEADDR:
		return &o->reuse_addr;
	case SO_REUSEPORT:
		return &o->reuse_port;
	case SO_KEEPALIVE:
		return &o->keep_alive;
	case SO_BROADCAST:
		return &o->broadcast;
	case SO_DONTROUTE:
		return &o->dont_route;
	case SO_OOBINLINE:
		return &o->oob_inline;
	case SO_PASSCRED:
		return &o->pass_cred;
	case SO_NO_CHECK:
		return &o->no_check;
	}
	return NULL;
}

/* ---- setting ---- */

/* The kernel's own needs double what the program asks for (socket(7)). */
static u32 buffer_size(u32 n, bool force, u32 least)
{
	n = force ? MIN(n, (u32)INT32_MAX / 2) : MIN(n, (u32)BUF_MAX);
	return MAX(n * 2, least);
}

static int set_buffer(struct socket *s, int name, int n)
{
	bool force = name == SO_SNDBUFFORCE || name == SO_RCVBUFFORCE;
	struct sock_options *o = &s->opt;

	if (force && !capable(CAP_NET_ADMIN))
		return -EPERM;
	if (force && n < 0)
		n = 0;
	if (name == SO_SNDBUF || name == SO_SNDBUFFORCE) {
		o->sndbuf = buffer_size(n, force, SNDBUF_MIN);
		o->sndbuf_locked = true;
		wake_all(&s->wait);
	} else {
		o->rcvbuf = buffer_size(n, force, RCVBUF_MIN);
		o->rcvbuf_locked = true;
	}
	return 0;
}

static int set_timeout(u64 *ns, const union value *v, u32 len)
{
	if (len < sizeof(v->tv))
		return -EINVAL;
	if (v->tv.tv_usec < 0 || v->tv.tv_usec >= 1000000)
		return -EDOM;
	if (v->tv.tv_sec < 0)
		*ns = 0;
	else if (v->tv.tv_sec == 0 && v->tv.tv_usec == 0)
		*ns = NEVER;
	else if (v->tv.tv_sec >= TIME_MAX / NS_PER_SEC)
		*ns = NEVER;
	else
		*ns = v->tv.tv_sec * NS_PER_SEC + v->tv.tv_usec * NS_PER_USEC;
	return 0;
}

static int set_linger(struct socket *s, const union value *v, u32 len)
{
	if (len < sizeof(v->u))
		return -EINVAL;
	s->opt.linger = v->u[0] != 0;
	if (s->opt.linger)
		s->opt.linger_seconds = v->u[1];
	return 0;
}

static int set_device(struct socket *s, const union value *v, u32 len)
{
	char name[NETIF_NAME] = "";
	struct netif *netif;

	if (s->opt.ifindex != 0 && !capable(CAP_NET_RAW))
		return -EPERM;
	memcpy(name, v->bytes, MIN(len, (u32)sizeof(name) - 1));
	s->opt.ifindex = 0;
	if (name[0] == 0)
		return 0;
	netif = netif_by_name(name);
	if (netif == NULL)
		return -ENODEV;
	s->opt.ifindex = netif->index;
	return 0;
}

static void set_timestamp(struct socket *s, bool on, bool ns)
{
	s->opt.timestamp = on;
	s->opt.timestamp_ns = on && ns;
}

static int set_number(struct socket *s, int name, int n)
{
	switch (name) {
	case SO_PRIORITY:
		if ((n < 0 || n > 6) && !capable(CAP_NET_ADMIN) && !capable(CAP_NET_RAW))
			return -EPERM;
		s->opt.priority = n;
		return 0;
	case SO_MARK:
		if (!capable(CAP_NET_ADMIN) && !capable(CAP_NET_RAW))
			return -EPERM;
		s->opt.mark = n;
		return 0;
	case SO_RCVLOWAT:
		s->opt.rcvlowat = n < 0 ? INT32_MAX : MAX(n, 1);
		return 0;
	case SO_TIMESTAMP_OLD:
	case SO_TIMESTAMP_NEW:
		set_timestamp(s, n != 0, false);
		return 0;
	case SO_TIMESTAMPNS_OLD:
	case SO_TIMESTAMPNS_NEW:
		set_timestamp(s, n != 0, true);
		return 0;
	case SO_DEBUG:
		return n != 0 && !capable(CAP_NET_ADMIN) ? -EACCES : 0;
	case SO_INCOMING_CPU: /* without effect: there is one queue */
	case SO_BUSY_POLL:
	case SO_SELECT_ERR_QUEUE:
	case SO_BSDCOMPAT:
		return 0;
	}
	return -ENOPROTOOPT;
}

static int set_common(struct socket *s, int name, const union value *v, u32 len)
{
	bool *on = switch_of(s, name);

	if (name == SO_BINDTODEVICE)
		return set_device(s, v, len);
	switch (name) {
	case SO_LINGER:
		return set_linger(s, v, len);
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return set_timeout(&s->opt.rcvtimeo_ns, v, len);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return set_timeout(&s->opt.sndtimeo_ns, v, len);
	case SO_SNDBUF:
	case SO_SNDBUFFORCE:
	case SO_RCVBUF:
	case SO_RCVBUFFORCE:
		return set_buffer(s, name, v->n);
	case SO_REUSEPORT:
		if (v->n != 0 && s->family != AF_INET && s->family != AF_INET6)
			return -EOPNOTSUPP;
		break;
	}
	if (on == NULL)
		return set_number(s, name, v->n);
	*on = v->n != 0;
	return 0;
}

static int set_option(struct socket *s, int level, int name, const void *user, int len)
{
	union value v = { .n = 0 };
	int error;

	if (len < 0)
		return -EINVAL;
	/* looked at before the value, which may be at a bad address */
	if (level == SOL_SOCKET && name != SO_BINDTODEVICE && len < (int)sizeof(v.n))
		return -EINVAL;
	if (copy_from_user(v.bytes, user, MIN((size_t)len, sizeof(v.bytes))) < 0)
		return -EFAULT;
	if (level != SOL_SOCKET && s->ops->setsockopt == NULL)
		return -EOPNOTSUPP;
	socket_enter(s);
	if (level != SOL_SOCKET) {
		error = s->ops->setsockopt(s, level, name, v.bytes,
					   MIN((size_t)len, sizeof(v.bytes)));
	} else {
		error = set_common(s, name, &v, len);
		if (error == 0 && s->ops->option != NULL)
			s->ops->option(s, name);
	}
	socket_leave(s);
	return error;
}

long sys_setsockopt(int fd, int level, int name, const void *user, int len)
{
	struct file *file;
	int error;
	struct socket *s = socket_get(fd, &file, &error);

	if (s == NULL)
		return error;
	error = set_option(s, level, name, user, len);
	file_put(file);
	return error;
}

/* ---- getting ---- */

static void get_timeout(union value *v, u64 ns)
{
	u64 us = ns == NEVER ? 0 : ns / NS_PER_USEC;

	v->tv.tv_sec = us / 1000000;
	v->tv.tv_usec = us % 1000000;
}

static int get_number(struct socket *s, int name, int *n)
{
	const struct sock_options *o = &s->opt;
	const bool *on = switch_of(s, name);

	if (on != NULL) {
		*n = *on;
		return 0;
	}
	switch (name) {
	case SO_TYPE:
		*n = s->type;
		return 0;
	case SO_DOMAIN:
		*n = s->family;
		return 0;
	case SO_PROTOCOL:
		*n = s->protocol;
		return 0;
	case SO_ERROR:
		*n = -socket_take_error(s);
		return 0;
	case SO_ACCEPTCONN:
		*n = s->listening;
		return 0;
	case SO_SNDBUF:
		*n = o->sndbuf;
		return 0;
	case SO_RCVBUF:
		*n = o->rcvbuf;
		return 0;
	case SO_RCVLOWAT:
		*n = o->rcvlowat;
		return 0;
	case SO_SNDLOWAT:
		*n = 1;
		return 0;
	case SO_PRIORITY:
		*n = o->priority;
		return 0;
	case SO_MARK:
		*n = o->mark;
		return 0;
	case SO_TIMESTAMP_OLD:
	case SO_TIMESTAMP_NEW:
		*n = o->timestamp && !o->timestamp_ns;
		return 0;
	case SO_TIMESTAMPNS_OLD:
	case SO_TIMESTAMPNS_NEW:
		*n = o->timestamp_ns;
		return 0;
	case SO_INCOMING_CPU:
	case SO_INCOMING_NAPI_ID:
	case SO_BUSY_POLL:
	case SO_DEBUG:
	case SO_BSDCOMPAT:
	case SO_SELECT_ERR_QUEUE:
		*n = 0;
		return 0;
	}
	return -ENOPROTOOPT;
}

static int get_device(const struct socket *s, union value *v, u32 *len)
{
	struct netif *netif;

	if (s->opt.ifindex == 0) {
		*len = 0;
		return 0;
	}
	if (*len < NETIF_NAME)
		return -EINVAL;
	netif = netif_by_index(s->opt.ifindex);
	if (netif == NULL)
		return -ENODEV;
	*len = strlen(netif->name) + 1;
	memcpy(v->bytes, netif->name, *len);
	return 0;
}

static int get_common(struct socket *s, int name, union value *v, u32 *len)
{
	u32 size = sizeof(v->n);
	int error = 0;

	switch (name) {
	case SO_BINDTODEVICE:
		return get_device(s, v, len);
	case SO_LINGER:
		v->u[0] = s->opt.linger;
		v->u[1] = s->opt.linger_seconds;
		size = sizeof(v->u);
		break;
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		get_timeout(v, s->opt.rcvtimeo_ns);
		size = sizeof(v->tv);
		break;
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		get_timeout(v, s->opt.sndtimeo_ns);
		size = sizeof(v->tv);
		break;
	case SO_PEERCRED:
		v->cred = s->peer;
		size = sizeof(v->cred);
		break;
	default:
		error = get_number(s, name, &v->n);
	}
	*len = MIN(*len, size);
	return error;
}

static int get_option(struct socket *s, int level, int name, void *user, int *user_len)
{
	union value v = { .n = 0 };
	int room, error;
	u32 len;

	if (get_user(room, user_len) < 0)
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (level != SOL_SOCKET && s->ops->getsockopt == NULL)
		return -EOPNOTSUPP;
	len = MIN((u32)room, (u32)sizeof(v.bytes));
	socket_enter(s);
	error = level == SOL_SOCKET ? get_common(s, name, &v, &len) :
				      s->ops->getsockopt(s, level, name, v.bytes, &len);
	socket_leave(s);
	if (error < 0)
		return error;
	if (copy_to_user(user, v.bytes, len) < 0)
		return -EFAULT;
	return put_user(user_len, (int)len);
}

long sys_getsockopt(int fd, int level, int name, void *user, int *user_len)
{
	struct file *file;
	int error;
	struct socket *s = socket_get(fd, &file, &error);

	if (s == NULL)
		return error;
	error = get_option(s, level, name, user, user_len);
	file_put(file);
	return error;
}
