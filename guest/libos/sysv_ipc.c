/*
 * What System V objects have in common.
 *
 * An id is an index, in the low bits, and a sequence number, so that the id of what has
 * been removed is not soon another's.
 */
#include "sysv_ipc.h"
#include <linux/capability.h>
#include "frames.h"
#include "heap.h"
#include "process.h"
#include "timespec.h"

#define INDEX_BITS 15
#define FIRST_ROOM 16
#define MODES      0777

i64 ipc_now(void)
{
	return realtime_ns() / NS_PER_SEC;
}

/* ---- identifiers ---- */

unsigned ipc_index(int id)
{
	return id & ((1 << INDEX_BITS) - 1);
}

struct ipc *ipc_find_index(const struct ipc_ids *ids, int id)
{
	unsigned index = ipc_index(id);
	return index < ids->room ? ids->at[index] : NULL;
}

struct ipc *ipc_find(const struct ipc_ids *ids, int id)
{
	struct ipc *ipc = ipc_find_index(ids, id);
	return ipc && ipc->id == id ? ipc : NULL;
}

struct ipc *ipc_next(const struct ipc_ids *ids, unsigned index)
{
	while (index < ids->room && !ids->at[index])
		index++;
	return index < ids->room ? ids->at[index] : NULL;
}

long ipc_highest(const struct ipc_ids *ids)
{
	unsigned n = ids->room;
	while (n && !ids->at[n - 1])
		n--;
	return n ? n - 1 : 0;
}

static struct ipc *find_key(const struct ipc_ids *ids, int key)
{
	struct ipc *ipc = ipc_next(ids, 0);
	while (ipc && ipc->perm.key != key)
		ipc = ipc_next(ids, ipc_index(ipc->id) + 1);
	return ipc;
}

/* Makes room for one more index: 0 or -ENOMEM. */
static int make_room(struct ipc_ids *ids)
{
	unsigned room = MAX(2 * ids->room, FIRST_ROOM);
	struct ipc **at = kalloc(room * sizeof(struct ipc *));
	if (!at)
		return -ENOMEM;
	if (ids->room)
		memcpy(at, ids->at, ids->room * sizeof(struct ipc *));
	kfree(ids->at);
	ids->at = at;
	ids->room = room;
	return 0;
}

int ipc_add(struct ipc_ids *ids, struct ipc *ipc, int key, int flags)
{
	const struct credentials *c = &current_process()->cred;
	if (ids->count >= ids->most)
		return -ENOSPC;
	while (ids->lowest < ids->room && ids->at[ids->lowest])
		ids->lowest++;
	if (ids->lowest == ids->room && make_room(ids))
		return -ENOMEM;
	ipc->perm = (struct ipc64_perm){ .key = key,
					 .uid = c->uid.effective,
					 .cuid = c->uid.effective,
					 .gid = c->gid.effective,
					 .cgid = c->gid.effective,
					 .mode = flags & MODES,
					 .seq = ids->sequence++ };
	ipc->id = (int)((u32)ipc->perm.seq << INDEX_BITS & INT32_MAX) | (int)ids->lowest;
	ipc->ctime = ipc_now();
	ids->at[ids->lowest++] = ipc;
	ids->count++;
	return 0;
}

void ipc_remove(struct ipc_ids *ids, struct ipc *ipc)
{
	unsigned index = ipc_index(ipc->id);
	ids->at[index] = NULL;
	ids->lowest = MIN(ids->lowest, index);
	ids->count--;
}

long ipc_get(struct ipc_ids *ids, int key, size_t size, int flags)
{
	const struct ipc *ipc = key == IPC_PRIVATE ? NULL : find_key(ids, key);
	if (!ipc && key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (!ipc)
		return ids->make(key, size, flags);
	if (flags & IPC_CREAT && flags & IPC_EXCL)
		return -EEXIST;
	if (ids->fits && !ids->fits(ipc, size))
		return -EINVAL;
	return ipc_allowed(ipc, flags & MODES) ? ipc->id : -EACCES;
}

/* ---- rights ---- */

static bool in_group(u32 gid)
{
	const struct credentials *c = &current_process()->cred;
	return c->gid.effective == gid || cred_has_group(c, gid);
}

bool ipc_allowed(const struct ipc *ipc, int wanted)
{
	u32 uid = current_process()->cred.uid.effective, bits = ipc->perm.mode;
	wanted = wanted >> 6 | wanted >> 3 | wanted;
	if (uid == ipc->perm.cuid || uid == ipc->perm.uid)
		bits >>= 6;
	else if (in_group(ipc->perm.cgid) || in_group(ipc->perm.gid))
		bits >>= 3;
	return !(wanted & ~bits & 7) || capable(CAP_IPC_OWNER);
}

bool ipc_owned(const struct ipc *ipc, int cap)
{
	u32 uid = current_process()->cred.uid.effective;
	return uid == ipc->perm.cuid || uid == ipc->perm.uid || capable(cap);
}

int ipc_stat_find(const struct ipc_ids *ids, int id, bool by_index, bool any, struct ipc **out)
{
	*out = by_index ? ipc_find_index(ids, id) : ipc_find(ids, id);
	if (!*out)
		return -EINVAL;
	return any || ipc_allowed(*out, 0444) ? 0 : -EACCES;
}

int ipc_set(struct ipc *ipc, const struct ipc64_perm *perm)
{
	if (perm->uid == UINT32_MAX || perm->gid == UINT32_MAX)
		return -EINVAL;
	ipc->perm.uid = perm->uid;
	ipc->perm.gid = perm->gid;
	ipc->perm.mode = (ipc->perm.mode & ~MODES) | (perm->mode & MODES);
	ipc->ctime = ipc_now();
	return 0;
}

/* ---- memory ---- */

static u64 held; /* bytes */

/* The heap's sizes are powers of two. */
static u64 cost(size_t size)
{
	u64 bytes = 32;
	while (bytes < size)
		bytes *= 2;
	return bytes;
}

void *ipc_alloc(size_t size)
{
	if ((held + cost(size)) / PAGE_SIZE > frames_total() / 4 ||
	    frames_available() < frames_total() / 32)
		return NULL;
	void *p = kalloc(size);
	if (p)
		held += cost(size);
	return p;
}

void ipc_free(void *p, size_t size)
{
	if (p)
		held -= cost(size);
	kfree(p);
}

/* ---- waiting ---- */

long ipc_sleep(struct ipc_sleeper *s, struct list *sleepers, u64 deadline)
{
	int error;
	s->done = false;
	waitq_init(&s->wait);
	list_add_tail(sleepers, &s->link);
	do
		error = wait_on(&s->wait, deadline);
	while (!s->done && !error);
	if (s->done)
		return s->result;
	list_del(&s->link);
	return error;
}

void ipc_wake(struct ipc_sleeper *s, long result)
{
	list_del(&s->link);
	s->done = true;
	s->result = result;
	wake_all(&s->wait);
}

void ipc_wake_all(struct list *sleepers, long result)
{
	while (!list_empty(sleepers))
		ipc_wake(container_of(sleepers->next, struct ipc_sleeper, link), result);
}
