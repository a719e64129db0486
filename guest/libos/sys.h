/*
 * Prototypes of the system calls (syscalls.def has their numbers), one section
 * for each group of files. Pointers are the program's: uaccess.h.
 */
#ifndef LIBOS_SYS_H
#define LIBOS_SYS_H

#include "lib.h"

/* syscall.c */
long sys_unknown(void);

/* rseq.c, membarrier.c */
struct rseq_area;
long sys_rseq(struct rseq_area *area, u32 len, int flags, u32 signature);
long sys_membarrier(int command, unsigned flags, int cpu);

/* process.c */
long sys_exit(int status);
long sys_fork(void);
long sys_vfork(void);
long sys_clone(u64 flags, u64 stack, u64 parent_tid, u64 child_tid, u64 tls);
long sys_clone3(const u8 *user, size_t size);
long sys_exit_group(int status);

/* sys_exec.c */
long sys_execve(const char *path, const char *const *args, const char *const *env);
long sys_execveat(int dirfd, const char *path, const char *const *args, const char *const *env,
		  int flags);

/* sys_mem.c, sys_madvise.c */
long sys_brk(u64 to);
long sys_mmap(u64 addr, u64 len, u64 prot, u64 flags, int fd, u64 offset);
long sys_munmap(u64 addr, u64 len);
long sys_mprotect(u64 addr, u64 len, u64 prot);
long sys_pkey_mprotect(u64 addr, u64 len, u64 prot, int key);
long sys_pkey_alloc(u64 flags, u64 rights);
long sys_pkey_free(int key);
long sys_mremap(u64 old, u64 old_len, u64 len, u64 flags, u64 to);
long sys_madvise(u64 addr, u64 len, int advice);
long sys_mincore(u64 addr, u64 len, u8 *vec);
long sys_mlock(u64 addr, u64 len);
long sys_mlock2(u64 addr, u64 len, int flags);
long sys_munlock(u64 addr, u64 len);
long sys_mlockall(int flags);
long sys_munlockall(void);
long sys_msync(u64 addr, u64 len, int flags);

/* System V IPC: sysv_shm.c, sysv_sem.c, sysv_msg.c */
struct sembuf;
struct msgbuf;
struct __kernel_timespec;
long sys_shmget(int key, size_t size, int flags);
long sys_shmat(int id, u64 addr, int flags);
long sys_shmdt(u64 addr);
long sys_shmctl(int id, int cmd, void *user);
long sys_semget(int key, int n, int flags);
long sys_semop(int id, const struct sembuf *ops, unsigned n);
long sys_semtimedop(int id, const struct sembuf *user, unsigned n,
		    const struct __kernel_timespec *timeout);
long sys_semctl(int id, int num, int cmd, u64 arg);
long sys_msgget(int key, int flags);
long sys_msgsnd(int id, const struct msgbuf *user, size_t size, int flags);
long sys_msgrcv(int id, struct msgbuf *user, size_t size, long type, int flags);
long sys_msgctl(int id, int cmd, void *user);

/* Signals: sigcalls.c, sigframe.c, signalfd.c */
struct sigaction;
struct siginfo;
struct sigaltstack;
long sys_rt_sigaction(int sig, const struct sigaction *new, struct sigaction *old, size_t size);
long sys_rt_sigprocmask(int how, const u64 *new, u64 *old, size_t size);
long sys_rt_sigpending(u64 *set, size_t size);
long sys_rt_sigsuspend(const u64 *mask, size_t size);
long sys_rt_sigtimedwait(const u64 *set, struct siginfo *info,
			 const struct __kernel_timespec *timeout, size_t size);
long sys_rt_sigqueueinfo(int pid, int sig, const struct siginfo *info);
long sys_rt_tgsigqueueinfo(int tgid, int tid, int sig, const struct siginfo *info);
long sys_rt_sigreturn(void);
long sys_sigaltstack(const struct sigaltstack *new, struct sigaltstack *old);
long sys_kill(int pid, int sig);
long sys_tkill(int tid, int sig);
long sys_tgkill(int tgid, int tid, int sig);
long sys_pause(void);
long sys_restart_syscall(void);
long sys_signalfd(int fd, const u64 *user, size_t size);
long sys_signalfd4(int fd, const u64 *user, size_t size, int flags);

/* Time: time.c, itimer.c, posix_timer.c, timerfd.c */
struct timeval;
struct timezone;
struct itimerval;
struct itimerspec;
struct sigevent;
struct tms;
struct rusage;
long sys_clock_gettime(int clock, struct __kernel_timespec *ts);
long sys_clock_getres(int clock, struct __kernel_timespec *ts);
long sys_clock_settime(int clock, const struct __kernel_timespec *ts);
long sys_gettimeofday(struct timeval *tv, struct timezone *tz);
long sys_settimeofday(const struct timeval *tv, const struct timezone *tz);
long sys_time(long *t);
long sys_nanosleep(const struct __kernel_timespec *ts, struct __kernel_timespec *rest);
long sys_clock_nanosleep(int clock, int flags, const struct __kernel_timespec *ts,
			 struct __kernel_timespec *rest);
long sys_times(struct tms *tms);
long sys_getrusage(int who, struct rusage *usage);
long sys_alarm(unsigned seconds);
long sys_getitimer(int which, struct itimerval *value);
long sys_setitimer(int which, const struct itimerval *value, struct itimerval *old);
long sys_timer_create(int clock, const struct sigevent *event, int *id);
long sys_timer_settime(int id, int flags, const struct itimerspec *value, struct itimerspec *old);
long sys_timer_gettime(int id, struct itimerspec *value);
long sys_timer_getoverrun(int id);
long sys_timer_delete(int id);
long sys_timerfd_create(int clock, int flags);
long sys_timerfd_settime(int fd, int flags, const struct itimerspec *user, struct itimerspec *old);
long sys_timerfd_gettime(int fd, struct itimerspec *user);

/* Identity, limits, scheduling, the rest: sys_ids.c, sys_cred.c, sys_limits.c,
 * sys_sched.c, sys_prctl.c, sys_misc.c, futex.c, futex_waitv.c */
struct new_utsname;
struct sysinfo;
struct rlimit64;
struct robust_list_head;
struct futex_waitv;
struct __user_cap_header_struct;
struct __user_cap_data_struct;
long sys_getpid(void);
long sys_gettid(void);
long sys_getppid(void);
long sys_getpgrp(void);
long sys_getpgid(int pid);
long sys_setpgid(int pid, int pgid);
long sys_getsid(int pid);
long sys_setsid(void);
long sys_set_tid_address(u64 address);
long sys_wait4(int pid, int *status, int options, struct rusage *usage);
long sys_waitid(int which, int id, struct siginfo *info, int options, struct rusage *usage);
long sys_getuid(void);
long sys_geteuid(void);
long sys_getgid(void);
long sys_getegid(void);
long sys_setuid(u32 id);
long sys_setgid(u32 id);
long sys_setreuid(u32 r, u32 e);
long sys_setregid(u32 r, u32 e);
long sys_setresuid(u32 r, u32 e, u32 s);
long sys_setresgid(u32 r, u32 e, u32 s);
long sys_getresuid(u32 *r, u32 *e, u32 *s);
long sys_getresgid(u32 *r, u32 *e, u32 *s);
long sys_setfsuid(u32 id);
long sys_setfsgid(u32 id);
long sys_getgroups(int n, u32 *list);
long sys_setgroups(int n, const u32 *list);
long sys_capget(struct __user_cap_header_struct *header, struct __user_cap_data_struct *data);
long sys_capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);
long sys_getrlimit(unsigned resource, struct rlimit64 *limit);
long sys_setrlimit(unsigned resource, const struct rlimit64 *limit);
long sys_prlimit64(int pid, unsigned resource, const struct rlimit64 *new, struct rlimit64 *old);
long sys_prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
long sys_arch_prctl(int option, unsigned long address);
long sys_personality(u32 persona);
long sys_uname(struct new_utsname *name);
long sys_sethostname(const char *name, int len);
long sys_setdomainname(const char *name, int len);
long sys_sysinfo(struct sysinfo *info);
long sys_getrandom(void *buf, size_t n, unsigned flags);
long sys_getcpu(u32 *cpu, u32 *node, void *cache);
long sys_sched_yield(void);
long sys_sched_getaffinity(int pid, unsigned len, u64 *mask);
long sys_sched_setaffinity(int pid, unsigned len, const u64 *mask);
long sys_sched_getparam(int pid, int *priority);
long sys_sched_setparam(int pid, const int *priority);
long sys_sched_getscheduler(int pid);
long sys_sched_setscheduler(int pid, int policy, const int *priority);
long sys_sched_get_priority_max(int policy);
long sys_sched_get_priority_min(int policy);
long sys_sched_rr_get_interval(int pid, struct __kernel_timespec *ts);
struct sched_attr;
long sys_sched_setattr(int pid, struct sched_attr *attr, unsigned flags);
long sys_sched_getattr(int pid, void *attr, unsigned size, unsigned flags);
long sys_getpriority(int which, int who);
long sys_setpriority(int which, int who, int nice);
long sys_set_robust_list(struct robust_list_head *head, size_t len);
long sys_get_robust_list(int pid, struct robust_list_head **head, size_t *len);
long sys_futex(u32 *uaddr, int op, u32 val, const struct __kernel_timespec *timeout, u32 *uaddr2,
	       u32 val3);
long sys_futex_waitv(const struct futex_waitv *user, unsigned n, unsigned flags,
		     const struct __kernel_timespec *timeout, int clock);

/* Files: fd.c, fcntl.c, locks.c, sys_open.c, sys_io.c, sys_copy.c, sys_size.c,
 * sys_stat.c, sys_attr.c, sys_xattr.c, sys_dir.c, getdents.c, pipe.c, eventfd.c, sys_poll.c */
struct flock;
struct iovec;
struct open_how;
struct stat;
struct statx;
struct statfs;
struct __kernel_old_timeval;
struct old_utimbuf;
struct pollfd;
struct pselect_mask { /* what pselect6's last argument points to */
	const void *set;
	size_t size;
};
long sys_close(int fd);
long sys_close_range(unsigned int first, unsigned int last, unsigned int flags);
long sys_dup(int fd);
long sys_dup2(int from, int to);
long sys_dup3(int from, int to, int flags);
long sys_fcntl(int fd, unsigned int cmd, unsigned long arg);
long sys_flock(int fd, unsigned int op);
long sys_openat(int dirfd, const char *path, int flags, u32 mode);
long sys_open(const char *path, int flags, u32 mode);
long sys_creat(const char *path, u32 mode);
long sys_openat2(int dirfd, const char *path, const struct open_how *user, size_t size);
long sys_read(int fd, void *buf, size_t n);
long sys_write(int fd, const void *buf, size_t n);
long sys_pread64(int fd, void *buf, size_t n, i64 pos);
long sys_pwrite64(int fd, const void *buf, size_t n, i64 pos);
long sys_readv(int fd, const struct iovec *iov, unsigned long n);
long sys_writev(int fd, const struct iovec *iov, unsigned long n);
long sys_preadv(int fd, const struct iovec *iov, unsigned long n, i64 pos);
long sys_pwritev(int fd, const struct iovec *iov, unsigned long n, i64 pos);
long sys_preadv2(int fd, const struct iovec *iov, unsigned long n, i64 pos, u64 high, int flags);
long sys_pwritev2(int fd, const struct iovec *iov, unsigned long n, i64 pos, u64 high, int flags);
long sys_lseek(int fd, i64 offset, unsigned int whence);
long sys_ioctl(int fd, unsigned int cmd, unsigned long arg);
long sys_sendfile(int out_fd, int in_fd, i64 *user_pos, size_t n);
long sys_copy_file_range(int in_fd, i64 *in_pos, int out_fd, i64 *out_pos, size_t n,
			 unsigned int flags);
long sys_splice(int in_fd, i64 *in_at, int out_fd, i64 *out_at, size_t n, u32 flags);
long sys_tee(int in_fd, int out_fd, size_t n, u32 flags);
long sys_vmsplice(int fd, const struct iovec *iov, unsigned long n, u32 flags);
long sys_truncate(const char *path, i64 size);
long sys_ftruncate(int fd, i64 size);
long sys_fallocate(int fd, int mode, i64 offset, i64 len);
long sys_fsync(int fd);
long sys_sync_file_range(int fd, i64 offset, i64 n, u32 flags);
long sys_fdatasync(int fd);
long sys_sync(void);
long sys_syncfs(int fd);
long sys_fadvise64(int fd, i64 offset, i64 len, int advice);
long sys_readahead(int fd, i64 offset, size_t count);
long sys_process_vm_readv(int pid, const struct iovec *local, unsigned long nlocal,
			  const struct iovec *remote, unsigned long nremote, u64 flags);
long sys_process_vm_writev(int pid, const struct iovec *local, unsigned long nlocal,
			   const struct iovec *remote, unsigned long nremote, u64 flags);
long sys_memfd_create(const char *user, unsigned int flags);
long sys_newfstatat(int dirfd, const char *path, struct stat *user, int flags);
long sys_stat(const char *path, struct stat *user);
long sys_lstat(const char *path, struct stat *user);
long sys_fstat(int fd, struct stat *user);
long sys_statx(int dirfd, const char *path, int flags, unsigned int mask, struct statx *user);
long sys_statfs(const char *path, struct statfs *user);
long sys_fstatfs(int fd, struct statfs *user);
long sys_faccessat2(int dirfd, const char *path, int mode, int flags);
long sys_faccessat(int dirfd, const char *path, int mode);
long sys_access(const char *path, int mode);
long sys_readlinkat(int dirfd, const char *path, char *buf, int size);
long sys_readlink(const char *path, char *buf, int size);
long sys_fchmodat2(int dirfd, const char *path, u32 mode, int flags);
long sys_fchmodat(int dirfd, const char *path, u32 mode);
long sys_chmod(const char *path, u32 mode);
long sys_fchmod(int fd, u32 mode);
long sys_fchownat(int dirfd, const char *path, u32 uid, u32 gid, int flags);
long sys_chown(const char *path, u32 uid, u32 gid);
long sys_lchown(const char *path, u32 uid, u32 gid);
long sys_fchown(int fd, u32 uid, u32 gid);
long sys_umask(u32 mask);
long sys_utimensat(int dirfd, const char *path, const struct __kernel_timespec *user, int flags);
long sys_futimesat(int dirfd, const char *path, const struct __kernel_old_timeval *user);
long sys_utimes(const char *path, const struct __kernel_old_timeval *user);
long sys_utime(const char *path, const struct old_utimbuf *user);
long sys_getxattr(const char *path, const char *name, void *value, size_t size);
long sys_lgetxattr(const char *path, const char *name, void *value, size_t size);
long sys_fgetxattr(int fd, const char *name, void *value, size_t size);
long sys_setxattr(const char *path, const char *name, const void *value, size_t size, int flags);
long sys_lsetxattr(const char *path, const char *name, const void *value, size_t size, int flags);
long sys_fsetxattr(int fd, const char *name, const void *value, size_t size, int flags);
long sys_listxattr(const char *path, char *names, size_t size);
long sys_llistxattr(const char *path, char *names, size_t size);
long sys_flistxattr(int fd, char *names, size_t size);
long sys_removexattr(const char *path, const char *name);
long sys_lremovexattr(const char *path, const char *name);
long sys_fremovexattr(int fd, const char *name);
long sys_mkdirat(int dirfd, const char *path, u32 mode);
long sys_mkdir(const char *path, u32 mode);
long sys_mknodat(int dirfd, const char *path, u32 mode, u32 dev);
long sys_mknod(const char *path, u32 mode, u32 dev);
long sys_symlinkat(const char *target, int dirfd, const char *path);
long sys_symlink(const char *target, const char *path);
long sys_linkat(int from_fd, const char *from, int to_fd, const char *to, int flags);
long sys_link(const char *from, const char *to);
long sys_unlinkat(int dirfd, const char *path, int flags);
long sys_unlink(const char *path);
long sys_rmdir(const char *path);
long sys_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
long sys_renameat(int from_fd, const char *from, int to_fd, const char *to);
long sys_rename(const char *from, const char *to);
long sys_chdir(const char *path);
long sys_fchdir(int fd);
long sys_chroot(const char *path);
long sys_getcwd(char *user, unsigned long size);
long sys_getdents64(int fd, void *user, unsigned int size);
long sys_getdents(int fd, void *user, unsigned int size);
long sys_mount(const char *source, const char *target, const char *type, u64 flags,
	       const void *data);
long sys_umount2(const char *target, int flags);
long sys_pipe2(int *user, int flags);
long sys_pipe(int *user);
long sys_eventfd2(unsigned int count, int flags);
long sys_eventfd(unsigned int count);
long sys_poll(struct pollfd *user, unsigned int n, int ms);
long sys_ppoll(struct pollfd *user, unsigned int n, struct __kernel_timespec *timeout,
	       const void *mask, size_t mask_size);
long sys_select(int n, u64 *in, u64 *out, u64 *ex, struct __kernel_old_timeval *timeout);
long sys_pselect6(int n, u64 *in, u64 *out, u64 *ex, struct __kernel_timespec *timeout,
		  const struct pselect_mask *user_mask);

/* Sockets: sys_socket.c, sys_message.c, sys_sockopt.c */
struct message; /* struct msghdr */
struct many; /* struct mmsghdr */
long sys_socket(int family, int type, int protocol);
long sys_socketpair(int family, int type, int protocol, int *user);
long sys_bind(int fd, const void *user, int len);
long sys_listen(int fd, int backlog);
long sys_accept(int fd, void *user, int *user_len);
long sys_accept4(int fd, void *user, int *user_len, int flags);
long sys_connect(int fd, const void *user, int len);
long sys_shutdown(int fd, int how);
long sys_getsockname(int fd, void *user, int *user_len);
long sys_getpeername(int fd, void *user, int *user_len);
long sys_sendto(int fd, const void *buf, size_t n, u32 flags, const void *user, int user_len);
long sys_recvfrom(int fd, void *buf, size_t n, u32 flags, void *user, int *user_len);
long sys_sendmsg(int fd, const struct message *user, u32 flags);
long sys_recvmsg(int fd, struct message *user, u32 flags);
long sys_sendmmsg(int fd, struct many *user, unsigned n, u32 flags);
long sys_recvmmsg(int fd, struct many *user, unsigned n, u32 flags,
		  struct __kernel_timespec *timeout);
long sys_setsockopt(int fd, int level, int name, const void *user, int len);
long sys_getsockopt(int fd, int level, int name, void *user, int *user_len);

/* sys_mqueue.c */
struct mq_attr;
long sys_mq_open(const char *name, int flags, u32 mode, const struct mq_attr *attr);
long sys_mq_unlink(const char *name);
long sys_mq_timedsend(int fd, const void *text, size_t n, u32 priority,
		      const struct __kernel_timespec *timeout);
long sys_mq_timedreceive(int fd, void *text, size_t n, u32 *priority,
			 const struct __kernel_timespec *timeout);
long sys_mq_notify(int fd, const struct sigevent *event);
long sys_mq_getsetattr(int fd, const struct mq_attr *new, struct mq_attr *old);

/* pidfd.c */
long sys_pidfd_open(int pid, unsigned int flags);
long sys_pidfd_send_signal(int fd, int sig, const struct siginfo *user, unsigned int flags);
long sys_pidfd_getfd(int pidfd, int fd, unsigned int flags);

/* inotify.c */
long sys_inotify_init(void);
long sys_inotify_init1(int flags);
long sys_inotify_add_watch(int fd, const char *path, u32 mask);
long sys_inotify_rm_watch(int fd, int wd);

/* epoll: sys_epoll.c */
struct epoll_event;
long sys_epoll_create(int size);
long sys_epoll_create1(int flags);
long sys_epoll_ctl(int epfd, int op, int fd, const struct epoll_event *user);
long sys_epoll_wait(int epfd, struct epoll_event *user, int most, int ms);
long sys_epoll_pwait(int epfd, struct epoll_event *user, int most, int ms, const void *mask,
		     size_t mask_size);
long sys_epoll_pwait2(int epfd, struct epoll_event *user, int most,
		      const struct __kernel_timespec *timeout, const void *mask, size_t mask_size);

/* Linux AIO: aio.c */
struct iocb;
struct io_event;
long sys_io_setup(unsigned int n, u64 *user);
long sys_io_destroy(u64 id);
long sys_io_submit(u64 id, long n, struct iocb **user);
long sys_io_cancel(u64 id, struct iocb *user, struct io_event *result);
long sys_io_getevents(u64 id, long least, long n, struct io_event *user,
		      const struct __kernel_timespec *timeout);

#endif
