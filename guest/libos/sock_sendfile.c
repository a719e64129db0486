/*
 * sendfile(2) to a stream socket. Memory that nobody ever writes or frees (the
 * files of --copy) is sent where it lies: TCP's packets refer to it, and no
 * byte is touched. Other pages are copied once, from the page to the socket's
 * memory, and never while waiting: another thread might truncate the file.
 */
#include <asm/fcntl.h>
#include <linux/in.h>
#include "../fs/vfs.h"
#include "../net/tcp.h"
#include "memory.h"
#include "process.h"
#include "sock.h"
#include "thread.h"

#define RUN   (1u << 20) /* of memory sent in place, a round */
#define PAGES 16 /* copied in a round */

/* What pieces of --copy's memory belong to: it is never given back. */
static struct pkt_mem contents = { .refs = 1 };

static u64 left_in(const struct file *in, u64 pos, u64 n)
{
	return pos < in->inode->size ? MIN(n, in->inode->size - pos) : 0;
}

/* Bytes that can be sent in place: how many, and *at where they are; else 0. */
static u64 find_run(struct socket *s, struct file *in, u64 pos, u64 n, const void **at)
{
	paddr_t pa;
	u64 run;

	if (s->protocol != IPPROTO_TCP || in->inode->ops->get_run == NULL)
		return 0;
	run = in->inode->ops->get_run(in->inode, pos, MIN(n, (u64)RUN), &pa);
	if (run > 0)
		*at = physical_bytes(pa, run);
	return run > 0 && *at != NULL ? run : 0;
}

static long send_in_place(struct socket *s, const void *at, u64 run, bool nonblock, bool more)
{
	long r;

	socket_enter(s);
	r = tcp_send_mem(s, &contents, (u8 *)at, run, nonblock, more);
	socket_leave(s);
	if (r == -EPIPE)
		signal_send_self(SIGPIPE);
	return r;
}

/* Where the host has the file, or its own. */
static int page_of(struct file *in, u64 index, paddr_t *pa)
{
	const struct inode_ops *ops = in->inode->ops;

	if (ops->get_dax != NULL && ops->get_dax(in, index * PAGE_SIZE, PAGE_SIZE, false, pa) > 0)
		return 0;
	return ops->get_page(in->inode, index, false, pa);
}

/* The pages from pos on as a vector: how many bytes; -errno. */
static long map_pages(struct file *in, u64 pos, u64 n, struct iovec iov[PAGES])
{
	static const u8 hole[1024]; /* in pieces: holes are rare, and memory is dear */
	u64 done = 0;

	for (unsigned i = 0; i < PAGES && done < n; i++) {
		u64 offset = (pos + done) % PAGE_SIZE, part = MIN(n - done, PAGE_SIZE - offset);
		const void *bytes = hole;
		paddr_t pa;
		int error = page_of(in, (pos + done) / PAGE_SIZE, &pa);

		if (error == 0 && pa != 0)
			bytes = physical_bytes(pa, PAGE_SIZE);
		if (error < 0 || bytes == NULL)
			return done > 0 ? (long)done : -ENOMEM;
		if (bytes == hole) {
			part = MIN(part, sizeof(hole));
			offset = 0;
		}
		iov[i] = (struct iovec){ (u8 *)bytes + offset, part };
		done += part;
	}
	return done;
}

/* Without waiting, whatever the socket is. */
static long send_pages(struct socket *s, struct file *in, u64 pos, u64 n, bool more)
{
	struct iovec iov[PAGES];
	struct uio uio = { .iov = iov, .niov = PAGES, .kernel = true };
	struct sockmsg msg = { .uio = &uio, .nonblock = true, .flags = more ? MSG_MORE : 0 };
	unsigned tries = 8;
	u64 since;
	long r;

	do { /* who waited for a page may have lost those before it; now all are there */
		since = current()->since;
		r = map_pages(in, pos, n, iov);
	} while (r > 0 && current()->since != since && --tries > 0);
	if (r > 0 && tries == 0)
		return -EAGAIN;
	if (r <= 0)
		return r;
	uio.resid = r;
	return socket_send(s, &msg);
}

/* One byte sent the slow way waits until there is room for it. */
static long send_waiting(struct socket *s, struct file *in, u64 pos)
{
	u8 byte;
	struct iovec iov = { &byte, 1 };
	struct uio uio = { .iov = &iov, .niov = 1, .resid = 1, .kernel = true };
	struct sockmsg msg = { .uio = &uio, .flags = MSG_MORE };
	long r = file_read_kernel(in, &byte, 1, pos);

	return r == 1 ? socket_send(s, &msg) : r;
}

static long send_some(struct file *out, struct file *in, u64 pos, u64 n, u64 *want)
{
	struct socket *s = out->priv;
	bool nonblock = out->flags & O_NONBLOCK;
	const void *at;
	long r;

	*want = find_run(s, in, pos, n, &at);
	if (*want > 0)
		return send_in_place(s, at, *want, nonblock, *want < n);
	*want = MIN(n, PAGES * PAGE_SIZE - pos % PAGE_SIZE);
	r = send_pages(s, in, pos, *want, *want < n);
	if (r == -EAGAIN && !nonblock) {
		r = send_waiting(s, in, pos);
		*want = 1;
	}
	return r;
}

long socket_sendfile(struct file *out, struct file *in, u64 *from, size_t n)
{
	const struct socket *s = out->priv;
	bool nonblock = out->flags & O_NONBLOCK;
	long done = 0, r = 0;

	if (s->type != SOCK_STREAM || in->inode == NULL || !S_ISREG(in->inode->mode) ||
	    in->inode->ops == NULL || in->inode->ops->get_page == NULL)
		return -EOPNOTSUPP;
	n = left_in(in, *from, n);
	if (n == 0)
		return 0;
	while ((size_t)done < n) {
		u64 want;

		r = send_some(out, in, *from, n - done, &want);
		if (r <= 0)
			break;
		*from += r;
		done += r;
		if (((u64)r < want && nonblock) || signal_pending())
			break;
	}
	inode_accessed(in->inode);
	return done > 0 ? done : r;
}
