/*
 * inotify(7): an instance is a file that is read for events of the inodes that
 * it watches. An event that equals the last one in the queue is not queued
 * again; when the queue is full, one event says so and the others are lost.
 */
#include <asm/fcntl.h>
#include <asm/ioctls.h>
#include <asm/poll.h>
#include "../fs/notify.h"
#include "fd.h"
#include "heap.h"
#include "path.h"
#include "sys.h"

#define QUEUE_MAX     16384 /* fs.inotify.max_queued_events */
#define INSTANCES_MAX 128 /* max_user_instances */
#define KEPT          (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT) /* of a watch's mask */
#define KNOWN                                                                                    \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | \
	 IN_EXCL_UNLINK | IN_MASK_ADD | IN_MASK_CREATE | IN_ISDIR | IN_ONESHOT)

struct instance {
	struct list events, watches;
	unsigned count, bytes; /* of events */
	int last_wd;
	bool overflowed; /* `overflow` is in the queue */
	struct event *overflow;
	struct waitq wait;
};

struct event {
	struct list link;
	struct inotify_event head; /* len: with the NULs that fill it up */
	char name[];
};

struct inotify_watch {
	struct watch watch;
	struct list link; /* of the instance */
	struct instance *instance;
	int wd;
};

static unsigned instances;

/* ---- the queue ---- */

static struct event *event_new(int wd, u32 mask, u32 cookie, const char *name)
{
	size_t len = name != NULL ? ALIGN_UP(strlen(name) + 1, sizeof(struct inotify_event)) : 0;
	struct event *e = kalloc(sizeof(*e) + len);

	if (e == NULL)
		return NULL;
	e->head = (struct inotify_event){ .wd = wd, .mask = mask, .cookie = cookie, .len = len };
	if (name != NULL)
		memcpy(e->name, name, strlen(name));
	return e;
}

static struct event *first_of(struct instance *in)
{
	return container_of(in->events.next, struct event, link);
}

static size_t size_of(const struct event *e)
{
	return sizeof(e->head) + e->head.len;
}

static void enqueue(struct instance *in, struct event *e)
{
	list_add_tail(&in->events, &e->link);
	in->count++;
	in->bytes += size_of(e);
	wake_all(&in->wait);
}

static void dequeue(struct instance *in, struct event *e)
{
	list_del(&e->link);
	in->count--;
	in->bytes -= size_of(e);
	if (e == in->overflow)
		in->overflowed = false;
	else
		kfree(e);
}

static void lose(struct instance *in)
{
	if (in->overflowed)
		return;
	in->overflowed = true;
	enqueue(in, in->overflow);
}

static bool repeats_last(struct instance *in, const struct event *e)
{
	const struct event *last = container_of(in->events.prev, struct event, link);

	return in->count > 0 && !(last->head.mask & IN_IGNORED) && last->head.wd == e->head.wd &&
	       last->head.mask == e->head.mask && last->head.len == e->head.len &&
	       memcmp(last->name, e->name, e->head.len) == 0;
}

static void queue(struct instance *in, int wd, u32 mask, u32 cookie, const char *name)
{
	struct event *e = in->count < QUEUE_MAX ? event_new(wd, mask, cookie, name) : NULL;

	if (e == NULL)
		lose(in);
	else if (repeats_last(in, e))
		kfree(e);
	else
		enqueue(in, e);
}

/* ---- watches ---- */

static void watch_end(struct inotify_watch *w)
{
	queue(w->instance, w->wd, IN_IGNORED, 0, NULL);
	list_del(&w->link);
	notify_remove(&w->watch);
	kfree(w);
}

static void happened(struct watch *watch, u32 mask, u32 cookie, const char *name)
{
	struct inotify_watch *w = container_of(watch, struct inotify_watch, watch);

	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF))
		mask &= ~IN_ISDIR;
	if (!(mask & IN_IGNORED))
		queue(w->instance, w->wd, mask, cookie, name);
	if (mask & IN_IGNORED || watch->mask & IN_ONESHOT)
		watch_end(w);
}

static struct inotify_watch *watch_of(struct list *l)
{
	return container_of(l, struct inotify_watch, link);
}

static struct inotify_watch *find(struct instance *in, int wd, const struct inode *inode)
{
	struct list *l;

	list_for_each (l, &in->watches)
		if (inode != NULL ? watch_of(l)->watch.dentry->inode == inode :
				    watch_of(l)->wd == wd)
			return watch_of(l);
	return NULL;
}

static long change(struct inotify_watch *w, u32 mask)
{
	if (mask & IN_MASK_CREATE)
		return -EEXIST;
	w->watch.mask = (mask & IN_MASK_ADD ? w->watch.mask : 0) | (mask & KEPT);
	return w->wd;
}

static long add(struct instance *in, struct dentry *d, u32 mask)
{
	struct inotify_watch *w = find(in, 0, d->inode);

	if (w != NULL)
		return change(w, mask);
	w = kalloc(sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->watch = (struct watch){ .dentry = d, .mask = mask & KEPT, .event = happened };
	w->instance = in;
	if (notify_add(&w->watch) < 0) {
		kfree(w);
		return -ENOMEM;
	}
	dentry_get(d);
	w->wd = ++in->last_wd;
	list_add_tail(&in->watches, &w->link);
	return w->wd;
}

/* ---- the file ---- */

/* As many events as fit; -EINVAL if not even the first. */
static long take(struct instance *in, struct uio *uio)
{
	long done = 0;

	while (in->count > 0) {
		struct event *e = first_of(in);
		size_t size = size_of(e);

		if (size > uio->resid)
			return done > 0 ? done : -EINVAL;
		if (uio_to(uio, &e->head, size) != (long)size)
			done = -EFAULT; /* and it is lost */
		dequeue(in, e);
		if (done < 0)
			break;
		done += size;
	}
	return done;
}

static long inotify_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct instance *in = file->priv;

	(void)pos;
	while (in->count == 0) {
		int error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&in->wait, NEVER);

		if (error < 0 && in->count == 0)
			return error;
	}
	return take(in, uio);
}

static u32 inotify_poll(struct file *file, struct poll_table *table)
{
	struct instance *in = file->priv;

	poll_wait(table, &in->wait);
	return in->count > 0 ? POLLIN | POLLRDNORM : 0;
}

static long inotify_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct instance *in = file->priv;

	return cmd == FIONREAD ? put_user((int *)arg, (int)in->bytes) : -ENOTTY;
}

static i64 inotify_lseek(struct file *file, i64 offset, int whence)
{
	(void)offset;
	(void)whence;
	return file->pos;
}

static void instance_free(struct instance *in)
{
	while (!list_empty(&in->watches))
		watch_end(watch_of(in->watches.next));
	while (in->count > 0)
		dequeue(in, first_of(in));
	kfree(in->overflow);
	kfree(in);
	instances--;
}

static void inotify_release(struct file *file)
{
	instance_free(file->priv);
}

static const struct file_ops inotify_ops = {
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.lseek = inotify_lseek,
	.stream = true,
	.release = inotify_release,
	.async = ASYNC,
	.name = "inotify",
};

/* ---- system calls ---- */

static struct instance *instance_new(void)
{
	struct instance *in = kalloc(sizeof(*in));

	if (in == NULL)
		return NULL;
	in->overflow = event_new(-1, IN_Q_OVERFLOW, 0, NULL);
	if (in->overflow == NULL) {
		kfree(in);
		return NULL;
	}
	list_init(&in->events);
	list_init(&in->watches);
	waitq_init(&in->wait);
	instances++;
	return in;
}

long sys_inotify_init1(int flags)
{
	struct instance *in;
	struct file *file;

	if (flags & ~(IN_CLOEXEC | IN_NONBLOCK))
		return -EINVAL;
	if (instances >= INSTANCES_MAX)
		return -EMFILE;
	in = instance_new();
	if (in == NULL)
		return -ENOMEM;
	file = file_anonymous(&inotify_ops, O_RDONLY | (flags & O_NONBLOCK), in);
	if (file == NULL) {
		instance_free(in);
		return -ENOMEM;
	}
	return fd_install_or_put(file, flags);
}

long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}

static long watch_path(struct instance *in, const char *user, u32 mask)
{
	u32 flags = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) |
		    (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct path p;
	long r = user_lookup(AT_FDCWD, user, flags, &p);

	if (r < 0)
		return r;
	r = vfs_permission(&p, 4);
	if (r == 0)
		r = add(in, p.dentry, mask);
	path_put(&p);
	return r;
}

long sys_inotify_add_watch(int fd, const char *path, u32 mask)
{
	struct file *file;
	long r = -EINVAL;

	if (!(mask & KNOWN))
		return -EINVAL;
	file = fd_get(fd);
	if (file == NULL)
		return -EBADF;
	if (file->ops == &inotify_ops &&
	    (mask & (IN_MASK_ADD | IN_MASK_CREATE)) != (IN_MASK_ADD | IN_MASK_CREATE))
		r = watch_path(file->priv, path, mask);
	file_put(file);
	return r;
}

long sys_inotify_rm_watch(int fd, int wd)
{
	struct file *file = fd_get(fd);
	struct inotify_watch *w = NULL;

	if (file == NULL)
		return -EBADF;
	if (file->ops == &inotify_ops)
		w = find(file->priv, wd, NULL);
	if (w != NULL)
		watch_end(w);
	file_put(file);
	return w != NULL ? 0 : -EINVAL;
}
