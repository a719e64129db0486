/*
 * Opening a disk's file. Its bytes are the disk's bytes: no image format is
 * guessed, because then a guest could write a header that makes the next
 * start open another file.
 *
 * One writer, or any number of readers, holds a lock on the file: an OFD lock
 * of fcntl(2), as other VMMs take. It goes away with the process.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h>
#include "blk_file.h"
#include "fail.h"
#include "options.h"

#define SECTOR        512
#define PAGE          4096 /* what the page cache writes of a file at least */
#define LARGEST_BLOCK 65536
#define BUSY_MS       300

static const char *remedy(int error)
{
	switch (error) {
	case ENOENT:
		return "make it first, such as with truncate -s 1G FILE";
	case EACCES:
	case EPERM:
	case EROFS:
	case ETXTBSY:
		return "give FILE,ro to only read it, or get the right to write it";
	case EBUSY:
		return "the host uses it; unmount it, or give FILE,ro";
	default:
		return "give another file";
	}
}

/*
 * open(2) where somebody may just be letting go. The kernel does so some
 * milliseconds after the VM that had the file has exited: what its io_uring
 * still held goes in the background. The next VM must not fail for that.
 */
static int open_idle(const char *path, int flags)
{
	int fd = open(path, flags);

	for (int left = BUSY_MS; fd < 0 && errno == EBUSY && left; left--) {
		usleep(1000);
		fd = open(path, flags);
	}
	return fd;
}

/* O_EXCL on a block device: not what the host has mounted or swaps on. */
static int open_path(const char *path, bool read_only, struct stat *st)
{
	int flags = O_CLOEXEC | O_NOCTTY | (read_only ? O_RDONLY : O_RDWR);
	int fd;

	if (stat(path, st) < 0)
		fail(EXIT_VMM, "--disk %s: %s; %s", path, strerror(errno), remedy(errno));
	if (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode))
		fail(EXIT_VMM, "--disk %s: neither a regular file nor a block device", path);
	if (S_ISBLK(st->st_mode) && !read_only)
		flags |= O_EXCL;
	fd = open_idle(path, flags);
	if (fd < 0)
		fail(EXIT_VMM, "--disk %s: %s; %s", path, strerror(errno), remedy(errno));
	if (fstat(fd, st) < 0 || (!S_ISREG(st->st_mode) && !S_ISBLK(st->st_mode)))
		fail(EXIT_VMM, "--disk %s: neither a regular file nor a block device", path);
	return fd;
}

/* Whether the lock was got, in the same time. */
static bool try_lock(int fd, struct flock *lock)
{
	for (int left = BUSY_MS;; left--) {
		if (fcntl(fd, F_OFD_SETLK, lock) == 0)
			return true;
		if ((errno != EAGAIN && errno != EACCES) || left == 0)
			return false;
		usleep(1000);
	}
}

static void lock(const struct blk_file *file, const char *path)
{
	struct flock whole = { .l_type = file->read_only ? F_RDLCK : F_WRLCK,
			       .l_whence = SEEK_SET };

	if (try_lock(file->fd, &whole))
		return;
	if (errno == EAGAIN || errno == EACCES)
		fail(EXIT_VMM,
		     "--disk %s: another VM %s it; give each its own file, or FILE,ro to all", path,
		     file->read_only ? "writes" : "uses");
	warn("--disk %s: cannot be locked (%s): nothing keeps another VM from it", path,
	     strerror(errno));
}

static uint32_t block_size(uint64_t n, uint32_t otherwise)
{
	return n >= SECTOR && n <= LARGEST_BLOCK && (n & (n - 1)) == 0 ? (uint32_t)n : otherwise;
}

static void measure_device(struct blk_file *file, const char *path)
{
	int logical = 0, read_only = 0;
	unsigned physical = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &file->size) < 0)
		fail(EXIT_VMM, "--disk %s: its size is unknown: %s", path, strerror(errno));
	if (ioctl(file->fd, BLKROGET, &read_only) == 0 && read_only && !file->read_only)
		fail(EXIT_VMM, "--disk %s: a read-only device; give FILE,ro", path);
	if (ioctl(file->fd, BLKSSZGET, &logical) < 0 || ioctl(file->fd, BLKPBSZGET, &physical) < 0)
		fail(EXIT_VMM, "--disk %s: its block size is unknown: %s", path, strerror(errno));
	file->logical = block_size((uint64_t)logical, SECTOR);
	file->physical = block_size(physical, file->logical);
	if (file->physical < file->logical)
		file->physical = file->logical;
}

void blk_file_open(struct blk_file *file, const char *value)
{
	char path[PATH_MAX];
	struct stat st;
	size_t len = disk_parse(value, &file->read_only);

	if (len >= sizeof(path))
		fail(EXIT_VMM, "--disk %.64s...: a path of more than %d bytes", value, PATH_MAX);
	memcpy(path, value, len);
	path[len] = 0;
	file->fd = open_path(path, file->read_only, &st);
	file->device = S_ISBLK(st.st_mode);
	lock(file, path);
	if (file->device) {
		measure_device(file, path);
	} else {
		file->size = (uint64_t)st.st_size;
		file->logical = SECTOR;
		file->physical = PAGE;
	}
	if (file->size == 0)
		fail(EXIT_VMM, "--disk %s: is empty; give it the disk's size: truncate -s 1G %s",
		     path, path);
}
