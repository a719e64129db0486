/*
 * sock_diag(7): lists of sockets, for ss(8). A dump has all that the states, the
 * family and the ports of the request leave; its byte code, by which Linux leaves
 * out more of them, only saves work, as who sends it looks again. One socket alone
 * cannot be asked for.
 */
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include "netlink.h"
#include "../fs/vfs.h"
#include "sock_list.h"
#include "unix.h"

#define MOST     512 /* attributes of one message */
#define FAMILIES 46 /* AF_MAX */

struct asking {
	struct nl_answer *answer;
	struct inet_diag_req_v2 req;
};

/* ---- TCP and UDP ---- */

static bool wanted(const struct asking *q, const struct sock_entry *e)
{
	const struct inet_diag_req_v2 *r = &q->req;

	return e->family == r->sdiag_family && r->idiag_states >> e->state & 1 &&
	       (r->id.idiag_sport == 0 || r->id.idiag_sport == htons(e->lport)) &&
	       (r->id.idiag_dport == 0 || r->id.idiag_dport == htons(e->rport));
}

static void put_address(be32 *to, const struct ipaddr *addr, int family)
{
	if (family == AF_INET)
		*to = ip_get4(addr);
	else
		memcpy(to, addr->b, sizeof(addr->b));
}

static u32 ms_until(u64 when)
{
	u64 now = now_ns();

	return when > now ? (when - now) / NS_PER_MS : 0;
}

/* Which timer is armed, as /proc/net/tcp numbers them. */
static void put_timer(struct inet_diag_msg *m, const struct tcp *c)
{
	if (c->rtx != RTX_NONE && c->rtx_at != NEVER) {
		m->idiag_timer = c->rtx == RTX_PROBE ? 4 : 1;
		m->idiag_retrans = c->rtx == RTX_PROBE ? c->probes : c->retries;
		m->idiag_expires = ms_until(c->rtx_at);
	} else if (c->keep_at != NEVER && c->s.opt.keep_alive) {
		m->idiag_timer = 2;
		m->idiag_retrans = c->keep_probes;
		m->idiag_expires = ms_until(c->keep_at);
	}
}

static void put_socket(struct asking *q, const struct sock_entry *e, struct inet_diag_msg *m)
{
	u8 only = e->s->opt.v6only;

	m->idiag_uid = e->s->inode != NULL ? e->s->inode->uid : 0;
	m->idiag_inode = sock_inode(e->s);
	m->id.idiag_if = e->s->opt.ifindex;
	m->id.idiag_cookie[0] = m->idiag_inode;
	nl_put(q->answer, INET_DIAG_SHUTDOWN, &e->shut, sizeof(e->shut));
	if (e->family == AF_INET6 && (e->state == TCP_LISTEN || e->state == TCP_CLOSE))
		nl_put(q->answer, INET_DIAG_SKV6ONLY, &only, sizeof(only));
}

static void put_inet(const struct sock_entry *e, void *arg)
{
	struct asking *q = arg;
	struct inet_diag_msg *m;

	if (!wanted(q, e))
		return;
	m = nl_begin(q->answer, SOCK_DIAG_BY_FAMILY, sizeof(*m), MOST);
	if (m == NULL)
		return;
	m->idiag_family = e->family;
	m->idiag_state = e->state;
	m->id.idiag_sport = htons(e->lport);
	m->id.idiag_dport = htons(e->rport);
	put_address(m->id.idiag_src, &e->local, e->family);
	put_address(m->id.idiag_dst, &e->remote, e->family);
	m->idiag_rqueue = e->state == TCP_LISTEN ? e->waiting : e->unread;
	m->idiag_wqueue = e->state == TCP_LISTEN ? e->backlog : e->unsent;
	if (e->timewait_end != 0) {
		m->idiag_timer = 3;
		m->idiag_expires = ms_until(e->timewait_end);
	} else if (e->tcp != NULL && e->state != TCP_LISTEN) {
		put_timer(m, e->tcp);
	}
	if (e->s != NULL)
		put_socket(q, e, m);
}

static int inet_diag(struct nl_answer *a, const u8 *body, u32 len)
{
	struct asking q = { .answer = a };

	if (len < sizeof(q.req))
		return -EINVAL;
	memcpy(&q.req, body, sizeof(q.req));
	switch (q.req.sdiag_protocol) {
	case IPPROTO_TCP:
		tcp_list(put_inet, &q);
		return 0;
	case IPPROTO_UDP:
		udp_list(put_inet, &q);
		return 0;
	}
	return -ENOENT;
}

/* ---- AF_UNIX ---- */

static u8 unix_diag_state(const struct unix_socket *u)
{
	if (u->state == UNIX_LISTENING)
		return TCP_LISTEN;
	return u->state == UNIX_CONNECTED || u->peer != NULL ? TCP_ESTABLISHED : TCP_CLOSE;
}

static void put_unix_attributes(struct nl_answer *a, const struct unix_socket *u, u32 show)
{
	bool listens = u->state == UNIX_LISTENING;
	struct unix_diag_rqlen queues = { .udiag_rqueue = listens ? u->queued : (u32)unix_unread(u),
					  .udiag_wqueue = listens ? u->backlog : u->sent };
	u8 shut = u->no_read | u->no_write << 1;

	if (show & UDIAG_SHOW_NAME && u->addr != NULL)
		nl_put(a, UNIX_DIAG_NAME, u->addr->name.un.path, u->addr->name.len - UNIX_PATH);
	if (show & UDIAG_SHOW_VFS && u->addr != NULL && u->addr->inode != NULL) {
		struct unix_diag_vfs node = { .udiag_vfs_ino = u->addr->inode->ino,
					      .udiag_vfs_dev = u->addr->inode->sb->dev };

		nl_put(a, UNIX_DIAG_VFS, &node, sizeof(node));
	}
	if (show & UDIAG_SHOW_PEER && u->peer != NULL)
		nl_put_u32(a, UNIX_DIAG_PEER, sock_inode(&u->peer->s));
	if (show & UDIAG_SHOW_RQLEN)
		nl_put(a, UNIX_DIAG_RQLEN, &queues, sizeof(queues));
	if (show & UDIAG_SHOW_UID)
		nl_put_u32(a, UNIX_DIAG_UID, u->s.inode != NULL ? u->s.inode->uid : 0);
	nl_put(a, UNIX_DIAG_SHUTDOWN, &shut, sizeof(shut));
}

static int unix_diag(struct nl_answer *a, const u8 *body, u32 len)
{
	const struct unix_socket *u = NULL;
	struct unix_diag_req req;

	if (len < sizeof(req))
		return -EINVAL;
	memcpy(&req, body, sizeof(req));
	while ((u = unix_next(u)) != NULL) {
		struct unix_diag_msg *m;

		if (!(req.udiag_states >> unix_diag_state(u) & 1))
			continue;
		m = nl_begin(a, SOCK_DIAG_BY_FAMILY, sizeof(*m), MOST);
		if (m == NULL)
			return 0; /* which a->failed says */
		m->udiag_family = AF_UNIX;
		m->udiag_type = u->s.type;
		m->udiag_state = unix_diag_state(u);
		m->udiag_ino = sock_inode(&u->s);
		m->udiag_cookie[0] = m->udiag_ino;
		put_unix_attributes(a, u, req.udiag_show);
	}
	return 0;
}

int sock_diag_request(struct nl_answer *a, const struct nlmsghdr *h, const u8 *body, u32 len)
{
	bool dump = (h->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	if (h->nlmsg_type != SOCK_DIAG_BY_FAMILY || len < sizeof(struct sock_diag_req) ||
	    body[0] >= FAMILIES)
		return -EINVAL;
	switch (body[0]) {
	case AF_INET:
	case AF_INET6:
		return dump ? inet_diag(a, body, len) : -EOPNOTSUPP;
	case AF_UNIX:
		return dump ? unix_diag(a, body, len) : -EOPNOTSUPP;
	}
	return -ENOENT;
}
