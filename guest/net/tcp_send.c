/*
 * The send queue: the program's bytes, copied once into blocks of memory that
 * packets then refer to. A chunk is a run of bytes in one block; small writes
 * share a block and, lying in a row, a chunk. Chunks are given back as they
 * are acknowledged; a packet that is still in a ring keeps its memory.
 */
#include "tcp.h"
#include "tcp_conn.h"
#include "../libos/frames.h"
#include "../libos/heap.h"

#define BLOCK_MAX (64u << 10)

static struct tcp_chunk *chunk_of(struct list *link)
{
	return container_of(link, struct tcp_chunk, link);
}

/* ---- the queue ---- */

struct tcp_chunk *tcp_chunk_at(struct tcp *c, u32 seq)
{
	struct tcp_chunk *ch = c->chunk_hint;

	if (ch == NULL || seq_lt(seq, ch->seq))
		ch = chunk_of(c->chunks.next);
	while (seq_ge(seq, ch->seq + ch->len))
		ch = chunk_of(ch->link.next);
	c->chunk_hint = ch;
	return ch;
}

static void chunk_free(struct tcp *c, struct tcp_chunk *ch)
{
	if (c->chunk_hint == ch)
		c->chunk_hint = NULL;
	list_del(&ch->link);
	pkt_mem_put(ch->mem);
	kfree(ch);
}

static void drop_block(struct tcp *c)
{
	if (c->block != NULL)
		pkt_mem_put(c->block);
	c->block = NULL;
}

void tcp_chunks_acked(struct tcp *c)
{
	while (!list_empty(&c->chunks)) {
		struct tcp_chunk *ch = chunk_of(c->chunks.next);

		if (seq_gt(ch->seq + ch->len, c->snd_una))
			return;
		chunk_free(c, ch);
	}
	drop_block(c);
}

void tcp_chunks_purge(struct tcp *c)
{
	while (!list_empty(&c->chunks))
		chunk_free(c, chunk_of(c->chunks.next));
	drop_block(c);
}

/* A chunk for bytes at `data` in mem, still without any: the last one, if they
 * continue it. The caller keeps its reference to mem. NULL: no memory. */
static struct tcp_chunk *chunk_for(struct tcp *c, struct pkt_mem *mem, u8 *data)
{
	struct tcp_chunk *ch = chunk_of(c->chunks.prev);

	if (!list_empty(&c->chunks) && ch->mem == mem && ch->data + ch->len == data)
		return ch;
	ch = kalloc(sizeof(*ch));
	if (ch == NULL)
		return NULL;
	pkt_mem_get(mem);
	ch->mem = mem;
	ch->data = data;
	ch->seq = c->snd_end;
	list_add_tail(&c->chunks, &ch->link);
	return ch;
}

static void grow(struct tcp *c, struct tcp_chunk *ch, u32 n)
{
	ch->len += n;
	c->snd_end += n;
	if (ch->len == 0)
		chunk_free(c, ch);
}

/* A block with room: as large as what is to be written, or as what waits
 * already, so that a stream of small writes comes to large blocks. */
static bool block_with_room(struct tcp *c, u32 want)
{
	u32 size = MIN(MAX(want, c->snd_end - c->snd_una), BLOCK_MAX);

	if (c->block != NULL && c->block_used < c->block->size)
		return true;
	drop_block(c);
	for (; c->block == NULL; size /= 2) {
		c->block = pkt_mem_alloc(MAX(size, (u32)PAGE_SIZE));
		if (size <= PAGE_SIZE)
			break;
	}
	c->block_used = 0;
	return c->block != NULL;
}

/* Copies up to n bytes of the program's behind what is queued. Bytes, or
 * -EFAULT, -ENOMEM. */
static long append(struct tcp *c, struct uio *uio, u32 n)
{
	struct tcp_chunk *ch;
	long moved;
	u8 *at;

	if (!block_with_room(c, n))
		return -ENOMEM;
	at = c->block->data + c->block_used;
	ch = chunk_for(c, c->block, at);
	if (ch == NULL)
		return -ENOMEM;
	moved = uio_from(uio, at, MIN(n, c->block->size - c->block_used));
	grow(c, ch, MAX(moved, 0l));
	c->block_used += MAX(moved, 0l);
	return moved;
}

/* ---- room ---- */

u32 tcp_send_room(const struct tcp *c)
{
	u32 queued = c->snd_end - c->snd_una, most = c->s.opt.sndbuf;

	if (queued > 0 && !socket_memory_ok())
		return 0;
	return queued < most ? most - queued : 0;
}

/* Linux's sk_stream_is_writeable(): a third of the buffer is free. */
bool tcp_writable(const struct tcp *c)
{
	if (c->notsent_lowat != 0 && tcp_unsent(c) >= c->notsent_lowat)
		return false;
	return tcp_send_room(c) >= MAX((c->snd_end - c->snd_una) / 2, 1u);
}

void tcp_wake_writers(struct tcp *c)
{
	if (c->nospace && tcp_writable(c)) {
		c->nospace = false;
		wake_all(&c->s.wait);
	}
}

/* Room for two windows, so that the sender is never idle between an ACK and
 * the program's next write. */
void tcp_sndbuf_tune(struct tcp *c)
{
	u32 want = 2 * MAX(c->cwnd, TCP_INITIAL_WINDOW * c->mss);

	want = MIN(want, TCP_SNDBUF_MAX);
	if (!c->s.opt.sndbuf_locked && want > c->s.opt.sndbuf && socket_memory_ok())
		c->s.opt.sndbuf = want;
}

/* ---- the calls ---- */

/* 0: data may be queued; else -errno. Waits for the handshake's end. */
static int ready(struct tcp *c, bool nonblock, u64 deadline)
{
	while (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECV) {
		int error = socket_wait(&c->s, nonblock, deadline);

		if (error < 0)
			return error;
	}
	if (c->s.error != 0)
		return socket_take_error(&c->s);
	if (c->shutdown & 2 || !TCP_IN(c->state, TCP_CAN_SEND))
		return -EPIPE;
	return 0;
}

/* Waits until there is room: 0 or -errno. */
static int wait_room(struct tcp *c, bool nonblock, u64 deadline)
{
	int error;

	while (tcp_send_room(c) == 0) {
		c->nospace = true;
		tcp_output(c);
		error = socket_wait(&c->s, nonblock, deadline);
		if (error < 0)
			return error;
		error = ready(c, nonblock, deadline);
		if (error < 0)
			return error;
	}
	return 0;
}

/* Queues the rest of the message as far as it goes. Bytes of this call so far
 * are in *done. */
static long send_all(struct tcp *c, struct sockmsg *msg, u64 deadline, long *done)
{
	while (msg->uio->resid > 0) {
		int error = wait_room(c, msg->nonblock, deadline);
		long n;

		if (error < 0)
			return error;
		n = append(c, msg->uio, MIN(msg->uio->resid, (size_t)tcp_send_room(c)));
		if (n <= 0)
			return n;
		*done += n;
		if (msg->uio->resid > 0)
			tcp_output(c);
	}
	return 0;
}

long tcp_send(struct socket *s, struct sockmsg *msg)
{
	struct tcp *c = tcp_of(s);
	u64 deadline = socket_deadline(s->opt.sndtimeo_ns);
	long done = 0, error;

	if (msg->flags & MSG_OOB)
		return -EOPNOTSUPP;
	error = ready(c, msg->nonblock, deadline);
	if (error == 0) {
		c->more = true; /* full segments only, until all is there */
		error = send_all(c, msg, deadline, &done);
		c->more = msg->flags & MSG_MORE;
		tcp_output(c);
	}
	if (error == -EAGAIN)
		c->nospace = true;
	return done > 0 ? done : error;
}

long tcp_send_mem(struct socket *s, struct pkt_mem *mem, u8 *data, u32 len, bool nonblock,
		  bool more)
{
	struct tcp *c = tcp_of(s);
	u64 deadline = socket_deadline(s->opt.sndtimeo_ns);
	int error = ready(c, nonblock, deadline);
	u32 done = 0;

	while (error == 0 && done < len) {
		struct tcp_chunk *ch;
		u32 n;

		c->more = true;
		error = wait_room(c, nonblock, deadline);
		if (error < 0)
			break;
		n = MIN(len - done, tcp_send_room(c));
		ch = chunk_for(c, mem, data + done);
		if (ch != NULL)
			grow(c, ch, n);
		done += ch != NULL ? n : 0;
		error = ch != NULL ? 0 : -ENOMEM;
	}
	c->more = more;
	tcp_output(c);
	if (error == -EAGAIN)
		c->nospace = true;
	return done > 0 ? (long)done : error;
}
