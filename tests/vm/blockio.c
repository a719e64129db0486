/*
 * What a program does with a disk, in a VM on /dev/vda or on the host on a
 * file: the same words leave the same bytes.
 *
 *   blockio info DEV                     ioctls and sizes
 *   blockio mix DEV SEED STEPS           random reads and writes of all kinds, each read checked
 *   blockio records DEV                  a record, fsync, its number on stdout; for ever
 *   blockio fill DEV BYTES MODE          writes until BYTES or an error, then fsync twice
 *   blockio range DEV discard|zero OFFSET LEN
 *   blockio dirty DEV SECONDS            writes 64 KiB, sleeps, ends without fsync
 *   blockio edges DEV                    offsets, alignment, the end
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/fs.h>
#include <linux/hdreg.h>

#define CHUNK_MAX (512 << 10)

static uint8_t *buffer, *shadow;

static void die(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_device(const char *name, int flags)
{
	int fd = open(name, flags);

	if (fd < 0)
		die(name);
	return fd;
}

static uint64_t state;

static uint64_t draw(void) /* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static void fill(uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 8) {
		uint64_t word = draw();

		memcpy(p + i, &word, n - i < 8 ? n - i : 8);
	}
}

/* ---- mix */

enum { PLAIN, DIRECT, DSYNC, MODES };

static int fds[MODES];

static void one_read(int mode, uint64_t offset, size_t len)
{
	struct iovec iov[2] = { { buffer, len / 2 }, { buffer + len / 2, len - len / 2 } };
	ssize_t n = mode == DIRECT ? pread(fds[mode], buffer, len, offset) :
				     preadv(fds[mode], iov, 2, offset);

	if (n != (ssize_t)len)
		die("read");
	if (memcmp(buffer, shadow + offset, len)) {
		printf("%s read of %zu at %llu: wrong bytes\n", mode == DIRECT ? "direct" : "plain",
		       len, (unsigned long long)offset);
		exit(1);
	}
}

static void one_write(int mode, uint64_t offset, size_t len)
{
	fill(buffer, len);
	if (pwrite(fds[mode], buffer, len, offset) != (ssize_t)len)
		die("write");
	memcpy(shadow + offset, buffer, len);
}

static void one_step(uint64_t size)
{
	int mode = draw() % MODES;
	size_t len = draw() % 3 == 0 ? draw() % CHUNK_MAX + 1 : draw() % 9000 + 1;
	uint64_t offset = draw() % size;

	if (mode == DIRECT) {
		offset &= ~511ull;
		len = (len + 511) & ~511ull;
	}
	if (len > size - offset)
		len = size - offset;
	if (draw() % 40 == 0 && fsync(fds[PLAIN]))
		die("fsync");
	if (draw() % 2)
		one_read(mode, offset, len);
	else
		one_write(mode, offset, len);
}

static void mix(const char *name, uint64_t seed, unsigned steps)
{
	off_t size;

	fds[PLAIN] = open_device(name, O_RDWR);
	fds[DIRECT] = open(name, O_RDWR | O_DIRECT);
	if (fds[DIRECT] < 0) /* a host's file system without it: ramfs */
		fds[DIRECT] = open_device(name, O_RDWR);
	fds[DSYNC] = open_device(name, O_RDWR | O_DSYNC);
	size = lseek(fds[PLAIN], 0, SEEK_END);
	shadow = malloc(size);
	if (size <= 0 || !shadow || pread(fds[PLAIN], shadow, size, 0) != size)
		die("reading all");
	state = seed;
	while (steps--)
		one_step(size);
	if (pread(fds[PLAIN], buffer, 4096, 0) != 4096 || memcmp(buffer, shadow, 4096))
		die("at the end");
	puts("all bytes right");
}

/* ---- the others */

static void info(const char *name)
{
	int fd = open_device(name, O_RDONLY), ssz = 0, ro = -1, bsz = 0;
	unsigned pbsz = 0;
	uint64_t bytes = 0;
	unsigned long sectors = 0;
	struct hd_geometry geo;
	struct stat st;

	if (ioctl(fd, BLKGETSIZE64, &bytes) || ioctl(fd, BLKGETSIZE, &sectors) ||
	    ioctl(fd, BLKSSZGET, &ssz) || ioctl(fd, BLKPBSZGET, &pbsz) ||
	    ioctl(fd, BLKROGET, &ro) || ioctl(fd, BLKBSZGET, &bsz) || fstat(fd, &st) ||
	    ioctl(fd, HDIO_GETGEO, &geo))
		die("ioctl");
	printf("%llu bytes, %lu sectors, blocks of %d and %u, ro %d, %s, end %lld\n",
	       (unsigned long long)bytes, sectors, ssz, pbsz, ro,
	       S_ISBLK(st.st_mode) ? "block device" : "?", (long long)lseek(fd, 0, SEEK_END));
	if (bsz != 4096 || ioctl(fd, BLKFLSBUF, 0) || ioctl(fd, 0x1234, 0) == 0 || errno != ENOTTY)
		die("other ioctls");
}

static void records(const char *name)
{
	int fd = open_device(name, O_RDWR);
	uint64_t record[512];

	for (uint64_t n = 1;; n++) {
		for (int i = 0; i < 512; i++)
			record[i] = n;
		if (pwrite(fd, record, sizeof(record), (n % 256) * sizeof(record)) !=
			    sizeof(record) ||
		    fsync(fd))
			die("record");
		printf("%llu\n", (unsigned long long)n);
		fflush(stdout);
	}
}

static void fill_up(const char *name, uint64_t bytes, const char *mode)
{
	int direct = !strcmp(mode, "direct") ? O_DIRECT : 0;
	int sync = !strcmp(mode, "sync") ? O_DSYNC : 0;
	int fd = open_device(name, O_RDWR | direct | sync);
	int other = open_device(name, O_RDWR);

	fill(buffer, CHUNK_MAX);
	for (uint64_t at = 0; at < bytes; at += 65536)
		if (pwrite(fd, buffer, 65536, at) != 65536) {
			printf("write: %s\n", strerror(errno));
			break;
		}
	for (int i = 0; i < 2; i++)
		printf("fsync: %s\n", fsync(fd) ? strerror(errno) : "ok");
	printf("other: %s\n", fsync(other) ? strerror(errno) : "ok");
}

static void range(const char *name, const char *what, uint64_t offset, uint64_t len)
{
	uint64_t r[2] = { offset, len };
	int fd = open_device(name, O_RDWR);

	if (pread(fd, buffer, 4096, 0) != 4096) /* something in the cache */
		die("read");
	if (ioctl(fd, !strcmp(what, "zero") ? BLKZEROOUT : BLKDISCARD, r))
		die(what);
	for (uint64_t at = 0; at < len; at += 512) {
		if (pread(fd, buffer, 512, offset + at) != 512)
			die("read");
		for (int i = 0; i < 512; i++)
			if (buffer[i]) {
				puts("not zero");
				exit(1);
			}
	}
	puts("zero");
}

static void dirty(const char *name, unsigned seconds)
{
	int fd = open_device(name, O_RDWR);

	memset(buffer, 0xd1, 65536);
	if (pwrite(fd, buffer, 65536, 65536) != 65536)
		die("write");
	puts("written");
	fflush(stdout);
	sleep(seconds);
}

#define EXPECT(call, result, error)                                           \
	do {                                                                  \
		long got = (errno = 0, (call));                               \
		if (got != (result) || errno != (error)) {                    \
			printf("%s: %ld, %s\n", #call, got, strerror(errno)); \
			exit(1);                                              \
		}                                                             \
	} while (0)

static void edges(const char *name)
{
	int fd = open_device(name, O_RDWR), direct = open_device(name, O_RDWR | O_DIRECT);
	off_t size = lseek(fd, 0, SEEK_END);

	EXPECT(pread(fd, buffer, 512, size), 0, 0);
	EXPECT(pread(fd, buffer, 4096, size - 100), 100, 0);
	EXPECT(pwrite(fd, buffer, 100, size), -1, ENOSPC);
	EXPECT(pwrite(fd, buffer, 4096, size - 100), 100, 0);
	EXPECT(pread(fd, buffer, 1, 1ll << 62), 0, 0);
	EXPECT(pwrite(fd, buffer, 0, size), 0, 0);
	EXPECT(lseek(fd, size + 1, SEEK_SET), -1, EINVAL);
	EXPECT(lseek(fd, -1, SEEK_SET), -1, EINVAL);
	EXPECT(lseek(fd, -512, SEEK_END), size - 512, 0);
	EXPECT(read(fd, buffer, 4096), 512, 0);
	EXPECT(read(fd, buffer, 4096), 0, 0);
	EXPECT(pread(direct, buffer, 512, 0), 512, 0);
	EXPECT(pread(direct, buffer, 511, 0), -1, EINVAL);
	EXPECT(pread(direct, buffer, 512, 1), -1, EINVAL);
	EXPECT(pread(direct, (void *)4096, 512, 0), -1, EFAULT);
	EXPECT(pread(direct, buffer, 1024, size - 512), 512, 0);
	EXPECT(pread(direct, buffer, 512, size), 0, 0);
	EXPECT(pwrite(direct, buffer, 512, size), -1, ENOSPC);
	EXPECT(pread(fd, (void *)4096, 512, 0), -1, EFAULT);
	EXPECT(ftruncate(fd, 0), -1, EINVAL);
	EXPECT(fdatasync(fd), 0, 0);
	sync();
	puts("as on Linux");
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "", *name = argc > 2 ? argv[2] : "";
	uint64_t a = argc > 3 ? strtoull(argv[3], NULL, 0) : 0;
	uint64_t b = argc > 4 ? strtoull(argv[4], NULL, 0) : 0;

	if (posix_memalign((void **)&buffer, 4096, CHUNK_MAX))
		die("memory");
	if (!strcmp(what, "info"))
		info(name);
	else if (!strcmp(what, "mix"))
		mix(name, a, b);
	else if (!strcmp(what, "records"))
		records(name);
	else if (!strcmp(what, "fill") && argc > 4)
		fill_up(name, a, argv[4]);
	else if (!strcmp(what, "range") && argc > 5)
		range(name, argv[3], b, strtoull(argv[5], NULL, 0));
	else if (!strcmp(what, "dirty"))
		dirty(name, a);
	else if (!strcmp(what, "edges"))
		edges(name);
	else
		return 2;
	return 0;
}
