/*
 * Events as descriptors: timerfd, signalfd.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define MS 1000000ll

static struct itimerspec spec(int64_t first, int64_t period)
{
	return (struct itimerspec){
		.it_value = { first / 1000000000, first % 1000000000 },
		.it_interval = { period / 1000000000, period % 1000000000 },
	};
}

static long set(int fd, int flags, int64_t first, int64_t period)
{
	struct itimerspec it = spec(first, period);

	return timerfd_settime(fd, flags, &it, NULL);
}

static bool readable(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 && p.revents == POLLIN;
}

/* ---- timerfd ---- */

CASE(timerfd_once)
{
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct itimerspec now;
	uint64_t n = 77;

	SHOW(read(fd, &n, 8));
	CHECK(!readable(fd, 0));
	SHOW(set(fd, 0, 20 * MS, 0));
	SHOW(timerfd_gettime(fd, &now));
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec > 0 &&
	      now.it_value.tv_nsec <= 20 * MS);
	CHECK(now.it_interval.tv_sec == 0 && now.it_interval.tv_nsec == 0);
	SHOW(read(fd, &n, 8));
	CHECK(readable(fd, 10000));
	SHOW(timerfd_gettime(fd, &now));
	CHECK(now.it_value.tv_sec == 0 && now.it_value.tv_nsec == 0);
	SHOW(read(fd, &n, 7));
	SHOW(read(fd, &n, 8));
	SHOW(n);
	SHOW(read(fd, &n, 8));
	close(fd);
}

CASE(timerfd_blocking)
{
	int fd = NEED(timerfd_create(CLOCK_BOOTTIME, 0));
	int64_t before = clock_ns(CLOCK_MONOTONIC);
	uint64_t n = 0;

	NEED(set(fd, 0, 15 * MS, 0));
	SHOW(read(fd, &n, 8));
	SHOW(n);
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 15 * MS);
	close(fd);
}

CASE(timerfd_periodic)
{
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
	struct timespec nap = { 0, 60 * MS };
	struct itimerspec now;
	int64_t start = clock_ns(CLOCK_MONOTONIC), passed;
	uint64_t n = 0, sum = 0;

	NEED(set(fd, 0, 5 * MS, 5 * MS));
	nanosleep(&nap, NULL);
	SHOW(read(fd, &n, 8));
	CHECK(n >= 11);
	sum = n;
	for (int i = 0; i < 3; i++) {
		NEED(read(fd, &n, 8));
		sum += n;
	}
	passed = (clock_ns(CLOCK_MONOTONIC) - start) / (5 * MS);
	CHECK(sum >= 14 && (int64_t)sum <= passed);
	SHOW(timerfd_gettime(fd, &now));
	CHECK(now.it_interval.tv_nsec == 5 * MS && now.it_value.tv_nsec <= 5 * MS);
	SHOW(fcntl(fd, F_GETFD));
	SHOW(set(fd, 0, 0, 0));
	SHOW(timerfd_gettime(fd, &now));
	CHECK(now.it_value.tv_nsec == 0 && now.it_interval.tv_nsec == 0);
	CHECK(!readable(fd, 0));
	close(fd);
}

CASE(timerfd_gettime_keeps_ticks)
{
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, 0));
	struct itimerspec now, old, next = spec(3600000 * MS, 0);
	uint64_t n;

	NEED(set(fd, 0, MS, MS));
	CHECK(readable(fd, 10000));
	for (int i = 0; i < 3; i++)
		NEED(timerfd_gettime(fd, &now));
	CHECK(readable(fd, 0));
	NEED(read(fd, &n, 8));
	CHECK(n >= 1);
	SHOW(timerfd_settime(fd, 0, &next, &old));
	CHECK(old.it_interval.tv_nsec == MS);
	CHECK(!readable(fd, 3));
	NEED(timerfd_gettime(fd, &now));
	CHECK(now.it_value.tv_sec >= 3590 && now.it_value.tv_sec <= 3600);
	close(fd);
}

CASE(timerfd_absolute)
{
	static const int clocks[] = { CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME };
	uint64_t n;

	for (int i = 0; i < 3; i++) {
		int fd = NEED(timerfd_create(clocks[i], 0));

		SHOW(set(fd, TFD_TIMER_ABSTIME, clock_ns(clocks[i]) + 10 * MS, 0));
		SHOW(read(fd, &n, 8));
		SHOW(n);
		/* long ago (a guest has just started): at once, as often as fits */
		SHOW(set(fd, TFD_TIMER_ABSTIME, clock_ns(clocks[i]) - 4 * MS, MS));
		SHOW(read(fd, &n, 8));
		CHECK(n >= 5);
		SHOW(set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 1, 0));
		SHOW(read(fd, &n, 8));
		close(fd);
	}
}

CASE(timerfd_in_epoll)
{
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), ep = NEED(epoll_create1(0));
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u32 = 5 };
	uint64_t n;

	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	NEED(set(fd, 0, 5 * MS, 0));
	SHOW(epoll_wait(ep, &e, 1, 10000));
	SHOW(e.events);
	SHOW(epoll_wait(ep, &e, 1, 0));
	NEED(read(fd, &n, 8));
	NEED(set(fd, 0, 5 * MS, 0));
	SHOW(epoll_wait(ep, &e, 1, 10000));
	close(fd);
	close(ep);
}

CASE(timerfd_errors)
{
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, 0)), p[2];
	struct itimerspec it = spec(1, 1), bad = spec(1, 1);
	uint64_t n;

	NEED(pipe(p));
	SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC_RAW, 0));
	SHOW(timerfd_create(99, 0));
	SHOW(timerfd_create(-1, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 1));
	bad.it_value.tv_nsec = 1000000000;
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	bad.it_value.tv_nsec = -1;
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	bad = it;
	bad.it_interval.tv_sec = -1;
	SHOW(timerfd_settime(fd, 0, &bad, NULL));
	SHOW(timerfd_settime(fd, 4, &it, NULL));
	SHOW(timerfd_settime(-1, 0, &it, NULL));
	SHOW(timerfd_settime(p[0], 0, &it, NULL));
	SHOW(syscall(SYS_timerfd_settime, fd, 0, NULL, NULL));
	SHOW(syscall(SYS_timerfd_settime, fd, 0, bad_ptr(), NULL));
	SHOW(syscall(SYS_timerfd_settime, fd, 0, &it, bad_ptr()));
	SHOW(timerfd_gettime(-1, &it));
	SHOW(timerfd_gettime(p[0], &it));
	SHOW(syscall(SYS_timerfd_gettime, fd, bad_ptr()));
	SHOW(syscall(SYS_timerfd_gettime, fd, kernel_ptr()));
	CHECK(readable(fd, 1000));
	SHOW(read(fd, bad_ptr(), 8));
	SHOW(write(fd, &n, 8));
	SHOW(pread(fd, &n, 8, 0));
	SHOW(lseek(fd, 5, SEEK_SET));
	SHOW(ftruncate(fd, 0));
	close(fd);
	close(p[0]);
	close(p[1]);
}

static volatile int handled;

static void on_alarm(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
	handled++;
}

CASE(timerfd_interrupted, ALONE)
{
	int fd = NEED(timerfd_create(CLOCK_MONOTONIC, 0));
	uint64_t n;

	on_signal(SIGALRM, on_alarm, 0);
	alarm(1);
	SHOW(read(fd, &n, 8));
	SHOW(handled);
	/* restarted: the timer ends the wait */
	on_signal(SIGALRM, on_alarm, SA_RESTART);
	NEED(set(fd, 0, 1300 * MS, 0));
	alarm(1);
	SHOW(read(fd, &n, 8));
	SHOW(handled);
}

/* ---- signalfd ---- */

static sigset_t block(int a, int b)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, a);
	if (b != 0)
		sigaddset(&set, b);
	NEED(sigprocmask(SIG_BLOCK, &set, NULL));
	return set;
}

static void show_info(const struct signalfd_siginfo *i)
{
	say("%s code %d errno %d pid %s uid %u int %d ptr %#llx", signal_name(i->ssi_signo),
	    i->ssi_code, i->ssi_errno, i->ssi_pid == (uint32_t)getpid() ? "ours" : "?", i->ssi_uid,
	    i->ssi_int, (unsigned long long)i->ssi_ptr);
}

CASE(signalfd_reads, ALONE)
{
	sigset_t set = block(SIGUSR1, SIGRTMIN + 3);
	int fd = NEED(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	struct signalfd_siginfo info[4];

	SHOW(fcntl(fd, F_GETFD));
	SHOW(read(fd, info, sizeof(info)));
	CHECK(!readable(fd, 0));
	NEED(kill(getpid(), SIGUSR1));
	NEED(kill(getpid(), SIGUSR1));
	for (int i = 0; i < 2; i++)
		NEED(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = 40 + i }));
	CHECK(readable(fd, 0));
	SHOW(read(fd, info, sizeof(info[0]) - 1));
	SHOW(read(fd, info, sizeof(info[0]) * 2 + 5));
	show_info(&info[0]);
	show_info(&info[1]);
	SHOW(read(fd, info, sizeof(info)));
	show_info(&info[0]);
	SHOW(read(fd, info, sizeof(info)));
	SHOW(sigpending(&set));
	SHOW(sigismember(&set, SIGUSR1));
}

CASE(signalfd_thread_signal, ALONE)
{
	sigset_t set = block(SIGUSR2, 0);
	int fd = NEED(signalfd(-1, &set, 0));
	struct signalfd_siginfo info;

	NEED(raise(SIGUSR2));
	SHOW(read(fd, &info, sizeof(info)));
	show_info(&info);
}

CASE(signalfd_waits, ALONE)
{
	sigset_t set = block(SIGALRM, 0);
	int fd = NEED(signalfd(-1, &set, 0)), ep = NEED(epoll_create1(0));
	struct epoll_event e = { .events = EPOLLIN };
	struct signalfd_siginfo info;

	alarm(1);
	SHOW(read(fd, &info, sizeof(info)));
	say("%s code %d", signal_name(info.ssi_signo), info.ssi_code);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	SHOW(epoll_wait(ep, &e, 1, 0));
	alarm(1);
	SHOW(epoll_wait(ep, &e, 1, 10000));
	SHOW(read(fd, &info, sizeof(info)));
	SHOW(epoll_wait(ep, &e, 1, 0));
}

CASE(signalfd_timer, ALONE)
{
	sigset_t set = block(SIGUSR1, 0);
	int fd = NEED(signalfd(-1, &set, 0));
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL,
				  .sigev_signo = SIGUSR1,
				  .sigev_value.sival_int = 1234 };
	struct itimerspec it = spec(5 * MS, 0);
	struct signalfd_siginfo info;
	timer_t timer;

	NEED(timer_create(CLOCK_MONOTONIC, &event, &timer));
	NEED(timer_settime(timer, 0, &it, NULL));
	SHOW(read(fd, &info, sizeof(info)));
	say("code %d int %d overrun %u pid %u", info.ssi_code, info.ssi_int, info.ssi_overrun,
	    info.ssi_pid);
}

CASE(signalfd_new_mask, ALONE)
{
	sigset_t one = block(SIGUSR1, 0), two = block(SIGUSR2, 0);
	int fd = NEED(signalfd(-1, &one, SFD_NONBLOCK));
	struct signalfd_siginfo info;

	NEED(raise(SIGUSR2));
	SHOW(read(fd, &info, sizeof(info)));
	CHECK(signalfd(fd, &two, 0) == fd);
	CHECK(readable(fd, 0));
	SHOW(read(fd, &info, sizeof(info)));
	show_info(&info);
	/* a default-ignored one waits while it is blocked */
	two = block(SIGCHLD, 0);
	CHECK(signalfd(fd, &two, 0) == fd);
	NEED(raise(SIGCHLD));
	SHOW(read(fd, &info, sizeof(info)));
	show_info(&info);
}

CASE(signalfd_interrupted, ALONE)
{
	sigset_t set = block(SIGUSR1, 0);
	int fd = NEED(signalfd(-1, &set, 0));
	struct signalfd_siginfo info;

	on_signal(SIGALRM, on_alarm, 0);
	alarm(1);
	SHOW(read(fd, &info, sizeof(info)));
	SHOW(handled);
}

CASE(signalfd_errors, ALONE)
{
	sigset_t set = block(SIGUSR1, 0);
	int fd = NEED(signalfd(-1, &set, 0)), p[2];

	NEED(pipe(p));
	SHOW(signalfd(-1, &set, 1));
	SHOW(signalfd(-2, &set, 0));
	SHOW(signalfd(99, &set, 0));
	SHOW(signalfd(p[0], &set, 0));
	SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
	SHOW(syscall(SYS_signalfd4, -1, bad_ptr(), 8, 0));
	SHOW(syscall(SYS_signalfd4, -1, NULL, 8, 0));
	SHOW(syscall(SYS_signalfd, fd, &set, 7));
	CHECK(syscall(SYS_signalfd, fd, &set, 8) == fd);
	NEED(raise(SIGUSR1));
	SHOW(read(fd, bad_ptr(), 128));
	SHOW(write(fd, &set, 8));
	SHOW(lseek(fd, 0, SEEK_CUR));
	/* KILL and STOP are left out of a mask */
	sigfillset(&set);
	SHOW_OK(signalfd(-1, &set, 0));
}
