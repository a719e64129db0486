/*
 * virtio-fs, driver side (virtio 1.2, 5.11).
 *
 * A request is a chain of header and arguments, reply header and reply; the
 * data of READ and WRITE are buffers of their own. Most requests are done when
 * the doorbell's exit returns (vmm/fs.c); for the others the driver spins for
 * about as long as an interrupt would take and then sleeps with one asked for.
 *
 * What nobody waits for (fs_post) is put into the ring without a doorbell, which
 * comes with the next request or by a timer: an exit costs more than the work.
 *
 * FORGETs go by the queue for them, and nobody waits: their memory is freed
 * when the next one is sent.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_fs.h>
#include <linux/virtio_ids.h>
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "fs.h"

#define RING     64
#define SPIN_NS  50000
#define POST_NS  500000000ull
#define FORGETS  0 /* queues */
#define REQUESTS 1

/* What the device reads and writes, in one piece of memory: `in`, arguments,
 * and from `out` on the reply. */
struct request {
	bool done;
	bool posted; /* nobody waits for it */
	u32 len; /* that the device has written */
	void *out; /* where the reply is */
	struct fuse_in_header in;
	u8 args[];
};

static struct virtq *queue_of(struct fs_dev *fs, unsigned q)
{
	return &fs->dev.queue[q];
}

/* True: there is room again, or an answer. */
static bool reap(struct fs_dev *fs)
{
	struct request *req;
	bool any = false;
	u32 len;

	while ((req = virtq_take(queue_of(fs, REQUESTS), &len)) != NULL) {
		any = true;
		if (req->posted) {
			kfree(req);
			continue;
		}
		req->len = len;
		req->done = true;
	}
	if (any)
		wake_all(&fs->wait);
	return any;
}

static void interrupt(struct virtio *dev)
{
	reap(container_of(dev, struct fs_dev, dev));
}

static void ring(struct timer *timer)
{
	struct fs_dev *fs = container_of(timer, struct fs_dev, show);

	virtq_kick(&fs->dev, queue_of(fs, REQUESTS));
}

struct fs_dev *fs_dev_start(const struct virtio_place *place, int *error)
{
	const u64 wanted = 1ull << VIRTIO_RING_F_EVENT_IDX | 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	struct fs_dev *fs = kalloc(sizeof(*fs));

	*error = -ENOMEM;
	if (fs == NULL)
		return NULL;
	waitq_init(&fs->wait);
	fs->dev.interrupt = interrupt;
	fs->show.expired = ring;
	fs->dev.ring_limit = RING;
	*error = virtio_setup(&fs->dev, place, wanted, 2);
	if (*error < 0) {
		kfree(fs);
		return NULL;
	}
	virtq_disarm(queue_of(fs, FORGETS));
	virtq_disarm(queue_of(fs, REQUESTS));
	return fs;
}

/* ---- waiting */

static bool spin(struct fs_dev *fs)
{
	u64 until = now_ns() + SPIN_NS;

	while (now_ns() < until) {
		if (reap(fs))
			return true;
		for (int i = 0; i < 20; i++)
			__asm__ volatile("pause");
	}
	return false;
}

static bool is_dead(struct fs_dev *fs)
{
	return queue_of(fs, REQUESTS)->dead;
}

static void wait_for(struct fs_dev *fs, const struct request *req)
{
	struct virtq *q = queue_of(fs, REQUESTS);

	reap(fs);
	while (!req->done && !is_dead(fs)) {
		if (spin(fs))
			continue;
		if (!virtq_arm(q))
			wait_uninterruptible(&fs->wait);
		reap(fs);
	}
	if (is_dead(fs))
		wake_all(&fs->wait);
}

/* ---- messages */

static u32 args_len(const struct fs_message *m)
{
	return m->arg[0].len + m->arg[1].len + m->arg[2].len;
}

static void fill(struct fs_dev *fs, struct request *req, const struct fs_message *m)
{
	u8 *at = req->args;
	u32 data = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(m->arg); at += m->arg[i].len, i++)
		memcpy(at, m->arg[i].from, m->arg[i].len);
	for (unsigned i = 0; i < m->ndata && !m->into_data; i++)
		data += m->data[i].len;
	req->in = (struct fuse_in_header){
		.len = sizeof(req->in) + args_len(m) + data,
		.opcode = m->opcode,
		.unique = ++fs->unique,
		.nodeid = m->nodeid,
		.uid = m->uid,
		.gid = m->gid,
		.pid = m->pid,
	};
}

/* Makes the chain, waiting for room. */
static int add(struct fs_dev *fs, struct request *req, const struct fs_message *m)
{
	struct virtq_buf buf[FS_PAGES + 2];
	unsigned n = 0, nout;
	int error;

	buf[n++] = (struct virtq_buf){ virt_to_phys(&req->in), sizeof(req->in) + args_len(m) };
	for (unsigned i = 0; i < m->ndata && !m->into_data; i++)
		buf[n++] = m->data[i];
	nout = n;
	buf[n++] =
		(struct virtq_buf){ virt_to_phys(req->out),
				    sizeof(struct fuse_out_header) + (m->into_data ? 0 : m->room) };
	for (unsigned i = 0; i < m->ndata && m->into_data; i++)
		buf[n++] = m->data[i];
	while ((error = virtq_add(queue_of(fs, REQUESTS), buf, nout, n - nout, req)) == -ENOSPC) {
		virtq_kick(&fs->dev, queue_of(fs, REQUESTS)); /* what was posted */
		if (reap(fs) || spin(fs))
			continue;
		if (!virtq_arm(queue_of(fs, REQUESTS)))
			wait_uninterruptible(&fs->wait);
	}
	return error;
}

/* Puts a request into the ring; NULL with *error. */
static struct request *begin(struct fs_dev *fs, const struct fs_message *m, bool posted, int *error)
{
	size_t head = ALIGN_UP(sizeof(struct request) + args_len(m), 16ul);
	size_t size = head + sizeof(struct fuse_out_header) + (m->into_data ? 0 : m->room);
	struct request *req = NULL;

	*error = is_dead(fs) ? -EIO : -ENOMEM;
	if (!is_dead(fs))
		req = kalloc(size);
	if (req == NULL)
		return NULL;
	req->out = (u8 *)req + head;
	req->posted = posted;
	fill(fs, req, m);
	*error = add(fs, req, m);
	if (*error < 0) {
		kfree(req);
		req = NULL;
	}
	return req;
}

/* What the device says is bounded: its length by what it was given. */
static int judge(struct fs_message *m, const struct request *req)
{
	const struct fuse_out_header out = *(const struct fuse_out_header *)req->out;

	if (!req->done || req->len < sizeof(out) || out.len < sizeof(out) || out.len > req->len ||
	    out.unique != req->in.unique)
		return -EIO;
	if (out.error < 0)
		return out.error > -4096 ? out.error : -EIO;
	m->got = out.len - sizeof(out);
	if (!m->into_data)
		memcpy(m->reply, (const u8 *)req->out + sizeof(out), m->got);
	return 0;
}

static int end(struct fs_dev *fs, struct fs_message *m, struct request *req)
{
	int error;

	virtq_kick(&fs->dev, queue_of(fs, REQUESTS));
	wait_for(fs, req);
	error = judge(m, req);
	/* a device that broke the rules may still write there */
	if (req->done || !is_dead(fs))
		kfree(req);
	return error;
}

int fs_send(struct fs_dev *fs, struct fs_message *m)
{
	int error;
	struct request *req = begin(fs, m, false, &error);

	m->got = 0;
	return req != NULL ? end(fs, m, req) : error;
}

int fs_send_both(struct fs_dev *fs, struct fs_message *m, struct fs_message *then, int *second)
{
	int error;
	struct request *req = begin(fs, m, false, &error), *next = begin(fs, then, false, second);

	m->got = then->got = 0;
	if (req != NULL)
		error = end(fs, m, req);
	if (next != NULL)
		*second = end(fs, then, next);
	return error;
}

void fs_post(struct fs_dev *fs, const struct fs_message *m)
{
	int error;

	/* without memory the host keeps it until the VM ends */
	if (begin(fs, m, true, &error) != NULL && !fs->show.armed)
		timer_arm(&fs->show, now_ns() + POST_NS);
}

/* ---- forgetting */

struct forget {
	struct fuse_in_header in;
	struct fuse_forget_in arg;
};

void fs_forget(struct fs_dev *fs, u64 nodeid, u64 lookups)
{
	struct virtq *q = queue_of(fs, FORGETS);
	struct forget *f;
	struct virtq_buf buf;
	u32 len;

	while ((f = virtq_take(q, &len)) != NULL)
		kfree(f);
	f = kalloc(sizeof(*f));
	if (f == NULL)
		return; /* the host keeps the node */
	f->in = (struct fuse_in_header){
		.len = sizeof(*f), .opcode = FUSE_FORGET, .unique = ++fs->unique, .nodeid = nodeid
	};
	f->arg.nlookup = lookups;
	buf = (struct virtq_buf){ virt_to_phys(f), sizeof(*f) };
	if (virtq_add(q, &buf, 1, 0, f) < 0) {
		kfree(f);
		return;
	}
	virtq_kick(&fs->dev, q);
}
