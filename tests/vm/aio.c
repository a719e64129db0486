/*
 * aio DEV SEED ROUNDS: Linux AIO on a disk, in a VM or on the host: up to 32
 * requests in flight, every byte checked; contexts, errors, eventfds, memory
 * that is unmapped while a device writes to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <linux/aio_abi.h>

#define DEPTH 32
#define SLOT  65536 /* of the disk and of memory, one a request */

static aio_context_t context;
static int fd;
static uint64_t state;
static uint8_t *memory, *shadow;

#define CHECK(condition)                                                                 \
	do {                                                                             \
		if (!(condition)) {                                                      \
			printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
			exit(1);                                                         \
		}                                                                        \
	} while (0)

static uint64_t draw(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static long submit(struct iocb **list, long n)
{
	return syscall(SYS_io_submit, context, n, list);
}

static long get(long least, long most, struct io_event *event, const struct timespec *timeout)
{
	return syscall(SYS_io_getevents, context, least, most, event, timeout);
}

static struct iocb transfer(int opcode, void *p, size_t n, uint64_t offset)
{
	return (struct iocb){ .aio_lio_opcode = opcode,
			      .aio_fildes = fd,
			      .aio_buf = (uint64_t)p,
			      .aio_nbytes = n,
			      .aio_offset = offset };
}

/* One request a slot of the disk, in random places of it, reads and writes. */
static void one_round(void)
{
	struct iocb cb[DEPTH], *list[DEPTH];
	struct io_event event[DEPTH];
	struct iovec iov[DEPTH][2];
	size_t from[DEPTH], len[DEPTH];
	long n = 1 + draw() % DEPTH, got = 0;

	for (int i = 0; i < n; i++) {
		uint8_t *p = memory + i * SLOT;
		int write = draw() % 2;

		from[i] = draw() % 64 * 512;
		len[i] = (1 + draw() % 64) * 512;
		for (size_t j = 0; write && j < len[i]; j++)
			p[j] = draw();
		if (write)
			memcpy(shadow + i * SLOT + from[i], p, len[i]);
		cb[i] = transfer(write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD, p, len[i],
				 (uint64_t)i * SLOT + from[i]);
		if (len[i] > 512 && draw() % 4 == 0) {
			iov[i][0] = (struct iovec){ p, 512 };
			iov[i][1] = (struct iovec){ p + 512, len[i] - 512 };
			cb[i].aio_lio_opcode = write ? IOCB_CMD_PWRITEV : IOCB_CMD_PREADV;
			cb[i].aio_buf = (uint64_t)iov[i];
			cb[i].aio_nbytes = 2;
		}
		cb[i].aio_data = i;
		list[i] = &cb[i];
	}
	CHECK(submit(list, n) == n);
	while (got < n) {
		long some = get(1 + (n - got) / 2, n - got, event + got, NULL);

		CHECK(some > 0);
		got += some;
	}
	for (int i = 0; i < n; i++) {
		long slot = event[i].data;

		CHECK(event[i].obj == (uint64_t)&cb[slot] && event[i].res == (long)len[slot]);
		CHECK(!memcmp(memory + slot * SLOT, shadow + slot * SLOT + from[slot], len[slot]));
	}
	CHECK(get(0, 1, event, NULL) == 0);
}

static void errors(uint64_t size)
{
	struct timespec none = { 0, 0 }, soon = { 0, 20000000 };
	struct iocb cb = transfer(IOCB_CMD_PREAD, memory + 1, 512, 1), *list[] = { &cb };
	struct io_event event;
	aio_context_t wrong = 1;

	CHECK(get(1, 1, &event, &none) == 0);
	CHECK(get(1, 1, &event, &soon) == 0);
	CHECK(get(2, 1, &event, &none) < 0 && errno == EINVAL);
	CHECK(submit(list, 1) == 1 && get(1, 1, &event, NULL) == 1 && event.res == -EINVAL);
	cb = transfer(IOCB_CMD_PREAD, memory, 512, size);
	CHECK(submit(list, 1) == 1 && get(1, 1, &event, NULL) == 1 && event.res == 0);
	cb = transfer(IOCB_CMD_PREAD, (void *)4096, 512, 0);
	CHECK(submit(list, 1) == 1 && get(1, 1, &event, NULL) == 1 && event.res == -EFAULT);
	cb = transfer(77, memory, 512, 0);
	CHECK(submit(list, 1) < 0 && errno == EINVAL);
	cb = transfer(IOCB_CMD_PREAD, memory, 512, 0);
	cb.aio_fildes = 99;
	CHECK(submit(list, 1) < 0 && errno == EBADF);
	CHECK(submit((struct iocb **)8, 1) < 0 && errno == EFAULT);
	CHECK(submit(list, -1) < 0 && errno == EINVAL);
	CHECK(syscall(SYS_io_setup, 4, &wrong) < 0 && errno == EINVAL);
	CHECK(syscall(SYS_io_destroy, 4096) < 0 && errno == EINVAL);
	CHECK(syscall(SYS_io_submit, 4096, 1l, list) < 0 && errno == EINVAL);
}

static void eventfds(void)
{
	int e = eventfd(0, 0);
	struct pollfd p = { .fd = e, .events = POLLIN };
	struct iocb cb[4], *list[4];
	struct io_event event[4];
	uint64_t count, sum = 0;

	for (int i = 0; i < 4; i++) {
		cb[i] = transfer(IOCB_CMD_PREAD, memory + i * SLOT, SLOT, i * SLOT);
		cb[i].aio_flags = IOCB_FLAG_RESFD;
		cb[i].aio_resfd = e;
		list[i] = &cb[i];
	}
	CHECK(submit(list, 4) == 4);
	while (sum < 4) { /* nobody asks the context: the eventfd must tell by itself */
		CHECK(poll(&p, 1, 10000) == 1);
		CHECK(read(e, &count, sizeof(count)) == sizeof(count));
		sum += count;
	}
	CHECK(get(4, 4, event, NULL) == 4);
	cb[0].aio_resfd = fd;
	CHECK(submit(list, 1) < 0 && errno == EINVAL);
	close(e);
}

/* What the device still writes to must not become somebody else's memory. */
static void unmapped(void)
{
	struct iocb cb[16], *list[16];
	struct io_event event[16];
	uint8_t *p = mmap(NULL, 16 * SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0),
		*q;

	memset(p, 1, 16 * SLOT);
	for (int i = 0; i < 16; i++) {
		cb[i] = transfer(IOCB_CMD_PREAD, p + i * SLOT, SLOT, i * SLOT);
		list[i] = &cb[i];
	}
	CHECK(submit(list, 16) == 16);
	munmap(p, 16 * SLOT);
	q = mmap(NULL, 16 * SLOT, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(q, 0x77, 16 * SLOT);
	CHECK(get(16, 16, event, NULL) == 16);
	for (int i = 0; i < 16 * SLOT; i++)
		CHECK(q[i] == 0x77);
	munmap(q, 16 * SLOT);
}

/* Buffered files and fsync: carried out, if not at once. */
static void others(const char *name)
{
	int plain = open(name, O_RDWR);
	struct iocb cb[3], *list[] = { &cb[0], &cb[1], &cb[2] };
	struct io_event event[3];

	cb[0] = transfer(IOCB_CMD_PREAD, memory, 1000, 77);
	cb[0].aio_fildes = plain;
	cb[1] = transfer(IOCB_CMD_FSYNC, NULL, 0, 0);
	cb[2] = transfer(IOCB_CMD_FDSYNC, NULL, 0, 0);
	CHECK(submit(list, 3) == 3 && get(3, 3, event, NULL) == 3);
	for (int i = 0; i < 3; i++)
		CHECK(event[i].res == (event[i].obj == (uint64_t)&cb[0] ? 1000 : 0));
	CHECK(!memcmp(memory, shadow + 77, 1000));
	close(plain);
}

int main(int argc, char **argv)
{
	off_t size;

	if (argc < 4)
		return 2;
	fd = open(argv[1], O_RDWR | O_DIRECT);
	CHECK(fd >= 0);
	size = lseek(fd, 0, SEEK_END);
	CHECK(size >= DEPTH * SLOT + SLOT);
	CHECK(!posix_memalign((void **)&memory, 4096, DEPTH * SLOT));
	CHECK(!posix_memalign((void **)&shadow, 4096, DEPTH * SLOT));
	CHECK(pread(fd, shadow, DEPTH * SLOT, 0) == DEPTH * SLOT);
	CHECK(syscall(SYS_io_setup, DEPTH, &context) == 0);
	state = strtoull(argv[2], NULL, 0);
	for (int i = atoi(argv[3]); i > 0; i--)
		one_round();
	errors(size);
	eventfds();
	unmapped();
	others(argv[1]);
	CHECK(syscall(SYS_io_destroy, context) == 0);
	CHECK(syscall(SYS_io_destroy, context) < 0 && errno == EINVAL);
	puts("as it should be");
	return 0;
}
