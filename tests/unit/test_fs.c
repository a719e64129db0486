// link: vmm/fs.c vmm/fs_server.c vmm/fs_node.c vmm/fs_handle.c vmm/fs_name.c vmm/fs_walk.c vmm/fs_xattr.c vmm/fs_dax.c vmm/fs_option.c
// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/mem.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: tests/unit/driver.c tests/unit/fs_rig.c
// libs: -luring -pthread
/*
 * virtio-fs with the real I/O loop and a directory of the test's: what a driver
 * asks, well-behaved and hostile.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "fs_rig.h"
#include "../../vmm/fs.h"
#include "../../vmm/gone.h"
#include "../../vmm/io.h"

static void negotiates(void **state)
{
	struct fuse_init_in in = { .major = 7, .minor = 38, .flags = ~0u };
	struct fuse_init_out *out = reply();

	(void)state;
	assert_int_equal(ask(FUSE_INIT, 0, &in, sizeof(in)), 0);
	assert_int_equal(out->major, 7);
	assert_int_equal(out->flags & (FUSE_EXPORT_SUPPORT | FUSE_DO_READDIRPLUS), 0);
	assert_int_equal(out->map_alignment, DAX_SHIFT);
	assert_int_equal(ask(FUSE_INIT, 0, &in, 4), -EINVAL);
	in.major = 6;
	assert_int_equal(ask(FUSE_INIT, 0, &in, sizeof(in)), -EPROTO);
	assert_int_equal(ask(999, 1, "", 0), -ENOSYS);
	assert_int_equal(ask(FUSE_GETLK, 1, "", 0), -ENOSYS);
}

static void reads_and_writes(void **state)
{
	uint64_t node = lookup(1, "file"), fh = open_file(node, O_RDWR);
	struct fuse_read_in in = { .fh = fh, .offset = 3, .size = 100 };
	struct fuse_write_in w = { .fh = fh, .offset = 8, .size = 4 };
	struct fuse_fsync_in sync = { .fh = fh };
	struct fuse_getattr_in get = { .fh = 0 };

	(void)state;
	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), 0);
	assert_int_equal(out_header()->len, sizeof(struct fuse_out_header) + 5);
	assert_memory_equal(reply(), "tents", 5);
	assert_int_equal(ask2(FUSE_WRITE, node, &w, sizeof(w), "more", 4), 0);
	assert_int_equal(((struct fuse_write_out *)reply())->size, 4);
	assert_int_equal(ask(FUSE_FSYNC, node, &sync, sizeof(sync)), 0);
	assert_int_equal(ask(FUSE_GETATTR, node, &get, sizeof(get)), 0);
	assert_int_equal(((struct fuse_attr_out *)reply())->attr.size, 12);
	in.offset = 100;
	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), 0);
	assert_int_equal(out_header()->len, sizeof(struct fuse_out_header));
	in.size = ROOM; /* more than the buffers hold */
	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), -EINVAL);
	w.size = 5; /* more than was sent */
	assert_int_equal(ask2(FUSE_WRITE, node, &w, sizeof(w), "more", 4), -EINVAL);
	in.fh = fh + 1;
	in.size = 1;
	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), -EBADF);
	in.fh = ~0ull;
	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), -EBADF);
	in = (struct fuse_read_in){ .fh = fh };
	assert_int_equal(ask(FUSE_RELEASE, node, &in, sizeof(in)), 0);
	in.size = 1;
	assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), -EBADF);
}

/* Whatever names a driver gives, nothing outside is reached. */
static void stays_inside(void **state)
{
	static const char *const names[] = { "..", ".", "", "../outside", "a/b", "/etc/passwd" };
	struct fuse_open_in open_in = { .flags = O_RDONLY };
	struct fuse_mkdir_in make = { .mode = 0755 };
	struct fuse_link_in link_in = { .oldnodeid = 1 };
	struct fuse_rename2_in move = { .newdir = 1 };
	uint64_t node;
	char path[200];

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *name = names[i];
		const size_t len = strlen(name) + 1;

		assert_int_equal(ask(FUSE_LOOKUP, 1, name, len), -EINVAL);
		assert_int_equal(ask(FUSE_UNLINK, 1, name, len), -EINVAL);
		assert_int_equal(ask(FUSE_RMDIR, 1, name, len), -EINVAL);
		assert_int_equal(ask2(FUSE_MKDIR, 1, &make, sizeof(make), name, len), -EINVAL);
		assert_int_equal(ask2(FUSE_LINK, 1, &link_in, sizeof(link_in), name, len), -EINVAL);
		assert_int_equal(ask2(FUSE_SYMLINK, 1, name, len, "x", 2), -EINVAL);
		snprintf(path, sizeof(path), "file%c%s", 0, name);
		memcpy(path + 5, name, len);
		assert_int_equal(ask2(FUSE_RENAME2, 1, &move, sizeof(move), path, 5 + len),
				 -EINVAL);
	}
	assert_int_equal(ask(FUSE_LOOKUP, 1, "file", 4), -EINVAL); /* no NUL */
	snprintf(path, sizeof(path), "%s/up", shared);
	assert_int_equal(symlink("../outside", path), 0);
	node = lookup(1, "up");
	assert_true(S_ISLNK(((struct fuse_entry_out *)reply())->attr.mode));
	assert_int_equal(ask(FUSE_OPEN, node, &open_in, sizeof(open_in)), -EACCES);
	assert_int_equal(ask(FUSE_LOOKUP, node, "x", 2), -ENOTDIR);
	assert_int_equal(ask(FUSE_READLINK, node, "", 0), 0);
	assert_memory_equal(reply(), "../outside", 10);
	/* a link in place of a directory that was looked up */
	snprintf(path, sizeof(path), "%s/dir", shared);
	assert_int_equal(mkdir(path, 0755), 0);
	node = lookup(1, "dir");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("..", path), 0);
	assert_int_equal(ask(FUSE_LOOKUP, node, "outside", 8), -ENOENT);
}

static void make_dir(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", shared, name);
	assert_int_equal(mkdir(path, 0755), 0);
}

/* FUSE_WALK: how many names were answered; they are in step[]. */
static const struct fuse_walked *step[8];
static unsigned walk(uint64_t from, const char *path)
{
	const uint8_t *at = reply(), *end;
	unsigned n = 0;

	assert_int_equal(ask(FUSE_WALK, from, path, strlen(path) + 1), 0);
	end = (const uint8_t *)out_header() + out_header()->len;
	for (; at < end; at += step[n++]->size) {
		assert_true(n < 8);
		step[n] = (const void *)at;
		assert_true(step[n]->size >= sizeof(struct fuse_walked));
		assert_int_equal(step[n]->size % 8, 0);
	}
	assert_ptr_equal(at, end);
	return n;
}

static void walks(void **state)
{
	uint64_t node;
	char path[200];

	(void)state;
	make_dir("a");
	make_dir("a/b");
	put_file("shared/a/b/c", "x\n");
	snprintf(path, sizeof(path), "%s/a/up", shared);
	assert_int_equal(symlink("../outside", path), 0);
	assert_int_equal(walk(1, "a/b/c"), 3);
	node = step[1]->entry.nodeid;
	assert_true(S_ISREG(step[2]->entry.attr.mode));
	assert_int_equal(step[2]->entry.attr.size, 2);
	assert_int_equal(lookup(1, "a"), step[0]->entry.nodeid);
	assert_int_equal(walk(node, "c"), 1);
	assert_int_equal(walk(1, "a/none/c"), 2);
	assert_int_equal(step[1]->entry.nodeid, 0);
	assert_int_equal(walk(1, "none"), 1);
	assert_int_equal(step[0]->entry.nodeid, 0);
	assert_int_equal(walk(1, "a/b/c/d"), 3); /* it is no directory */
	assert_int_equal(walk(1, "a/up/x"), 2); /* nor is this, and the guest follows it */
	assert_int_equal(step[1]->target_len, 10);
	assert_memory_equal(step[1] + 1, "../outside", 10);
	assert_int_equal(walk(1, "a/../outside"), 1);
	assert_int_equal(walk(1, "a//b"), 1);
	assert_int_equal(ask(FUSE_WALK, 1, "../outside", 11), -EINVAL);
	assert_int_equal(ask(FUSE_WALK, 1, "/etc", 5), -EINVAL);
	assert_int_equal(ask(FUSE_WALK, 1, "", 1), -EINVAL);
	assert_int_equal(ask(FUSE_WALK, 1, "", 0), -EINVAL);
	assert_int_equal(ask(FUSE_WALK, 1, "a", 1), -EINVAL); /* no NUL */
	assert_int_equal(ask(FUSE_WALK, lookup(1, "file"), "x", 2), -ENOTDIR);
	assert_int_equal(ask(FUSE_WALK, 999, "x", 2), -ENOTDIR);
}

/* The handle 0: the node itself. */
static void reads_by_node(void **state)
{
	uint64_t node = lookup(1, "file");
	struct fuse_read_in in = { .offset = 3, .size = 100 };
	struct fuse_write_in w = { .size = 1 };
	struct fuse_fsync_in sync = { .fh = 0 };
	unsigned entries = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ask(FUSE_READ, node, &in, sizeof(in)), 0);
		assert_int_equal(out_header()->len, sizeof(struct fuse_out_header) + 5);
		assert_memory_equal(reply(), "tents", 5);
	}
	assert_int_equal(ask2(FUSE_WRITE, node, &w, sizeof(w), "x", 1), -EBADF);
	assert_int_equal(ask(FUSE_FSYNC, node, &sync, sizeof(sync)), -EBADF);
	assert_int_equal(ask(FUSE_READ, 1, &in, sizeof(in)), -EBADF);
	in = (struct fuse_read_in){ .size = ROOM - sizeof(struct fuse_out_header) };
	assert_int_equal(ask(FUSE_READDIR, node, &in, sizeof(in)), -EBADF);
	assert_int_equal(ask(FUSE_READDIR, 1, &in, sizeof(in)), 0);
	for (const struct fuse_dirent *e = reply();
	     (uint8_t *)e < (uint8_t *)out_header() + out_header()->len;
	     e = (const void *)((const uint8_t *)e + FUSE_DIRENT_SIZE(e))) {
		in.offset = e->off;
		entries++;
	}
	assert_int_equal(entries, 3); /* with "." and ".." */
	assert_int_equal(ask(FUSE_READDIR, 1, &in, sizeof(in)), 0);
	assert_int_equal(out_header()->len, sizeof(struct fuse_out_header));
}

static void no_special_files(void **state)
{
	struct fuse_open_in in = { .flags = O_RDONLY };
	struct fuse_mknod_in make = { .mode = S_IFCHR | 0666, .rdev = 0x103 };
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo", shared);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ask(FUSE_OPEN, lookup(1, "fifo"), &in, sizeof(in)), -EACCES);
	assert_int_equal(ask2(FUSE_MKNOD, 1, &make, sizeof(make), "null", 5), -EPERM);
	make.mode = S_IFBLK | 0666;
	assert_int_equal(ask2(FUSE_MKNOD, 1, &make, sizeof(make), "disk", 5), -EPERM);
}

static void read_only(void **state)
{
	uint64_t node = lookup(1, "file");
	struct fuse_open_in in = { .flags = O_WRONLY };
	struct fuse_setattr_in set = { .valid = FATTR_SIZE };
	struct fuse_mknod_in make = { .mode = S_IFREG | 0666 };

	(void)state;
	assert_int_equal(ask(FUSE_OPEN, node, &in, sizeof(in)), -EROFS);
	in.flags = O_RDWR | O_TRUNC;
	assert_int_equal(ask(FUSE_OPEN, node, &in, sizeof(in)), -EROFS);
	in.flags = O_RDONLY | O_TRUNC | O_CREAT;
	assert_int_equal(ask(FUSE_OPEN, node, &in, sizeof(in)), 0);
	assert_int_equal(ask(FUSE_SETATTR, node, &set, sizeof(set)), -EROFS);
	assert_int_equal(ask(FUSE_UNLINK, 1, "file", 5), -EROFS);
	assert_int_equal(ask2(FUSE_MKNOD, 1, &make, sizeof(make), "new", 4), -EROFS);
	assert_int_equal(ask(FUSE_GETATTR, node, &set, 16), 0);
	assert_int_equal(((struct fuse_attr_out *)reply())->attr.size, 8);
}

/* One node for one file, gone when all its lookups are forgotten. */
static void forgets(void **state)
{
	uint64_t node = lookup(1, "file");
	struct fuse_forget_in in = { .nlookup = 1 };
	struct fuse_in_header h = { .opcode = FUSE_FORGET, .nodeid = node };

	(void)state;
	assert_int_equal(lookup(1, "file"), node);
	h.len = sizeof(h) + sizeof(in);
	for (unsigned i = 1; i <= 3; i++) { /* once more than it was looked up */
		memcpy(driver_at(OTHER), &h, sizeof(h));
		memcpy(driver_at(OTHER + sizeof(h)), &in, sizeof(in));
		driver_put(0, 0, OTHER, h.len, 0, 0);
		driver_send(dev, 0, 0);
		assert_true(driver_wait(0, (uint16_t)i));
		assert_int_equal(ask(FUSE_GETATTR, node, "", 0), i < 2 ? 0 : -EINVAL);
	}
	in.nlookup = ~0ull; /* the root stays */
	h.nodeid = 1;
	memcpy(driver_at(OTHER), &h, sizeof(h));
	memcpy(driver_at(OTHER + sizeof(h)), &in, sizeof(in));
	driver_send(dev, 0, 0);
	assert_int_equal(ask(FUSE_GETATTR, 1, "", 0), 0);
}

static void lists(void **state)
{
	struct fuse_open_in open_in = { .flags = 0 };
	struct fuse_read_in in = { .size = 64 };
	unsigned entries = 0;

	(void)state;
	assert_int_equal(ask(FUSE_OPENDIR, 1, &open_in, sizeof(open_in)), 0);
	in.fh = ((struct fuse_open_out *)reply())->fh;
	for (;;) { /* one or two at a time */
		const struct fuse_dirent *e = reply();
		size_t left;

		assert_int_equal(ask(FUSE_READDIR, 1, &in, sizeof(in)), 0);
		left = out_header()->len - sizeof(struct fuse_out_header);
		assert_true(left <= in.size);
		if (!left)
			break;
		while (left) {
			in.offset = e->off;
			entries++;
			left -= FUSE_DIRENT_SIZE(e);
			e = (const void *)((const char *)e + FUSE_DIRENT_SIZE(e));
		}
	}
	assert_int_equal(entries, 3);
}

/* Requests that are too short, without room for a reply, and none at all. */
static void broken_requests(void **state)
{
	(void)state;
	driver_put(1, 0, IN, 20, VRING_DESC_F_NEXT, 1);
	driver_put(1, 1, OUT, ROOM, VRING_DESC_F_WRITE, 0);
	driver_send(dev, 1, 0);
	assert_true(dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
	driver_start(dev, dev->offered, 64);
	memset(driver_at(IN), 0, 100);
	((struct fuse_in_header *)driver_at(IN))->opcode = FUSE_GETATTR;
	driver_put(1, 0, IN, 100, 0, 0);
	driver_send(dev, 1, 0);
	assert_true(dev->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* ---- files in guest memory */

static const uint8_t *mapped_at(uint64_t moffset)
{
	return mem_to_read(&driver_vm.mem, dev->shm_gpa + moffset, 1);
}

static int map_file(uint64_t fh, uint64_t foffset, uint64_t len, uint64_t moffset)
{
	const struct fuse_setupmapping_in in = { fh, foffset, len, FUSE_SETUPMAPPING_FLAG_READ,
						 moffset };

	return ask(FUSE_SETUPMAPPING, 1, &in, sizeof(in));
}

static int unmap_file(uint64_t moffset, uint64_t len)
{
	const struct fuse_removemapping_in in = { .count = 1 };
	const struct fuse_removemapping_one one = { moffset, len };

	return ask2(FUSE_REMOVEMAPPING, 1, &in, sizeof(in), &one, sizeof(one));
}

#define CHUNK (1ull << DAX_SHIFT)

static void maps_files(void **state)
{
	const uint64_t fh = open_file(lookup(1, "file"), O_RDWR);
	const struct fuse_write_in w = { .fh = fh, .offset = 0, .size = 1 };
	const uint64_t top = DAX_SIZE - CHUNK;

	(void)state;
	driver_set(dev, VIRTIO_MMIO_SHM_SEL, 0);
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_SHM_LEN_LOW), DAX_SIZE);
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_SHM_LEN_HIGH), 0);
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_SHM_BASE_HIGH), dev->shm_gpa >> 32);
	driver_set(dev, VIRTIO_MMIO_SHM_SEL, 1);
	assert_int_equal(driver_get(dev, VIRTIO_MMIO_SHM_LEN_LOW), 0xffffffff);
	assert_int_equal(*mapped_at(top), 0);
	assert_int_equal(map_file(fh, 0, 8, top), 0);
	assert_memory_equal(mapped_at(top), "contents", 9);
	assert_int_equal(*mapped_at(DAX_SIZE - 1), 0); /* nothing is there */
	assert_int_equal(ask2(FUSE_WRITE, 1, &w, sizeof(w), "C", 1), 0);
	assert_int_equal(*mapped_at(top), 'C');
	assert_int_equal(map_file(fh, 0, 8, 0), 0);
	assert_int_equal(unmap_file(top, CHUNK), 0);
	assert_int_equal(*mapped_at(top), 0);
	assert_int_equal(*mapped_at(0), 'C');
	driver_start(dev, dev->offered, 64);
	used = 0;
	assert_int_equal(*mapped_at(0), 0);
}

static void refuses_to_map(void **state)
{
	const uint64_t fh = open_file(lookup(1, "file"), O_RDONLY);
	struct fuse_setupmapping_in write = { fh, 0, 8, FUSE_SETUPMAPPING_FLAG_WRITE, 0 };

	(void)state;
	assert_int_equal(map_file(fh + 1, 0, 8, 0), -EBADF);
	assert_int_equal(map_file(fh, 0, 0, 0), -EINVAL);
	assert_int_equal(map_file(fh, 4096, 8, 0), -EINVAL);
	assert_int_equal(map_file(fh, 0, 8, 4096), -EINVAL);
	assert_int_equal(map_file(fh, 0, 8, DAX_SIZE), -EINVAL);
	assert_int_equal(map_file(fh, 0, DAX_SIZE + 1, 0), -EINVAL);
	assert_int_equal(map_file(fh, 0, UINT64_MAX, CHUNK), -EINVAL);
	assert_int_equal(map_file(fh, CHUNK, 8, 0), -ENXIO);
	assert_int_equal(map_file(fh, 1ull << 63, 8, 0), -ENXIO);
	assert_int_equal(ask(FUSE_SETUPMAPPING, 1, &write, sizeof(write)), -EACCES);
	write.flags = 4;
	assert_int_equal(ask(FUSE_SETUPMAPPING, 1, &write, sizeof(write)), -EOPNOTSUPP);
	assert_int_equal(ask(FUSE_SETUPMAPPING, 1, &write, sizeof(write) - 1), -EINVAL);
	assert_int_equal(unmap_file(DAX_SIZE, CHUNK), -EINVAL);
	assert_int_equal(unmap_file(1, CHUNK), -EINVAL);
	assert_int_equal(ask(FUSE_REMOVEMAPPING, 1, &(uint32_t){ ~0u }, 4), -EINVAL);
}

static void maps_to_be_written(void **state)
{
	const uint64_t fh = open_file(lookup(1, "file"), O_RDWR);
	struct fuse_setupmapping_in in = { fh, 0, 8, FUSE_SETUPMAPPING_FLAG_WRITE, CHUNK };

	(void)state;
	assert_int_equal(map_file(fh, 0, 8, CHUNK), 0);
	assert_int_equal(ask(FUSE_SETUPMAPPING, 1, &in, sizeof(in)), 0);
	memcpy((void *)mapped_at(CHUNK), "new", 3);
	assert_int_equal(map_file(fh, 0, 8, 0), 0);
	assert_memory_equal(mapped_at(0), "new", 3);
}

static void mends_what_is_gone(void **state)
{
	const uint64_t node = lookup(1, "file"), fh = open_file(node, O_RDWR);
	struct fuse_setattr_in attr = { .valid = FATTR_SIZE, .size = CHUNK + 5 * 4096 };

	(void)state;
	assert_int_equal(ask(FUSE_SETATTR, node, &attr, sizeof(attr)), 0);
	assert_int_equal(map_file(fh, 0, attr.size, CHUNK), 0);
	assert_false(fs_mend(&driver_vm));
	attr.size = CHUNK + 4097;
	assert_int_equal(ask(FUSE_SETATTR, node, &attr, sizeof(attr)), 0);
	assert_false(is_gone(mapped_at(2 * CHUNK + 4096)));
	assert_true(is_gone(mapped_at(2 * CHUNK + 8192)));
	assert_true(fs_mend(&driver_vm));
	assert_int_equal(*mapped_at(2 * CHUNK + 8192), 0);
	assert_false(fs_mend(&driver_vm));
	attr.size = 3;
	assert_int_equal(ask(FUSE_SETATTR, node, &attr, sizeof(attr)), 0);
	assert_true(is_gone(mapped_at(CHUNK + 4096)));
	assert_true(dax_mend_at(mapped_at(CHUNK + 5000)));
	assert_int_equal(*mapped_at(CHUNK + 4096), 0);
	assert_true(fs_mend(&driver_vm));
	assert_memory_equal(mapped_at(CHUNK), "con", 4);
	assert_false(dax_mend_at(&attr));
}

#define CASE(f, up) cmocka_unit_test_setup_teardown(f, up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(negotiates, set_up),
		CASE(reads_and_writes, set_up),
		CASE(stays_inside, set_up),
		CASE(walks, set_up),
		CASE(reads_by_node, set_up),
		CASE(no_special_files, set_up),
		CASE(read_only, set_up_ro),
		CASE(forgets, set_up),
		CASE(lists, set_up),
		CASE(broken_requests, set_up),
		CASE(maps_files, set_up),
		CASE(refuses_to_map, set_up),
		CASE(maps_to_be_written, set_up),
		CASE(mends_what_is_gone, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
