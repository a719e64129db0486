/*
 * Messages between AF_UNIX sockets, and what travels with them: open files
 * (SCM_RIGHTS) and who sent them (SCM_CREDENTIALS).
 *
 * A message belongs to its receiver's queue but counts against its sender's
 * send buffer, so that a sender is held back by what nobody reads. Sockets
 * that are sent to each other and closed are unix_gc.c's.
 */
#include <linux/capability.h>
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "../libos/process.h"
#include "unix.h"

#define SCM_RIGHTS      1
#define SCM_CREDENTIALS 2
#define INLINE_MAX      1024 /* such data lies in the message's own memory */
#define OVERHEAD        512 /* as Linux counts: a small message costs 768 */

/* ---- in ---- */

static int take_files(struct unix_rights *r, const struct sock_control *c)
{
	u32 n = c->len / sizeof(int);
	int fd;

	if (c->len % sizeof(int) != 0 || r->nfiles + n > SCM_MAX_FD)
		return -EINVAL;
	if (n == 0)
		return 0;
	if (r->files == NULL)
		r->files = kalloc(SCM_MAX_FD * sizeof(struct file *));
	if (r->files == NULL)
		return -ENOMEM;
	for (u32 i = 0; i < n; i++) {
		memcpy(&fd, c->data + i * sizeof(fd), sizeof(fd));
		r->files[r->nfiles] = fd_get_raw(fd);
		if (r->files[r->nfiles] == NULL)
			return -EBADF;
		r->nfiles++;
	}
	return 0;
}

static bool is_one_of(u32 id, const struct ids *ids)
{
	return id == ids->real || id == ids->effective || id == ids->saved;
}

/* Nobody may say that he is somebody else, but root. */
static int take_credentials(struct unix_rights *r, const struct sock_control *c)
{
	const struct credentials *mine = &current_process()->cred;
	struct sock_cred cred;

	if (c->len != sizeof(cred))
		return -EINVAL;
	memcpy(&cred, c->data, sizeof(cred));
	if (cred.pid != current_process()->pid && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!is_one_of(cred.uid, &mine->uid) && !capable(CAP_SETUID))
		return -EPERM;
	if (!is_one_of(cred.gid, &mine->gid) && !capable(CAP_SETGID))
		return -EPERM;
	if (cred.pid != current_process()->pid)
		return -ESRCH;
	r->cred = cred;
	return 0;
}

int unix_rights_get(const struct sockmsg *msg, struct unix_rights *r)
{
	struct sock_control c;
	u32 at = 0;
	int error;

	*r = (struct unix_rights){ .cred = unix_cred_now() };
	while ((error = sockmsg_next_control(msg, &at, &c)) > 0) {
		error = 0;
		if (c.level == SOL_SOCKET && c.type == SCM_RIGHTS)
			error = take_files(r, &c);
		else if (c.level == SOL_SOCKET && c.type == SCM_CREDENTIALS)
			error = take_credentials(r, &c);
		else if (c.level == SOL_SOCKET)
			error = -EINVAL;
		if (error < 0)
			break;
	}
	if (error < 0)
		unix_rights_drop(r);
	return error;
}

static void put_files(struct file **files, u32 n)
{
	for (u32 i = 0; i < n; i++)
		file_put(files[i]);
	kfree(files);
}

void unix_rights_drop(struct unix_rights *r)
{
	put_files(r->files, r->nfiles);
	r->files = NULL;
	r->nfiles = 0;
}

/* ---- messages ---- */

static struct unix_msg *allocate(u32 len)
{
	bool inside = len <= INLINE_MAX;
	struct unix_msg *m = kalloc(sizeof(*m) + (inside ? len : 0));

	if (m == NULL || inside) {
		if (m != NULL)
			m->data = (u8 *)(m + 1);
		return m;
	}
	while ((u64)PAGE_SIZE << m->order < len)
		m->order++;
	m->frames = frames_alloc_dirty(m->order);
	if (m->frames == 0) {
		kfree(m);
		return NULL;
	}
	m->data = phys_to_virt(m->frames);
	return m;
}

int unix_msg_new(struct unix_socket *sender, struct uio *uio, u32 len, struct unix_rights *r,
		 struct unix_msg **out)
{
	struct unix_msg *m = allocate(len);

	if (m == NULL)
		return -ENOBUFS;
	if (len > 0 && uio_from(uio, m->data, len) != (long)len) {
		if (m->frames != 0)
			frames_free(m->frames, m->order);
		kfree(m);
		return -EFAULT;
	}
	m->len = len;
	m->size = OVERHEAD + ALIGN_UP(len, 256u);
	m->sender = unix_get(sender);
	sender->sent += m->size;
	m->from = unix_addr_get(sender->addr);
	m->cred = r->cred;
	m->files = r->files;
	m->nfiles = r->nfiles;
	r->files = NULL;
	r->nfiles = 0;
	unix_files_fly(m->files, m->nfiles);
	*out = m;
	return 0;
}

static void drop_files(struct unix_msg *m)
{
	unix_files_land(m->files, m->nfiles);
	put_files(m->files, m->nfiles);
	m->files = NULL;
	m->nfiles = 0;
}

static void really_free(struct unix_msg *m)
{
	struct unix_socket *sender = m->sender;

	sender->sent -= m->size;
	if (!sender->dead && unix_writable(sender))
		wake_all(&sender->s.wait);
	drop_files(m);
	unix_addr_put(m->from);
	if (m->frames != 0)
		frames_free(m->frames, m->order);
	kfree(m);
	unix_put(sender);
}

/* A message may hold the last reference to a socket with messages that do so
 * in turn: one after the other, not one inside the other. */
void unix_msg_free(struct unix_msg *m)
{
	static struct list doomed = { &doomed, &doomed };
	static bool busy;

	list_add_tail(&doomed, &m->link);
	if (busy)
		return;
	busy = true;
	while (!list_empty(&doomed)) {
		m = container_of(doomed.next, struct unix_msg, link);
		list_del(&m->link);
		really_free(m);
	}
	busy = false;
}

/* ---- out ---- */

#define HEADER 16 /* struct cmsghdr */

/* Descriptors for as many files as there is room for; the rest is dropped, and
 * MSG_CTRUNC says so. */
static void give_files(struct unix_msg *m, struct sockmsg *msg)
{
	u32 room = msg->control_room - msg->control_len, n = 0;
	u32 most = room > HEADER ? (room - HEADER) / sizeof(int) : 0;
	int fds[SCM_MAX_FD];

	for (most = MIN(most, m->nfiles); n < most; n++) {
		file_get(m->files[n]);
		fds[n] = fd_install(m->files[n], 0, msg->flags & MSG_CMSG_CLOEXEC);
		if (fds[n] < 0) {
			file_put(m->files[n]);
			break;
		}
	}
	if (n > 0)
		sockmsg_put_control(msg, SOL_SOCKET, SCM_RIGHTS, fds, n * sizeof(int));
	if (n < m->nfiles)
		msg->out_flags |= MSG_CTRUNC;
	if (!(msg->flags & MSG_PEEK))
		drop_files(m);
}

void unix_msg_control(struct unix_socket *u, struct unix_msg *m, struct sockmsg *msg)
{
	if (u->s.opt.pass_cred)
		sockmsg_put_control(msg, SOL_SOCKET, SCM_CREDENTIALS, &m->cred, sizeof(m->cred));
	if (m->nfiles > 0)
		give_files(m, msg);
}
