/*
 * Every system call with arguments that are wrong: a table for each kind, made
 * of the numbers of guest/libos/syscalls.def. Only calls that fail on Linux are
 * here, so that nothing happens to the machine that judges.
 *
 * tests/abi/coverage.sh sees to it that each call is here, or in this list of
 * those that cannot fail, or not without an effect.
 *
 * Without a case: fork, vfork, exit, exit_group, pause, sched_yield, getpid, getppid, gettid,
 * getuid, getgid, geteuid, getegid, getpgrp, eventfd, inotify_init, umask, sync, alarm,
 * personality, munlockall, setfsuid, setfsgid, restart_syscall, rt_sigreturn, set_tid_address,
 * setsid, setreuid, setregid, setresuid, setresgid (for root), brk (which answers
 * with the old end).
 *
 * Root is who the guest's program is, so root must run this on Linux: without
 * privilege some calls fail for that reason.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "places.h"

struct call {
	const char *name;
	long nr;
	long arg[6];
};
#define B(name, ...)                \
	{                           \
#name, SYS_##name,  \
		{                   \
			__VA_ARGS__ \
		}                   \
	}

static void run_table(const struct call *call, size_t n)
{
	make_places();
	for (size_t i = 0; i < n; i++) {
		const struct call *c = &call[i];
		char label[160];

		snprintf(label, sizeof(label), "%s(%lx, %lx, %lx, %lx, %lx, %lx)", c->name,
			 c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4], c->arg[5]);
		show(label, syscall(c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4],
				    c->arg[5]));
	}
}
#define RUN(table) run_table(table, sizeof(table) / sizeof(table[0]))

// clang-format off
/* As many calls to a line as there is room for. */

/* ---- reading and writing */

static const struct call transfers[] = {
	B(read, FILE_FD, BAD, 4), B(read, FILE_FD, KERNEL, 4), B(read, FILE_FD, WILD, 4),
	B(read, FILE_FD, RDONLY, 4), B(read, WRITE_FD, GOOD, 4), B(read, DIR_FD, GOOD, 4),
	B(read, NO_FD, GOOD, 4), B(read, PATH_FD, GOOD, 4), B(read, EVENT, GOOD, 4),
	B(read, TIMER, GOOD, 4), B(read, PIPE_WRITE, GOOD, 4), B(read, SOCKET, GOOD, 4),
	B(write, FILE_FD, BAD, 4), B(write, FILE_FD, KERNEL, 4), B(write, FILE_FD, WILD, 4),
	B(write, READ_FD, GOOD, 4), B(write, DIR_FD, GOOD, 4), B(write, NO_FD, GOOD, 4),
	B(write, PATH_FD, GOOD, 4), B(write, EVENT, ONE, 4), B(write, EVENT, BAD, 8),
	B(write, PIPE_READ, GOOD, 4), B(write, PIPE_WRITE, BAD, 4), B(write, SOCKET, GOOD, 4),
	B(pread64, FILE_FD, BAD, 4, 0), B(pread64, FILE_FD, GOOD, 4, -1),
	B(pread64, PIPE_READ, GOOD, 4, 0), B(pread64, NO_FD, GOOD, 4, 0),
	B(pwrite64, FILE_FD, BAD, 4, 0), B(pwrite64, FILE_FD, GOOD, 4, -1),
	B(pwrite64, PIPE_WRITE, GOOD, 4, 0), B(pwrite64, NO_FD, GOOD, 4, 0),
	B(readv, FILE_FD, BAD, 1), B(readv, FILE_FD, IOV, 1), B(readv, FILE_FD, IOVNEG, 1),
	B(readv, FILE_FD, GOOD, -1), B(readv, FILE_FD, GOOD, 1025), B(readv, NO_FD, GOOD, 1),
	B(writev, FILE_FD, BAD, 1), B(writev, FILE_FD, IOV, 1), B(writev, FILE_FD, IOVNEG, 1),
	B(writev, FILE_FD, GOOD, -1), B(writev, NO_FD, GOOD, 1), B(preadv, FILE_FD, BAD, 1, 0),
	B(preadv, FILE_FD, GOOD, 1, -1), B(preadv, PIPE_READ, GOOD, 1, 0),
	B(preadv, NO_FD, GOOD, 1, 0), B(pwritev, FILE_FD, BAD, 1, 0),
	B(pwritev, FILE_FD, GOOD, 1, -1), B(pwritev, PIPE_WRITE, GOOD, 1, 0),
	B(pwritev, NO_FD, GOOD, 1, 0), B(preadv2, FILE_FD, BAD, 1, 0),
	B(preadv2, FILE_FD, IOVOK, 1, 0, 0, 0x10000000), B(preadv2, NO_FD, GOOD, 1, 0),
	B(pwritev2, FILE_FD, BAD, 1, 0), B(pwritev2, FILE_FD, IOVOK, 1, 0, 0, 0x10000000),
	B(pwritev2, NO_FD, GOOD, 1, 0), B(lseek, FILE_FD, -1, 0), B(lseek, FILE_FD, 0, 9),
	B(lseek, PIPE_READ, 0, 0), B(lseek, NO_FD, 0, 0), B(lseek, SOCKET, 0, 0),
	B(sendfile, FILE_FD, NO_FD, 0, 4), B(sendfile, NO_FD, FILE_FD, 0, 4),
	B(sendfile, FILE_FD, READ_FD, BAD, 4), B(sendfile, READ_FD, FILE_FD, 0, 4),
	B(sendfile, FILE_FD, PIPE_READ, ONE, 4), B(copy_file_range, NO_FD, 0, FILE_FD, 0, 4),
	B(copy_file_range, FILE_FD, 0, NO_FD, 0, 4), B(copy_file_range, FILE_FD, 0, READ_FD, 0, 4),
	B(copy_file_range, FILE_FD, 0, WRITE_FD, 0, 4, 1),
	B(copy_file_range, READ_FD, BAD, WRITE_FD, 0, 4),
	B(copy_file_range, PIPE_READ, 0, WRITE_FD, 0, 4), B(readahead, NO_FD, 0, 4),
	B(readahead, PIPE_READ, 0, 4), B(readahead, WRITE_FD, 0, 4), B(fadvise64, NO_FD, 0, 4, 0),
	B(fadvise64, FILE_FD, 0, 4, 99), B(fadvise64, PIPE_READ, 0, 4, 0),
	B(fallocate, NO_FD, 0, 0, 4), B(fallocate, READ_FD, 0, 0, 4),
	B(fallocate, FILE_FD, 0, -1, 4), B(fallocate, FILE_FD, 0, 0, 0),
	B(fallocate, FILE_FD, 0x1000, 0, 4), B(fallocate, PIPE_WRITE, 0, 0, 4),
	B(fallocate, FILE_FD, 2, 0, 4), B(ftruncate, NO_FD, 0), B(ftruncate, READ_FD, 0),
	B(ftruncate, FILE_FD, -1), B(ftruncate, PIPE_WRITE, 0), B(ftruncate, DIR_FD, 0),
	B(fsync, NO_FD), B(fsync, PIPE_READ), B(fdatasync, NO_FD), B(fdatasync, PIPE_READ),
	B(syncfs, NO_FD), B(syncfs, PATH_FD), B(sync_file_range, NO_FD, 0, 4, 0),
	B(sync_file_range, FILE_FD, 0, 4, 99), B(sync_file_range, FILE_FD, -1, 4, 0),
	B(sync_file_range, PIPE_READ, 0, 4, 0), B(splice, NO_FD, 0, PIPE_WRITE, 0, 4, 0),
	B(splice, FILE_FD, BAD, PIPE_WRITE, 0, 4, 0), B(splice, FILE_FD, 0, FILE_FD, 0, 4, 0),
	B(splice, FILE_FD, 0, PIPE_WRITE, 0, 4, 99), B(splice, PIPE_READ, ONE, FILE_FD, 0, 4, 0),
	B(splice, PIPE_READ, 0, READ_FD, 0, 4, 0), B(splice, PIPE_READ, 0, PIPE_WRITE, 0, 4, 0),
	B(tee, NO_FD, PIPE_WRITE, 4, 0), B(tee, FILE_FD, PIPE_WRITE, 4, 0),
	B(tee, PIPE_READ, PIPE_WRITE, 4, 99), B(tee, PIPE_READ, PIPE_WRITE, 4, 0),
	B(vmsplice, NO_FD, IOVOK, 1, 0), B(vmsplice, FILE_FD, IOVOK, 1, 0),
	B(vmsplice, PATH_FD, IOVOK, 1, 0), B(vmsplice, PIPE_WRITE, IOVOK, 1, 99),
	B(vmsplice, PIPE_WRITE, IOVOK, 1025, 0), B(vmsplice, PIPE_WRITE, IOVOK, -1, 0),
	B(vmsplice, PIPE_WRITE, BAD, 1, 0), B(vmsplice, PIPE_WRITE, IOV, 1, 0),
	B(vmsplice, PIPE_WRITE, IOVNEG, 1, 0), B(vmsplice, PIPE_READ, IOVOK, 1, 2),
	B(vmsplice, FILE_FD, BAD, 1, 0), B(vmsplice, SOCKET, IOVOK, 1, 0),
	B(getdents, NO_FD, GOOD, 100),
	B(getdents, FILE_FD, GOOD, 100), B(getdents, DIR_FD, GOOD, 1),
	B(getdents64, NO_FD, GOOD, 100), B(getdents64, FILE_FD, GOOD, 100),
	B(getdents64, DIR_FD, GOOD, 1), B(getdents64, DIR_FD, BAD, 1000),
};

CASE(badargs_transfers, ALONE, IN_DIR)
{
	RUN(transfers);
}

/* ---- descriptors and what is made of them */

static const struct call descriptor_calls[] = {
	B(close, NO_FD), B(close, -1), B(close_range, 5, 4, 0), B(close_range, 99, 99, 99),
	B(dup, NO_FD), B(dup, -1), B(dup2, NO_FD, 50), B(dup2, FILE_FD, -1),
	B(dup2, FILE_FD, 1 << 30), B(dup3, FILE_FD, FILE_FD, 0), B(dup3, FILE_FD, 50, 1),
	B(dup3, NO_FD, 50, 0), B(fcntl, NO_FD, F_GETFD), B(fcntl, FILE_FD, 999),
	B(fcntl, FILE_FD, F_DUPFD, -1), B(fcntl, FILE_FD, F_SETLK, BAD),
	B(fcntl, FILE_FD, F_GETLK, BAD), B(flock, NO_FD, 1), B(ioctl, NO_FD, 0x5401, GOOD),
	B(ioctl, FILE_FD, 0x5401, GOOD), B(ioctl, FILE_FD, 0x12345678, GOOD),
	B(ioctl, PIPE_READ, 0x541b, BAD), B(ioctl, FILE_FD, 0x5421, BAD), B(pipe, BAD),
	B(pipe, RDONLY), B(pipe, EDGE), B(pipe2, BAD, 0), B(pipe2, GOOD, 0x40000000),
	B(inotify_init1, 1), B(inotify_add_watch, NO_FD, PATH, 2),
	B(inotify_add_watch, FILE_FD, PATH, 2), B(inotify_add_watch, FILE_FD, PATH, 0),
	B(inotify_rm_watch, NO_FD, 1), B(inotify_rm_watch, FILE_FD, 1),
	B(eventfd2, 0, 0x40000000), B(epoll_create, 0), B(epoll_create, -1), B(epoll_create1, 1),
	B(epoll_ctl, NO_FD, EPOLL_CTL_ADD, EVENT, GOOD),
	B(epoll_ctl, EPOLL, EPOLL_CTL_ADD, NO_FD, GOOD),
	B(epoll_ctl, EPOLL, EPOLL_CTL_ADD, EVENT, BAD), B(epoll_ctl, EPOLL, 99, EVENT, GOOD),
	B(epoll_ctl, EPOLL, EPOLL_CTL_ADD, EPOLL, GOOD),
	B(epoll_ctl, EPOLL, EPOLL_CTL_ADD, FILE_FD, GOOD),
	B(epoll_ctl, EPOLL, EPOLL_CTL_DEL, EVENT, GOOD),
	B(epoll_ctl, EPOLL, EPOLL_CTL_MOD, EVENT, GOOD),
	B(epoll_ctl, EVENT, EPOLL_CTL_ADD, EVENT, GOOD), B(epoll_wait, NO_FD, GOOD, 1, 0),
	B(epoll_wait, EVENT, GOOD, 1, 0), B(epoll_wait, EPOLL, GOOD, 0, 0),
	B(epoll_wait, EPOLL, GOOD, -1, 0), B(epoll_pwait, NO_FD, GOOD, 1, 0, 0, 8),
	B(epoll_pwait, EPOLL, GOOD, 1, 0, GOOD, 9), B(epoll_pwait, EPOLL, GOOD, 1, 0, BAD, 8),
	B(epoll_pwait2, NO_FD, GOOD, 1, 0, 0, 8), B(epoll_pwait2, EPOLL, GOOD, 1, TIME, 0, 8),
	B(epoll_pwait2, EPOLL, GOOD, 1, BAD, 0, 8), B(poll, BAD, 1, 0), B(poll, GOOD, 1 << 30, 0),
	B(ppoll, BAD, 1, 0, 0, 8), B(ppoll, GOOD, 0, TIME, 0, 8), B(ppoll, GOOD, 0, BAD, 0, 8),
	B(ppoll, GOOD, 0, 0, GOOD, 9), B(select, -1, 0, 0, 0, 0), B(select, 1, BAD, 0, 0, 0),
	B(select, 0, 0, 0, 0, BAD), B(select, 0, 0, 0, 0, TIME), B(pselect6, -1, 0, 0, 0, 0, 0),
	B(pselect6, 1, BAD, 0, 0, 0, 0), B(pselect6, 0, 0, 0, 0, TIME, 0),
	B(pselect6, 0, 0, 0, 0, 0, BAD), B(signalfd, -1, BAD, 8), B(signalfd, -1, GOOD, 9),
	B(signalfd, FILE_FD, GOOD, 8), B(signalfd4, -1, GOOD, 8, 1),
	B(signalfd4, NO_FD, GOOD, 8, 0), B(signalfd4, -1, BAD, 8, 0), B(timerfd_create, 99, 0),
	B(timerfd_create, 1, 1), B(timerfd_settime, NO_FD, 0, GOOD, 0),
	B(timerfd_settime, FILE_FD, 0, GOOD, 0), B(timerfd_settime, TIMER, 0, BAD, 0),
	B(timerfd_settime, TIMER, 99, GOOD, 0), B(timerfd_settime, TIMER, 0, ITIMER, 0),
	B(timerfd_gettime, NO_FD, GOOD), B(timerfd_gettime, FILE_FD, GOOD),
	B(timerfd_gettime, TIMER, BAD), B(memfd_create, BAD, 0), B(memfd_create, GOOD, 0x1000), B(memfd_create, GOOD, 24),
	B(memfd_create, LONG, 0), B(io_setup, 0, GOOD), B(io_setup, 1, BAD), B(io_setup, 1, ONE),
	B(io_destroy, 1), B(io_getevents, 1, 0, 1, GOOD, 0), B(io_submit, 1, 1, GOOD),
	B(io_cancel, 1, GOOD, GOOD), B(io_cancel, 1, BAD, GOOD),
};

CASE(badargs_descriptors, ALONE, IN_DIR)
{
	RUN(descriptor_calls);
}

/* ---- names */

static const struct call names[] = {
	B(open, BAD, 0), B(open, KERNEL, 0), B(open, NONE, 0), B(open, EMPTY, 0),
	B(open, UNDER, 0), B(open, LONG, 0), B(open, DOT, O_WRONLY), B(open, PATH, O_DIRECTORY),
	B(open, PATH, O_CREAT | O_EXCL), B(openat, NO_FD, PATH, 0), B(openat, FILE_FD, PATH, 0),
	B(openat, AT_FDCWD, BAD, 0), B(openat2, AT_FDCWD, PATH, BAD, 24),
	B(openat2, AT_FDCWD, PATH, GOOD, 8), B(openat2, AT_FDCWD, BAD, GOOD, 24),
	B(openat2, AT_FDCWD, PATH, TIME, 24), B(creat, BAD, 0), B(creat, UNDER, 0),
	B(creat, EMPTY, 0), B(stat, BAD, GOOD), B(stat, PATH, BAD), B(stat, NONE, GOOD),
	B(stat, PATH, RDONLY), B(lstat, BAD, GOOD), B(lstat, PATH, BAD), B(lstat, UNDER, GOOD),
	B(fstat, NO_FD, GOOD), B(fstat, FILE_FD, BAD), B(fstat, FILE_FD, EDGE),
	B(newfstatat, NO_FD, PATH, GOOD, 0), B(newfstatat, AT_FDCWD, EMPTY, GOOD, 0),
	B(newfstatat, AT_FDCWD, PATH, GOOD, 1), B(newfstatat, AT_FDCWD, PATH, BAD, 0),
	B(statx, AT_FDCWD, BAD, 0, 0x7ff, GOOD), B(statx, AT_FDCWD, PATH, 1, 0x7ff, GOOD),
	B(statx, AT_FDCWD, PATH, 0, 0x7ff, BAD),
	B(statx, AT_FDCWD, PATH, 0, (long)0x80000000, GOOD), B(statx, NO_FD, PATH, 0, 0x7ff, GOOD),
	B(access, BAD, 0), B(access, NONE, 0), B(access, PATH, 99), B(faccessat, AT_FDCWD, BAD, 0),
	B(faccessat, NO_FD, PATH, 0), B(faccessat2, AT_FDCWD, PATH, 0, 1),
	B(faccessat2, AT_FDCWD, BAD, 0, 0), B(statfs, BAD, GOOD), B(statfs, PATH, BAD),
	B(statfs, NONE, GOOD), B(fstatfs, NO_FD, GOOD), B(fstatfs, FILE_FD, BAD),
	B(truncate, BAD, 0), B(truncate, PATH, -1), B(truncate, DOT, 0), B(truncate, NONE, 0),
	B(getcwd, BAD, 100), B(getcwd, GOOD, 1), B(getcwd, GOOD, 0), B(chdir, BAD), B(chdir, PATH),
	B(chdir, NONE), B(fchdir, NO_FD), B(fchdir, FILE_FD), B(rename, BAD, PATH),
	B(rename, PATH, BAD), B(rename, NONE, PATH), B(rename, DOT, NONE),
	B(renameat, NO_FD, PATH, AT_FDCWD, NONE), B(renameat2, AT_FDCWD, PATH, AT_FDCWD, NONE, 99),
	B(renameat2, AT_FDCWD, BAD, AT_FDCWD, NONE, 0),
	B(renameat2, AT_FDCWD, PATH, AT_FDCWD, PATH, 1), B(mkdir, BAD, 0), B(mkdir, PATH, 0),
	B(mkdir, UNDER, 0), B(mkdir, EMPTY, 0), B(mkdirat, NO_FD, NONE, 0),
	B(mkdirat, AT_FDCWD, BAD, 0), B(rmdir, BAD), B(rmdir, PATH), B(rmdir, DOT), B(rmdir, NONE),
	B(link, BAD, NONE), B(link, PATH, BAD), B(link, NONE, NONE), B(link, DOT, NONE),
	B(link, PATH, PATH), B(linkat, AT_FDCWD, PATH, AT_FDCWD, NONE, 1),
	B(linkat, NO_FD, PATH, AT_FDCWD, NONE, 0), B(unlink, BAD), B(unlink, NONE), B(unlink, DOT),
	B(unlinkat, AT_FDCWD, PATH, 1), B(unlinkat, NO_FD, PATH, 0),
	B(unlinkat, AT_FDCWD, PATH, AT_REMOVEDIR), B(symlink, BAD, NONE), B(symlink, PATH, BAD),
	B(symlink, EMPTY, NONE), B(symlink, PATH, PATH), B(symlinkat, PATH, NO_FD, NONE),
	B(symlinkat, BAD, AT_FDCWD, NONE), B(readlink, BAD, GOOD, 10), B(readlink, PATH, GOOD, 10),
	B(readlink, PATH, GOOD, 0), B(readlinkat, NO_FD, PATH, GOOD, 10),
	B(readlinkat, AT_FDCWD, BAD, GOOD, 10), B(chmod, BAD, 0), B(chmod, NONE, 0),
	B(fchmod, NO_FD, 0), B(fchmod, PATH_FD, 0), B(fchmodat, AT_FDCWD, BAD, 0),
	B(fchmodat, NO_FD, PATH, 0),
	B(chown, BAD, -1, -1), B(chown, NONE, -1, -1),
	B(lchown, BAD, -1, -1), B(fchown, NO_FD, -1, -1), B(fchown, PATH_FD, -1, -1),
	B(fchownat, AT_FDCWD, BAD, -1, -1, 0), B(fchownat, AT_FDCWD, PATH, -1, -1, 1),
	B(utime, BAD, GOOD), B(utime, PATH, BAD), B(utime, NONE, GOOD), B(utimes, BAD, GOOD),
	B(utimes, PATH, BAD), B(utimes, PATH, ITIMER), B(futimesat, AT_FDCWD, PATH, ITIMER),
	B(futimesat, NO_FD, PATH, GOOD), B(utimensat, AT_FDCWD, PATH, ITIMER, 0),
	B(utimensat, AT_FDCWD, PATH, GOOD, 1), B(utimensat, AT_FDCWD, BAD, GOOD, 0),
	B(utimensat, AT_FDCWD, PATH, BAD, 0), B(utimensat, NO_FD, 0, GOOD, 0),
	B(mknod, BAD, 0100000, 0), B(mknod, PATH, 0100000, 0), B(mknod, NONE, 0040000, 0),
	B(mknodat, NO_FD, NONE, 0100000, 0), B(mknodat, AT_FDCWD, BAD, 0100000, 0), B(chroot, BAD),
	B(chroot, PATH), B(chroot, NONE), B(mount, 0, BAD, 0, 0, 0), B(mount, BAD, DOT, 0, 0, 0),
	B(mount, 0, DOT, BAD, 0, 0), B(mount, 0, DOT, 0, 0, 0), B(mount, 0, NONE, 0, 0, 0),
	B(mount, 0, DOT, NONE, 0, 0), B(umount2, BAD, 0), B(umount2, DOT, 99),
	B(umount2, NONE, 0), B(umount2, DOT, 0), B(umount2, PATH, 0), B(setxattr, BAD, PATH, GOOD, 1, 0),
	B(setxattr, PATH, BAD, GOOD, 1, 0), B(setxattr, PATH, EMPTY, GOOD, 1, 0),
	B(setxattr, PATH, NONE, GOOD, 1, 99), B(setxattr, PATH, LONG, GOOD, 1, 0),
	B(lsetxattr, BAD, PATH, GOOD, 1, 0), B(lsetxattr, NONE, PATH, GOOD, 1, 0),
	B(fsetxattr, NO_FD, PATH, GOOD, 1, 0), B(fsetxattr, FILE_FD, BAD, GOOD, 1, 0),
	B(getxattr, BAD, PATH, GOOD, 1), B(getxattr, PATH, BAD, GOOD, 1),
	B(getxattr, PATH, EMPTY, GOOD, 1), B(lgetxattr, BAD, PATH, GOOD, 1),
	B(lgetxattr, NONE, PATH, GOOD, 1), B(fgetxattr, NO_FD, PATH, GOOD, 1),
	B(fgetxattr, FILE_FD, BAD, GOOD, 1), B(listxattr, BAD, GOOD, 1),
	B(listxattr, NONE, GOOD, 1), B(llistxattr, BAD, GOOD, 1), B(flistxattr, NO_FD, GOOD, 1),
	B(removexattr, BAD, PATH), B(removexattr, PATH, BAD), B(removexattr, PATH, EMPTY),
	B(lremovexattr, BAD, PATH), B(fremovexattr, NO_FD, PATH), B(fremovexattr, FILE_FD, BAD),
};

CASE(badargs_names, ALONE, IN_DIR)
{
	RUN(names);
}

static const struct call fchmodat2[] = {
	B(fchmodat2, AT_FDCWD, PATH, 0, 1), B(fchmodat2, NO_FD, PATH, 0, 0),
};

CASE(badargs_fchmodat2, ALONE, IN_DIR, SINCE(6, 6))
{
	RUN(fchmodat2);
}

/* ---- memory */

static const struct call memory[] = {
	B(mmap, 0, 0, 3, 0x22, -1, 0), B(mmap, 0, 4096, 3, 0x20, -1, 0),
	B(mmap, 0, 4096, 3, 2, NO_FD, 0), B(mmap, 0, 4096, 3, 0x22, -1, 1),
	B(mmap, GOOD + 1, 4096, 3, 0x32, -1, 0), B(mmap, 0, -1, 3, 0x22, -1, 0),
	B(mmap, KERNEL, 4096, 3, 0x32, -1, 0), B(mmap, 0, 4096, 1, 2, WRITE_FD, 0),
	B(mmap, 0, 4096, 3, 1, READ_FD, 0), B(mmap, 0, 4096, 1, 2, DIR_FD, 0),
	B(mmap, 0, 4096, 1, 2, PIPE_READ, 0), B(mmap, GOOD, 4096, 3, 0x100022, -1, 0),
	B(mprotect, GOOD + 1, 4096, 3), B(mprotect, BAD, 4096, 3), B(mprotect, GOOD, 4096, 99),
	B(mprotect, GOOD, -1, 3), B(pkey_mprotect, GOOD + 1, 4096, 3, -1),
	B(pkey_mprotect, BAD, 4096, 3, -1), B(pkey_mprotect, GOOD, 4096, 3, 99),
	B(pkey_alloc, 1, 0), B(pkey_alloc, 0, 99), B(pkey_free, 99), B(pkey_free, -1), B(munmap, GOOD + 1, 4096), B(munmap, GOOD, 0),
	B(munmap, KERNEL, 4096), B(mremap, GOOD + 1, 4096, 4096, 0), B(mremap, BAD, 4096, 8192, 1),
	B(mremap, GOOD, 4096, 0, 0), B(mremap, GOOD, 4096, 4096, 99),
	B(mremap, GOOD, 4096, 4096, 2, 0), B(msync, GOOD + 1, 4096, 4), B(msync, GOOD, 4096, 99),
	B(msync, GOOD, 4096, 5), B(msync, BAD, 4096, 4), B(mincore, GOOD + 1, 4096, GOOD),
	B(mincore, GOOD, 4096, BAD), B(shmget, 0, 0, 0), B(shmget, 0, -1, 0),
	B(shmget, 0x7ffe, 1, 0), B(shmat, -1, 0, 0), B(shmat, 0x7fffffff, 0, 0), B(shmdt, GOOD),
	B(shmdt, BAD + 1), B(shmctl, -1, 2, GOOD), B(shmctl, 0, 99, GOOD), B(shmctl, 0, 3, BAD), B(mincore, BAD, 4096, GOOD), B(madvise, GOOD + 1, 4096, 0),
	B(semget, 0, 0, 0), B(semget, 0, -1, 0), B(semget, 0x7ffe, 1, 0), B(semget, 0, 32001, 0),
	B(semop, -1, GOOD, 1), B(semop, 0x7fffffff, GOOD, 1), B(semop, 0x7fffffff, GOOD, 0),
	B(semop, 0x7fffffff, BAD, 1), B(semop, 0x7fffffff, BAD, 501),
	B(semtimedop, 0x7fffffff, GOOD, 1, BAD), B(semtimedop, 0x7fffffff, GOOD, 501, TIME),
	B(semtimedop, 0x7fffffff, GOOD, 1, TIME), B(semctl, -1, 0, 2, GOOD),
	B(semctl, 0x7fffffff, 0, 2, GOOD), B(semctl, 0x7fffffff, 0, 1, BAD),
	B(semctl, 0x7fffffff, 0, 16, 32768), B(semctl, 0x7fffffff, 0, 0, 0),
	B(semctl, 0x7fffffff, 0, 13, GOOD), B(semctl, 0, 0, 99, GOOD), B(semctl, 0, 0, 3, BAD),
	B(msgget, 0x7ffe, 0), B(msgsnd, 0x7fffffff, ONE, 1, 0), B(msgsnd, -1, ONE, 1, 0),
	B(msgsnd, 0x7fffffff, GOOD, 1, 0), B(msgsnd, 0x7fffffff, BAD, 8193, 0),
	B(msgsnd, 0x7fffffff, ONE, 8193, 0), B(msgsnd, 0x7fffffff, ONE, -1, 0),
	B(msgsnd, 0x7fffffff, EDGE, 0, 0), B(msgrcv, -1, GOOD, 1, 0, 0),
	B(msgrcv, 0x7fffffff, GOOD, -1, 0, 0), B(msgrcv, 0x7fffffff, BAD, 1, 0, 0),
	B(msgrcv, 0x7fffffff, GOOD, 1, 0, 040000), B(msgrcv, 0x7fffffff, BAD, 1, 0, 044000),
	B(msgctl, -1, 2, GOOD), B(msgctl, 0x7fffffff, 2, GOOD), B(msgctl, 0x7fffffff, 1, BAD),
	B(msgctl, 0x7fffffff, 0, 0), B(msgctl, 0, 99, GOOD), B(msgctl, 0, -1, GOOD),
	B(msgctl, 0, 3, BAD),
	B(madvise, GOOD, 4096, 99), B(madvise, BAD, 4096, 4), B(mlock, BAD, 4096),
	B(mlock2, GOOD, 4096, 99), B(mlock2, BAD, 4096, 0), B(munlock, BAD, 4096), B(mlockall, 0),
	B(mlockall, 99), B(membarrier, 99, 0), B(membarrier, 0, 99), B(rseq, GOOD, 32, 4, 0),
	B(rseq, GOOD, 16, 0, 0), B(rseq, BAD, 32, 1, 0),
	B(process_vm_readv, 0x7ffffffe, BAD, 1, GOOD, 1, 0), B(process_vm_readv, 1, GOOD, 1, GOOD, 1, 1),
	B(process_vm_readv, 1, GOOD, -1, GOOD, 1, 0), B(process_vm_writev, 1, GOOD, 1, GOOD, 1, 99),
	B(process_vm_writev, 0x7ffffffe, BAD, 2, GOOD, 1, 0),
};

CASE(badargs_memory, ALONE, IN_DIR)
{
	RUN(memory);
}

/* ---- the process, its threads and limits */

static const struct call process[] = {
	B(clone, 0x10000, 0, 0, 0, 0), B(clone, 0x800, 0, 0, 0, 0), B(clone3, BAD, 88),
	B(pidfd_open, -1, 0), B(pidfd_open, 1, 99), B(pidfd_open, 1 << 22, 0),
	B(pidfd_send_signal, NO_FD, 0, 0, 0), B(pidfd_send_signal, FILE_FD, 0, 0, 0),
	B(pidfd_send_signal, FILE_FD, 0, 0, 99), B(pidfd_getfd, NO_FD, 0, 0),
	B(pidfd_getfd, FILE_FD, 0, 0), B(pidfd_getfd, FILE_FD, 0, 1), B(clone3, GOOD, 8), B(clone3, RDONLY, 88 + 4096), B(execve, BAD, 0, 0),
	B(execve, PATH, 0, 0), B(execve, NONE, 0, 0), B(execve, DOT, 0, 0), B(execve, LONG, 0, 0),
	B(execveat, AT_FDCWD, PATH, 0, 0, 99), B(execveat, NO_FD, PATH, 0, 0, 0),
	B(execveat, DIR_FD, EMPTY, 0, 0, AT_EMPTY_PATH), B(execveat, DIR_FD, BAD, 0, 0, 0), B(wait4, -1, 0, 0, 0),
	B(wait4, -1, 0, 0x100, 0), B(wait4, 1 << 22, BAD, 0, 0), B(waitid, 99, 0, GOOD, 4, 0),
	B(waitid, 0, 0, GOOD, 0, 0), B(waitid, 0, 0, GOOD, 4, 0), B(waitid, 1, -1, GOOD, 4, 0),
	B(futex, BAD, 0, 0, 0), B(futex, GOOD + 1, 0, 0, 0), B(futex, GOOD, 99, 0, 0),
	B(futex, GOOD, 0, 0, TIME), B(futex, GOOD, 0, 0, BAD), B(futex, GOOD, 0, 1, 0),
	B(futex, GOOD, 9, 0, 0, 0, 0), B(futex, GOOD, 3, 1, -1, GOOD),
	B(futex, GOOD, 4, 1, 1, GOOD + 4, 7), B(futex_waitv, BAD, 1, 0, 0, 0), B(futex_waitv, ZERO, 1, 0, 0, 0),
	B(futex_waitv, ZERO, 1, 1, 0, 0), B(futex_waitv, ZERO, 129, 0, 0, 0), B(set_robust_list, GOOD, 23),
	B(get_robust_list, 1 << 22, GOOD, GOOD), B(get_robust_list, 0, BAD, GOOD),
	B(get_robust_list, -1, GOOD, GOOD), B(arch_prctl, 99, 0), B(arch_prctl, 0x1003, BAD),
	B(arch_prctl, 0x1002, KERNEL), B(prctl, 9999, 0), B(prctl, PR_SET_NAME, BAD),
	B(prctl, PR_GET_NAME, BAD), B(prctl, PR_SET_PDEATHSIG, 99), B(prctl, PR_SET_DUMPABLE, 99),
	B(prctl, PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), B(getrlimit, 99, GOOD), B(getrlimit, 0, BAD),
	B(setrlimit, 99, GOOD), B(setrlimit, 0, BAD), B(prlimit64, 0, 99, 0, GOOD),
	B(prlimit64, 0, 0, 0, BAD), B(prlimit64, 0, 0, BAD, 0), B(prlimit64, 1 << 22, 0, 0, GOOD),
	B(getrusage, 99, GOOD), B(getrusage, 0, BAD), B(sysinfo, BAD), B(uname, BAD),
	B(uname, EDGE), B(times, BAD), B(getpriority, 99, 0), B(getpriority, 0, 1 << 22),
	B(setpriority, 99, 0, 0), B(setpriority, 0, 1 << 22, 0), B(sched_setparam, 0, BAD),
	B(sched_setparam, -1, GOOD), B(sched_setparam, 0, LENGTH), B(sched_setparam, 0, 0),
	B(sched_getparam, 0, BAD), B(sched_getparam, -1, GOOD), B(sched_getparam, 1 << 22, GOOD),
	B(sched_getparam, 0, 0), B(sched_setscheduler, 0, 99, GOOD),
	B(sched_setscheduler, 0, 0, BAD), B(sched_setscheduler, -1, 0, GOOD),
	B(sched_setscheduler, 0, 0, LENGTH), B(sched_getscheduler, -1),
	B(sched_getscheduler, 1 << 22), B(sched_get_priority_max, 99),
	B(sched_get_priority_min, 99), B(sched_rr_get_interval, 0, BAD),
	B(sched_rr_get_interval, -1, GOOD), B(sched_rr_get_interval, 1 << 22, GOOD),
	B(sched_setattr, 0, BAD, 0), B(sched_setattr, 0, 0, 0), B(sched_setattr, -1, ZERO, 0),
	B(sched_setattr, 0, ZERO, 1), B(sched_setattr, 1 << 22, ZERO, 0),
	B(sched_setattr, 0, LENGTH, 0), B(sched_getattr, 0, BAD, 48, 0),
	B(sched_getattr, 0, GOOD, 47, 0), B(sched_getattr, 0, GOOD, 4097, 0),
	B(sched_getattr, 0, GOOD, 48, 1), B(sched_getattr, -1, GOOD, 48, 0),
	B(sched_getattr, 1 << 22, GOOD, 48, 0),
	B(sched_setaffinity, 0, 8, BAD), B(sched_setaffinity, 0, 8, ZERO),
	B(sched_setaffinity, 1 << 22, 8, ONE), B(sched_getaffinity, 0, 1, GOOD),
	B(sched_getaffinity, 0, 128, BAD), B(sched_getaffinity, 1 << 22, 128, GOOD),
	B(getcpu, BAD, 0, 0), B(getcpu, 0, BAD, 0), B(setpgid, -1, 0), B(setpgid, 0, -1),
	B(setpgid, 1 << 22, 0), B(getpgid, 1 << 22), B(getsid, 1 << 22), B(setuid, -1),
	B(setgid, -1), B(getgroups, -1, GOOD), B(setgroups, 1 << 20, GOOD), B(setgroups, 1, BAD),
	B(getresuid, BAD, GOOD, GOOD), B(getresuid, GOOD, BAD, GOOD),
	B(getresgid, GOOD, GOOD, BAD), B(capget, BAD, 0), B(capget, GOOD, GOOD),
	B(capset, BAD, GOOD), B(capset, GOOD, GOOD), B(sethostname, BAD, 4),
	B(sethostname, GOOD, -1), B(sethostname, GOOD, 65), B(setdomainname, BAD, 4),
	B(setdomainname, GOOD, 65), B(getrandom, BAD, 4, 0), B(getrandom, GOOD, 4, 99),
	B(getrandom, KERNEL, 4, 0),
};

CASE(badargs_process, ALONE, IN_DIR)
{
	RUN(process);
}

/* ---- signals and time */

static const struct call signals_and_time[] = {
	B(rt_sigaction, 99, 0, 0, 8), B(rt_sigaction, 9, GOOD, 0, 8),
	B(rt_sigaction, 1, BAD, 0, 8), B(rt_sigaction, 1, 0, BAD, 8),
	B(rt_sigaction, 1, 0, GOOD, 9), B(rt_sigprocmask, 99, GOOD, 0, 8),
	B(rt_sigprocmask, 0, BAD, 0, 8), B(rt_sigprocmask, 0, 0, BAD, 8),
	B(rt_sigprocmask, 0, GOOD, 0, 9), B(rt_sigpending, BAD, 8), B(rt_sigpending, GOOD, 9),
	B(rt_sigtimedwait, BAD, 0, GOOD, 8), B(rt_sigtimedwait, GOOD, 0, TIME, 8),
	B(rt_sigtimedwait, GOOD, 0, BAD, 8), B(rt_sigtimedwait, GOOD, 0, GOOD, 9),
	B(rt_sigqueueinfo, 1 << 22, 1, GOOD), B(rt_sigqueueinfo, 1 << 22, 1, BAD),
	B(rt_tgsigqueueinfo, 1 << 22, 1 << 22, 1, GOOD), B(rt_tgsigqueueinfo, -1, 1, 1, GOOD),
	B(rt_sigsuspend, GOOD, 9), B(rt_sigsuspend, BAD, 8), B(sigaltstack, BAD, 0),
	B(sigaltstack, 0, BAD), B(sigaltstack, ONE, 0), B(kill, 1 << 22, 0), B(kill, 0, 99),
	B(tkill, -1, 0), B(tkill, 1 << 22, 0), B(tkill, 0, 1), B(tgkill, -1, 1, 0),
	B(tgkill, 1 << 22, 1 << 22, 0), B(tgkill, 0, 0, 0), B(nanosleep, BAD, 0),
	B(nanosleep, TIME, 0), B(nanosleep, KERNEL, 0), B(clock_nanosleep, 99, 0, GOOD, 0),
	B(clock_nanosleep, 1, 0, BAD, 0), B(clock_nanosleep, 1, 0, TIME, 0),
	B(clock_gettime, 99, GOOD), B(clock_gettime, 1, BAD), B(clock_gettime, 1, RDONLY),
	B(clock_getres, 99, GOOD), B(clock_getres, 1, BAD), B(clock_settime, 99, GOOD),
	B(clock_settime, 1, GOOD), B(clock_settime, 0, BAD), B(clock_settime, 0, TIME),
	B(gettimeofday, BAD, 0), B(gettimeofday, 0, BAD), B(settimeofday, BAD, 0),
	B(settimeofday, TIME, 0), B(settimeofday, 0, BAD), B(time, BAD), B(time, KERNEL),
	B(mq_open, NONE, 0, 0, 0), B(mq_open, BAD, 0, 0, 0), B(mq_open, UNDER, 0100, 0, 0),
	B(mq_open, LONG, 0100, 0, 0), B(mq_open, EMPTY, 0100, 0, 0), B(mq_open, DOT, 0100, 0, 0),
	B(mq_open, NONE, 0100, 0, ZERO), B(mq_open, NONE, 0, 0, BAD), B(mq_unlink, NONE),
	B(mq_unlink, BAD), B(mq_unlink, UNDER), B(mq_unlink, LONG), B(mq_timedsend, NO_FD, GOOD, 1, 0, 0),
	B(mq_timedsend, FILE_FD, GOOD, 1, 0, 0), B(mq_timedsend, FILE_FD, GOOD, 1, 0, TIME),
	B(mq_timedsend, FILE_FD, GOOD, 1, 32768, 0), B(mq_timedsend, FILE_FD, GOOD, 1, 0, BAD),
	B(mq_timedreceive, NO_FD, GOOD, 1, 0, 0), B(mq_timedreceive, FILE_FD, GOOD, 1, 0, 0),
	B(mq_timedreceive, FILE_FD, GOOD, 1, 0, TIME), B(mq_timedreceive, FILE_FD, GOOD, 1, 0, BAD),
	B(mq_notify, NO_FD, 0), B(mq_notify, FILE_FD, GOOD), B(mq_notify, FILE_FD, BAD),
	B(mq_notify, FILE_FD, TIME), B(mq_getsetattr, NO_FD, 0, 0), B(mq_getsetattr, FILE_FD, 0, GOOD),
	B(mq_getsetattr, FILE_FD, BAD, 0), B(mq_getsetattr, NO_FD, ONE, 0),
	B(getitimer, 99, GOOD), B(getitimer, 0, BAD), B(setitimer, 99, GOOD, 0),
	B(setitimer, 0, BAD, 0), B(setitimer, 0, ITIMER, 0), B(timer_create, 99, 0, GOOD),
	B(timer_create, 1, BAD, GOOD), B(timer_create, 1, 0, BAD),
	B(timer_settime, 99, 0, GOOD, 0), B(timer_settime, 99, 0, BAD, 0),
	B(timer_gettime, 99, GOOD), B(timer_getoverrun, 99), B(timer_delete, 99),
};

CASE(badargs_signals_and_time, ALONE, IN_DIR)
{
	RUN(signals_and_time);
}

/* ---- sockets */

static const struct call sockets[] = {
	B(socket, 99, 1, 0), B(socket, AF_UNIX, 99, 0), B(socket, AF_INET, 1, 99),
	B(socket, AF_UNIX, 0x1000, 0), B(socketpair, AF_UNIX, 1, 0, BAD),
	B(socketpair, AF_INET, 1, 0, GOOD), B(socketpair, 99, 1, 0, GOOD),
	B(connect, NO_FD, GOOD, 16), B(connect, FILE_FD, GOOD, 16), B(connect, UDP, BAD, 16),
	B(connect, UDP, GOOD, 1), B(connect, UDP, GOOD, -1), B(connect, SOCKET, GOOD, 1),
	B(bind, NO_FD, GOOD, 16), B(bind, FILE_FD, GOOD, 16), B(bind, UDP, BAD, 16),
	B(bind, UDP, GOOD, 1), B(bind, UDP, GOOD, 4096), B(listen, NO_FD, 1),
	B(listen, FILE_FD, 1), B(listen, UDP, 1), B(accept, NO_FD, 0, 0), B(accept, FILE_FD, 0, 0),
	B(accept, UDP, 0, 0), B(accept, SOCKET, 0, 0), B(accept4, SOCKET, 0, 0, 1),
	B(accept4, NO_FD, 0, 0, 0), B(sendto, NO_FD, GOOD, 4, 0, 0, 0),
	B(sendto, FILE_FD, GOOD, 4, 0, 0, 0), B(sendto, UDP, GOOD, 4, 0, BAD, 16),
	B(sendto, UDP, GOOD, 4, 0, 0, 0), B(sendto, SOCKET, GOOD, 4, 0x4000, 0, 0),
	B(sendto, UDP, GOOD, 4, 0, GOOD, 1), B(recvfrom, NO_FD, GOOD, 4, 0, 0, 0),
	B(recvfrom, FILE_FD, GOOD, 4, 0, 0, 0), B(recvfrom, SOCKET, GOOD, 4, 0, 0, 0),
	B(recvfrom, UDP, GOOD, 4, 1, 0, 0), B(sendmsg, NO_FD, MSG, 0), B(sendmsg, FILE_FD, MSG, 0),
	B(sendmsg, UDP, BAD, 0), B(sendmsg, SOCKET, MSG, 0), B(recvmsg, NO_FD, MSG, 0),
	B(recvmsg, FILE_FD, MSG, 0), B(recvmsg, UDP, BAD, 0), B(recvmsg, SOCKET, MSG, 0),
	B(sendmmsg, NO_FD, MSG, 1, 0), B(sendmmsg, UDP, BAD, 1, 0),
	B(recvmmsg, NO_FD, MSG, 1, 0, 0), B(recvmmsg, UDP, MSG, 1, 0, TIME),
	B(recvmmsg, UDP, MSG, 1, 0, BAD), B(shutdown, NO_FD, 0), B(shutdown, FILE_FD, 0),
	B(shutdown, SOCKET, 99), B(getsockname, NO_FD, GOOD, LENGTH),
	B(getsockname, FILE_FD, GOOD, LENGTH), B(getsockname, UDP, GOOD, BAD),
	B(getsockname, UDP, GOOD, SHORT), B(getsockname, UDP, BAD, LENGTH),
	B(getpeername, NO_FD, GOOD, LENGTH), B(getpeername, FILE_FD, GOOD, LENGTH),
	B(getpeername, UDP, GOOD, LENGTH), B(setsockopt, NO_FD, 1, 2, ONE, 4),
	B(setsockopt, FILE_FD, 1, 2, ONE, 4), B(setsockopt, UDP, 1, 2, BAD, 4),
	B(setsockopt, UDP, 1, 2, ONE, 1), B(setsockopt, UDP, 1, 9999, ONE, 4),
	B(setsockopt, UDP, 9999, 1, ONE, 4), B(setsockopt, UDP, 1, 2, ONE, -1),
	B(getsockopt, NO_FD, 1, 2, GOOD, LENGTH), B(getsockopt, FILE_FD, 1, 2, GOOD, LENGTH),
	B(getsockopt, UDP, 1, 2, GOOD, BAD), B(getsockopt, UDP, 1, 2, BAD, LENGTH),
	B(getsockopt, UDP, 1, 9999, GOOD, LENGTH), B(getsockopt, UDP, 9999, 1, GOOD, LENGTH),
	B(getsockopt, UDP, 1, 2, GOOD, SHORT),
};

CASE(badargs_sockets, ALONE, IN_DIR)
{
	RUN(sockets);
}
