/*
 * splice, tee, vmsplice, sync_file_range.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"

static int ends[2], other[2];

static void open_pipes(int flags)
{
	NEED(pipe2(ends, flags));
	NEED(pipe2(other, flags));
}

static void close_pipes(void)
{
	for (int i = 0; i < 2; i++) {
		close(ends[i]);
		close(other[i]);
	}
}

static void show_read(int fd)
{
	char buf[64] = "";
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	say("%zd \"%s\"", n, buf);
}

CASE(splice_file_to_pipe_to_file, IN_DIR)
{
	int from, to;
	off_t at = 6;

	make_file("from", "hello world, and more");
	from = NEED(open("from", O_RDONLY));
	to = NEED(open("to", O_RDWR | O_CREAT, 0644));
	open_pipes(0);
	SHOW(splice(from, NULL, ends[1], NULL, 5, 0));
	SHOW(lseek(from, 0, SEEK_CUR));
	SHOW(splice(from, &at, ends[1], NULL, 100, SPLICE_F_MOVE | SPLICE_F_MORE));
	SHOW(at);
	SHOW(lseek(from, 0, SEEK_CUR));
	SHOW(splice(from, &at, ends[1], NULL, 100, 0)); /* at the end */
	at = 3;
	SHOW(splice(ends[0], NULL, to, &at, 8, 0));
	SHOW(at);
	SHOW(lseek(to, 0, SEEK_CUR));
	SHOW(splice(ends[0], NULL, to, NULL, 2, 0));
	SHOW(lseek(to, 0, SEEK_CUR));
	show_read(ends[0]);
	close(to);
	show_file("to");
	close(from);
	close_pipes();
}

CASE(splice_sockets)
{
	int a[2], b[2];

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, b));
	open_pipes(0);
	NEED(write(a[0], "through", 7));
	SHOW(splice(a[1], NULL, ends[1], NULL, 1000, SPLICE_F_NONBLOCK));
	SHOW(splice(ends[0], NULL, b[0], NULL, 1000, SPLICE_F_NONBLOCK));
	show_read(b[1]);
	SHOW(splice(b[1], NULL, ends[1], NULL, 1000, 0)); /* nothing there */
	close(a[0]);
	SHOW(splice(a[1], NULL, ends[1], NULL, 1000, 0)); /* the end */
	close(a[1]);
	close(b[0]);
	close(b[1]);
	close_pipes();
}

CASE(splice_pipes)
{
	open_pipes(0);
	NEED(write(ends[1], "abcdef", 6));
	SHOW(splice(ends[0], NULL, other[1], NULL, 4, 0));
	show_read(other[0]);
	SHOW(tee(ends[0], other[1], 100, 0));
	show_read(other[0]);
	show_read(ends[0]);
	SHOW(splice(ends[0], NULL, other[1], NULL, 4, SPLICE_F_NONBLOCK));
	SHOW(tee(ends[0], other[1], 100, SPLICE_F_NONBLOCK));
	close(ends[1]);
	SHOW(splice(ends[0], NULL, other[1], NULL, 4, 0));
	SHOW(tee(ends[0], other[1], 4, 0));
	close_pipes();
}

CASE(splice_full)
{
	static char page[65536];

	open_pipes(O_NONBLOCK);
	NEED(write(other[1], page, sizeof(page)));
	NEED(write(ends[1], "x", 1));
	SHOW(splice(ends[0], NULL, other[1], NULL, 1, 0));
	SHOW(tee(ends[0], other[1], 1, 0));
	show_read(ends[0]);
	close_pipes();
}

CASE(splice_broken)
{
	open_pipes(0);
	signal(SIGPIPE, SIG_IGN);
	NEED(write(ends[1], "x", 1));
	close(other[0]);
	SHOW(splice(ends[0], NULL, other[1], NULL, 1, 0));
	SHOW(tee(ends[0], other[1], 1, 0));
	show_read(ends[0]);
	signal(SIGPIPE, SIG_DFL);
	close_pipes();
}

CASE(splice_errors, IN_DIR)
{
	int file, append, only_write;
	off_t at = 0;

	make_file("file", "text");
	file = NEED(open("file", O_RDWR));
	append = NEED(open("file", O_WRONLY | O_APPEND));
	only_write = NEED(open("file", O_WRONLY));
	open_pipes(0);
	NEED(write(ends[1], "x", 1));
	SHOW(splice(file, NULL, ends[1], NULL, 0, 0x100));
	SHOW(splice(file, NULL, ends[1], NULL, 1, 0x100));
	SHOW(splice(-1, NULL, ends[1], NULL, 1, 0));
	SHOW(splice(file, NULL, -1, NULL, 1, 0));
	SHOW(splice(file, NULL, file, NULL, 1, 0));
	SHOW(splice(ends[0], NULL, ends[1], NULL, 1, 0));
	SHOW(splice(ends[0], &at, file, NULL, 1, 0));
	SHOW(splice(file, NULL, ends[1], &at, 1, 0));
	SHOW(splice(file, bad_ptr(), ends[1], NULL, 1, 0));
	SHOW(splice(ends[0], NULL, file, bad_ptr(), 1, 0));
	SHOW(splice(ends[0], bad_ptr(), file, bad_ptr(), 1, 0));
	SHOW(splice(ends[0], NULL, append, NULL, 1, 0));
	SHOW(splice(only_write, NULL, ends[1], NULL, 1, 0));
	SHOW(splice(ends[1], NULL, file, NULL, 1, 0));
	SHOW(splice(file, NULL, ends[0], NULL, 1, 0));
	SHOW(tee(file, ends[1], 1, 0));
	SHOW(tee(ends[0], ends[1], 1, 0));
	SHOW(tee(ends[0], other[1], 1, 0x100));
	SHOW(tee(ends[0], other[1], 0, 0));
	SHOW(tee(-1, other[1], 1, 0));
	close(file);
	close(append);
	close(only_write);
	close_pipes();
}

#define MANY 300000

static void *write_many(void *fd)
{
	static char text[MANY];

	for (int i = 0; i < MANY; i++)
		text[i] = 'a' + i % 23;
	write(*(int *)fd, text, MANY);
	close(*(int *)fd);
	return NULL;
}

static long sum, count;

static void *read_many(void *fd)
{
	char buf[1000];
	ssize_t n;

	while ((n = read(*(int *)fd, buf, sizeof(buf))) > 0)
		for (int i = 0; i < n; i++)
			sum += buf[i] * (count++ % 1009);
	return NULL;
}

/* A proxy between two sockets, as Go's io.Copy makes one, that waits on all
 * sides: no byte is lost, none comes twice. */
CASE(splice_proxy)
{
	pthread_t threads[2];
	int a[2], b[2];
	long n, total = 0;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	open_pipes(0);
	sum = count = 0;
	NEED(pthread_create(&threads[0], NULL, write_many, &a[0]));
	NEED(pthread_create(&threads[1], NULL, read_many, &b[1]));
	while ((n = splice(a[1], NULL, ends[1], NULL, 1 << 20, 0)) > 0) {
		total += n;
		while (n > 0) {
			long m = NEED(splice(ends[0], NULL, b[0], NULL, n, SPLICE_F_MORE));
			n -= m;
		}
	}
	close(b[0]);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	say("%ld %ld %ld", total, count, sum);
	close(a[1]);
	close(b[1]);
	close_pipes();
}

/* ---- vmsplice ---- */

CASE(vmsplice_to_pipe)
{
	struct iovec iov[3] = { { "hello ", 6 }, { NULL, 0 }, { "world", 5 } };

	open_pipes(0);
	SHOW(vmsplice(ends[1], iov, 3, 0));
	show_read(ends[0]);
	SHOW(vmsplice(ends[1], iov, 2, SPLICE_F_GIFT | SPLICE_F_MOVE | SPLICE_F_MORE));
	SHOW(vmsplice(ends[1], iov + 1, 1, 0));
	SHOW(vmsplice(ends[1], NULL, 0, 0));
	show_read(ends[0]);
	close_pipes();
}

CASE(vmsplice_to_memory)
{
	char a[5] = "", b[8] = "";
	struct iovec iov[3] = { { a, 4 }, { NULL, 0 }, { b, 7 } };

	open_pipes(O_NONBLOCK);
	NEED(write(ends[1], "abcdefghijklmn", 14));
	SHOW(vmsplice(ends[0], iov, 3, 0));
	say("%s %s", a, b);
	SHOW(vmsplice(ends[0], iov, 1, 0));
	say("%s", a);
	SHOW(vmsplice(ends[0], iov, 0, SPLICE_F_NONBLOCK));
	SHOW(vmsplice(ends[0], iov + 1, 1, SPLICE_F_NONBLOCK));
	SHOW(vmsplice(ends[0], iov, 1, SPLICE_F_NONBLOCK));
	close(ends[1]);
	SHOW(vmsplice(ends[0], iov, 1, 0));
	close_pipes();
}

/* A slot for what lies in one page, whatever its size. */
CASE(vmsplice_full)
{
	char *mem = pages(20);
	struct iovec iov[20];

	for (int i = 0; i < 20; i++)
		iov[i] = (struct iovec){ mem + i, 1 };
	open_pipes(0);
	SHOW(vmsplice(ends[1], iov, 20, 0));
	SHOW(vmsplice(ends[1], iov, 1, SPLICE_F_NONBLOCK));
	SHOW(read(ends[0], mem, 3));
	SHOW(vmsplice(ends[1], iov, 20, SPLICE_F_NONBLOCK));
	SHOW(read(ends[0], mem, 100));
	iov[0] = (struct iovec){ mem + 100, 18 * 4096 };
	SHOW(vmsplice(ends[1], iov, 2, 0));
	SHOW(read(ends[0], mem, 18 * 4096));
	iov[0] = (struct iovec){ mem, 18 * 4096 };
	SHOW(vmsplice(ends[1], iov, 1, SPLICE_F_NONBLOCK));
	SHOW(read(ends[0], mem, 18 * 4096));
	/* the page after them cannot be read */
	iov[0] = (struct iovec){ mem + 18 * 4096 + 5, 4 * 4096 };
	SHOW(vmsplice(ends[1], iov, 1, 0));
	SHOW(read(ends[0], mem, 18 * 4096));
	close_pipes();
}

/* What does not fit a buffer stays. */
CASE(vmsplice_packets)
{
	char text[8] = "";
	struct iovec iov = { text, 5 };

	open_pipes(O_DIRECT);
	NEED(write(ends[1], "abc", 3));
	NEED(write(ends[1], "defg", 4));
	NEED(write(ends[1], "hi", 2));
	SHOW(vmsplice(ends[0], &iov, 1, 0));
	say("%s", text);
	show_read(ends[0]);
	show_read(ends[0]);
	NEED(write(ends[1], "abc", 3));
	SHOW(splice(ends[0], NULL, other[1], NULL, 2, 0));
	show_read(ends[0]);
	show_read(other[0]);
	close_pipes();
}

CASE(vmsplice_faults)
{
	char *mem = pages(1), text[4] = "";
	struct iovec iov[3] = { { text, 3 }, { bad_ptr(), 3 }, { text, 3 } };

	open_pipes(O_NONBLOCK);
	SHOW(vmsplice(ends[1], iov, 3, 0));
	SHOW(vmsplice(ends[1], iov + 1, 2, 0));
	NEED(write(ends[1], "abcdef", 6));
	iov[1].iov_base = mem + 4094;
	SHOW(vmsplice(ends[0], iov, 1, 0));
	SHOW(vmsplice(ends[0], iov + 1, 1, 0));
	show_read(ends[0]);
	iov[2] = (struct iovec){ kernel_ptr(), 8 };
	SHOW(vmsplice(ends[1], iov, 3, 0));
	SHOW(vmsplice(ends[0], bad_ptr(), 1, 0));
	close_pipes();
}

CASE(vmsplice_errors, IN_DIR)
{
	struct iovec iov = { "text", 4 };
	int file, both, path;

	make_file("file", "text");
	file = NEED(open("file", O_RDWR));
	path = NEED(open("file", O_PATH));
	NEED(mkfifo("fifo", 0600));
	both = NEED(open("fifo", O_RDWR));
	open_pipes(0);
	SHOW(vmsplice(ends[1], &iov, 1, 16));
	SHOW(vmsplice(-1, &iov, 1, 16));
	SHOW(vmsplice(-1, &iov, 1, 0));
	SHOW(vmsplice(path, &iov, 1, 0));
	SHOW(vmsplice(file, &iov, 1, 0));
	SHOW(vmsplice(file, &iov, 0, 0));
	SHOW(vmsplice(file, &iov, 1025, 0));
	SHOW(vmsplice(file, bad_ptr(), 1, 0));
	SHOW(vmsplice(ends[1], &iov, 1025, 0));
	iov.iov_len = (size_t)-1;
	SHOW(vmsplice(ends[1], &iov, 1, 0));
	iov.iov_len = 4;
	SHOW(vmsplice(both, &iov, 1, 0)); /* written to, if it can be */
	show_read(both);
	close(ends[0]);
	signal(SIGPIPE, SIG_IGN);
	SHOW(vmsplice(ends[1], &iov, 1, 0));
	SHOW(vmsplice(ends[1], &iov, 0, 0));
	signal(SIGPIPE, SIG_DFL);
	close_pipes();
	close(both);
	close(file);
	close(path);
}

static void nothing(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)info;
	(void)context;
}

CASE(vmsplice_interrupted)
{
	static char mem[16 * 4096] __attribute__((aligned(4096)));
	struct iovec iov = { mem, sizeof(mem) };

	open_pipes(O_NONBLOCK); /* which does not count */
	on_signal(SIGALRM, nothing, 0);
	ualarm(20000, 0);
	SHOW(vmsplice(ends[0], &iov, 1, 0));
	SHOW(vmsplice(ends[1], &iov, 1, 0));
	ualarm(20000, 0);
	SHOW(vmsplice(ends[1], &iov, 1, 0));
	signal(SIGALRM, SIG_DFL);
	close_pipes();
}

/* Both sides wait for each other. */
CASE(vmsplice_waits)
{
	static char text[MANY];
	struct iovec iov = { text, MANY };
	pthread_t thread;

	for (int i = 0; i < MANY; i++)
		text[i] = 'a' + i % 23;
	open_pipes(0);
	sum = count = 0;
	NEED(pthread_create(&thread, NULL, read_many, &ends[0]));
	while (iov.iov_len) {
		long n = NEED(vmsplice(ends[1], &iov, 1, 0));

		iov.iov_base = (char *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
	}
	close(ends[1]);
	pthread_join(thread, NULL);
	say("%ld %ld", count, sum);
	close_pipes();
}

CASE(sync_file_range_all, IN_DIR)
{
	int fd, dir;

	make_file("file", "text");
	fd = NEED(open("file", O_RDWR));
	dir = NEED(open(".", O_RDONLY));
	SHOW(sync_file_range(fd, 0, 0, 0));
	SHOW(sync_file_range(fd, 0, 100, SYNC_FILE_RANGE_WRITE));
	SHOW(sync_file_range(fd, 2, 1, 7));
	SHOW(sync_file_range(fd, 1 << 20, 1 << 20, 7));
	SHOW(sync_file_range(dir, 0, 0, 7));
	SHOW(sync_file_range(fd, 0, 0, 8));
	SHOW(sync_file_range(fd, -1, 0, 0));
	SHOW(sync_file_range(fd, 0, -1, 0));
	SHOW(sync_file_range(fd, INT64_MAX, 1, 0));
	SHOW(sync_file_range(-1, 0, 0, 8));
	open_pipes(0);
	SHOW(sync_file_range(ends[0], 0, 0, 0));
	close_pipes();
	close(fd);
	close(dir);
}
