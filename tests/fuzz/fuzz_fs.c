// link: vmm/fs.c vmm/fs_server.c vmm/fs_node.c vmm/fs_handle.c vmm/fs_name.c vmm/fs_walk.c vmm/fs_xattr.c vmm/fs_dax.c vmm/fs_option.c
// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/mem.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: tests/unit/driver.c
// libs: -luring -pthread
/*
 * A hostile driver against a shared directory: FUSE requests of any kind with
 * any arguments, names that try to lead out, resets with requests in flight,
 * with the real I/O loop. Beside the directory lies a file that nothing may
 * change, and nothing may appear.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_mmio.h>
#include "input.h"
#include "../unit/driver.h"
#include "../../shared/fuse.h"
#include "../../vmm/fs.h"
#include "../../vmm/fs_dax.h"
#include "../../vmm/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	OP_ASK, /* opcode, node, argument bytes, name and name */
	OP_DATA, /* READ or WRITE: which, node, handle, offset, size */
	OP_RAW, /* bytes of a request as they are */
	OP_REGISTER,
	OP_RESET,
	OP_COUNT
};

static const char *const names[] = {
	"a",    "b",      "dir", "link",      "..",     ".",         "",
	"/etc", "a/../b", "up",  "../canary", "user.a", "trusted.b", "security.capability"
};
#define NAME(n) names[(n) % (sizeof(names) / sizeof(names[0]))]

#define IN  0x20000
#define OUT 0x28000

static void send(struct virtio_dev *dev, struct fuse_in_header *h, size_t len, uint32_t room)
{
	h->len = (uint32_t)len;
	h->uid = getuid();
	h->gid = getgid();
	memcpy(driver_at(IN), h, sizeof(*h));
	driver_put(1, 0, IN, (uint32_t)len, VRING_DESC_F_NEXT, 1);
	driver_put(1, 1, OUT, room, VRING_DESC_F_WRITE, 0);
	driver_send(dev, 1, 0);
}

/* How much the arguments before the names are. */
static size_t fixed(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_MKNOD:
		return sizeof(struct fuse_mknod_in);
	case FUSE_MKDIR:
	case FUSE_LINK:
	case FUSE_RENAME:
	case FUSE_SETXATTR:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
		return 8;
	case FUSE_RENAME2:
		return sizeof(struct fuse_rename2_in);
	case FUSE_LOOKUP:
	case FUSE_WALK:
	case FUSE_UNLINK:
	case FUSE_RMDIR:
	case FUSE_SYMLINK:
	case FUSE_REMOVEXATTR:
		return 0;
	}
	return 88;
}

static void ask(struct input *in, struct virtio_dev *dev)
{
	struct fuse_in_header h = { .opcode = (uint32_t)take(in, 1) % 52 };
	uint8_t *at = driver_at(IN + sizeof(h));
	const unsigned n = (unsigned)take(in, 1) % 8;
	size_t before;

	if (h.opcode == 51)
		h.opcode = FUSE_WALK;
	before = fixed(h.opcode);
	h.nodeid = take(in, 1) % 16;
	memset(at, 0, before);
	for (unsigned i = 0; i < n * 4 && i < before; i++) /* each fourth byte is enough */
		at[i] = i % 4 ? 0 : (uint8_t)take(in, 1);
	at += before;
	at = (uint8_t *)stpcpy((char *)at, NAME(take(in, 1))) + 1;
	at = (uint8_t *)stpcpy((char *)at, NAME(take(in, 1))) + 1;
	send(dev, &h, (size_t)(at - (uint8_t *)driver_at(IN)), take(in, 1) % 4 ? 0x8000 : 100);
}

static void transfer(struct input *in, struct virtio_dev *dev)
{
	struct fuse_in_header h = { .opcode = take(in, 1) % 2 ? FUSE_READ : FUSE_WRITE };
	struct fuse_write_in w = { .fh = 0 };

	h.nodeid = take(in, 1) % 16;
	w.fh = take(in, 1) % 8;
	w.offset = take(in, 2);
	w.size = (uint32_t)take(in, 2);
	memcpy(driver_at(IN + sizeof(h)), &w, sizeof(w));
	send(dev, &h, sizeof(h) + sizeof(w) + w.size % 0x4000, 0x8000);
}

static void raw(struct input *in, struct virtio_dev *dev)
{
	struct fuse_in_header h;
	size_t len = take(in, 1);

	for (size_t i = 0; i < len; i++)
		*(uint8_t *)driver_at(IN + i) = (uint8_t)take(in, 1);
	memcpy(&h, driver_at(IN), sizeof(h));
	send(dev, &h, len, 0x8000);
}

static void step(struct input *in, struct virtio_dev *dev)
{
	uint64_t reg;

	switch (take(in, 1) % OP_COUNT) {
	case OP_ASK:
		ask(in, dev);
		break;
	case OP_DATA:
		transfer(in, dev);
		break;
	case OP_RAW:
		raw(in, dev);
		break;
	case OP_REGISTER:
		reg = take(in, 1) % 64 * 4;
		driver_set(dev, (unsigned)reg, (uint32_t)take(in, 4));
		break;
	case OP_RESET:
		driver_start(dev, dev->offered, 64);
		break;
	}
}

static char base[] = "/tmp/fuzz_fs_XXXXXX", shared[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void clean(void)
{
	if (nftw(base, remove_one, 8, FTW_DEPTH | FTW_PHYS))
		abort();
}

static void make(const char *name, const char *text)
{
	char path[100];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static void prepare(void)
{
	char path[100];

	if (!shared[0]) {
		if (!mkdtemp(base))
			abort();
		snprintf(shared, sizeof(shared), "%s/shared", base);
		atexit(clean);
		make("canary", "alive");
	}
	mkdir(shared, 0755);
	make("shared/a", "contents of a");
	snprintf(path, sizeof(path), "%s/dir", shared);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/up", shared);
	if (symlink("..", path) < 0)
		abort();
}

/* What the guest left, and whether it got out. */
static void check(void)
{
	char path[100], text[8] = "";
	unsigned entries = 0;
	DIR *dir = opendir(base);
	int fd;

	if (!dir)
		abort();
	while (readdir(dir))
		entries++;
	closedir(dir);
	snprintf(path, sizeof(path), "%s/canary", base);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text)) != 5 || memcmp(text, "alive", 5) != 0 ||
	    entries != 4)
		abort();
	close(fd);
}

/* Removes a small tree without starting a process. */
static void empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	while (dir && (d = readdir(dir)) != NULL) {
		char below[4096];

		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, d->d_name);
		if (unlink(below) < 0) {
			chmod(below, 0700);
			empty(below);
			rmdir(below);
		}
	}
	if (dir)
		closedir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct virtio_dev *dev;
	struct share share;
	char value[100];

	prepare();
	driver_new_vm();
	dax_reserve(&driver_vm.mem, 1, true);
	snprintf(value, sizeof(value), "%s:/x%s", shared, size % 8 ? "" : ",ro");
	share_parse(value, &share);
	dev = fs_add(&driver_vm, &share, 0);
	driver_start(dev, dev->offered, 64);
	while (in.left)
		step(&in, dev);
	driver_set(dev, VIRTIO_MMIO_STATUS, 0); /* waits for what is in flight */
	io_stop();
	fs_free(dev);
	munmap(driver_vm.mem.dax.base, driver_vm.mem.dax.size);
	driver_free_vm();
	check();
	chmod(shared, 0755);
	empty(shared);
	return 0;
}
