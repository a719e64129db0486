/*
 * Every system call that takes addresses, with one of them bad at a time, in each way
 * that there is: nothing mapped, the kernel's, none that there can be, without any
 * right, one byte before the end of what is mapped, and, where the system writes, one
 * that can only be read. All else that the call is given is good, so the address is
 * what it fails for. (badargs.c has what else can be wrong.)
 *
 * No call is made with good addresses only, so what the machine that judges has is
 * left as it is. Run by root there, as in badargs.c.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "places.h"

/* More places: where calls write to, what nobody may touch, the last byte. */
#define SINK (GOOD + 0x20000)
#define SHUT (GOOD + 0x30000)
#define LAST (GOOD + 0x3fff)
#define NAME (GOOD + 0x1700) /* "link", which leads to "file" */
#define SELF (GOOD + 0x1800) /* "/proc/self/exe" */
#define HOW  (GOOD + 0x2a00) /* a struct open_how that asks for nothing */

enum { PAIR = 40, OTHER, STREAM, LISTENER, WATCH, QUEUE };

struct call {
	const char *name;
	long nr;
	const char *kinds; /* of the arguments: i is read, o written, - neither */
	void (*before)(void);
	long arg[6];
};
#define P(name, kinds, ...)                  \
	{                                    \
#name, SYS_##name, kinds, 0, \
		{                            \
			__VA_ARGS__          \
		}                            \
	}
#define Q(name, kinds, before, ...)               \
	{                                         \
#name, SYS_##name, kinds, before, \
		{                                 \
			__VA_ARGS__               \
		}                                 \
	}

static const struct {
	const char *name;
	long address;
} bad[] = { { "unmapped", BAD }, { "kernel", KERNEL }, { "wild", WILD },
	    { "shut", SHUT },    { "edge", LAST },     { "read-only", RDONLY } };
#define KINDS (sizeof(bad) / sizeof(bad[0]))

/* A message queue; its name is the process's own, as all of a machine share them. */
static void make_queue(void)
{
	long attr[8] = { 0, 1, 8 };
	char name[32];

	snprintf(name, sizeof(name), "abi.%d", getpid());
	place((int)syscall(SYS_mq_open, name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, attr), QUEUE);
	NEED(syscall(SYS_mq_unlink, name));
}

static void prepare(void)
{
	struct sockaddr_in here = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	socklen_t length = sizeof(here);
	int fds[2];

	make_places();
	map_fixed(SINK, 0x2000, PROT_READ | PROT_WRITE);
	map_fixed(SHUT, 0x1000, PROT_NONE);
	put(NAME, "link", 5);
	put(SELF, "/proc/self/exe", 15);
	put(LAST, "x", 1);
	NEED(symlink("file", "link"));
	NEED(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, fds));
	place(fds[0], PAIR);
	place(fds[1], OTHER);
	place(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), LISTENER);
	NEED(bind(LISTENER, (struct sockaddr *)&name, sizeof(name)));
	NEED(listen(LISTENER, 20));
	place(syscall(SYS_inotify_init1, O_NONBLOCK), WATCH);
	make_queue();
	/* what is sent to this socket, it gets itself */
	NEED(bind(UDP, (struct sockaddr *)&here, sizeof(here)));
	NEED(getsockname(UDP, (struct sockaddr *)&here, &length));
	NEED(connect(UDP, (struct sockaddr *)&here, sizeof(here)));
}

/* ---- what has to be there before each call */

static void bytes_in_pipe(void)
{
	char old[64];

	while (read(PIPE_READ, old, sizeof(old)) > 0)
		;
	NEED(write(PIPE_WRITE, "12345678", 8));
}

static void empty_pipe(void)
{
	char old[64];

	while (read(PIPE_READ, old, sizeof(old)) > 0)
		;
}

static void datagrams(void)
{
	static const int to[] = { OTHER, UDP }, from[] = { PAIR, UDP };
	char old[64];

	for (int i = 0; i < 2; i++) {
		while (recv(from[i], old, sizeof(old), 0) >= 0)
			;
		NEED(send(to[i], "12345678", 8, 0));
	}
}

static void client(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "listener" };
	int fd;

	while ((fd = accept(LISTENER, NULL, NULL)) >= 0)
		close(fd);
	close(STREAM);
	place(socket(AF_UNIX, SOCK_STREAM, 0), STREAM);
	NEED(connect(STREAM, (struct sockaddr *)&name, sizeof(name)));
}

static void event(void)
{
	struct epoll_event wanted = { .events = EPOLLIN };

	NEED(write(EVENT, (long[]){ 1 }, 8));
	epoll_ctl(EPOLL, EPOLL_CTL_ADD, EVENT, &wanted);
}

static int queue, set, segment; /* of System V */

static void message(void)
{
	while (msgrcv(queue, (char[16]){ 0 }, 8, 0, IPC_NOWAIT) >= 0)
		;
	NEED(msgsnd(queue, (long[]){ 1, 2 }, 8, 0));
}

static void posix_message(void)
{
	syscall(SYS_mq_timedsend, QUEUE, "12345678", 8, 0, NULL); /* unless there is one */
}

static void at_start(void)
{
	lseek(FILE_FD, 0, SEEK_SET);
	lseek(READ_FD, 0, SEEK_SET);
	lseek(DIR_FD, 0, SEEK_SET);
}

/* ---- calls */

static void with_bad(const struct call *c, int which)
{
	char line[200];
	int at = snprintf(line, sizeof(line), "%s, %d:", c->name, which + 1);

	for (size_t k = 0; k < KINDS; k++) {
		long arg[6], ret;

		if (bad[k].address == RDONLY && c->kinds[which] == 'i')
			continue;
		memcpy(arg, c->arg, sizeof(arg));
		arg[which] = bad[k].address;
		fill_places();
		if (c->before)
			c->before();
		errno = 0;
		ret = syscall(c->nr, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
		at += snprintf(line + at, sizeof(line) - (size_t)at, " %s ", bad[k].name);
		at += ret == -1 ? snprintf(line + at, sizeof(line) - (size_t)at, "%s",
					   errno_name(errno)) :
				  snprintf(line + at, sizeof(line) - (size_t)at, "%ld", ret);
	}
	say("%s", line);
}

static void run_table(const struct call *call, size_t n)
{
	prepare();
	for (size_t i = 0; i < n; i++)
		for (int which = 0; call[i].kinds[which]; which++)
			if (call[i].kinds[which] != '-')
				with_bad(&call[i], which);
}
#define RUN(table) run_table(table, sizeof(table) / sizeof(table[0]))

// clang-format off
/* As many calls to a line as there is room for. */

static const struct call transfers[] = {
	Q(read, "-o", at_start, FILE_FD, SINK, 7), Q(read, "-o", bytes_in_pipe, PIPE_READ, SINK, 8),
	Q(read, "-o", event, EVENT, SINK, 8), Q(read, "-o", datagrams, PAIR, SINK, 8),
	Q(write, "-i", at_start, FILE_FD, SINK, 8), Q(write, "-i", empty_pipe, PIPE_WRITE, SINK, 8),
	P(write, "-i", EVENT, ONE, 8), Q(write, "-i", datagrams, OTHER, SINK, 8),
	P(write, "-i", NULL_FD, SINK, 8), P(pread64, "-o", FILE_FD, SINK, 4, 0),
	P(pwrite64, "-i", FILE_FD, SINK, 4, 0), P(readv, "-i", FILE_FD, IOVOK, 1),
	P(writev, "-i", FILE_FD, IOVOK, 1), P(preadv, "-i", FILE_FD, IOVOK, 1, 0),
	P(pwritev, "-i", FILE_FD, IOVOK, 1, 0), P(preadv2, "-i", FILE_FD, IOVOK, 1, 0, 0, 0),
	P(pwritev2, "-i", FILE_FD, IOVOK, 1, 0, 0, 0),
	Q(sendfile, "--o", empty_pipe, PIPE_WRITE, READ_FD, ZERO, 4),
	Q(splice, "-o", empty_pipe, READ_FD, ZERO, PIPE_WRITE, 0, 4, 0),
	Q(splice, "---o", bytes_in_pipe, PIPE_READ, 0, FILE_FD, ZERO, 4, 0),
	Q(vmsplice, "-i", empty_pipe, PIPE_WRITE, IOVOK, 1, 2),
	Q(vmsplice, "-i", bytes_in_pipe, PIPE_READ, IOVOK, 1, 2),
	P(copy_file_range, "-o-o", READ_FD, ZERO, WRITE_FD, ONE, 1, 0),
	Q(getdents, "-o", at_start, DIR_FD, SINK, 1000),
	Q(getdents64, "-o", at_start, DIR_FD, SINK, 1000), P(getrandom, "o", SINK, 8, 0),
	Q(ioctl, "--o", bytes_in_pipe, PIPE_READ, FIONREAD, SINK),
	P(ioctl, "--i", PIPE_READ, FIONBIO, ONE), P(fcntl, "--o", FILE_FD, F_GETLK, ZERO),
	P(fcntl, "--i", FILE_FD, F_SETLK, ZERO), P(fcntl, "--o", FILE_FD, F_OFD_GETLK, ZERO),
	
};

CASE(pointers_transfers, ALONE, IN_DIR)
{
	RUN(transfers);
}

static const struct call names[] = {
	P(open, "i", PATH, 0), P(openat, "-i", AT_FDCWD, PATH, 0), P(creat, "i", PATH, 0644),
	P(openat2, "-ii", AT_FDCWD, PATH, HOW, 24), P(stat, "io", PATH, SINK), P(lstat, "io", PATH, SINK),
	P(fstat, "-o", FILE_FD, SINK), P(newfstatat, "-io", AT_FDCWD, PATH, SINK, 0),
	P(statx, "-i--o", AT_FDCWD, PATH, 0, 0x7ff, SINK), P(access, "i", PATH, 0),
	P(faccessat, "-i", AT_FDCWD, PATH, 0), P(faccessat2, "-i", AT_FDCWD, PATH, 0, 0),
	P(statfs, "io", PATH, SINK), P(fstatfs, "-o", FILE_FD, SINK), P(truncate, "i", PATH, 7),
	P(getcwd, "o", SINK, 100), P(chdir, "i", DOT), P(rename, "ii", PATH, NONE),
	P(renameat, "-i-i", AT_FDCWD, PATH, AT_FDCWD, NONE),
	P(renameat2, "-i-i", AT_FDCWD, PATH, AT_FDCWD, NONE, 0), P(mkdir, "i", NONE, 0),
	P(mkdirat, "-i", AT_FDCWD, NONE, 0), P(rmdir, "i", NONE), P(link, "ii", PATH, NONE),
	P(linkat, "-i-i", AT_FDCWD, PATH, AT_FDCWD, NONE, 0), P(unlink, "i", NONE),
	P(unlinkat, "-i", AT_FDCWD, NONE, 0), P(symlink, "ii", PATH, NONE),
	P(symlinkat, "i-i", PATH, AT_FDCWD, NONE), P(readlink, "io", NAME, SINK, 100),
	P(readlinkat, "-io", AT_FDCWD, NAME, SINK, 100), P(chmod, "i", PATH, 0644),
	P(fchmodat, "-i", AT_FDCWD, PATH, 0644), P(chown, "i", PATH, -1, -1),
	P(lchown, "i", PATH, -1, -1), P(fchownat, "-i", AT_FDCWD, PATH, -1, -1, 0),
	P(utime, "ii", PATH, ZERO), P(utimes, "ii", PATH, ZERO),
	P(futimesat, "-ii", AT_FDCWD, PATH, ZERO), P(utimensat, "-ii", AT_FDCWD, PATH, ZERO, 0),
	P(mknod, "i", NONE, 0100644, 0), P(mknodat, "-i", AT_FDCWD, NONE, 0100644, 0),
	P(chroot, "i", DOT), P(mount, "iii", PATH, DOT, PATH, 0, 0), P(umount2, "i", DOT, 0),
	P(setxattr, "iii", PATH, PATH, SINK, 4, 0), P(lsetxattr, "iii", PATH, PATH, SINK, 4, 0),
	P(fsetxattr, "-ii", FILE_FD, PATH, SINK, 4, 0), P(getxattr, "ii", PATH, PATH, SINK, 8),
	P(lgetxattr, "ii", PATH, PATH, SINK, 8), P(fgetxattr, "-i", FILE_FD, PATH, SINK, 8),
	P(listxattr, "i", PATH, SINK, 8), P(llistxattr, "i", PATH, SINK, 8),
	P(removexattr, "ii", PATH, PATH), P(lremovexattr, "ii", PATH, PATH),
	P(fremovexattr, "-i", FILE_FD, PATH), P(inotify_add_watch, "-i", WATCH, PATH, 2),
	P(memfd_create, "i", PATH, 0), P(execve, "iii", SELF, ZERO, ZERO),
	P(execveat, "-iii", AT_FDCWD, SELF, ZERO, ZERO, 0), P(mq_open, "i--i", NONE, 0, 0, ZERO),
	P(mq_unlink, "i", NONE),
};

CASE(pointers_names, ALONE, IN_DIR)
{
	RUN(names);
}

static const struct call waits[] = {
	P(poll, "o", ZERO, 1, 0), P(ppoll, "o-oi", ZERO, 1, ZERO, ZERO, 8),
	P(select, "-oooo", 30, ZERO, ZERO, ZERO, ZERO),
	P(pselect6, "-ooooi", 30, ZERO, ZERO, ZERO, ZERO, ZERO),
	Q(epoll_wait, "-o", event, EPOLL, SINK, 4, 0),
	Q(epoll_pwait, "-o--i", event, EPOLL, SINK, 4, 0, ZERO, 8),
	Q(epoll_pwait2, "-o-ii", event, EPOLL, SINK, 4, ZERO, ZERO, 8),
	P(epoll_ctl, "---i", EPOLL, EPOLL_CTL_ADD, PIPE_READ, SINK), P(pipe, "o", SINK),
	P(pipe2, "o", SINK, 0), P(signalfd, "-i", -1, ZERO, 8), P(signalfd4, "-i", -1, ZERO, 8, 0),
	P(timerfd_settime, "--io", TIMER, 0, ZERO, SINK), P(timerfd_gettime, "-o", TIMER, SINK),
	P(nanosleep, "io", ZERO, SINK), P(clock_nanosleep, "--io", 1, 0, ZERO, SINK),
	P(futex, "i--i", ZERO, 0, 1, ZERO), P(futex, "i--i", ZERO, 128, 1, ZERO), P(futex, "i", ZERO, 1, 1),
	P(futex, "i", ZERO, 129, 1), P(futex, "i---i", ZERO, 4, 0, 0, ONE, 0),
	P(futex, "i---i", ZERO, 131, 0, 0, ONE), P(futex, "o", ZERO, 134, 0, 0),
	P(futex_waitv, "i", ZERO, 1, 0, 0, 0), P(get_robust_list, "-oo", 0, SINK, SINK + 8),
	P(mq_timedsend, "-i--i", QUEUE, SINK, 8, 0, ZERO), P(mq_notify, "-i", QUEUE, SINK),
	Q(mq_timedreceive, "-o-oi", posix_message, QUEUE, SINK, 8, SINK + 8, ZERO),
	P(mq_getsetattr, "-io", QUEUE, ZERO, SINK),
	P(io_setup, "-o", 1, ZERO), P(wait4, "-o-o", -1, SINK, 1, SINK), P(waitid, "--o-o", 0, 0, SINK, 5, SINK),
};

CASE(pointers_waits, ALONE, IN_DIR)
{
	RUN(waits);
}

static const struct call process[] = {
	P(uname, "o", SINK), P(sysinfo, "o", SINK), P(times, "o", SINK), P(getrlimit, "-o", 7, SINK),
	P(setrlimit, "-i", 7, SINK), P(prlimit64, "--i", 0, 7, SINK, 0), P(prlimit64, "---o", 0, 7, 0, SINK),
	P(getrusage, "-o", 0, SINK), P(getcpu, "oo", SINK, SINK), P(setgroups, "-i", 2, SINK),
	P(getresuid, "ooo", SINK, SINK, SINK), P(getresgid, "ooo", SINK, SINK, SINK),
	P(capget, "o", SINK, 0), P(capset, "i", SINK, SINK), P(sched_setparam, "-i", 0, ZERO),
	P(sched_getparam, "-o", 0, SINK), P(sched_setscheduler, "--i", 0, 0, ZERO),
	P(sched_setattr, "-i-", 0, ZERO, 0), P(sched_getattr, "-o--", 0, SINK, 48, 0),
	P(sched_rr_get_interval, "-o", 0, SINK), P(sched_setaffinity, "--i", 0, 8, ONE),
	P(sched_getaffinity, "--o", 0, 128, SINK), P(prctl, "-i", PR_SET_NAME, PATH),
	P(prctl, "-o", PR_GET_NAME, SINK), P(prctl, "-o", PR_GET_PDEATHSIG, SINK),
	P(arch_prctl, "-o", 0x1003, SINK), P(sethostname, "i", PATH, 4), P(setdomainname, "i", PATH, 4),
	P(mincore, "--o", GOOD, 4096, SINK), P(clone3, "i", ZERO, 88), P(rt_sigaction, "-io", 10, ZERO, SINK, 8),
	P(rt_sigprocmask, "-io", 0, ZERO, SINK, 8), P(rt_sigpending, "o", SINK, 8),
	P(rt_sigtimedwait, "ioi", ZERO, SINK, ZERO, 8), P(rt_sigqueueinfo, "--i", 1 << 22, 10, ZERO),
	P(rt_tgsigqueueinfo, "---i", 1 << 22, 1 << 22, 10, ZERO), P(rt_sigsuspend, "i", ZERO, 8),
	P(sigaltstack, "i", ZERO, 0), P(sigaltstack, "-o", 0, SINK), P(getitimer, "-o", 0, SINK),
	P(setitimer, "-io", 0, ZERO, SINK), P(timer_create, "-i", 1, ZERO, SINK),
	P(timer_create, "--o", 1, 0, SINK), P(timer_settime, "--i", 99, 0, ZERO, 0),
	P(clock_gettime, "-o", 1, SINK), P(clock_getres, "-o", 1, SINK), P(clock_settime, "-i", 0, ZERO),
	P(gettimeofday, "oo", SINK, SINK), P(settimeofday, "i", ZERO, 0), P(settimeofday, "-i", 0, ZERO),
	P(time, "o", SINK),
};

CASE(pointers_process, ALONE, IN_DIR)
{
	RUN(process);
}

static const struct call sockets[] = {
	P(socketpair, "---o", AF_UNIX, 1, 0, SINK), P(connect, "-i", UDP, SINK, 16),
	P(bind, "-i", SOCKET, SINK, 16), Q(accept, "-oo", client, LISTENER, SINK, LENGTH),
	Q(accept4, "-oo", client, LISTENER, SINK, LENGTH, 0),
	Q(sendto, "-i", datagrams, OTHER, SINK, 8, 0, 0, 0), P(sendto, "----i", UDP, SINK, 8, 0, SINK, 16),
	Q(recvfrom, "-o--oo", datagrams, UDP, SINK, 8, 0, SINK, LENGTH),
	Q(recvfrom, "-o", datagrams, PAIR, SINK, 8, 0, 0, 0), P(sendmsg, "-i", OTHER, MSG, 0),
	Q(recvmsg, "-o", datagrams, PAIR, MSG, 0), P(sendmmsg, "-i", OTHER, MSG, 1, 0),
	Q(recvmmsg, "-i--i", datagrams, PAIR, MSG, 1, 0, ZERO), P(getsockname, "-oo", UDP, SINK, LENGTH),
	P(getpeername, "-oo", UDP, SINK, LENGTH), P(setsockopt, "---i", UDP, 1, 2, ONE, 4),
	P(getsockopt, "---oo", UDP, 1, 3, SINK, LENGTH),
};

CASE(pointers_sockets, ALONE, IN_DIR)
{
	RUN(sockets);
}

/* In the place of ids that are known only later. */
#define A_QUEUE   -1001
#define A_SET     -1002
#define A_SEGMENT -1003

static struct call sysv[] = {
	P(semop, "-i", A_SET, ZERO, 1), P(semtimedop, "-i-i", A_SET, ZERO, 1, ZERO),
	P(semctl, "---o", A_SET, 0, IPC_STAT, SINK), P(semctl, "---i", A_SET, 0, IPC_SET, ZERO),
	P(semctl, "---o", A_SET, 0, GETALL, SINK), P(semctl, "---i", A_SET, 0, SETALL, ZERO),
	P(semctl, "---o", 0, 0, IPC_INFO, SINK), P(semctl, "---o", 0, 0, SEM_INFO, SINK),
	P(msgsnd, "-i", A_QUEUE, ONE, 8, 0), Q(msgrcv, "-o", message, A_QUEUE, SINK, 8, 0, 0),
	Q(msgrcv, "-o", message, A_QUEUE, SINK, 8, 0, 044000),
	P(msgctl, "--o", A_QUEUE, IPC_STAT, SINK), P(msgctl, "--i", A_QUEUE, IPC_SET, ZERO),
	P(msgctl, "--o", 0, IPC_INFO, SINK), P(msgctl, "--o", 0, MSG_INFO, SINK),
	P(shmctl, "--o", A_SEGMENT, IPC_STAT, SINK), P(shmctl, "--i", A_SEGMENT, IPC_SET, ZERO),
	P(shmctl, "--o", 0, IPC_INFO, SINK), P(shmctl, "--o", 0, SHM_INFO, SINK),
};
// clang-format on

CASE(pointers_sysv, ALONE, IN_DIR)
{
	queue = (int)NEED(msgget(IPC_PRIVATE, 0600));
	set = (int)NEED(semget(IPC_PRIVATE, 3, 0600));
	segment = (int)NEED(shmget(IPC_PRIVATE, 1, 0600));
	for (size_t i = 0; i < sizeof(sysv) / sizeof(sysv[0]); i++) {
		long *id = &sysv[i].arg[0];

		*id = *id == A_QUEUE   ? queue :
		      *id == A_SET     ? set :
		      *id == A_SEGMENT ? segment :
					 *id;
	}
	RUN(sysv);
	NEED(msgctl(queue, IPC_RMID, NULL));
	NEED(semctl(set, 0, IPC_RMID));
	NEED(shmctl(segment, IPC_RMID, NULL));
}
