/*
 * soak SECONDS: mixed work on all CPUs for a long time, which checks itself.
 *
 * Every kind of work is a row of `kinds`: threads that go round until they are
 * told to stop. The time is cut into spells; at the end of each all threads are
 * joined, and what the system itself keeps of the memory is looked at: from the end
 * of the second spell on it must stay the same.
 *
 * Beside them a watchdog looks whether each thread still goes round: one that has
 * not at LOOKS looks in a row, however long the host stands still between them, has
 * lost a wake-up. Prints one line of totals, or what was wrong, and then ends with
 * status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <malloc.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "memory.h"
#include "random.h"

#define LOOKS        150 /* 100 ms apart; an emulated CPU is slow */
#define MOST         8 /* threads of a kind */
#define SLACK        1024 /* KiB that may be less at the end */
#define SPELLS_LEAST 4

struct kind;

struct worker {
	const struct kind *kind;
	int me;
	pthread_t thread;
	atomic_ulong rounds;
	unsigned long seen; /* by the watchdog, */
	unsigned looks; /* so often in a row */
	uint64_t random;
};

struct kind {
	const char *name;
	int threads;
	void (*work)(struct worker *w); /* until over */
	void (*begin)(void);
	void (*end)(void);
};

static atomic_bool over;
static _Atomic uint64_t cpus; /* that have been seen */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Others may hang or hold locks by now: nothing is ended in order. */
static _Noreturn void wrong(const char *what)
{
	dprintf(2, "soak: %s (errno %d)\n", what, errno);
	_exit(1);
}

static void must(bool holds, const char *what)
{
	if (!holds)
		wrong(what);
}

static void round_done(struct worker *w)
{
	w->rounds++;
	cpus |= 1ull << (sched_getcpu() & 63);
}

static void write_all(int fd, const void *from, size_t n)
{
	for (ssize_t r; n > 0; from = (const char *)from + r, n -= (size_t)r)
		if ((r = write(fd, from, n)) <= 0)
			wrong("write");
}

/* False: the other end is closed. */
static bool read_all(int fd, void *to, size_t n)
{
	for (ssize_t r; n > 0; to = (char *)to + r, n -= (size_t)r) {
		r = read(fd, to, n);
		must(r >= 0, "read");
		if (r == 0)
			return false;
	}
	return true;
}

/* ---- a token goes round, by futex alone */

#define RING 4
static _Atomic unsigned token[RING];

static void futex(_Atomic unsigned *word, int op, unsigned value)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void token_begin(void)
{
	for (int i = 0; i < RING; i++)
		token[i] = 0;
	token[0] = 1;
}

/* The last number, which says that it is over, goes round too. */
static void token_work(struct worker *w)
{
	const unsigned last = UINT32_MAX;
	const int next = (w->me + 1) % RING;

	for (unsigned round = 1, seen = 0; seen != last; round++) {
		while ((seen = token[w->me]) != round && seen != last)
			futex(&token[w->me], FUTEX_WAIT, seen);
		if (over && w->me == 0)
			seen = last;
		token[next] = seen == last ? last : w->me == RING - 1 ? round + 1 : round;
		futex(&token[next], FUTEX_WAKE, 1);
		round_done(w);
	}
}

/* ---- producers and consumers, by mutex and condition */

static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t store_changed = PTHREAD_COND_INITIALIZER;
static uint64_t store[8], store_in, store_out, sum_in, sum_out;

static void store_work(struct worker *w)
{
	const bool producer = w->me % 2;

	pthread_mutex_lock(&store_lock);
	while (!over) {
		if (producer && store_in - store_out < 8) {
			uint64_t item = pick(&w->random, 1000);

			store[store_in++ % 8] = item;
			sum_in += item;
		} else if (!producer && store_in != store_out) {
			sum_out += store[store_out++ % 8];
		} else {
			pthread_cond_wait(&store_changed, &store_lock);
			continue;
		}
		pthread_cond_broadcast(&store_changed);
		round_done(w);
	}
	pthread_cond_broadcast(&store_changed);
	pthread_mutex_unlock(&store_lock);
}

static void store_end(void)
{
	while (store_in != store_out)
		sum_out += store[store_out++ % 8];
	must(sum_in == sum_out, "goods were lost between threads");
}

/* Workers that wait for others when it is over: the watchdog's thread wakes them. */
static void store_wake(void)
{
	pthread_mutex_lock(&store_lock);
	pthread_cond_broadcast(&store_changed);
	pthread_mutex_unlock(&store_lock);
}

/* ---- bytes through pipes, with poll */

#define PIPES 3
static int pipes[PIPES][2];

static void pipe_begin(void)
{
	for (int i = 0; i < PIPES; i++)
		must(pipe2(pipes[i], O_CLOEXEC) == 0, "pipe2");
	write_all(pipes[0][1], "1", 1);
}

static void pipe_work(struct worker *w)
{
	const int next = (w->me + 1) % PIPES;
	char c = '1';

	while (c != '0') {
		struct pollfd p = { .fd = pipes[w->me][0], .events = POLLIN };

		must(poll(&p, 1, -1) == 1 && p.revents == POLLIN, "poll of a pipe");
		must(read_all(p.fd, &c, 1), "a pipe is closed");
		if (over)
			c = '0';
		write_all(pipes[next][1], &c, 1);
		round_done(w);
	}
}

static void pipe_end(void)
{
	for (int i = 0; i < PIPES; i++) {
		close(pipes[i][0]);
		close(pipes[i][1]);
	}
}

/* ---- TCP on the loopback: an echo by epoll, and clients that compare */

#define CLIENTS 3
static int listener, echo_epoll, ended_clients;
static struct sockaddr_in echo_address;

static void watch(int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	must(epoll_ctl(echo_epoll, EPOLL_CTL_ADD, fd, &e) == 0, "epoll_ctl");
}

static void tcp_begin(void)
{
	socklen_t length = sizeof(echo_address);

	echo_address = (struct sockaddr_in){ .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	listener = socket(AF_INET, SOCK_STREAM, 0);
	must(bind(listener, (struct sockaddr *)&echo_address, length) == 0, "bind");
	must(listen(listener, 64) == 0, "listen");
	must(getsockname(listener, (struct sockaddr *)&echo_address, &length) == 0, "getsockname");
	echo_epoll = epoll_create1(0);
	ended_clients = eventfd(0, 0);
	watch(listener);
	watch(ended_clients);
}

static void tcp_end(void)
{
	close(listener);
	close(echo_epoll);
	close(ended_clients);
}

/* False: the connection has ended. */
static bool echo(int fd)
{
	char block[4096];
	ssize_t n = read(fd, block, sizeof(block));

	must(n >= 0 || errno == ECONNRESET, "read of a connection");
	if (n > 0)
		write_all(fd, block, (size_t)n);
	else
		close(fd);
	return n > 0;
}

/* Until all clients have ended and all connections are closed. */
static void tcp_serve(struct worker *w)
{
	uint64_t ended = 0, more, connections = 0;

	while (ended < CLIENTS || connections) {
		struct epoll_event e[8];
		int n = epoll_wait(echo_epoll, e, 8, -1);

		must(n > 0, "epoll_wait");
		for (int i = 0; i < n; i++) {
			int fd = e[i].data.fd;

			if (fd == listener) {
				watch(accept(listener, NULL, NULL));
				connections++;
			} else if (fd == ended_clients) {
				must(read_all(fd, &more, sizeof(more)), "read of an eventfd");
				ended += more;
			} else if (!echo(fd)) {
				connections--;
			}
		}
		round_done(w);
	}
}

/* Reset at the end, so that connections do not wait for their last minute. */
static int tcp_connect(void)
{
	const struct linger none = { 1, 0 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	must(fd >= 0, "socket");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	must(connect(fd, (struct sockaddr *)&echo_address, sizeof(echo_address)) == 0, "connect");
	return fd;
}

static void tcp_ask(struct worker *w)
{
	const uint64_t one = 1;
	char out[2000], in[2000];
	int fd = tcp_connect();

	while (!over) {
		size_t n = 1 + pick(&w->random, sizeof(out));

		memset(out, (int)pick(&w->random, 256), n);
		write_all(fd, out, n);
		must(read_all(fd, in, n) && memcmp(in, out, n) == 0, "an echo is wrong");
		if (pick(&w->random, 50) == 0) {
			close(fd);
			fd = tcp_connect();
		}
		round_done(w);
	}
	close(fd);
	write_all(ended_clients, &one, sizeof(one));
}

static void tcp_work(struct worker *w)
{
	if (w->me == CLIENTS)
		tcp_serve(w);
	else
		tcp_ask(w);
}

/* ---- messages between two ends of a pair, with descriptors of their own */

static void unix_work(struct worker *w)
{
	while (!over) {
		char out[600], in[600];
		int pair[2];

		must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "socketpair");
		for (int i = 0; i < 20; i++) {
			size_t n = 1 + pick(&w->random, sizeof(out));

			memset(out, i, n);
			must(send(pair[i % 2], out, n, 0) == (ssize_t)n, "send");
			must(recv(pair[1 - i % 2], in, sizeof(in), 0) == (ssize_t)n, "recv");
			must(memcmp(in, out, n) == 0, "a message is wrong");
		}
		close(pair[0]);
		close(pair[1]);
		round_done(w);
	}
}

/* ---- files on tmpfs */

static void file_work(struct worker *w)
{
	char path[64], other[80], block[3000];
	struct stat st;

	snprintf(path, sizeof(path), "/tmp/soak.%d.%d", getpid(), w->me);
	snprintf(other, sizeof(other), "%s.renamed", path);
	while (!over) {
		int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
		unsigned n = 1 + pick(&w->random, 20);

		must(fd >= 0, "open");
		for (unsigned i = 0; i < n; i++) {
			memset(block, (int)i, sizeof(block));
			write_all(fd, block, sizeof(block));
		}
		must(rename(path, other) == 0, "rename");
		must(stat(other, &st) == 0 && st.st_size == (off_t)(n * sizeof(block)), "stat");
		for (unsigned i = 0; i < n; i++) {
			must(pread(fd, block, 1, (off_t)(i * sizeof(block))) == 1, "pread");
			must(block[0] == (char)i, "a file has something else");
		}
		must(ftruncate(fd, 1) == 0 && unlink(other) == 0, "unlink");
		close(fd);
		round_done(w);
	}
}

/* ---- memory that comes and goes */

static void memory_work(struct worker *w)
{
	while (!over) {
		size_t size = 4096 * (2 + pick(&w->random, 40)), half = (size / 2) & ~(size_t)4095;
		char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		must(p != MAP_FAILED, "mmap");
		for (size_t i = 0; i < size; i += 4096) {
			must(p[i] == 0, "memory is not fresh");
			p[i] = (char)w->me;
		}
		must(mprotect(p, half, PROT_READ) == 0, "mprotect");
		must(mprotect(p, half, PROT_READ | PROT_WRITE) == 0, "mprotect");
		p = mremap(p, size, size * 2, MREMAP_MAYMOVE);
		must(p != MAP_FAILED, "mremap");
		for (size_t i = 0; i < size; i += 4096)
			must(p[i] == (char)w->me && p[size + i] == 0, "memory has something else");
		must(madvise(p, half, MADV_DONTNEED) == 0 && p[0] == 0, "madvise");
		must(munmap(p, size * 2) == 0, "munmap");
		round_done(w);
	}
}

static void heap_work(struct worker *w)
{
	enum { BLOCKS = 64 };
	unsigned char *block[BLOCKS] = { NULL };

	while (!over) {
		unsigned i = pick(&w->random, BLOCKS);
		size_t n = 1 + pick(&w->random, pick(&w->random, 20) ? 500 : 200000);

		must(!block[i] || (block[i][0] == (i ^ w->me) && malloc_usable_size(block[i])),
		     "the heap has something else");
		free(block[i]);
		block[i] = malloc(n);
		must(block[i], "malloc");
		memset(block[i], (int)(i ^ w->me), n);
		round_done(w);
	}
	for (unsigned i = 0; i < BLOCKS; i++)
		free(block[i]);
}

/* ---- signals, one at a time, each answered */

static __thread atomic_uint handled;
static sem_t answered;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
	sem_post(&answered);
}

#define SIGNALS 50

static void *is_signalled(void *unused)
{
	const struct timespec pause = { 0, 10000000 };

	while (handled < SIGNALS)
		nanosleep(&pause, NULL); /* interrupted, mostly */
	return unused;
}

static void signal_work(struct worker *w)
{
	while (!over) {
		pthread_t thread;

		must(!pthread_create(&thread, NULL, is_signalled, NULL), "pthread_create");
		for (unsigned i = 0; i < SIGNALS; i++) {
			must(pthread_kill(thread, SIGUSR1) == 0, "pthread_kill");
			while (sem_wait(&answered) < 0)
				;
		}
		pthread_join(thread, NULL);
		round_done(w);
	}
}

static void signal_begin(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sem_init(&answered, 0, 0);
	sigaction(SIGUSR1, &sa, NULL);
}

/* ---- timers: never too early */

static void timer_work(struct worker *w)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);

	must(fd >= 0, "timerfd_create");
	while (!over) {
		long ns = 1000 + (long)pick(&w->random, 3000000);
		struct itimerspec once = { .it_value.tv_nsec = ns };
		struct timespec pause = { 0, ns };
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t count;
		double start = now();

		must(timerfd_settime(fd, 0, &once, NULL) == 0, "timerfd_settime");
		must(poll(&p, 1, -1) == 1 && read(fd, &count, 8) == 8 && count == 1, "a timer");
		must(now() - start >= ns / 1e9 - 1e-7, "a timer came early");
		start = now();
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		must(now() - start >= ns / 1e9 - 1e-7, "a sleep was short");
		round_done(w);
	}
	close(fd);
}

/* ---- waits that nobody ends but their time */

static void timeout_work(struct worker *w)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;

	while (!over) {
		struct timespec until;

		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 1000 + (long)pick(&w->random, 2000000);
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		pthread_mutex_lock(&lock);
		while (pthread_cond_timedwait(&never, &lock, &until) != ETIMEDOUT)
			;
		pthread_mutex_unlock(&lock);
		round_done(w);
	}
}

/* ---- threads that end while others begin */

static __thread int own;

static void *short_life(void *arg)
{
	char *block = malloc(100);

	must(own == 0, "a thread's own data is not fresh");
	own = 1;
	free(block);
	return arg;
}

static void thread_work(struct worker *w)
{
	while (!over) {
		pthread_t threads[4];
		void *result;

		for (uintptr_t i = 0; i < 4; i++)
			must(!pthread_create(&threads[i], NULL, short_life, (void *)i),
			     "pthread_create");
		for (uintptr_t i = 0; i < 4; i++)
			must(!pthread_join(threads[i], &result) && result == (void *)i,
			     "a thread was lost");
		round_done(w);
	}
}

/* ---- numbers in registers, never leaving the CPU by itself */

static void compute_work(struct worker *w)
{
	while (!over) {
		double start = w->me, x = start;

		for (int i = 0; i < 300000; i++)
			__asm__ volatile("addsd %1, %0" : "+x"(x) : "x"(1.0));
		must(x == start + 300000, "a register changed");
		round_done(w);
	}
}

/* ---- all of it */

static const struct kind kinds[] = {
	{ "futex", RING, token_work, token_begin, NULL },
	{ "conditions", 4, store_work, NULL, store_end },
	{ "pipes", PIPES, pipe_work, pipe_begin, pipe_end },
	{ "unix", 1, unix_work, NULL, NULL },
	{ "files", 2, file_work, NULL, NULL },
	{ "memory", 2, memory_work, NULL, NULL },
	{ "heap", 2, heap_work, NULL, NULL },
	{ "signals", 1, signal_work, signal_begin, NULL },
	{ "timers", 2, timer_work, NULL, NULL },
	{ "timeouts", 2, timeout_work, NULL, NULL },
	{ "threads", 2, thread_work, NULL, NULL },
	{ "compute", 2, compute_work, NULL, NULL },
	{ "tcp", CLIENTS + 1, tcp_work, tcp_begin, tcp_end },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static struct worker workers[KINDS][MOST];
static unsigned long totals[KINDS];

static void *run_worker(void *arg)
{
	struct worker *w = arg;

	w->kind->work(w);
	return NULL;
}

static void start_all(void)
{
	over = false;
	for (size_t k = 0; k < KINDS; k++) {
		if (kinds[k].begin)
			kinds[k].begin();
		for (int i = 0; i < kinds[k].threads; i++) {
			struct worker *w = &workers[k][i];

			*w = (struct worker){ .kind = &kinds[k],
					      .me = i,
					      .random = 88172645463325252 + k * MOST + i };
			must(!pthread_create(&w->thread, NULL, run_worker, w), "pthread_create");
		}
	}
}

static _Noreturn void stuck(const struct worker *w, const char *what)
{
	dprintf(2, "soak: stuck: thread %d of %s %s after %lu rounds\n", w->me, w->kind->name, what,
		w->rounds);
	_exit(1);
}

static void watchdog(void)
{
	for (size_t k = 0; k < KINDS; k++) {
		for (int i = 0; i < kinds[k].threads; i++) {
			struct worker *w = &workers[k][i];

			w->looks = w->rounds == w->seen ? w->looks + 1 : 0;
			w->seen = w->rounds;
			if (w->looks == LOOKS)
				stuck(w, "makes no progress");
		}
	}
}

static _Atomic(struct worker *) joined; /* or about to be */

static void *joins_all(void *ended)
{
	for (size_t k = 0; k < KINDS; k++) {
		for (int i = 0; i < kinds[k].threads; i++) {
			joined = &workers[k][i];
			pthread_join(workers[k][i].thread, NULL);
			totals[k] += workers[k][i].rounds;
		}
		if (kinds[k].end)
			kinds[k].end();
	}
	*(atomic_bool *)ended = true;
	return NULL;
}

/* One that does not end is a thread that is stuck. */
static void stop_all(void)
{
	atomic_bool ended = false;
	pthread_t thread;

	over = true;
	must(!pthread_create(&thread, NULL, joins_all, &ended), "pthread_create");
	for (unsigned looks = 0; !ended; looks++) {
		if (looks == LOOKS * 20)
			stuck(joined, "does not end");
		store_wake();
		usleep(10000);
	}
	pthread_join(thread, NULL);
}

/* What the system does not use: free, or the program's own, which malloc() keeps
 * more or less of. */
static long kib_to_keep(void)
{
	malloc_trim(0);
	return not_the_systems_kib();
}

static void spell(double seconds)
{
	double end = now() + seconds;

	start_all();
	while (now() < end) {
		usleep(100000);
		watchdog();
	}
	stop_all();
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? strtod(argv[1], NULL) : 5;
	const double start = now(), length = seconds < 100 ? seconds / 5 : 20;
	long before = 0, after = 0;
	int spells = 0;

	mallopt(M_ARENA_MAX, 4);
	while (spells < SPELLS_LEAST || now() < start + seconds) {
		spell(length);
		after = kib_to_keep();
		if (++spells <= 2)
			before = after;
	}
	printf("soak: %.0f s, %d spells on %d CPUs;", now() - start, spells,
	       __builtin_popcountll(cpus));
	for (size_t k = 0; k < KINDS; k++)
		printf(" %s %lu%s", kinds[k].name, totals[k], k + 1 < KINDS ? "," : ";");
	printf(" not the system's: %ld KiB before, %ld after\n", before, after);
	if (after + SLACK < before)
		printf("soak: memory leaks\n");
	return after + SLACK < before;
}
