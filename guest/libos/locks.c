/*
 * Advisory locks on files. Each inode that was ever locked has a list of held
 * ranges, each with its owner: a process for fcntl's record locks, an open
 * file for OFD locks and for flock, which is a lock of the whole file in a
 * class of its own. Setting a lock first cuts the owner's older locks out of
 * the range, then adds the new one, so an owner's locks never overlap.
 */
#include "locks.h"
#include <linux/fcntl.h>
#include "../fs/vfs.h"
#include "heap.h"
#include "process.h"
#include "sys.h"

#define LAST    INT64_MAX /* of a range up to the end of the file */
#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

enum kind { RECORD, OFD, FLOCK };

struct lock {
	struct list link;
	const void *owner; /* struct process or struct file */
	enum kind kind;
	int pid; /* for F_GETLK; -1 with OFD */
	bool exclusive;
	i64 first, last; /* both locked */
};

struct file_locks {
	struct list held;
	struct waitq released;
	unsigned waiting; /* threads on `released` */
};

static struct lock *lock_of(struct list *l)
{
	return container_of(l, struct lock, link);
}

static bool same_owner(const struct lock *a, const struct lock *b)
{
	return a->kind == b->kind && a->owner == b->owner;
}

static bool overlap(const struct lock *a, const struct lock *b)
{
	return a->first <= b->last && b->first <= a->last;
}

/* flock's locks and the others do not see each other. */
static struct lock *conflict(const struct file_locks *locks, const struct lock *want)
{
	struct list *l;

	list_for_each (l, &locks->held) {
		struct lock *have = lock_of(l);

		if ((have->kind == FLOCK) == (want->kind == FLOCK) && !same_owner(have, want) &&
		    overlap(have, want) && (have->exclusive || want->exclusive))
			return have;
	}
	return NULL;
}

static struct file_locks *locks_of(struct inode *inode)
{
	if (inode->locks == NULL) {
		inode->locks = kalloc(sizeof(*inode->locks));
		if (inode->locks != NULL) {
			list_init(&inode->locks->held);
			waitq_init(&inode->locks->released);
		}
	}
	return inode->locks;
}

static void drop_if_empty(struct inode *inode)
{
	struct file_locks *locks = inode->locks;

	if (locks != NULL && list_empty(&locks->held) && locks->waiting == 0) {
		kfree(locks);
		inode->locks = NULL;
	}
}

static void remove_lock(struct file_locks *locks, struct lock *lock)
{
	list_del(&lock->link);
	kfree(lock);
	wake_all(&locks->released);
}

/* Takes the range out of what the owner holds. Cutting a lock in two needs
 * `spare`, which is NULL afterwards if it was used. */
static void cut(struct file_locks *locks, const struct lock *range, struct lock **spare)
{
	struct list *l, *next;

	for (l = locks->held.next; l != &locks->held; l = next) {
		struct lock *have = lock_of(l);

		next = l->next;
		if (!same_owner(have, range) || !overlap(have, range))
			continue;
		if (have->first < range->first && have->last > range->last) {
			**spare = *have;
			(*spare)->first = range->last + 1;
			list_add_tail(&locks->held, &(*spare)->link);
			*spare = NULL;
			have->last = range->first - 1;
		} else if (have->first < range->first) {
			have->last = range->first - 1;
		} else if (have->last > range->last) {
			have->first = range->last + 1;
		} else {
			remove_lock(locks, have);
		}
	}
	wake_all(&locks->released);
}

/* Sets or (add false) removes; no conflict. */
static int apply(struct file_locks *locks, const struct lock *want, bool add)
{
	struct lock *spare = kalloc(sizeof(*spare)), *fresh = kalloc(sizeof(*fresh));

	if (spare == NULL || fresh == NULL) {
		kfree(spare);
		kfree(fresh);
		return -ENOLCK;
	}
	cut(locks, want, &spare);
	kfree(spare);
	if (add) {
		*fresh = *want;
		list_add_tail(&locks->held, &fresh->link);
	} else {
		kfree(fresh);
	}
	return 0;
}

static int acquire(struct inode *inode, const struct lock *want, bool wait)
{
	struct file_locks *locks = locks_of(inode);
	int error = 0;

	if (locks == NULL)
		return -ENOLCK;
	while (conflict(locks, want) != NULL && error == 0) {
		if (!wait) {
			error = -EAGAIN;
			break;
		}
		locks->waiting++;
		error = wait_on(&locks->released, NEVER);
		locks->waiting--;
	}
	if (error == 0)
		error = apply(locks, want, true);
	drop_if_empty(inode);
	return error;
}

static int release(struct inode *inode, const struct lock *want)
{
	int error = 0;

	if (inode->locks != NULL) {
		error = apply(inode->locks, want, false);
		drop_if_empty(inode);
	}
	return error;
}

/* ---- fcntl ---- */

/* The range that the program means: l_len 0 is to the end, < 0 before. */
static int range_of(const struct file *file, const struct flock *fl, struct lock *lock)
{
	i64 start = fl->l_start, end = LAST;

	if (fl->l_whence == SEEK_CUR)
		start += file->pos;
	else if (fl->l_whence == SEEK_END)
		start += file->inode->size;
	else if (fl->l_whence != SEEK_SET)
		return -EINVAL;
	if (start < 0)
		return -EINVAL;
	if (fl->l_len > 0 && __builtin_add_overflow(start, fl->l_len - 1, &end))
		return -EOVERFLOW;
	if (fl->l_len < 0) {
		end = start - 1;
		start += fl->l_len;
		if (start < 0)
			return -EINVAL;
	}
	lock->first = start;
	lock->last = end;
	return 0;
}

static long get_lock(struct file *file, struct flock *fl, const struct lock *want,
		     struct flock *user)
{
	struct lock *have = file->inode->locks != NULL ? conflict(file->inode->locks, want) : NULL;

	if (fl->l_type == F_UNLCK)
		return -EINVAL;
	fl->l_type = F_UNLCK;
	if (have != NULL) {
		fl->l_type = have->exclusive ? F_WRLCK : F_RDLCK;
		fl->l_whence = SEEK_SET;
		fl->l_start = have->first;
		fl->l_len = have->last == LAST ? 0 : have->last - have->first + 1;
		fl->l_pid = have->pid;
	}
	return put_user(user, *fl);
}

static long set_lock(struct file *file, const struct flock *fl, const struct lock *want, bool wait)
{
	switch (fl->l_type) {
	case F_UNLCK:
		return release(file->inode, want);
	case F_RDLCK:
		return file_readable(file) ? acquire(file->inode, want, wait) : -EBADF;
	case F_WRLCK:
		return file_writable(file) ? acquire(file->inode, want, wait) : -EBADF;
	}
	return -EINVAL;
}

long locks_fcntl(struct file *file, int cmd, struct flock *user)
{
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct process *p = current_process();
	struct lock want = {
		.owner = ofd ? (const void *)file : p,
		.kind = ofd ? OFD : RECORD,
		.pid = ofd ? -1 : p->pid,
	};
	struct flock fl;
	int error;

	if (file->inode == NULL)
		return -EBADF;
	if (get_user(fl, user) < 0)
		return -EFAULT;
	if (ofd && fl.l_pid != 0)
		return -EINVAL;
	error = range_of(file, &fl, &want);
	if (error < 0)
		return error;
	want.exclusive = fl.l_type == F_WRLCK;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		return get_lock(file, &fl, &want, user);
	return set_lock(file, &fl, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* ---- flock ---- */

long sys_flock(int fd, unsigned int op)
{
	unsigned int what = op & ~LOCK_NB;
	struct lock want = { .kind = FLOCK, .last = LAST, .exclusive = what == LOCK_EX };
	struct file *file;
	long r;

	if (what != LOCK_SH && what != LOCK_EX && what != LOCK_UN)
		return -EINVAL;
	file = fd_get(fd);
	if (file == NULL)
		return -EBADF;
	want.owner = file;
	if (file->inode == NULL)
		r = -EBADF;
	else if (what == LOCK_UN)
		r = release(file->inode, &want);
	else
		r = acquire(file->inode, &want, !(op & LOCK_NB));
	file_put(file);
	return r;
}

/* ---- closing ---- */

static void drop_all(struct inode *inode, const void *owner, bool record)
{
	struct file_locks *locks = inode->locks;
	struct list *l, *next;

	for (l = locks->held.next; l != &locks->held; l = next) {
		struct lock *lock = lock_of(l);

		next = l->next;
		if (lock->owner == owner && (lock->kind == RECORD) == record)
			remove_lock(locks, lock);
	}
	drop_if_empty(inode);
}

void locks_descriptor_closed(struct inode *inode)
{
	if (inode->locks != NULL)
		drop_all(inode, current_process(), true);
}

void locks_file_closed(struct file *file)
{
	if (file->inode->locks != NULL)
		drop_all(file->inode, file, false);
}
