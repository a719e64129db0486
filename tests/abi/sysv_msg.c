/*
 * System V message queues. Keys are made of the process number, and every queue is
 * removed, as Linux keeps them beyond the process.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"
#include "signalling.h"
#include "threading.h"

OWN_IPC

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

struct text {
	long type;
	char text[8192];
};

static key_t some_key(void)
{
	return (key_t)(0x5c000000 | getpid());
}

static int make(void)
{
	return (int)NEED(msgget(IPC_PRIVATE, IPC_CREAT | 0600));
}

static void end(int id)
{
	NEED(msgctl(id, IPC_RMID, NULL));
}

static long put(int id, long type, const char *text)
{
	struct text m = { .type = type };

	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), IPC_NOWAIT);
}

/* So many bytes. */
static long fill(int id, long type, size_t n)
{
	static struct text m;

	m.type = type;
	memset(m.text, 'x', n);
	return msgsnd(id, &m, n, IPC_NOWAIT);
}

static void show_get(int id, size_t size, long type, int flags)
{
	struct text m;
	long n;

	memset(&m, 0, sizeof(m));
	n = msgrcv(id, &m, size, type, flags);
	if (n < 0)
		say("size %zd type %ld flags %o: %s", (ssize_t)size, type, flags,
		    errno_name(errno));
	else
		say("size %zd type %ld flags %o: %ld of type %ld \"%.20s\"", (ssize_t)size, type,
		    flags, n, m.type, m.text);
}

static void get(int id, size_t size, long type, int flags)
{
	show_get(id, size, type, flags | IPC_NOWAIT);
}

/* Of this process, of another (or a thread), of none. */
static const char *whose(int pid)
{
	return pid == getpid() ? "mine" : pid ? "other" : "none";
}

static void show_state(int id)
{
	struct msqid_ds ds;

	memset(&ds, 0x55, sizeof(ds));
	if (msgctl(id, IPC_STAT, &ds) < 0) {
		say("no state: %s", errno_name(errno));
		return;
	}
	say("%lu messages of %lu bytes, at most %lu, mode %o private %d mine %d %d times %d %d %d "
	    "pids %s %s",
	    (unsigned long)ds.msg_qnum, (unsigned long)ds.__msg_cbytes,
	    (unsigned long)ds.msg_qbytes, ds.msg_perm.mode, ds.msg_perm.__key == IPC_PRIVATE,
	    ds.msg_perm.uid == geteuid(), ds.msg_perm.cgid == getegid(), ds.msg_stime != 0,
	    ds.msg_rtime != 0, ds.msg_ctime != 0, whose(ds.msg_lspid), whose(ds.msg_lrpid));
}

static void set_most(int id, unsigned long bytes)
{
	struct msqid_ds ds;

	NEED(msgctl(id, IPC_STAT, &ds));
	ds.msg_qbytes = bytes;
	SHOW(msgctl(id, IPC_SET, &ds));
}

CASE(msg_make)
{
	key_t key = some_key();
	int id, again;

	SHOW(msgget(key, 0600));
	id = msgget(key, IPC_CREAT | 0640);
	show_ok("make", id);
	show_state(id);
	CHECK(msgget(key, 0) == id);
	CHECK(msgget(key, IPC_CREAT | 0666) == id);
	SHOW(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	SHOW(put(id, 1, "one"));
	show_state(id);
	SHOW(msgctl(id, IPC_RMID, NULL));
	show_state(id);
	SHOW(msgctl(id, IPC_RMID, NULL));
	SHOW(put(id, 1, "one"));
	get(id, 100, 0, 0);
	SHOW(msgget(key, 0));
	again = msgget(key, IPC_CREAT | IPC_EXCL | 0777);
	CHECK(again >= 0 && again != id);
	show_state(again);
	end(again);
}

CASE(msg_types)
{
	int id = make();

	SHOW(put(id, 3, "three"));
	SHOW(put(id, 1, "one"));
	SHOW(put(id, LONG_MAX, "huge"));
	SHOW(put(id, 2, "two"));
	SHOW(put(id, 1, "another one"));
	SHOW(put(id, 2, "another two"));
	get(id, 100, 4, 0);
	get(id, 100, 2, 0);
	get(id, 100, 3, MSG_EXCEPT);
	get(id, 100, -2, 0);
	get(id, 100, -2, 0);
	get(id, 100, -2, 0);
	get(id, 100, -100, 0);
	get(id, 100, -100, 0);
	get(id, 100, LONG_MAX, MSG_EXCEPT);
	get(id, 100, LONG_MIN, 0);
	get(id, 100, 0, 0);
	SHOW(put(id, 5, "five"));
	SHOW(put(id, 4, "four"));
	SHOW(put(id, 4, "again"));
	get(id, 100, 0, MSG_EXCEPT);
	get(id, 100, -5, MSG_EXCEPT);
	get(id, 100, -LONG_MAX, 0);
	show_state(id);
	SHOW(put(id, 0, "zero"));
	SHOW(put(id, -1, "minus"));
	end(id);
}

CASE(msg_sizes)
{
	int id = make();

	SHOW(put(id, 1, "0123456789"));
	get(id, 9, 0, 0);
	show_state(id);
	get(id, 9, 0, MSG_NOERROR);
	SHOW(put(id, 1, ""));
	get(id, 0, 0, 0);
	SHOW(put(id, 1, "x"));
	get(id, 0, 0, 0);
	get(id, 0, 0, MSG_NOERROR);
	SHOW(fill(id, 7, 8192));
	get(id, 8191, 0, 0);
	get(id, 8192, 0, 0);
	SHOW(put(id, 1, "short"));
	get(id, LONG_MAX, 0, 0);
	get(id, (size_t)-1, 0, 0);
	SHOW(msgsnd(id, &id, 8193, 0));
	SHOW(msgsnd(id, &id, (size_t)-1, 0));
	SHOW(msgsnd(-1, &(struct text){ .type = 1 }, 1, 0));
	get(-1, 100, 0, 0);
	end(id);
}

CASE(msg_addresses)
{
	int id = make();
	char *edge = pages(1) + 4096;
	struct text one = { 1, "one" };

	SHOW(msgsnd(id, bad_ptr(), 1, 0));
	SHOW(msgsnd(id, bad_ptr(), 8193, 0));
	*(long *)(edge - 8) = 1;
	SHOW(msgsnd(id, edge - 8, 0, 0));
	SHOW(msgsnd(id, edge - 8, 1, 0));
	*(long *)(edge - 12) = 2;
	edge[-4] = 'a';
	SHOW(msgsnd(id, edge - 12, 5, 0));
	SHOW(msgsnd(id, edge - 12, 4, 0));
	show_state(id);
	SHOW(msgrcv(id, bad_ptr(), 100, 1, 0));
	SHOW(msgrcv(id, edge - 9, 4, 0, 0));
	show_state(id);
	SHOW(msgsnd(id, &one, 3, 0));
	SHOW(msgrcv(id, edge - 11, 100, 0, 0));
	SHOW(msgctl(id, IPC_STAT, bad_ptr()));
	SHOW(msgctl(id, IPC_SET, bad_ptr()));
	SHOW(msgctl(id, IPC_INFO, bad_ptr()));
	SHOW(msgctl(id, MSG_INFO, bad_ptr()));
	SHOW(msgctl(id, 999, NULL));
	SHOW(msgctl(id, -1, NULL));
	SHOW(msgctl(-1, IPC_RMID, NULL));
	end(id);
}

CASE(msg_limits)
{
	int id = make(), n;

	SHOW(fill(id, 1, 8192));
	SHOW(fill(id, 2, 8000));
	SHOW(fill(id, 3, 193));
	SHOW(fill(id, 4, 192));
	SHOW(put(id, 5, "x"));
	SHOW(put(id, 6, ""));
	show_state(id);
	get(id, 8192, 2, 0);
	SHOW(put(id, 5, "x"));
	set_most(id, 100);
	show_state(id);
	SHOW(put(id, 7, ""));
	for (n = 0; msgrcv(id, &(struct text){ 0 }, 8192, 0, IPC_NOWAIT) >= 0; n++)
		;
	say("%d messages", n);
	for (n = 0; put(id, 1, "") == 0; n++)
		;
	say("%d empty ones", n);
	show_state(id);
	set_most(id, 16384);
	SHOW(fill(id, 1, 8192));
	SHOW(fill(id, 1, 8192));
	set_most(id, 0);
	SHOW(put(id, 1, ""));
	show_state(id);
	end(id);
}

CASE(msg_copies)
{
	int id = make();

	SHOW(put(id, 3, "first"));
	SHOW(put(id, 1, "second"));
	get(id, 100, 0, MSG_COPY);
	get(id, 100, 1, MSG_COPY);
	get(id, 100, 2, MSG_COPY);
	get(id, 100, -1, MSG_COPY);
	get(id, 5, 1, MSG_COPY);
	get(id, 5, 1, MSG_COPY | MSG_NOERROR);
	get(id, 5, 0, MSG_COPY | MSG_NOERROR);
	get(id, 100, 0, MSG_COPY | MSG_EXCEPT);
	show_get(id, 100, 0, MSG_COPY);
	SHOW(msgrcv(id, bad_ptr(), 100, 0, MSG_COPY | IPC_NOWAIT));
	SHOW(msgrcv(0x7fffffff, bad_ptr(), 100, 0, MSG_COPY | IPC_NOWAIT));
	show_state(id);
	end(id);
}

/* ---- threads that wait */

struct waiting {
	int id;
	long type;
	size_t size;
	int flags;
	const char *name;
	pthread_t thread;
	long result;
	int error;
	volatile int tid;
	struct text got;
};

static void *receives(void *arg)
{
	struct waiting *w = arg;

	w->tid = (int)syscall(SYS_gettid);
	w->result = msgrcv(w->id, &w->got, w->size, w->type, w->flags);
	w->error = errno;
	return NULL;
}

static void *sends(void *arg)
{
	struct waiting *w = arg;
	struct text m = { .type = w->type };

	memset(m.text, 'y', w->size);
	w->tid = (int)syscall(SYS_gettid);
	w->result = msgsnd(w->id, &m, w->size, w->flags);
	w->error = errno;
	return NULL;
}

static void begin(struct waiting *w, void *(*f)(void *))
{
	w->tid = 0;
	start(&w->thread, f, w);
	until_it_waits(&w->tid);
}

/* It must go on now, and says how. */
static void over(struct waiting *w)
{
	finish(w->thread);
	if (w->result < 0)
		say("%s: %s", w->name, errno_name(w->error));
	else
		say("%s: %ld, type %ld \"%.20s\"", w->name, w->result, w->got.type, w->got.text);
}

CASE(msg_receivers)
{
	int id = make();
	struct waiting any = { id, 0, 100, 0, .name = "any" },
		       other = { id, 0, 100, 0, .name = "other" };
	struct waiting two = { id, 2, 100, 0, .name = "two" };
	struct waiting low = { id, -3, 100, 0, .name = "low" };
	struct waiting except = { id, 4, 100, MSG_EXCEPT, .name = "not four" };

	begin(&any, receives);
	begin(&other, receives);
	SHOW(put(id, 9, "hello"));
	over(&any);
	show_state(id);
	SHOW(put(id, 9, "again"));
	over(&other);
	begin(&two, receives);
	begin(&low, receives);
	SHOW(put(id, 4, "stays"));
	SHOW(put(id, 3, "three"));
	over(&low);
	SHOW(put(id, 2, "deux"));
	over(&two);
	begin(&except, receives);
	SHOW(put(id, 4, "stays too"));
	SHOW(put(id, 1, "goes"));
	over(&except);
	show_state(id);
	end(id);
}

/* Who waits with too small a buffer is told so, and the message is another's. */
CASE(msg_small_receivers)
{
	int id = make();
	struct waiting small = { id, 0, 3, 0, .name = "small" };
	struct waiting cut = { id, 0, 3, MSG_NOERROR, .name = "cut" };
	struct waiting large = { id, 0, 100, 0, .name = "large" };

	begin(&small, receives);
	SHOW(put(id, 1, "long message"));
	over(&small);
	show_state(id);
	get(id, 100, 0, 0);
	begin(&small, receives);
	SHOW(put(id, 1, "abc"));
	over(&small);
	begin(&cut, receives);
	begin(&large, receives);
	SHOW(put(id, 1, "long message"));
	over(&cut);
	SHOW(put(id, 1, "longer message"));
	over(&large);
	show_state(id);
	end(id);
}

CASE(msg_senders)
{
	int id = make();
	struct waiting large = { id, 1, 60, 0, .name = "large" },
		       more = { id, 2, 60, 0, .name = "more" };
	struct waiting small = { id, 3, 30, 0, .name = "small" };
	struct waiting none = { id, 4, 1, IPC_NOWAIT, .name = "no wait" };

	set_most(id, 100);
	SHOW(fill(id, 9, 50));
	SHOW(fill(id, 8, 50));
	begin(&large, sends);
	begin(&small, sends);
	start(&none.thread, sends, &none);
	over(&none);
	show_state(id);
	get(id, 100, 9, 0);
	over(&small);
	show_state(id);
	get(id, 100, 0, 0);
	over(&large);
	begin(&more, sends);
	show_state(id);
	set_most(id, 150);
	over(&more);
	get(id, 100, 0, 0);
	get(id, 100, 0, 0);
	get(id, 100, 0, 0);
	get(id, 100, 0, 0);
	end(id);
}

/* Room is made for a sender whose message somebody waits for. */
CASE(msg_sender_to_receiver)
{
	int id = make();
	struct waiting sender = { id, 1, 60, 0, .name = "sender" };
	struct waiting receiver = { id, 1, 100, 0, .name = "receiver" };

	set_most(id, 100);
	SHOW(fill(id, 9, 50));
	begin(&receiver, receives);
	begin(&sender, sends);
	show_state(id);
	get(id, 100, 9, 0);
	over(&sender);
	over(&receiver);
	show_state(id);
	end(id);
}

CASE(msg_removed)
{
	int id = make();
	struct waiting receiver = { id, 1, 100, 0, .name = "receiver" };
	struct waiting sender = { id, 1, 8192, 0, .name = "sender" };

	begin(&receiver, receives);
	SHOW(fill(id, 9, 8192));
	SHOW(fill(id, 9, 8192));
	end(id);
	over(&receiver);
	sender.id = make();
	NEED(fill(sender.id, 9, 8192));
	NEED(fill(sender.id, 9, 8192));
	begin(&sender, sends);
	end(sender.id);
	over(&sender);
	show_state(id);
}

/* Not restarted, whatever the handler says. */
CASE(msg_signals)
{
	int id = make();
	struct waiting receiver = { id, 1, 100, 0, .name = "receiver" };
	struct waiting sender = { id, 1, 8192, 0, .name = "sender" };

	listen_to(SIGUSR1, 0);
	listen_to(SIGUSR2, SA_RESTART);
	NEED(fill(id, 9, 8192));
	NEED(fill(id, 9, 8192));
	begin(&receiver, receives);
	NEED(pthread_kill(receiver.thread, SIGUSR1));
	over(&receiver);
	begin(&receiver, receives);
	NEED(pthread_kill(receiver.thread, SIGUSR2));
	over(&receiver);
	begin(&sender, sends);
	NEED(pthread_kill(sender.thread, SIGUSR1));
	over(&sender);
	begin(&sender, sends);
	NEED(pthread_kill(sender.thread, SIGUSR2));
	over(&sender);
	show_state(id);
	end(id);
}

static int to, from;

static void *answers(void *arg)
{
	struct text m;
	long n;

	(void)arg;
	while ((n = NEED(msgrcv(to, &m, sizeof(m.text), 0, 0))) > 0) {
		m.type++;
		NEED(msgsnd(from, &m, (size_t)n, 0));
	}
	return NULL;
}

CASE(msg_back_and_forth)
{
	pthread_t t;
	struct text m = { .type = 1 };
	long sum = 0;

	to = make();
	from = make();
	start(&t, answers, NULL);
	for (int i = 1; i <= 500; i++) {
		NEED(msgsnd(to, &m, (size_t)i * 16, 0));
		sum += NEED(msgrcv(from, &m, sizeof(m.text), 0, 0));
	}
	NEED(msgsnd(to, &m, 0, 0));
	finish(t);
	say("%ld bytes, type %ld", sum, m.type);
	get(to, 1, 0, 0);
	get(from, 1, 0, 0);
	end(to);
	end(from);
}

static void *pours(void *arg)
{
	static const size_t sizes[] = { 0, 1, 100, 3000, 8192 };
	struct text m = { .type = 1 };

	(void)arg;
	for (int i = 0; i < 500; i++)
		NEED(msgsnd(to, &m, sizes[i % 5], 0));
	return NULL;
}

CASE(msg_many_senders)
{
	pthread_t t[4];
	struct text m;
	long sum = 0;

	to = make();
	for (int i = 0; i < 4; i++)
		start(&t[i], pours, NULL);
	for (int i = 0; i < 2000; i++)
		sum += NEED(msgrcv(to, &m, sizeof(m.text), 0, 0));
	for (int i = 0; i < 4; i++)
		finish(t[i]);
	say("%ld bytes", sum);
	get(to, 1, 0, 0);
	end(to);
}

/* ---- what is known of them */

CASE(msg_rights, ALONE)
{
	int mine = (int)NEED(msgget(some_key(), IPC_CREAT | 0600));
	int read_only = (int)NEED(msgget(IPC_PRIVATE, 0604));
	int write_only = (int)NEED(msgget(IPC_PRIVATE, 0602));
	struct waiting w = { mine, 1, 100, 0, .name = "receiver" };
	struct msqid_ds ds;

	NEED(put(read_only, 1, "read me"));
	NEED(msgctl(mine, IPC_STAT, &ds));
	ds.msg_perm.gid = (gid_t)-1;
	SHOW(msgctl(mine, IPC_SET, &ds));
	ds.msg_perm.gid = 0;
	ds.msg_perm.uid = 1234;
	ds.msg_perm.mode = 07666;
	SHOW(msgctl(mine, IPC_SET, &ds));
	show_state(mine);
	NEED(setgid(1234));
	NEED(setuid(1234));
	SHOW(put(read_only, 1, "x"));
	get(read_only, 100, 0, 0);
	SHOW(put(write_only, 1, "x"));
	get(write_only, 100, 0, 0);
	get(write_only, 100, 0, MSG_COPY);
	SHOW(msgctl(write_only, IPC_STAT, &ds));
	SHOW(msgctl(write_only, IPC_SET, &ds));
	SHOW(msgctl(write_only, IPC_RMID, NULL));
	CHECK(msgget(some_key(), 0666) == mine);
	set_most(mine, 16384);
	set_most(mine, 16385);
	begin(&w, receives);
	NEED(msgctl(mine, IPC_STAT, &ds));
	ds.msg_perm.mode = 0200;
	SHOW(msgctl(mine, IPC_SET, &ds));
	over(&w);
	SHOW(put(mine, 1, "x"));
	SHOW(msgctl(mine, IPC_RMID, NULL));
}

CASE(msg_information)
{
	struct msginfo limits, used;
	struct msqid_ds ds;
	int id = make(), found = 0, highest;

	NEED(put(id, 1, "four"));
	highest = (int)NEED(msgctl(0, IPC_INFO, (struct msqid_ds *)&limits));
	say("%d %d %d %d %d %d %d %d", limits.msgpool, limits.msgmap, limits.msgmax, limits.msgmnb,
	    limits.msgmni, limits.msgssz, limits.msgtql, limits.msgseg);
	CHECK(msgctl(0, MSG_INFO, (struct msqid_ds *)&used) == highest);
	CHECK(used.msgpool >= 1 && used.msgmap >= 1 && used.msgtql >= 4);
	for (int i = 0; i <= highest; i++)
		if (msgctl(i, MSG_STAT, &ds) == id)
			found += ds.msg_qnum == 1;
	say("found %d", found);
	SHOW(msgctl(32767, MSG_STAT, &ds));
	SHOW(msgctl(-1, MSG_STAT, &ds));
	end(id);
}

CASE(msg_in_proc)
{
	char line[300] = "";
	int id = make();

	NEED(put(id, 1, "hello"));
	find_by_id("/proc/sysvipc/msg", id, line, sizeof(line));
	say("%zu bytes, key %.11s perms and contents %.28s", strlen(line), line, line + 21);
	show_file("/proc/sys/kernel/msgmax");
	show_file("/proc/sys/kernel/msgmnb");
	show_file("/proc/sys/kernel/msgmni");
	end(id);
}
