/*
 * System V semaphores. Keys are made of the process number, and every set is removed, as
 * Linux keeps them beyond the process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"
#include "signalling.h"
#include "threading.h"

OWN_IPC

#define OPS(...)                          \
	(struct sembuf[]){ __VA_ARGS__ }, \
		sizeof((struct sembuf[]){ __VA_ARGS__ }) / sizeof(struct sembuf)
#define UP(n)           \
	{               \
		n, 1, 0 \
	}
#define DOWN(n)          \
	{                \
		n, -1, 0 \
	}
#define ZERO(n)         \
	{               \
		n, 0, 0 \
	}
#define ADD(n, by)       \
	{                \
		n, by, 0 \
	}
#define TRY(n, by)                \
	{                         \
		n, by, IPC_NOWAIT \
	}
#define UNDONE(n, by)                        \
	{                                    \
		n, by, IPC_NOWAIT | SEM_UNDO \
	}

static key_t some_key(void)
{
	return (key_t)(0x5b000000 | getpid());
}

static int make(int n)
{
	return (int)NEED(semget(IPC_PRIVATE, n, IPC_CREAT | 0600));
}

static void end(int id)
{
	NEED(semctl(id, 0, IPC_RMID));
}

/* The system call: the C libraries' take a union. */
static long control(int id, int num, int cmd, void *arg)
{
	return syscall(SYS_semctl, id, num, cmd, arg);
}

static void show_values(int id, int n)
{
	unsigned short value[16];
	char line[100];
	int at = 0;

	NEED(control(id, 0, GETALL, value));
	for (int i = 0; i < n; i++)
		at += snprintf(line + at, sizeof(line) - (size_t)at, " %d%s", value[i],
			       semctl(id, i, GETPID) == getpid() ? "*" : "");
	say("values%s", line);
}

static void show_state(int id)
{
	struct semid_ds ds;

	memset(&ds, 0x55, sizeof(ds));
	if (control(id, 0, IPC_STAT, &ds) < 0) {
		say("no state: %s", errno_name(errno));
		return;
	}
	say("%lu semaphores mode %o private %d mine %d %d times %d %d", (unsigned long)ds.sem_nsems,
	    ds.sem_perm.mode, ds.sem_perm.__key == IPC_PRIVATE, ds.sem_perm.uid == geteuid(),
	    ds.sem_perm.cgid == getegid(), ds.sem_otime != 0, ds.sem_ctime != 0);
}

/* Until so many wait for semaphore `num`. */
static void await(int id, int num, int cmd, int n)
{
	while (semctl(id, num, cmd) != n)
		nap(1);
}

CASE(sem_make)
{
	key_t key = some_key();
	int id, again;

	SHOW(semget(key, 3, 0600));
	id = semget(key, 3, IPC_CREAT | 0640);
	show_ok("make", id);
	show_state(id);
	show_values(id, 3);
	CHECK(semget(key, 0, 0) == id);
	CHECK(semget(key, 3, IPC_CREAT | 0600) == id);
	CHECK(semget(key, 2, 0400) == id);
	SHOW(semget(key, 4, 0));
	SHOW(semget(key, -1, 0));
	SHOW(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(semget(key, 4, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(semctl(id, 0, IPC_RMID));
	show_state(id);
	SHOW(semctl(id, 0, IPC_RMID));
	SHOW(semop(id, OPS(UP(0))));
	SHOW(semget(key, 3, 0));
	again = semget(key, 1, IPC_CREAT | IPC_EXCL | 0777);
	CHECK(again >= 0 && again != id);
	show_state(again);
	end(again);
	SHOW(semget(key, 0, IPC_CREAT | 0600));
	SHOW(semget(IPC_PRIVATE, 0, 0600));
	SHOW(semget(IPC_PRIVATE, -1, 0600));
	SHOW(semget(IPC_PRIVATE, 32001, 0600));
	id = semget(IPC_PRIVATE, 32000, 0600);
	show_ok("the largest", id);
	SHOW(semop(id, OPS(UP(31999))));
	SHOW(semctl(id, 31999, GETVAL));
	SHOW(semctl(id, 32000, GETVAL));
	end(id);
}

CASE(sem_values)
{
	int id = make(4);
	unsigned short values[4] = { 1, 2, 32767, 0 }, huge[4] = { 5, 32768, 5, 5 };

	SHOW(semctl(id, 0, GETVAL));
	SHOW(semctl(id, 1, SETVAL, 7));
	SHOW(semctl(id, 1, GETVAL));
	SHOW(semctl(id, 1, SETVAL, -1));
	SHOW(semctl(id, 1, SETVAL, 32768));
	SHOW(semctl(id, 2, SETVAL, 32767));
	SHOW(semctl(id, -1, SETVAL, 1));
	SHOW(semctl(id, 4, SETVAL, 1));
	SHOW(semctl(id, 4, SETVAL, -1));
	show_values(id, 4);
	SHOW(control(id, 0, SETALL, values));
	show_values(id, 4);
	SHOW(control(id, 99, SETALL, huge));
	SHOW(control(id, 0, SETALL, bad_ptr()));
	SHOW(control(id, 0, GETALL, bad_ptr()));
	show_values(id, 4);
	show_state(id);
	SHOW(semctl(id, 4, GETVAL));
	SHOW(semctl(id, -1, GETPID));
	SHOW(semctl(id, 4, GETNCNT));
	SHOW(semctl(id, 4, GETZCNT));
	SHOW(semctl(id, 3, GETNCNT));
	SHOW(semctl(id, 3, GETZCNT));
	SHOW(semctl(-1, 0, GETVAL));
	SHOW(semctl(id, 0, 999));
	SHOW(semctl(id, 0, -1));
	SHOW(control(id, 0, IPC_STAT, bad_ptr()));
	SHOW(control(id, 0, IPC_SET, bad_ptr()));
	SHOW(control(id, 0, IPC_INFO, bad_ptr()));
	SHOW(control(id, 0, SEM_INFO, bad_ptr()));
	end(id);
}

CASE(sem_operations)
{
	int id = make(4);
	struct sembuf many[501];

	show_state(id);
	SHOW(semop(id, OPS(ADD(0, 3), ADD(1, 2))));
	show_values(id, 4);
	show_state(id);
	SHOW(semop(id, OPS(TRY(0, -2), TRY(1, -3))));
	show_values(id, 4);
	SHOW(semop(id, OPS(TRY(0, -2), TRY(1, -2), TRY(1, 0), UP(2))));
	show_values(id, 4);
	SHOW(semop(id, OPS(TRY(0, -1), TRY(0, 0), ADD(0, 5), TRY(0, -4))));
	show_values(id, 4);
	SHOW(semop(id, OPS(TRY(0, 0))));
	SHOW(semop(id, OPS(TRY(3, 0))));
	show_values(id, 4);
	SHOW(semop(id, OPS(ADD(0, 32766))));
	SHOW(semop(id, OPS(ADD(0, 32767))));
	SHOW(semop(id, OPS(ADD(3, 1), ADD(0, 32766), ADD(0, 1))));
	show_values(id, 4);
	SHOW(semop(id, OPS(TRY(1, -32768))));
	SHOW(semop(id, OPS(UP(3), UP(4))));
	SHOW(semop(id, OPS(UP(65535))));
	SHOW(semop(id, many, 0));
	SHOW(semop(id, bad_ptr(), 1));
	SHOW(semop(id, bad_ptr(), 501));
	SHOW(semop(-1, OPS(UP(0))));
	SHOW(semop(0x7fffffff, OPS(UP(0))));
	for (int i = 0; i < 501; i++)
		many[i] = (struct sembuf)TRY((unsigned short)(i % 2 + 2), i % 4 < 2 ? 1 : -1);
	SHOW(semop(id, many, 500));
	SHOW(semop(id, many, 501));
	show_values(id, 4);
	many[499].sem_op = -2;
	SHOW(semop(id, many, 500));
	show_values(id, 4);
	end(id);
}

CASE(sem_undo)
{
	int id = make(2);
	unsigned short zero[2] = { 0, 0 };

	SHOW(semop(id, OPS(UNDONE(0, 32767))));
	SHOW(semop(id, OPS(TRY(0, -32767))));
	SHOW(semop(id, OPS(UNDONE(0, 1))));
	SHOW(semop(id, OPS(TRY(0, -1))));
	SHOW(semop(id, OPS(UNDONE(0, 1))));
	SHOW(semop(id, OPS(UP(1), UNDONE(0, 1))));
	show_values(id, 2);
	SHOW(semctl(id, 0, SETVAL, 0));
	SHOW(semop(id, OPS(UNDONE(0, 1))));
	SHOW(semop(id, OPS(ADD(0, 32766))));
	SHOW(semop(id, OPS(UNDONE(0, -32767))));
	SHOW(semop(id, OPS(ADD(0, 10))));
	SHOW(semop(id, OPS(UNDONE(0, -1))));
	SHOW(semop(id, OPS(UNDONE(0, -1))));
	SHOW(semop(id, OPS(UNDONE(0, -1), UNDONE(1, 1))));
	show_values(id, 2);
	SHOW(control(id, 0, SETALL, zero));
	SHOW(semop(id, OPS(UNDONE(0, 5), UNDONE(0, -5), UNDONE(0, 0))));
	show_values(id, 2);
	SHOW(semop(id, OPS(UNDONE(5, 1))));
	end(id);
	SHOW(semop(id, OPS(UNDONE(0, 1))));
}

CASE(sem_timeouts)
{
	int id = make(2);
	struct timespec now = { 0, 0 }, soon = { 0, 20 * MS }, wrong = { 0, 1000 * MS },
			past = { -1, 0 }, never = { INT64_MAX, 0 };
	int64_t before = clock_ns(CLOCK_MONOTONIC);

	SHOW(semtimedop(id, OPS(DOWN(0)), &soon));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20 * MS);
	SHOW(semtimedop(id, OPS(DOWN(0)), &now));
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semtimedop(id, OPS(UP(0)), &now));
	SHOW(semtimedop(id, OPS(ZERO(0)), &soon));
	SHOW(semtimedop(id, OPS(DOWN(0)), &never));
	SHOW(semtimedop(id, OPS(UP(0), ADD(0, -2)), &soon));
	show_values(id, 2);
	SHOW(semtimedop(id, OPS(UP(0)), &wrong));
	SHOW(semtimedop(id, OPS(UP(0)), &past));
	SHOW(semtimedop(-1, OPS(UP(0)), &past));
	SHOW(semtimedop(id, OPS(UP(0)), bad_ptr()));
	SHOW(semtimedop(id, bad_ptr(), 1, &wrong));
	SHOW(semtimedop(id, bad_ptr(), 501, &wrong));
	SHOW(semtimedop(id, bad_ptr(), 0, &now));
	SHOW(semtimedop(id, OPS(UP(0)), NULL));
	show_values(id, 2);
	end(id);
}

/* ---- threads that wait */

struct waiting {
	int id;
	struct sembuf ops[3];
	size_t n;
	const char *name;
	pthread_t thread;
	int error;
};

static void *waits(void *arg)
{
	struct waiting *w = arg;

	w->error = semop(w->id, w->ops, w->n) ? errno : 0;
	return NULL;
}

static void begin(struct waiting *w, int num, int cmd)
{
	long before = semctl(w->id, num, cmd);

	start(&w->thread, waits, w);
	await(w->id, num, cmd, (int)before + 1);
}

/* It must go on now, and says how. */
static void over(struct waiting *w)
{
	finish(w->thread);
	say("%s: %s", w->name, w->error ? errno_name(w->error) : "went on");
}

CASE(sem_wait_to_grow)
{
	int id = make(2);
	struct waiting w = { id, { ADD(0, -2) }, 1, "two", 0, 0 };

	begin(&w, 0, GETNCNT);
	SHOW(semctl(id, 0, GETZCNT));
	SHOW(semctl(id, 1, GETNCNT));
	SHOW(semop(id, OPS(UP(0))));
	show_values(id, 2);
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semop(id, OPS(UP(1))));
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semop(id, OPS(UP(0))));
	show_values(id, 2);
	SHOW(semctl(id, 0, GETNCNT));
	over(&w);
	begin(&w, 0, GETNCNT);
	SHOW(semctl(id, 0, SETVAL, 3));
	show_values(id, 2);
	over(&w);
	end(id);
}

CASE(sem_wait_for_zero)
{
	int id = make(2);
	struct waiting zero = { id, { ZERO(0) }, 1, "zero", 0, 0 };
	struct waiting next = { id, { ZERO(0), UP(0) }, 2, "zero and up", 0, 0 };

	SHOW(semctl(id, 0, SETVAL, 2));
	begin(&zero, 0, GETZCNT);
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semop(id, OPS(DOWN(0))));
	SHOW(semctl(id, 0, GETZCNT));
	SHOW(semop(id, OPS(DOWN(0))));
	SHOW(semctl(id, 0, GETZCNT));
	over(&zero);
	SHOW(semctl(id, 0, SETVAL, 1));
	begin(&next, 0, GETZCNT);
	begin(&zero, 0, GETZCNT);
	SHOW(semctl(id, 0, SETVAL, 0));
	SHOW(semctl(id, 0, GETZCNT));
	show_values(id, 2);
	over(&zero);
	over(&next);
	end(id);
}

/* All of a request's operations at once, when there is enough for all of them. */
CASE(sem_wait_for_several)
{
	int id = make(3);
	struct waiting w = { id, { DOWN(0), DOWN(1), UP(2) }, 3, "both", 0, 0 };

	begin(&w, 0, GETNCNT);
	SHOW(semctl(id, 1, GETNCNT));
	SHOW(semop(id, OPS(UP(0))));
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semctl(id, 1, GETNCNT));
	show_values(id, 3);
	SHOW(semop(id, OPS(TRY(0, -1))));
	SHOW(semop(id, OPS(UP(1))));
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semctl(id, 1, GETNCNT));
	SHOW(semop(id, OPS(UP(0))));
	over(&w);
	show_values(id, 3);
	end(id);
}

/* What it would have to wait for changes to what it would not. */
CASE(sem_wait_no_longer)
{
	int id = make(2);
	struct waiting w = { id, { DOWN(0), TRY(1, -1) }, 2, "nowait", 0, 0 };
	struct waiting range = { id, { DOWN(0), ADD(1, 32767) }, 2, "range", 0, 0 };

	begin(&w, 0, GETNCNT);
	SHOW(semop(id, OPS(UP(0))));
	over(&w);
	show_values(id, 2);
	SHOW(control(id, 0, SETALL, (unsigned short[]){ 0, 1 }));
	begin(&range, 0, GETNCNT);
	SHOW(semop(id, OPS(UP(0))));
	over(&range);
	show_values(id, 2);
	end(id);
}

CASE(sem_order)
{
	int id = make(1);
	struct waiting w[4] = { { id, { ADD(0, -1) }, 1, "first", 0, 0 },
				{ id, { ADD(0, -3) }, 1, "second", 0, 0 },
				{ id, { ADD(0, -1) }, 1, "third", 0, 0 },
				{ id, { ADD(0, -1) }, 1, "fourth", 0, 0 } };

	for (int i = 0; i < 4; i++)
		begin(&w[i], 0, GETNCNT);
	SHOW(semop(id, OPS(UP(0))));
	over(&w[0]);
	SHOW(semop(id, OPS(UP(0))));
	over(&w[2]);
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semctl(id, 0, SETVAL, 3));
	over(&w[1]);
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(control(id, 0, SETALL, (unsigned short[]){ 2 }));
	over(&w[3]);
	show_values(id, 1);
	end(id);
}

/* Who goes on lets others go on. */
CASE(sem_chain)
{
	int id = make(3);
	struct waiting a = { id, { DOWN(0), UP(1) }, 2, "a", 0, 0 };
	struct waiting b = { id, { DOWN(1), UP(2) }, 2, "b", 0, 0 };
	struct waiting c = { id, { DOWN(2), UP(2), UP(2) }, 3, "c", 0, 0 };

	begin(&c, 2, GETNCNT);
	begin(&b, 1, GETNCNT);
	begin(&a, 0, GETNCNT);
	NEED(semop(id, OPS(UP(0))));
	show_values(id, 3);
	over(&a);
	over(&b);
	over(&c);
	end(id);
}

CASE(sem_removed)
{
	int id = make(2);
	struct waiting down = { id, { DOWN(0) }, 1, "down", 0, 0 };
	struct waiting both = { id, { DOWN(0), DOWN(1) }, 2, "both", 0, 0 };
	struct waiting zero = { id, { ZERO(1) }, 1, "zero", 0, 0 };

	NEED(semctl(id, 1, SETVAL, 1));
	begin(&down, 0, GETNCNT);
	NEED(semop(id, OPS(UP(0))));
	over(&down);
	begin(&both, 0, GETNCNT);
	NEED(semctl(id, 0, IPC_RMID));
	over(&both);
	SHOW(semctl(id, 0, GETNCNT));
	zero.id = make(2);
	NEED(semctl(zero.id, 1, SETVAL, 1));
	begin(&zero, 1, GETZCNT);
	end(zero.id);
	over(&zero);
	show_state(id);
}

/* Never restarted, whatever the handler says. */
CASE(sem_signals)
{
	int id = make(1);
	struct waiting w = { id, { DOWN(0) }, 1, "waits", 0, 0 };

	listen_to(SIGUSR1, 0);
	listen_to(SIGUSR2, SA_RESTART);
	begin(&w, 0, GETNCNT);
	NEED(pthread_kill(w.thread, SIGUSR1));
	over(&w);
	begin(&w, 0, GETNCNT);
	NEED(pthread_kill(w.thread, SIGUSR2));
	over(&w);
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(semop(id, OPS(UP(0))));
	show_values(id, 1);
	end(id);
}

static int guarded, guard;

static void *adds(void *arg)
{
	(void)arg;
	for (int i = 0; i < 300; i++) {
		int old;

		NEED(semop(guard, OPS(UNDONE(0, -1))) && errno != EAGAIN ? -1 : 0);
		NEED(semop(guard, OPS(DOWN(1))));
		old = guarded;
		if (i % 50 == 0)
			nap(1);
		guarded = old + 1;
		NEED(semop(guard, OPS(UP(1))));
	}
	return NULL;
}

CASE(sem_mutual_exclusion)
{
	pthread_t t[4];

	guard = make(2);
	guarded = 0;
	NEED(semctl(guard, 1, SETVAL, 1));
	for (int i = 0; i < 4; i++)
		start(&t[i], adds, NULL);
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	say("%d", guarded);
	show_values(guard, 2);
	end(guard);
}

/* ---- what is known of them */

CASE(sem_rights, ALONE)
{
	int read_only = (int)NEED(semget(IPC_PRIVATE, 1, 0604));
	int mine = (int)NEED(semget(some_key(), 1, IPC_CREAT | 0600));
	struct semid_ds ds;
	unsigned short value;

	NEED(control(mine, 0, IPC_STAT, &ds));
	ds.sem_perm.uid = (uid_t)-1;
	SHOW(control(mine, 0, IPC_SET, &ds));
	ds.sem_perm.uid = 0;
	ds.sem_perm.mode = 07777;
	SHOW(control(mine, 0, IPC_SET, &ds));
	show_state(mine);
	ds.sem_perm.mode = 0600;
	ds.sem_perm.uid = 1234;
	SHOW(control(mine, 0, IPC_SET, &ds));
	show_state(mine);
	NEED(setgid(1234));
	NEED(setuid(1234));
	CHECK(semget(some_key(), 1, 0600) == mine);
	SHOW(semop(mine, OPS(UP(0))));
	SHOW(semctl(mine, 0, IPC_RMID));
	SHOW(semctl(read_only, 0, GETVAL));
	SHOW(semop(read_only, OPS(ZERO(0))));
	SHOW(semop(read_only, OPS(UP(0))));
	SHOW(semctl(read_only, 0, SETVAL, 1));
	SHOW(semctl(read_only, 5, SETVAL, 1));
	SHOW(control(read_only, 0, SETALL, &value));
	SHOW(control(read_only, 0, GETALL, &value));
	SHOW(control(read_only, 0, IPC_SET, &ds));
	SHOW(semctl(read_only, 0, IPC_RMID));
	show_state(read_only);
}

CASE(sem_no_rights, ALONE)
{
	int id = (int)NEED(semget(some_key(), 1, IPC_CREAT | 0600));
	struct semid_ds ds;

	NEED(seteuid(1234));
	CHECK(semget(some_key(), 1, 0) == id);
	SHOW(semget(some_key(), 1, 0400));
	SHOW(semget(some_key(), 2, 0400));
	SHOW(semop(id, OPS(ZERO(0))));
	SHOW(semctl(id, 9, GETVAL));
	SHOW(semctl(id, 0, GETNCNT));
	SHOW(control(id, 0, IPC_STAT, &ds));
	NEED(seteuid(0));
	end(id);
}

CASE(sem_information)
{
	struct seminfo limits, used;
	struct semid_ds ds;
	int id = make(3), found = 0, highest;

	highest = (int)NEED(control(0, 0, IPC_INFO, &limits));
	say("%d %d %d %d %d %d %d %d %d %d", limits.semmap, limits.semmni, limits.semmns,
	    limits.semmnu, limits.semmsl, limits.semopm, limits.semume, limits.semusz,
	    limits.semvmx, limits.semaem);
	CHECK(control(0, 0, SEM_INFO, &used) == highest);
	CHECK(used.semusz >= 1 && used.semaem >= 3 && used.semmsl == limits.semmsl);
	for (int i = 0; i <= highest; i++)
		if (control(i, 0, SEM_STAT, &ds) == id)
			found += ds.sem_nsems == 3;
	say("found %d", found);
	SHOW(control(32767, 0, SEM_STAT, &ds));
	SHOW(control(-1, 0, SEM_STAT, &ds));
	end(id);
}

CASE(sem_in_proc)
{
	char line[300] = "";
	int id = make(2);

	find_by_id("/proc/sysvipc/sem", id, line, sizeof(line));
	say("%zu bytes, key %.11s perms and number %.17s, no time %.11s", strlen(line), line,
	    line + 21, line + 62);
	show_file("/proc/sys/kernel/sem");
	end(id);
}
