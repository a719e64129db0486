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
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
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

/* Ends the process: what is wrong with the file at `path`. */
__attribute__((format(printf, 3, 4))) static _Noreturn void
refuse(const struct disk *disk, const char *path, const char *why, ...)
{
	char text[PATH_MAX + 128];
	va_list args;

	va_start(args, why);
	vsnprintf(text, sizeof(text), why, args);
	va_end(args);
	fail(EXIT_VMM, "%s %s: %s", disk->option->name, path, text);
}

/* It cannot be opened. */
static _Noreturn void refuse_for(const struct disk *disk, const char *path, int error)
{
	const char *what = strerror(error), *read = disk->option->to_read;

	switch (error) {
	case ENOENT:
		refuse(disk, path, "%s; make it first, such as with truncate -s 1G FILE", what);
	case EACCES:
	case EPERM:
	case EROFS:
	case ETXTBSY:
		if (disk->read_only)
			refuse(disk, path, "%s; get the right to read it", what);
		refuse(disk, path, "%s; %s to only read it, or get the right to write it", what,
		       read);
	case EBUSY:
		refuse(disk, path, "%s; the host uses it; unmount it, or %s", what, read);
	default:
		refuse(disk, path, "%s; give another file", what);
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

static bool is_disk(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISBLK(st->st_mode);
}

/* O_EXCL on a block device: not what the host has mounted or swaps on. */
static int open_path(const struct disk *disk, const char *path, struct stat *st)
{
	int flags = O_CLOEXEC | O_NOCTTY | (disk->read_only ? O_RDONLY : O_RDWR);
	int fd;

	if (stat(path, st) < 0)
		refuse_for(disk, path, errno);
	if (!is_disk(st))
		refuse(disk, path, "neither a regular file nor a block device");
	if (S_ISBLK(st->st_mode) && !disk->read_only)
		flags |= O_EXCL;
	fd = open_idle(path, flags);
	if (fd < 0)
		refuse_for(disk, path, errno);
	if (fstat(fd, st) < 0 || !is_disk(st))
		refuse(disk, path, "neither a regular file nor a block device");
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

static void lock(const struct blk_file *file, const struct disk *disk, const char *path)
{
	struct flock whole = { .l_type = file->read_only ? F_RDLCK : F_WRLCK,
			       .l_whence = SEEK_SET };

	if (try_lock(file->fd, &whole))
		return;
	if (errno == EAGAIN || errno == EACCES)
		refuse(disk, path, "another VM %s it; %s", file->read_only ? "writes" : "uses",
		       disk->option->all_read);
	warn("%s %s: cannot be locked (%s): nothing keeps another VM from it", disk->option->name,
	     path, strerror(errno));
}

static uint32_t block_size(uint64_t n, uint32_t otherwise)
{
	return n >= SECTOR && n <= LARGEST_BLOCK && (n & (n - 1)) == 0 ? (uint32_t)n : otherwise;
}

static void measure_device(struct blk_file *file, const struct disk *disk, const char *path)
{
	int logical = 0, read_only = 0;
	unsigned physical = 0;

	if (ioctl(file->fd, BLKGETSIZE64, &file->size) < 0)
		refuse(disk, path, "its size is unknown: %s", strerror(errno));
	if (ioctl(file->fd, BLKROGET, &read_only) == 0 && read_only && !file->read_only)
		refuse(disk, path, "a read-only device; %s", disk->option->to_read);
	if (ioctl(file->fd, BLKSSZGET, &logical) < 0 || ioctl(file->fd, BLKPBSZGET, &physical) < 0)
		refuse(disk, path, "its block size is unknown: %s", strerror(errno));
	file->logical = block_size((uint64_t)logical, SECTOR);
	file->physical = block_size(physical, file->logical);
	if (file->physical < file->logical)
		file->physical = file->logical;
}

void blk_file_open(struct blk_file *file, const struct disk *disk)
{
	char path[PATH_MAX];
	struct stat st;

	if (disk->len >= sizeof(path))
		fail(EXIT_VMM, "%s %.64s...: a path of more than %d bytes", disk->option->name,
		     disk->path, PATH_MAX);
	memcpy(path, disk->path, disk->len);
	path[disk->len] = 0;
	file->read_only = disk->read_only;
	file->fd = open_path(disk, path, &st);
	file->device = S_ISBLK(st.st_mode);
	lock(file, disk, path);
	if (file->device) {
		measure_device(file, disk, path);
	} else {
		file->size = (uint64_t)st.st_size;
		file->logical = SECTOR;
		file->physical = PAGE;
	}
	if (file->size == 0)
		refuse(disk, path, "is empty; give it the disk's size: truncate -s 1G %s", path);
}
