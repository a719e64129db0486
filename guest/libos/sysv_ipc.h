/*
 * What System V shared memory, semaphores and message queues have in common:
 * identifiers, keys, rights, memory, and threads that wait.
 */
#ifndef LIBOS_SYSV_IPC_H
#define LIBOS_SYSV_IPC_H

#include <asm/ipcbuf.h>
#include <linux/ipc.h>
#include "sched.h"

struct ipc { /* at the head of each object */
	int id;
	struct ipc64_perm perm;
	i64 ctime; /* s since 1970: made, or last changed by its owner */
};

struct ipc_ids { /* all objects of a kind */
	struct ipc **at; /* by index, NULL where there is none */
	unsigned room; /* of `at` */
	unsigned lowest; /* no index below it is free */
	unsigned count, most;
	u16 sequence;
	/* A new object of that size: its id or -errno; whether an old one will do
	 * (NULL: always). */
	long (*make)(int key, size_t size, int flags);
	bool (*fits)(const struct ipc *ipc, size_t size);
};

/* semget(2) and its kin: an id, or -ENOENT, -EEXIST, -EINVAL, -EACCES, or what make()
 * says. */
long ipc_get(struct ipc_ids *ids, int key, size_t size, int flags);

/* Gives a new object its id and its rights, the rest of it being ready: 0, -ENOSPC or
 * -ENOMEM. */
int ipc_add(struct ipc_ids *ids, struct ipc *ipc, int key, int flags);
void ipc_remove(struct ipc_ids *ids, struct ipc *ipc);

/* By id; by the index in an id; the first from an index on. NULL: none. */
struct ipc *ipc_find(const struct ipc_ids *ids, int id);
struct ipc *ipc_find_index(const struct ipc_ids *ids, int id);
struct ipc *ipc_next(const struct ipc_ids *ids, unsigned index);
unsigned ipc_index(int id);
long ipc_highest(const struct ipc_ids *ids); /* index, 0 when there is none */

/* Whether the process has the rights `wanted`, a mode of which any of the three places
 * counts; whether it owns the object, or has the capability instead. */
bool ipc_allowed(const struct ipc *ipc, int wanted);
bool ipc_owned(const struct ipc *ipc, int cap);
/* For the IPC_STAT of a kind and its relatives, which only read: 0, -EINVAL when there is
 * none, -EACCES. `any`: without looking at rights. */
int ipc_stat_find(const struct ipc_ids *ids, int id, bool by_index, bool any, struct ipc **out);
/* IPC_SET: 0 or -EINVAL. */
int ipc_set(struct ipc *ipc, const struct ipc64_perm *perm);

i64 ipc_now(void); /* s since 1970 */

/* Memory for what a program makes without limit: all of that is at most a quarter of the
 * memory that there is, and leaves some to others. NULL: no more. */
void *ipc_alloc(size_t size);
void ipc_free(void *p, size_t size); /* NULL is allowed */

/* A thread that waits until somebody has done for it what it waits for. */
struct ipc_sleeper {
	struct list link; /* among those who wait for the same object */
	struct waitq wait; /* its own */
	bool done;
	long result;
};
/* Waits at the end of `sleepers`: the result that it was woken with, -EINTR or -ETIMEDOUT.
 * Afterwards the object may be gone. */
long ipc_sleep(struct ipc_sleeper *s, struct list *sleepers, u64 deadline);
void ipc_wake(struct ipc_sleeper *s, long result);
void ipc_wake_all(struct list *sleepers, long result);

/* For /proc/sysvipc: the id of the first object from an index on, or -1. */
struct shmid64_ds;
struct semid64_ds;
struct msqid64_ds;
int sysv_shm_next(unsigned index, struct shmid64_ds *ds, u64 *resident); /* bytes */
int sysv_sem_next(unsigned index, struct semid64_ds *ds);
int sysv_msg_next(unsigned index, struct msqid64_ds *ds);

#endif
