/*
 * POSIX message queues: waiting for messages, being told that there are some.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "queues.h"
#include "signalling.h"
#include "threading.h"

OWN_IPC

static mqd_t shared;

static void *send_now(void *text)
{
	NEED(mq_send(shared, text, strlen(text), 4));
	return NULL;
}

static void *send_later(void *text)
{
	nap(20);
	return send_now(text);
}

static void *receive_later(void *unused)
{
	char text[8];

	nap(20);
	NEED(mq_receive(shared, text, 8, NULL));
	return unused;
}

CASE(mq_epoll)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	int ep = (int)NEED(epoll_create1(0));
	pthread_t thread;

	shared = make_queue(O_RDWR, 1, 8);
	NEED(epoll_ctl(ep, EPOLL_CTL_ADD, shared, &event));
	SHOW(epoll_wait(ep, &event, 1, 0));
	say("%x", event.events);
	SHOW(epoll_wait(ep, &event, 1, 0));
	start(&thread, send_later, "x");
	SHOW(epoll_wait(ep, &event, 1, 5000));
	say("%x", event.events);
	finish(thread);
	start(&thread, receive_later, NULL);
	SHOW(epoll_wait(ep, &event, 1, 5000));
	say("%x", event.events);
	finish(thread);
	close(ep);
	close(shared);
}

/* ---- waiting ---- */

CASE(mq_timeouts)
{
	struct timespec past = { 1, 0 }, wrong = { 1, 1000000000 }, before = { -1, 0 };
	struct timespec soon;
	mqd_t q = make_queue(O_RDWR, 1, 8);
	char text[8];

	SHOW(mq_timedreceive(q, text, 8, NULL, &past));
	SHOW(mq_timedreceive(q, text, 8, NULL, &wrong));
	SHOW(mq_timedreceive(q, text, 8, NULL, &before));
	SHOW(mq_timedreceive(q, text, 8, NULL, bad_ptr()));
	soon = after(CLOCK_REALTIME, 20);
	SHOW(mq_timedreceive(q, text, 8, NULL, &soon));
	SHOW(mq_timedsend(q, "x", 1, 0, &past));
	SHOW(mq_timedsend(q, "x", 1, 0, &past));
	SHOW(mq_timedsend(q, "x", 1, 0, &wrong));
	SHOW(mq_timedsend(q, "x", 1, 32768, &wrong));
	SHOW(mq_timedsend(-1, "x", 1, 0, &wrong));
	soon = after(CLOCK_REALTIME, 20);
	SHOW(mq_timedsend(q, "x", 1, 0, &soon));
	CHECK(clock_ns(CLOCK_REALTIME) >= soon.tv_sec * 1000000000L + soon.tv_nsec);
	SHOW(mq_timedreceive(q, text, 8, NULL, &past));
	SHOW(mq_timedreceive(q, text, 8, NULL, &wrong));
	NEED(fcntl(q, F_SETFL, O_NONBLOCK));
	soon = after(CLOCK_REALTIME, 20000);
	SHOW(mq_timedreceive(q, text, 8, NULL, &soon));
	SHOW(mq_timedreceive(q, text, 8, NULL, &wrong));
	close(q);
}

CASE(mq_interrupted)
{
	mqd_t q = make_queue(O_RDWR, 1, 8);
	struct timespec late;
	char text[8];

	listen_to(SIGALRM, 0);
	tick(20);
	SHOW(mq_receive(q, text, 8, NULL));
	late = after(CLOCK_REALTIME, 20000);
	SHOW(mq_timedreceive(q, text, 8, NULL, &late));
	NEED(mq_send(q, "x", 1, 0));
	SHOW(mq_send(q, "y", 1, 0));
	show_attr(q);
	SHOW(mq_receive(q, text, 8, NULL));
	listen_to(SIGALRM, SA_RESTART);
	late = after(CLOCK_REALTIME, 100);
	SHOW(mq_timedreceive(q, text, 8, NULL, &late));
	NEED(mq_send(q, "x", 1, 0));
	late = after(CLOCK_REALTIME, 100);
	SHOW(mq_timedsend(q, "y", 1, 0, &late));
	tick(0);
	CHECK(count > 5);
	signal(SIGALRM, SIG_DFL);
	close(q);
}

CASE(mq_receiver_waits)
{
	pthread_t thread;

	shared = make_queue(O_RDWR, 1, 8);
	start(&thread, send_later, "first");
	show_receive(shared);
	finish(thread);
	show_attr(shared);
	close(shared);
}

/* Its message comes after those of higher priority that came meanwhile. */
CASE(mq_sender_waits)
{
	pthread_t thread;

	shared = make_queue(O_RDWR, 1, 8);
	NEED(mq_send(shared, "first", 5, 0));
	start(&thread, send_now, "second");
	until_all_wait();
	show_attr(shared);
	show_receive(shared);
	show_attr(shared);
	show_receive(shared);
	finish(thread);
	close(shared);
}

static void *send_in_order(void *text)
{
	NEED(mq_send(shared, text, strlen(text), 7));
	return NULL;
}

CASE(mq_senders_queue)
{
	static char *texts[] = { "one", "two", "three" };
	pthread_t thread[3];

	shared = make_queue(O_RDWR, 1, 8);
	NEED(mq_send(shared, "zero", 4, 0));
	for (int i = 0; i < 3; i++) {
		start(&thread[i], send_in_order, texts[i]);
		until_all_wait();
	}
	for (int i = 0; i < 4; i++)
		show_receive(shared);
	for (int i = 0; i < 3; i++)
		finish(thread[i]);
	show_attr(shared);
	close(shared);
}

static char got[3][8];

static void *receive_one(void *to)
{
	NEED(mq_receive(shared, to, 8, NULL));
	return NULL;
}

CASE(mq_receivers_queue)
{
	static char *texts[] = { "one", "two", "three" };
	pthread_t thread[3];

	shared = make_queue(O_RDWR, 1, 8);
	memset(got, 0, sizeof(got));
	for (int i = 0; i < 3; i++) {
		start(&thread[i], receive_one, got[i]);
		until_all_wait();
	}
	for (int i = 0; i < 3; i++)
		NEED(mq_send(shared, texts[i], strlen(texts[i]), 0));
	for (int i = 0; i < 3; i++) {
		finish(thread[i]);
		say("%s", got[i]);
	}
	close(shared);
}

/* A queue that is closed while a thread waits on it stays for it. */
CASE(mq_closed_meanwhile)
{
	mqd_t copy;
	pthread_t thread;

	shared = make_queue(O_RDWR, 1, 8);
	copy = (mqd_t)NEED(dup(shared));
	memset(got, 0, sizeof(got));
	start(&thread, receive_one, got[0]);
	until_all_wait();
	close(shared);
	NEED(mq_send(copy, "late", 4, 0));
	finish(thread);
	say("%s", got[0]);
	close(copy);
}

#define MANY 2000
static long sum;

static void *send_many(void *from)
{
	for (long i = 0; i < MANY; i++) {
		long value = (long)from + i;

		NEED(mq_send(shared, (char *)&value, sizeof(value), (unsigned)(i % 3)));
	}
	return NULL;
}

static void *receive_many(void *unused)
{
	long value;

	for (long i = 0; i < MANY; i++) {
		NEED(mq_receive(shared, (char *)&value, sizeof(value), NULL));
		__atomic_add_fetch(&sum, value, __ATOMIC_SEQ_CST);
	}
	return unused;
}

CASE(mq_busy)
{
	pthread_t thread[4];

	shared = make_queue(O_RDWR, 3, 8);
	sum = 0;
	start(&thread[0], send_many, (void *)1);
	start(&thread[1], receive_many, NULL);
	start(&thread[2], send_many, (void *)5000000);
	start(&thread[3], receive_many, NULL);
	for (int i = 0; i < 4; i++)
		finish(thread[i]);
	say("%ld", sum);
	show_attr(shared);
	close(shared);
}

/* ---- being told ---- */

static volatile int told, told_code, told_value;
static volatile bool told_pid;

static void hear(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	told++;
	told_code = info->si_code;
	told_value = info->si_value.sival_int;
	told_pid = info->si_pid == getpid() && info->si_uid == getuid();
}

static void listen_for_notice(void)
{
	told = told_code = told_value = told_pid = 0;
	on_signal(SIGUSR1, hear, SA_SIGINFO);
}

static void show_told(void)
{
	say("told %d, SI_MESGQ %d, value %d, pid %d", told, told_code == SI_MESGQ, told_value,
	    told_pid);
}

CASE(mq_notify_signal)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8);

	event.sigev_value.sival_int = 1234;
	listen_for_notice();
	SHOW(mq_notify(q, &event));
	show_state(q);
	SHOW(mq_notify(q, &event));
	SHOW(mq_send(q, "a", 1, 0));
	show_told();
	show_state(q);
	SHOW(mq_send(q, "b", 1, 0));
	show_told();
	/* not while there are messages */
	SHOW(mq_notify(q, &event));
	SHOW(mq_send(q, "c", 1, 0));
	show_told();
	for (int i = 0; i < 3; i++)
		show_receive(q);
	SHOW(mq_send(q, "d", 1, 0));
	show_told();
	show_receive(q);
	SHOW(mq_notify(q, &event));
	SHOW(mq_notify(q, NULL));
	show_state(q);
	SHOW(mq_notify(q, NULL));
	SHOW(mq_send(q, "e", 1, 0));
	show_told();
	signal(SIGUSR1, SIG_DFL);
	close(q);
}

CASE(mq_notify_none)
{
	struct sigevent event = { .sigev_notify = SIGEV_NONE };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8), copy;

	SHOW(mq_notify(q, &event));
	show_state(q);
	SHOW(mq_notify(q, &event));
	NEED(mq_send(q, "a", 1, 0));
	show_state(q);
	show_receive(q);
	SHOW(mq_notify(q, &event));
	copy = (mqd_t)NEED(dup(q));
	close(copy); /* any descriptor of it */
	show_state(q);
	close(q);
}

/* Who waits gets the message, and nobody is told. */
CASE(mq_notify_with_receiver)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	pthread_t thread;

	shared = make_queue(O_RDWR, 1, 8);
	listen_for_notice();
	SHOW(mq_notify(shared, &event));
	start(&thread, send_later, "x");
	show_receive(shared);
	finish(thread);
	show_told();
	show_state(shared);
	/* nor when the message was waiting for a place */
	NEED(mq_send(shared, "y", 1, 0));
	show_told();
	SHOW(mq_notify(shared, &event));
	start(&thread, send_now, "z");
	until_all_wait();
	show_receive(shared);
	finish(thread);
	show_told();
	show_state(shared);
	signal(SIGUSR1, SIG_DFL);
	close(shared);
}

CASE(mq_notify_errors)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = 65 };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8);
	char cookie[32];

	SHOW(mq_notify(q, &event));
	event.sigev_signo = -1;
	SHOW(mq_notify(q, &event));
	event.sigev_signo = 0;
	SHOW(mq_notify(q, &event));
	show_state(q);
	NEED(mq_send(q, "x", 1, 0));
	show_state(q);
	event.sigev_notify = 99;
	SHOW(mq_notify(q, &event));
	event.sigev_notify = SIGEV_THREAD_ID;
	SHOW(mq_notify(q, &event));
	event.sigev_notify = SIGEV_NONE;
	SHOW(mq_notify(-1, &event));
	SHOW(mq_notify(-1, NULL));
	SHOW(mq_notify(STDOUT_FILENO, &event));
	SHOW(syscall(SYS_mq_notify, q, bad_ptr()));
	event.sigev_notify = SIGEV_THREAD;
	event.sigev_value.sival_ptr = cookie;
	event.sigev_signo = -1;
	SHOW(syscall(SYS_mq_notify, q, &event));
	event.sigev_signo = q;
	SHOW(syscall(SYS_mq_notify, q, &event));
	int s = (int)NEED(socket(AF_UNIX, SOCK_DGRAM, 0));
	event.sigev_signo = s;
	SHOW(syscall(SYS_mq_notify, q, &event));
	event.sigev_value.sival_ptr = bad_ptr();
	SHOW(syscall(SYS_mq_notify, q, &event));
	close(s);
	close(q);
}

/* As the C libraries use it. */
CASE(mq_notify_cookie)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8);
	char cookie[32], back[64];

	event.sigev_signo = (int)NEED(socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, 0));
	event.sigev_value.sival_ptr = cookie;
	memset(cookie, 7, sizeof(cookie));
	SHOW(syscall(SYS_mq_notify, q, &event));
	memset(cookie, 8, sizeof(cookie));
	show_state(q);
	SHOW(syscall(SYS_mq_notify, q, &event));
	SHOW(recv(event.sigev_signo, back, sizeof(back), 0));
	NEED(mq_send(q, "x", 1, 0));
	SHOW(ready(event.sigev_signo));
	SHOW(recv(event.sigev_signo, back, sizeof(back), 0));
	say("%d %d %d", back[0], back[30], back[31]);
	show_state(q);
	SHOW(syscall(SYS_mq_notify, q, &event));
	SHOW(syscall(SYS_mq_notify, q, NULL));
	SHOW(recv(event.sigev_signo, back, sizeof(back), 0));
	say("%d %d %d", back[0], back[30], back[31]);
	SHOW(syscall(SYS_mq_notify, q, &event));
	close(q);
	SHOW(recv(event.sigev_signo, back, sizeof(back), 0));
	say("%d %d %d", back[0], back[30], back[31]);
	close(event.sigev_signo);
}

/* Who does not read what he is told waits, as there is no room for more. */
CASE(mq_notify_unread)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8);
	char cookie[32];
	int n = 0;

	memset(cookie, 7, sizeof(cookie));
	event.sigev_signo = (int)NEED(socket(AF_NETLINK, SOCK_RAW, 0));
	event.sigev_value.sival_ptr = cookie;
	listen_to(SIGALRM, 0);
	tick(100);
	while (n < 100000 && syscall(SYS_mq_notify, q, &event) == 0) {
		NEED(mq_send(q, "x", 1, 0));
		NEED(mq_receive(q, cookie, 32, NULL));
		n++;
	}
	SHOW(syscall(SYS_mq_notify, q, &event));
	CHECK(n > 100);
	CHECK(n < 5000);
	tick(0);
	while (n-- > 0)
		NEED(recv(event.sigev_signo, cookie, sizeof(cookie), 0));
	SHOW(syscall(SYS_mq_notify, q, &event));
	signal(SIGALRM, SIG_DFL);
	close(event.sigev_signo);
	close(q);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static int calls;

static void call_me(union sigval value)
{
	pthread_mutex_lock(&lock);
	calls += value.sival_int;
	pthread_cond_signal(&called);
	pthread_mutex_unlock(&lock);
}

CASE(mq_notify_thread, ALONE)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8);

	event.sigev_notify_function = call_me;
	event.sigev_value.sival_int = 5;
	for (int i = 1; i <= 3; i++) {
		SHOW(mq_notify(q, &event));
		NEED(mq_send(q, "x", 1, 0));
		pthread_mutex_lock(&lock);
		while (calls < i * 5)
			pthread_cond_wait(&called, &lock);
		pthread_mutex_unlock(&lock);
		show_receive(q);
	}
	say("%d", calls);
	SHOW(mq_notify(q, &event));
	SHOW(mq_notify(q, NULL));
	close(q);
}

/* ---- another program ---- */

CASE(mq_exec_then, ALONE)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };

	/* the notice is still the process's, but not this program's */
	show_state(200);
	SHOW(mq_notify(200, &event));
	SHOW(mq_send(200, "x", 1, 0));
	show_state(200);
	SHOW(fcntl(201, F_GETFD));
}

CASE(mq_exec, ALONE)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	mqd_t q = make_queue(O_RDWR | O_NONBLOCK, 4, 8);

	NEED(dup2(q, 200));
	NEED(dup3(q, 201, O_CLOEXEC));
	NEED(close(q));
	NEED(mq_notify(200, &event));
	NEED(close(201));
	NEED(mq_notify(200, &event));
	/* without ABI_TMP, so that the harness leaves the descriptors alone */
	execle("/proc/self/exe", "mqueue", "mq_exec_then", (char *)NULL, (char *[]){ NULL });
	say("exec: %s", errno_name(errno));
}
