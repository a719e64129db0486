/*
 * disk.c: one job against a file or a block device, in a VM or on the host; see
 * bench/METHOD.md.
 *
 *   disk FILE ENGINE random|sequential read|write BLOCK DEPTH SECONDS [DIRECT]
 *   disk FILE evict      the host's page cache forgets the file
 *   disk FILE warm       the host's page cache has the file
 *
 * ENGINE: sync (pread, pwrite; depth 1), aio (Linux AIO), uring (io_uring).
 * Prints: requests a second, MB a second, and the median and the 99th percentile
 * of a request's time in us.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <linux/aio_abi.h>
#include <linux/fs.h>

#define DEPTH_MAX 128
#define SAMPLES   (1 << 20)

static struct job {
	int fd;
	bool sequential, write;
	uint32_t block, depth;
	uint64_t blocks, next;
} job;

static uint8_t *buffer[DEPTH_MAX];
static uint64_t started[DEPTH_MAX], done, first_ns, end_ns;
static uint32_t *sample;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "disk: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t offset(void)
{
	static uint64_t state = 1;
	uint64_t z;

	if (job.sequential)
		return job.next++ % job.blocks * job.block;
	z = state += 0x9e3779b97f4a7c15; /* splitmix64 */
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % job.blocks * job.block;
}

static void finished(unsigned slot, long result)
{
	if (result != (long)job.block) {
		errno = result < 0 ? -result : EIO;
		die("transfer");
	}
	sample[done++ % SAMPLES] = now() - started[slot];
}

/* ---- engines */

static void run_sync(void)
{
	while ((started[0] = now()) < end_ns) {
		ssize_t n = job.write ? pwrite(job.fd, buffer[0], job.block, offset()) :
					pread(job.fd, buffer[0], job.block, offset());

		finished(0, n < 0 ? -errno : n);
	}
}

static void run_aio(void)
{
	struct iocb cb[DEPTH_MAX], *list[DEPTH_MAX];
	struct io_event event[DEPTH_MAX];
	aio_context_t context = 0;
	unsigned n = job.depth, flying = 0;

	if (syscall(SYS_io_setup, DEPTH_MAX, &context))
		die("io_setup");
	for (unsigned i = 0; i < n; i++) {
		cb[i] = (struct iocb){ .aio_data = i,
				       .aio_lio_opcode =
					       job.write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD,
				       .aio_fildes = job.fd,
				       .aio_buf = (uint64_t)buffer[i],
				       .aio_nbytes = job.block };
		list[i] = &cb[i];
	}
	for (;;) {
		uint64_t t = now();
		long got;

		for (unsigned i = 0; i < n; i++) {
			list[i]->aio_offset = offset();
			started[list[i]->aio_data] = t;
		}
		if (n && syscall(SYS_io_submit, context, (long)n, list) != (long)n)
			die("io_submit");
		flying += n;
		if (!flying)
			break;
		got = syscall(SYS_io_getevents, context, 1l, (long)DEPTH_MAX, event, NULL);
		if (got < 1)
			die("io_getevents");
		flying -= got;
		for (long i = 0; i < got; i++) {
			finished(event[i].data, event[i].res);
			list[i] = &cb[event[i].data];
		}
		n = now() < end_ns ? got : 0;
	}
}

static void give(struct io_uring *ring, unsigned slot, uint64_t t)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

	if (job.write)
		io_uring_prep_write(sqe, job.fd, buffer[slot], job.block, offset());
	else
		io_uring_prep_read(sqe, job.fd, buffer[slot], job.block, offset());
	sqe->user_data = slot;
	started[slot] = t;
}

static void run_uring(void)
{
	struct io_uring ring;
	unsigned flying = 0;
	uint64_t t = now();

	if (io_uring_queue_init(DEPTH_MAX, &ring,
				IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) &&
	    io_uring_queue_init(DEPTH_MAX, &ring, 0))
		die("io_uring");
	for (; flying < job.depth; flying++)
		give(&ring, flying, t);
	while (flying) {
		struct io_uring_cqe *cqe;

		if (io_uring_submit_and_wait(&ring, 1) < 0)
			die("io_uring_enter");
		t = now();
		while (!io_uring_peek_cqe(&ring, &cqe)) {
			unsigned slot = cqe->user_data;

			finished(slot, cqe->res);
			io_uring_cqe_seen(&ring, cqe);
			if (t < end_ns)
				give(&ring, slot, t);
			else
				flying--;
		}
	}
}

/* ---- the page cache of the host */

static void evict(void)
{
	if (fsync(job.fd) || posix_fadvise(job.fd, 0, 0, POSIX_FADV_DONTNEED))
		die("evict");
}

static void warm(void)
{
	uint8_t *p = malloc(1 << 20);

	if (posix_fadvise(job.fd, 0, 0, POSIX_FADV_SEQUENTIAL))
		die("warm");
	while (read(job.fd, p, 1 << 20) > 0)
		;
	free(p);
}

/* ---- */

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void report(void)
{
	uint64_t n = done < SAMPLES ? done : SAMPLES;
	double seconds = (now() - first_ns) / 1e9;

	if (!n)
		die("nothing done");
	qsort(sample, n, sizeof(*sample), compare);
	printf("%.0f %.1f %.1f %.1f\n", done / seconds, done * (double)job.block / seconds / 1e6,
	       sample[n / 2] / 1e3, sample[n * 99 / 100] / 1e3);
}

static uint64_t size_of(int fd)
{
	struct stat st;
	uint64_t size;

	if (fstat(fd, &st))
		die("fstat");
	if (!S_ISBLK(st.st_mode))
		return st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &size))
		die("BLKGETSIZE64");
	return size;
}

static void prepare(char **argv, bool direct)
{
	job.sequential = argv[3][0] == 's';
	job.write = argv[4][0] == 'w';
	job.block = strtoul(argv[5], NULL, 0);
	job.depth = strtoul(argv[6], NULL, 0);
	job.fd = open(argv[1], (job.write ? O_RDWR : O_RDONLY) | (direct ? O_DIRECT : 0));
	if (job.fd < 0)
		die(argv[1]);
	job.blocks = job.block ? size_of(job.fd) / job.block : 0;
	if (!job.blocks || job.depth < 1 || job.depth > DEPTH_MAX) {
		errno = EINVAL;
		die("the job");
	}
	sample = malloc(SAMPLES * sizeof(*sample));
	for (unsigned i = 0; i < job.depth; i++) {
		if (posix_memalign((void **)&buffer[i], 4096, job.block))
			die("memory");
		memset(buffer[i], i + 1, job.block);
	}
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[2], "evict")) {
		job.fd = open(argv[1], O_RDONLY);
		evict();
		return 0;
	}
	if (argc == 3 && !strcmp(argv[2], "warm")) {
		job.fd = open(argv[1], O_RDONLY);
		warm();
		return 0;
	}
	if (argc < 8)
		return 2;
	prepare(argv, argc > 8);
	first_ns = now();
	end_ns = first_ns + (uint64_t)(atof(argv[7]) * 1e9);
	if (!strcmp(argv[2], "sync"))
		run_sync();
	else if (!strcmp(argv[2], "aio"))
		run_aio();
	else if (!strcmp(argv[2], "uring"))
		run_uring();
	if (job.write && fsync(job.fd))
		die("fsync");
	report();
	return 0;
}
