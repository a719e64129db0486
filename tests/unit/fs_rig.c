/* See fs_rig.h. */
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
#include "../../vmm/io.h"

char base[64], shared[80];
struct virtio_dev *dev;
uint16_t used;

struct fuse_out_header *out_header(void)
{
	return driver_at(OUT);
}

void *reply(void)
{
	return driver_at(OUT + sizeof(struct fuse_out_header));
}

void put_file(const char *name, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void start(bool read_only)
{
	struct share share;
	char value[100];

	strcpy(base, "/tmp/test_fs_XXXXXX");
	assert_non_null(mkdtemp(base));
	snprintf(shared, sizeof(shared), "%s/shared", base);
	assert_int_equal(mkdir(shared, 0755), 0);
	put_file("outside", "secret");
	put_file("shared/file", "contents");
	driver_new_vm();
	dax_reserve(&driver_vm.mem, 1, true);
	snprintf(value, sizeof(value), "%s:/x%s", shared, read_only ? ",ro" : "");
	share_parse(value, &share);
	dev = fs_add(&driver_vm, &share, 0);
	driver_start(dev, dev->offered, 64);
	used = 0;
}

int set_up(void **state)
{
	(void)state;
	start(false);
	return 0;
}

int set_up_ro(void **state)
{
	(void)state;
	start(true);
	return 0;
}

int tear_down(void **state)
{
	char command[100];

	(void)state;
	driver_set(dev, VIRTIO_MMIO_STATUS, 0);
	io_stop();
	fs_free(dev);
	munmap(driver_vm.mem.dax.base, driver_vm.mem.dax.size);
	driver_free_vm();
	snprintf(command, sizeof(command), "rm -rf %s", base);
	return system(command);
}

/* A request of two parts; waits for the reply: its error. */
int ask2(uint32_t opcode, uint64_t node, const void *a, size_t alen, const void *b, size_t blen)
{
	struct fuse_in_header h = { .opcode = opcode, .unique = 77, .nodeid = node };
	uint8_t *at = driver_at(IN);

	h.len = (uint32_t)(sizeof(h) + alen + blen);
	h.uid = getuid();
	h.gid = getgid();
	memcpy(at, &h, sizeof(h));
	memcpy(at + sizeof(h), a, alen);
	memcpy(at + sizeof(h) + alen, b, blen);
	memset(driver_at(OUT), 0xaa, ROOM);
	driver_put(1, 0, IN, h.len, VRING_DESC_F_NEXT, 1);
	driver_put(1, 1, OUT, ROOM, VRING_DESC_F_WRITE, 0);
	driver_send(dev, 1, 0);
	assert_true(driver_wait(1, ++used));
	assert_int_equal(out_header()->unique, 77);
	assert_int_equal(out_header()->len, driver_used(1)->ring[(used - 1) % 64].len);
	return out_header()->error;
}

int ask(uint32_t opcode, uint64_t node, const void *a, size_t alen)
{
	return ask2(opcode, node, a, alen, "", 0);
}

uint64_t lookup(uint64_t dir, const char *name)
{
	assert_int_equal(ask(FUSE_LOOKUP, dir, name, strlen(name) + 1), 0);
	return ((struct fuse_entry_out *)reply())->nodeid;
}

uint64_t open_file(uint64_t node, uint32_t flags)
{
	struct fuse_open_in in = { .flags = flags };

	assert_int_equal(ask(FUSE_OPEN, node, &in, sizeof(in)), 0);
	return ((struct fuse_open_out *)reply())->fh;
}
