/* The devices of a VM, see devices.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ring.h>
#include "balloon.h"
#include "blk.h"
#include "blk_file.h"
#include "console.h"
#include "devices.h"
#include "fail.h"
#include "fs.h"
#include "ioapic.h"
#include "net.h"
#include "nets.h"
#include "rng.h"
#include "root.h"
#include "serial.h"

/* ---- descriptors 0, 1 and 2 */

static uint32_t kind_of(int fd, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return STDIO_DIR;
	if (!S_ISCHR(st->st_mode))
		return STDIO_PIPE;
	if (st->st_rdev == makedev(1, 3))
		return STDIO_NULL;
	return isatty(fd) ? STDIO_TTY : STDIO_CHAR;
}

static uint32_t access_of(int fd)
{
	static const uint32_t access[O_ACCMODE + 1] = { [O_RDONLY] = STDIO_READ,
							[O_WRONLY] = STDIO_WRITE,
							[O_RDWR] = STDIO_READ | STDIO_WRITE };
	int flags = fcntl(fd, F_GETFL);

	return flags & O_PATH ? 0 : access[flags & O_ACCMODE];
}

/* One file or terminal, and open for the same. */
static bool same(const uint32_t stdio[3], const struct stat st[3], int a, int b)
{
	return stdio[a] != STDIO_CLOSED && stdio[a] == stdio[b] && st[a].st_dev == st[b].st_dev &&
	       st[a].st_ino == st[b].st_ino;
}

void devices_look_at_stdio(uint32_t stdio[3])
{
	struct stat st[3];

	for (int fd = 0; fd < 3; fd++) {
		bool closed = fstat(fd, &st[fd]) < 0;

		stdio[fd] = closed ? STDIO_CLOSED : kind_of(fd, &st[fd]) | access_of(fd);
		/* the lowest free number is fd itself */
		if (closed && open("/dev/null", O_RDWR) != fd)
			fail(EXIT_VMM, "/dev/null: %s; mount /dev", strerror(errno));
	}
	/* What is written keeps its order in one stream. */
	if (same(stdio, st, 1, 2))
		stdio[2] |= STDIO_SAME_AS_OUT;
	if (same(stdio, st, 0, 1) && stdio[0] & STDIO_WRITE)
		stdio[0] |= STDIO_SAME_AS_OUT;
}

/* What a console uses for a descriptor of the program. */
static int host_fd(const uint32_t stdio[3], int fd)
{
	return stdio[fd] == STDIO_CLOSED ? -1 : fd;
}

/* ---- handing over */

static uint64_t align(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & -unit;
}

/*
 * Lays a queue's rings out at gpa (virtio 1.2, 2.7: 16 bytes a descriptor,
 * 6 + 2 a slot available, 6 + 8 a slot used; each from a cache line of its
 * own, as each has another writer). Returns where they end.
 */
static uint64_t place_queue(struct virtio_ready_queue *queue, uint32_t size, uint64_t gpa)
{
	queue->size = size;
	queue->desc = gpa;
	queue->driver = align(gpa + 16 * size, 64);
	queue->device = align(queue->driver + 6 + 2 * size, 64);
	return align(queue->device + 6 + 8 * size, 64);
}

/*
 * Makes the device ready with the first n of its queues at *gpa. When there is
 * no room for them, it is left for the driver to set up.
 */
static void hand_over(struct virtio_dev *dev, uint64_t features, unsigned n, uint64_t *gpa,
		      struct fdt_device *out)
{
	struct virtio_ready_queue queue[FDT_MAX_QUEUES];
	uint64_t end = *gpa;

	for (unsigned i = 0; i < n; i++) {
		end = place_queue(&queue[i], dev->ops->queue_size[i], end);
		out->queue[i].size = queue[i].size;
		out->queue[i].desc = queue[i].desc;
		out->queue[i].driver = queue[i].driver;
		out->queue[i].device = queue[i].device;
	}
	if (end > RINGS_GPA + RINGS_SIZE)
		return;
	*gpa = end;
	out->nqueues = n;
	out->features = features & dev->offered;
	virtio_make_ready(dev, out->features, queue, n);
}

static void serial_irq(struct vm *vm, bool level)
{
	if (vm->ioapic && level)
		ioapic_raise(vm->ioapic, IOAPIC_PIN_SERIAL);
}

static struct virtio_dev *add_disk(struct vm *vm, unsigned i)
{
	struct disk disk;

	disk_parse(vm->opt->disk.item[i], &disk);
	return blk_add(vm, &disk, i);
}

/* For another kernel: as virtio_mmio.device= says it, untouched. */
static unsigned create_plain(struct vm *vm, const uint32_t stdio[3])
{
	vm->ioapic = ioapic_create(vm);
	serial_init(vm->serial, vm, host_fd(stdio, 0), host_fd(stdio, 1), serial_irq);
	console_add(vm, host_fd(stdio, 0), host_fd(stdio, 1), false);
	rng_add(vm);
	for (unsigned i = 0; i < vm->opt->disk.count; i++)
		add_disk(vm, i);
	for (unsigned i = 0; i < vm->opt->share.count; i++) {
		struct share share;

		share_parse(vm->opt->share.item[i], &share);
		fs_add(vm, &share, i);
	}
	nets_open(vm->opt);
	for (unsigned i = 0; i < nets_count(); i++)
		nets_add(vm, i);
	if (vm->ndev < VIRTIO_MMIO_MAX) /* nobody misses it */
		balloon_add(vm);
	return vm->ndev;
}

/* What is told about a device that was just added. */
static struct fdt_device *describe(struct fdt_device *device, const struct virtio_dev *dev)
{
	struct fdt_device *out = &device[dev->window];

	*out = (struct fdt_device){
		.window = dev->window, .type = dev->ops->device_id, .console = -1, .disk = -1
	};
	return out;
}

static void create_console(struct vm *vm, int number, int in, int out, uint64_t *gpa,
			   struct fdt_device *device)
{
	const uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_CONSOLE_F_SIZE;
	struct virtio_dev *dev = console_add(vm, in, out, true);
	struct fdt_device *told = describe(device, dev);

	told->console = number;
	hand_over(dev, features, 2, gpa, told);
}

static void create_net(struct vm *vm, unsigned i, uint64_t *gpa, struct fdt_device *device)
{
	struct virtio_dev *dev = nets_add(vm, i);
	struct fdt_device *told = describe(device, dev);

	told->net = nets_describe(dev, i);
	hand_over(dev, net_ready_features(dev->offered), 2, gpa, told);
}

/* EVENT_IDX and indirect tables as for a network: drv/virtq.c wants both. */
static void create_share(struct vm *vm, const struct share *share, unsigned i, uint64_t *gpa,
			 struct fdt_device *device)
{
	const uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
				  1ull << VIRTIO_RING_F_INDIRECT_DESC;
	struct virtio_dev *dev = fs_add(vm, share, i);
	struct fdt_device *told = describe(device, dev);

	told->share = share->path;
	told->share_len = share->path_len;
	told->read_only = share->read_only;
	told->dax_gpa = dev->shm_gpa;
	told->dax_size = dev->shm_size;
	hand_over(dev, features, 2, gpa, told);
}

/* The disk behind those of --disk; "/" says that it is the root. */
static void create_root_disk(struct vm *vm, const struct share *root, struct fdt_device *device)
{
	const struct disk disk = { &disk_of_root, root->dir, root->dir_len, root->read_only };
	const unsigned number = vm->opt->disk.count;
	struct fdt_device *told = describe(device, blk_add(vm, &disk, number));

	told->disk = (int)number;
	told->share = root->path;
	told->share_len = root->path_len;
	told->read_only = root->read_only;
}

static void create_shares(struct vm *vm, uint64_t *gpa, struct fdt_device *device)
{
	const struct options *opt = vm->opt;
	struct share share;

	if (opt->root) {
		root_parse(opt->root, &share);
		if (root_is_image(opt))
			create_root_disk(vm, &share, device);
		else
			create_share(vm, &share, opt->share.count, gpa, device);
	}
	for (unsigned i = 0; i < opt->share.count; i++) {
		share_parse(opt->share.item[i], &share);
		create_share(vm, &share, i, gpa, device);
	}
}

unsigned devices_create(struct vm *vm, const uint32_t stdio[3], struct fdt_device *device)
{
	static struct serial serial;
	uint64_t gpa = RINGS_GPA;

	vm->serial = &serial;
	if (!vm->own_guest)
		return create_plain(vm, stdio);
	/* messages of last resort go where ours go */
	serial_init(&serial, vm, -1, STDERR_FILENO, NULL);
	create_console(vm, 0, host_fd(stdio, 0), host_fd(stdio, 1), &gpa, device);
	create_console(vm, 1, -1, host_fd(stdio, 2), &gpa, device);
	/* Not handed over: the seed in the device tree is all that most need. */
	describe(device, rng_add(vm));
	/* Nor these: set up when the program opens them, or never. */
	for (unsigned i = 0; i < vm->opt->disk.count; i++)
		describe(device, add_disk(vm, i))->disk = (int)i;
	nets_open(vm->opt);
	for (unsigned i = 0; i < nets_count(); i++)
		create_net(vm, i, &gpa, device);
	create_shares(vm, &gpa, device);
	if (vm->ndev < VIRTIO_MMIO_MAX) /* nobody misses it */
		describe(device, balloon_add(vm));
	return vm->ndev;
}
