/*
 * exhaust WHAT: uses so much of something that there is no more, says how it was
 * refused and how much there was, gives it back and uses some again.
 */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "memory.h"

#define MIB  (1ul << 20)
#define MOST 1000000

static int fd[MOST];

/* How a maker of descriptors, or of ids, was refused, after how many. */
static int many(int (*make)(int *), int (*end)(int), int *error)
{
	int n = 0, made = 0;

	while (n < MOST - 1 && (made = make(&fd[n])) > 0)
		n += made;
	*error = made < 0 ? errno : 0;
	for (int i = 0; i < n; i++)
		end(fd[i]);
	if (make(fd) < 0) /* all is as it was */
		exit(3);
	return n;
}

static int make_null(int *at)
{
	*at = open("/dev/null", O_RDWR);
	return *at < 0 ? -1 : 1;
}

static int make_event(int *at)
{
	*at = eventfd(0, 0);
	return *at < 0 ? -1 : 1;
}

/* A POSIX message queue without a name, with all that it takes. */
static int make_posix_queue(int *at)
{
	static const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	static char message[8192];

	setrlimit(RLIMIT_MSGQUEUE, &all);
	*at = mq_open("/queue", O_RDWR | O_CREAT | O_NONBLOCK, 0600, NULL);
	if (*at < 0)
		return -1;
	mq_unlink("/queue");
	while (mq_send(*at, message, sizeof(message), 0) == 0)
		;
	return errno == EAGAIN ? 1 : -1;
}

/* A socket with all that it takes without a reader. */
static int make_full(int *at, int how)
{
	static char bytes[65536];

	if (how == 0 ? pipe2(at, O_NONBLOCK) :
		       socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, at))
		return -1;
	while (write(at[1], bytes, sizeof(bytes)) > 0)
		;
	if (errno == EAGAIN)
		return 2;
	close(at[0]);
	close(at[1]);
	return -1;
}

static int make_pipe(int *at)
{
	return make_full(at, 0);
}

static int make_socket(int *at)
{
	return make_full(at, 1);
}

/* An epoll that has something to wait for. */
static int make_epoll(int *at)
{
	struct epoll_event wanted = { .events = EPOLLIN };

	*at = epoll_create1(0);
	if (*at < 0)
		return -1;
	if (epoll_ctl(*at, EPOLL_CTL_ADD, STDIN_FILENO, &wanted) == 0 || errno == EPERM)
		return 1;
	close(*at);
	return -1;
}

/* One that watches a directory. */
static int make_watch(int *at)
{
	*at = inotify_init();
	if (*at < 0)
		return -1;
	if (inotify_add_watch(*at, "/tmp", IN_CREATE) >= 0)
		return 1;
	close(*at);
	return -1;
}

static int make_semaphores(int *at)
{
	*at = semget(IPC_PRIVATE, 1000, 0600);
	return *at < 0 ? -1 : 1;
}

static int remove_semaphores(int id)
{
	return semctl(id, 0, IPC_RMID);
}

/* A full queue. */
static int make_queue(int *at, size_t size)
{
	static struct {
		long type;
		char text[8192];
	} m = { .type = 1 };

	*at = msgget(IPC_PRIVATE, 0600);
	if (*at < 0)
		return -1;
	while (msgsnd(*at, &m, size, IPC_NOWAIT) == 0)
		;
	if (errno == EAGAIN)
		return 1;
	int error = errno;
	msgctl(*at, IPC_RMID, NULL);
	errno = error;
	return -1;
}

static int make_large_queue(int *at)
{
	return make_queue(at, 8192);
}

static int make_long_queue(int *at)
{
	return make_queue(at, 0);
}

static int remove_queue(int id)
{
	return msgctl(id, IPC_RMID, NULL);
}

/* Directories, each with a file in it. */
static int make_names(int *error)
{
	char name[64];
	int n = 0, file = 0;

	for (; n < MOST && file >= 0; n++) {
		snprintf(name, sizeof(name), "/tmp/%d", n);
		if (mkdir(name, 0700) < 0)
			break;
		snprintf(name, sizeof(name), "/tmp/%d/file", n);
		file = open(name, O_RDWR | O_CREAT, 0600);
		if (file >= 0)
			close(file);
	}
	*error = errno;
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "/tmp/%d/file", i);
		unlink(name);
		snprintf(name, sizeof(name), "/tmp/%d", i);
		rmdir(name);
	}
	if (mkdir("/tmp/again", 0700) < 0)
		exit(3);
	return n;
}

static int make_timers(int *error)
{
	static timer_t timer[MOST];
	int n = 0;

	while (n < MOST && timer_create(CLOCK_MONOTONIC, NULL, &timer[n]) == 0)
		n++;
	*error = errno;
	for (int i = 0; i < n; i++)
		timer_delete(timer[i]);
	if (timer_create(CLOCK_MONOTONIC, NULL, timer) < 0)
		exit(3);
	return n;
}

/* Signals that nobody takes. */
static int queue_signals(int *error)
{
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	while (n < MOST && sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) == 0)
		n++;
	*error = errno;
	for (int i = 0; i < n; i++)
		sigwaitinfo(&set, NULL);
	if (sigqueue(getpid(), SIGRTMIN, (union sigval){ 0 }) < 0)
		exit(3);
	return n;
}

static int fill_file(int *error)
{
	static char bytes[65536];
	int n = 0, file = open("/tmp/large", O_RDWR | O_CREAT, 0600);
	ssize_t done;

	while ((done = write(file, bytes, sizeof(bytes))) == sizeof(bytes))
		n++;
	*error = done < 0 ? errno : 0;
	if (done >= 0 && write(file, bytes, 1) < 0)
		*error = errno;
	if (ftruncate(file, 0) < 0 || write(file, bytes, sizeof(bytes)) != sizeof(bytes))
		exit(3);
	return n;
}

/* Mappings that are never touched. */
static int map_many(int *error)
{
	static void *place[MOST];
	int n = 0;

	while (n < MOST && (place[n] = mmap(NULL, 4096, n & 1 ? PROT_READ : PROT_NONE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) != MAP_FAILED)
		n++;
	*error = errno;
	for (int i = 0; i < 100; i++)
		munmap(place[i], 4096);
	if (mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		exit(3);
	return n;
}

static void touch(size_t step)
{
	for (;;) {
		char *p =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return;
		for (size_t at = 0; at < MIB; at += step)
			p[at] = 1;
	}
}

/* The same by the system's hand. */
static void read_all(void)
{
	int file = open("/dev/zero", O_RDONLY);

	for (;;) {
		char *p =
			mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED || read(file, p, MIB) <= 0)
			return;
	}
}

/* Uses what there is in large pieces, and gives a page of each back: for that the
 * system needs memory of its own. */
static int punch(int *error)
{
	const size_t size = 1024 * MIB;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t at = 0;
	int n = 0;

	for (; at < size && free_kib() > 256; at += 65536)
		p[at] = 1;
	*error = 0;
	for (size_t hole = 4096; hole < at && !*error; hole += 2 * MIB, n++)
		if (munmap(p + hole, 4096) < 0)
			*error = errno;
	return n;
}

/* Pages that need many page tables, once memory has been given out in pieces of many
 * sizes: copies of a file's pages, which come in runs, and windows of other memory. */
static int tables(int *error)
{
	const size_t each = 2 * MIB, pages = 512;
	int file = open("/tmp/small", O_RDWR | O_CREAT, 0600), made = 0;
	char *p = mmap(NULL, pages * each, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED || file < 0 || ftruncate(file, 5 * 4096))
		exit(3);
	for (int i = 0; i < 40; i++) {
		char *copy = mmap(NULL, (1 + i % 5) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				  file, 0);
		char *window = mmap(NULL, MIB / 4, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		*copy = window[33 * 4096] = 1;
	}
	for (char *at = p; at < p + pages * each; at += each, made++) {
		/* so that none comes in one large page */
		if (mprotect(at, 4096, PROT_READ))
			break;
		at[8192] = 1;
	}
	*error = made < (int)pages ? errno : 0;
	return made;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*make)(int *);
		int (*end)(int);
	} made[] = {
		{ "null", make_null, close },
		{ "event", make_event, close },
		{ "epolls", make_epoll, close },
		{ "watches", make_watch, close },
		{ "pipes", make_pipe, close },
		{ "sockets", make_socket, close },
		{ "semaphores", make_semaphores, remove_semaphores },
		{ "large messages", make_large_queue, remove_queue },
		{ "empty messages", make_long_queue, remove_queue },
		{ "posix queues", make_posix_queue, close },
	};
	static const struct {
		const char *name;
		int (*use)(int *);
	} used[] = { { "file", fill_file },       { "names", make_names },
		     { "holes", punch },          { "maps", map_many },
		     { "tables", tables },        { "timers", make_timers },
		     { "signals", queue_signals } };
	const char *what = argc > 1 ? argv[1] : "";
	const struct rlimit all = { MOST, MOST };
	int n = 0, error = 0;

	if (argc > 2)
		setrlimit(RLIMIT_NOFILE, &all);
	if (!strcmp(what, "touch"))
		touch(4096);
	if (!strcmp(what, "sparse"))
		touch(65536);
	if (!strcmp(what, "read"))
		read_all();
	for (unsigned i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		if (!strcmp(what, used[i].name))
			n = used[i].use(&error);
	for (unsigned i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		if (!strcmp(what, made[i].name))
			n = many(made[i].make, made[i].end, &error);
	printf("%s after %d\n", strerrorname_np(error), n);
	return n == 0;
}
