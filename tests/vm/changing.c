/*
 * Arguments that change under the call: threads make system calls whose iovecs,
 * paths, messages, events, actions and times another thread changes all the while,
 * pointers to nowhere among them, and whose page it takes away and gives back. A call
 * may succeed, or fail with what Linux says of one or the other argument; what
 * lies around its memory stays as it is.
 *
 *   changing MILLISECONDS [counts]
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "expect.h"

#define PAGE    4096ul
#define VECTORS 4

struct kernel_action {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	unsigned long mask;
};

/* What changes: a page of its own, which may not be there. */
struct arguments {
	struct iovec iov[VECTORS];
	struct msghdr message;
	char control[64];
	struct epoll_event event;
	struct kernel_action action;
	struct timespec time;
	struct pollfd poll[2];
	struct sockaddr_un address;
	char *words[3];
	char path[512];
};
static volatile struct arguments *args;
static void *volatile somewhere; /* which changes, too, but can always be read */
#define ARGS(member) ((void *)&((struct arguments *)args)->member)

/* Where data goes: between pages that nobody writes to, the one behind it missing. */
static char *before, *data;
static atomic_int over;
static char directory[] = "/tmp/changing.XXXXXX";

/* ---- who changes them */

static unsigned seed = 1;

static unsigned any(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 16) % n;
}

static void *any_pointer(void)
{
	void *const some[] = { data,
			       data + PAGE / 2,
			       NULL,
			       (void *)8,
			       (void *)0xffff800000000000,
			       (void *)0x7ffffffff000,
			       data + PAGE - 100 };

	return some[any(sizeof(some) / sizeof(some[0]))];
}

/* At `data` there is room for it. */
static size_t any_size(void)
{
	static const size_t some[] = { 0, 1, 100, 100, (size_t)1 << 63, 50 };

	return some[any(sizeof(some) / sizeof(some[0]))];
}

static void on_first(int sig)
{
	(void)sig;
}

static void on_second(int sig)
{
	(void)sig;
}

static void change_vectors(void)
{
	volatile struct iovec *v = &args->iov[any(VECTORS)];

	v->iov_base = any_pointer();
	v->iov_len = any_size();
	somewhere = any_pointer();
}

static void change_message(void)
{
	volatile struct msghdr *m = &args->message;
	struct cmsghdr c = { .cmsg_len = any(2) ? CMSG_LEN(4) : any(60),
			     .cmsg_level = SOL_SOCKET,
			     .cmsg_type = any(2) ? SCM_RIGHTS : SCM_CREDENTIALS };

	m->msg_iov = any(8) ? ARGS(iov) : any_pointer();
	m->msg_iovlen = any(8) ? any(VECTORS + 1) : 2000;
	m->msg_control = any(4) ? ARGS(control) : any_pointer();
	m->msg_controllen = any(3) * 24;
	m->msg_name = any(4) ? NULL : any_pointer();
	m->msg_namelen = any(120);
	memcpy(ARGS(control), &c, sizeof(c));
	*(volatile int *)CMSG_DATA((struct cmsghdr *)ARGS(control)) = any(2) ? 9999 : 1;
}

static void change_path(void)
{
	static const char *const names[] = { "a", "b", "missing", "d/a", "a/x", "loop", "" };

	snprintf(ARGS(path), sizeof(args->path), "%s/%s", directory, names[any(7)]);
	if (any(8) == 0)
		memset(ARGS(path), 'x', sizeof(args->path)); /* and no end */
	args->address.sun_family = any(8) ? AF_UNIX : AF_INET;
	args->words[any(2)] = any(2) ? ARGS(path) : any_pointer();
}

static void change_rest(void)
{
	args->event.events = any(2) ? EPOLLIN : any(2) ? EPOLLIN | EPOLLEXCLUSIVE : ~0u;
	args->action.handler = any(2) ? on_first : on_second;
	args->action.flags = 0x04000000 | (any(2) ? SA_RESTART : 0) | (any(2) ? SA_NODEFER : 0);
	args->time.tv_sec = any(16) ? 0 : -1;
	args->time.tv_nsec = any(2) ? 1000 : 2000000000;
	args->poll[any(2)].fd = any(2) ? -1 : any(2) ? 9999 : 0;
	args->poll[any(2)].events = POLLIN;
}

static void *change(void *arg)
{
	static void (*const some[])(void) = { change_vectors, change_message, change_path,
					      change_rest };

	for (unsigned i = 0; !over; i++) {
		some[any(4)]();
		if (i % 64 == 0) {
			mprotect((void *)args, PAGE, PROT_NONE);
			mprotect((void *)args, PAGE, PROT_READ | PROT_WRITE);
		}
		if (i % 97 == 0) {
			mprotect(data, PAGE, any(2) ? PROT_READ : PROT_NONE);
			mprotect(data, PAGE, PROT_READ | PROT_WRITE);
			madvise(data, PAGE, MADV_DONTNEED);
		}
	}
	return arg;
}

/* ---- who makes calls */

/* The errors that one or the other argument has on Linux, ended by 0. */
static void may(const char *what, long r, const int *errors)
{
	static atomic_int told;

	if (r >= 0)
		return;
	for (; *errors; errors++)
		if (errno == *errors)
			return;
	if (told++ < 20)
		expect(0, "%s", what);
}
#define MAY(call, ...) may(#call, call, (const int[]){ __VA_ARGS__, 0 })

static void vectors(void)
{
	static int zero, sink, file;

	if (!zero) {
		zero = open("/dev/zero", O_RDONLY);
		sink = open("/dev/null", O_WRONLY);
		file = open("vectors", O_RDWR | O_CREAT, 0600);
	}
	MAY(readv(zero, ARGS(iov), VECTORS), EFAULT, EINVAL);
	MAY(writev(sink, ARGS(iov), VECTORS), EFAULT, EINVAL);
	MAY(pwritev(file, ARGS(iov), VECTORS, 0), EFAULT, EINVAL);
	MAY(preadv(file, ARGS(iov), VECTORS, 0), EFAULT, EINVAL);
	MAY(read(zero, somewhere, 50), EFAULT);
}

static void messages(void)
{
	static int pair[2];
	static char text[4096], control[256];
	struct iovec iov = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (!pair[0])
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
	MAY(sendmsg(pair[0], ARGS(message), MSG_NOSIGNAL), EFAULT, EINVAL, EMSGSIZE, EAGAIN, EBADF,
	    EPERM, ENOBUFS, EISCONN, EOPNOTSUPP, ENOENT, ECONNREFUSED, ETOOMANYREFS);
	m.msg_control = control;
	m.msg_controllen = sizeof(control);
	if (recvmsg(pair[1], &m, 0) >= 0)
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
				close(*(int *)CMSG_DATA(c));
	MAY(send(pair[1], "text", 4, 0), EAGAIN);
	MAY(recvmsg(pair[0], ARGS(message), 0), EFAULT, EINVAL, EMSGSIZE, EAGAIN);
	MAY(connect(pair[0], ARGS(address), sizeof(args->address)), EFAULT, EINVAL, ENOENT,
	    ECONNREFUSED, EAFNOSUPPORT, EPROTOTYPE);
}

static void paths(void)
{
	struct stat st;
	int fd = open(ARGS(path), O_RDONLY);

	MAY(fd, ENOENT, ENOTDIR, ELOOP, EFAULT, ENAMETOOLONG);
	if (fd >= 0)
		close(fd);
	MAY(stat(ARGS(path), &st), ENOENT, ENOTDIR, ELOOP, EFAULT, ENAMETOOLONG);
	close(open("a", O_WRONLY | O_CREAT, 0700)); /* a path may have become another one */
	MAY(stat("a", somewhere), EFAULT);
	MAY(rename(ARGS(path), ARGS(path)), ENOENT, ENOTDIR, EFAULT, ENAMETOOLONG, ELOOP, EBUSY,
	    EISDIR, EINVAL, ENOTEMPTY, EEXIST);
	/* no program: what it is given is copied before that is seen */
	MAY(execve("a", ARGS(words), ARGS(words)), ENOEXEC, EFAULT, E2BIG, ENOENT);
}

static void events(void)
{
	static int epoll, ends[2];

	if (!epoll) {
		epoll = epoll_create1(0);
		expect(pipe(ends) == 0, "pipe");
	}
	MAY(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], ARGS(event)), EFAULT, EINVAL, EEXIST);
	MAY(epoll_ctl(epoll, EPOLL_CTL_MOD, ends[0], ARGS(event)), EFAULT, EINVAL, ENOENT);
	MAY(epoll_wait(epoll, somewhere, 1, 0), EFAULT);
	MAY(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[0], NULL), ENOENT);
	MAY(poll(ARGS(poll), 2, 0), EFAULT);
	MAY(clock_nanosleep(CLOCK_MONOTONIC, 0, ARGS(time), NULL), 0);
}

static void signals(void)
{
	struct kernel_action old;

	MAY(syscall(SYS_rt_sigaction, SIGUSR1, ARGS(action), &old, 8), EFAULT);
	if (syscall(SYS_rt_sigaction, SIGUSR1, NULL, &old, 8) == 0)
		expect(old.handler == on_first || old.handler == on_second,
		       "a handler that nobody gave: %p", (void *)old.handler);
	MAY(raise(SIGUSR1), 0);
	MAY(syscall(SYS_futex, ARGS(time), 128, 0, ARGS(time), NULL, 0), EFAULT, EINVAL, EAGAIN,
	    ETIMEDOUT, EINTR);
}

static struct caller {
	void (*calls)(void);
	pthread_t thread;
	unsigned rounds;
} callers[] = { { .calls = vectors },
		{ .calls = messages },
		{ .calls = paths },
		{ .calls = events },
		{ .calls = signals } };
#define CALLERS (sizeof(callers) / sizeof(callers[0]))

static void *make_calls(void *arg)
{
	struct caller *caller = arg;

	for (; !over; caller->rounds++)
		caller->calls();
	return NULL;
}

/* ---- all of it */

extern void restore(void);
__asm__("restore:\n\tmov $15, %eax\n\tsyscall");

static void set_up(void)
{
	char *at = mmap(NULL, 6 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd;

	expect(at != MAP_FAILED && mkdtemp(directory) && chdir(directory) == 0, "set-up");
	before = at;
	data = at + PAGE;
	munmap(data + PAGE, PAGE);
	args = (void *)(at + 4 * PAGE);
	memset(before, 0x5a, PAGE);
	memset(at + 3 * PAGE, 0x5a, PAGE);
	memset(at + 5 * PAGE, 0x5a, PAGE);
	for (const char *name = "ab"; *name; name++) {
		fd = open((char[]){ *name, 0 }, O_WRONLY | O_CREAT, 0700);
		expect(write(fd, "no program\n", 11) == 11, "write");
		close(fd);
	}
	expect(mkdir("d", 0700) == 0 && symlink("loop", "loop") == 0, "mkdir");
	args->address.sun_family = AF_UNIX;
	args->action.restorer = restore;
	args->action.handler = on_first;
	args->action.flags = 0x04000000;
	syscall(SYS_rt_sigaction, SIGUSR1, ARGS(action), NULL, 8);
}

static void check_around(void)
{
	static const unsigned guards[] = { 0, 3, 5 };

	for (unsigned g = 0; g < 3; g++)
		for (unsigned i = 0; i < PAGE; i++)
			if (before[guards[g] * PAGE + i] != 0x5a) {
				expect(0, "page %u: byte %u is %x", guards[g], i,
				       (unsigned char)before[guards[g] * PAGE + i]);
				break;
			}
}

int main(int argc, char **argv)
{
	pthread_t changer;
	long ms = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;

	set_up();
	for (unsigned i = 0; i < CALLERS; i++)
		pthread_create(&callers[i].thread, NULL, make_calls, &callers[i]);
	pthread_create(&changer, NULL, change, NULL);
	usleep((unsigned)ms * 1000);
	for (unsigned i = 0; i < CALLERS; i++)
		while (!*(volatile unsigned *)&callers[i].rounds) /* the host is busy */
			usleep(1000);
	over = 1;
	pthread_join(changer, NULL);
	for (unsigned i = 0; i < CALLERS; i++) {
		pthread_join(callers[i].thread, NULL);
		expect(callers[i].rounds > 0, "calls %u were never made", i);
		if (argc > 2)
			printf("%u rounds of calls %u\n", callers[i].rounds, i);
	}
	check_around();
	return wrong > 0;
}
