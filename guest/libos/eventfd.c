/*
 * eventfd(2): a 64-bit counter that readers empty and writers add to.
 */
#include <asm/fcntl.h>
#include <asm/poll.h>
#include "../fs/vfs.h"
#include "eventfd.h"
#include "heap.h"
#include "sys.h"

#define EFD_SEMAPHORE 1
#define MAX_COUNT     (UINT64_MAX - 1)

struct eventfd {
	u64 count;
	bool semaphore;
	struct waitq read_wait, write_wait;
};

static long event_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct eventfd *e = file->priv;
	u64 value;
	long moved;

	(void)pos;
	if (uio->resid < sizeof(value))
		return -EINVAL;
	while (e->count == 0) {
		int error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&e->read_wait, NEVER);

		if (error < 0 && e->count == 0)
			return error;
	}
	value = e->semaphore ? 1 : e->count;
	e->count -= value;
	wake_all(&e->write_wait);
	moved = uio_to(uio, &value, sizeof(value));
	return moved == sizeof(value) ? moved : -EFAULT;
}

static long event_write(struct file *file, struct uio *uio, u64 *pos)
{
	struct eventfd *e = file->priv;
	u64 value;

	(void)pos;
	if (uio->resid < sizeof(value))
		return -EINVAL;
	if (uio_from(uio, &value, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	while (value > MAX_COUNT - e->count) {
		int error = file->flags & O_NONBLOCK ? -EAGAIN : wait_on(&e->write_wait, NEVER);

		if (error < 0 && value > MAX_COUNT - e->count)
			return error;
	}
	e->count += value;
	wake_all(&e->read_wait);
	return sizeof(value);
}

static u32 event_poll(struct file *file, struct poll_table *table)
{
	struct eventfd *e = file->priv;

	poll_wait(table, &e->read_wait);
	poll_wait(table, &e->write_wait);
	return (e->count > 0 ? POLLIN : 0) | (e->count < MAX_COUNT ? POLLOUT : 0);
}

static i64 event_lseek(struct file *file, i64 offset, int whence)
{
	(void)offset;
	(void)whence;
	return file->pos;
}

static void event_release(struct file *file)
{
	kfree(file->priv);
}

bool eventfd_is(const struct file *file)
{
	return file->ops->read == event_read;
}

void eventfd_signal(struct file *file)
{
	struct eventfd *e = file->priv;

	if (e->count < MAX_COUNT)
		e->count++;
	wake_all(&e->read_wait);
}

static const struct file_ops eventfd_ops = {
	.read = event_read,
	.write = event_write,
	.poll = event_poll,
	.lseek = event_lseek,
	.stream = true,
	.release = event_release,
	.name = "[eventfd]",
};

long sys_eventfd2(unsigned int count, int flags)
{
	struct eventfd *e;
	struct file *file;

	if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	e = kalloc(sizeof(*e));
	file = e != NULL ? file_anonymous(&eventfd_ops, O_RDWR | (flags & O_NONBLOCK), e) : NULL;
	if (file == NULL) {
		kfree(e);
		return -ENOMEM;
	}
	e->count = count;
	e->semaphore = flags & EFD_SEMAPHORE;
	waitq_init(&e->read_wait);
	waitq_init(&e->write_wait);
	return fd_install_or_put(file, flags);
}

long sys_eventfd(unsigned int count)
{
	return sys_eventfd2(count, 0);
}
