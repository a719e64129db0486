/* The devices of a VM, see devices.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <linux/virtio_config.h>
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include "blk.h"
#include "console.h"
#include "devices.h"
#include "fail.h"
#include "ioapic.h"
#include "rng.h"
#include "serial.h"

/* ---- descriptors 0, 1 and 2 */

static uint32_t kind_of(int fd, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return STDIO_CLOSED;
	if (S_ISREG(st->st_mode) || S_ISBLK(st->st_mode) || S_ISDIR(st->st_mode))
		return STDIO_FILE;
	if (!S_ISCHR(st->st_mode))
		return STDIO_PIPE;
	if (st->st_rdev == makedev(1, 3))
		return STDIO_NULL;
	return isatty(fd) ? STDIO_TTY : STDIO_CHAR;
}

void devices_look_at_stdio(uint32_t kind[3])
{
	struct stat st[3];

	for (int fd = 0; fd < 3; fd++) {
		kind[fd] = kind_of(fd, &st[fd]);
		/* the lowest free number is fd itself */
		if (kind[fd] == STDIO_CLOSED && open("/dev/null", O_RDWR) != fd)
			fail(EXIT_VMM, "/dev/null: %s; mount /dev", strerror(errno));
	}
	/* One file or terminal, so what is written keeps its order in one stream. */
	if (kind[1] != STDIO_CLOSED && kind[1] == kind[2] && st[1].st_dev == st[2].st_dev &&
	    st[1].st_ino == st[2].st_ino)
		kind[2] |= STDIO_SAME_AS_OUT;
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
 * Lays the device's rings out at *gpa (virtio 1.2, 2.7: 16 bytes a
 * descriptor, 6 + 2 a slot available, 6 + 8 a slot used; each from a cache
 * line of its own, as each has another writer) and makes it ready.
 */
static void hand_over(struct virtio_dev *dev, uint64_t features, uint64_t *gpa,
		      struct fdt_device *out)
{
	struct virtio_ready_queue queue[FDT_MAX_QUEUES];
	const unsigned n = dev->ops->nqueues;

	if (n > FDT_MAX_QUEUES)
		fail(EXIT_VMM, "%s: too many queues to be handed over", dev->ops->name);
	out->features = features & dev->offered;
	out->nqueues = n;
	for (unsigned i = 0; i < n; i++) {
		uint32_t size = dev->ops->queue_size[i];

		if (size > CONSOLE_QUEUE_SIZE)
			size = CONSOLE_QUEUE_SIZE;
		out->queue[i].size = queue[i].size = size;
		out->queue[i].desc = queue[i].desc = *gpa;
		out->queue[i].driver = queue[i].driver = align(*gpa + 16 * size, 64);
		out->queue[i].device = queue[i].device = align(queue[i].driver + 6 + 2 * size, 64);
		*gpa = align(queue[i].device + 6 + 8 * size, 64);
	}
	if (*gpa > RINGS_GPA + RINGS_SIZE)
		fail(EXIT_VMM, "no room for the rings of %s", dev->ops->name);
	virtio_make_ready(dev, out->features, queue, n);
}

static void serial_irq(struct vm *vm, bool level)
{
	if (vm->ioapic && level)
		ioapic_raise(vm->ioapic, IOAPIC_PIN_SERIAL);
}

/* For another kernel: as virtio_mmio.device= says it, untouched. */
static unsigned create_plain(struct vm *vm, const uint32_t stdio[3])
{
	vm->ioapic = ioapic_create(vm);
	serial_init(vm->serial, vm, host_fd(stdio, 0), host_fd(stdio, 1), serial_irq);
	console_add(vm, host_fd(stdio, 0), host_fd(stdio, 1), false);
	rng_add(vm);
	for (unsigned i = 0; i < vm->opt->disk.count; i++)
		blk_add(vm, vm->opt->disk.item[i], i);
	return vm->ndev;
}

unsigned devices_create(struct vm *vm, const uint32_t stdio[3], struct fdt_device *device)
{
	static struct serial serial;
	const uint64_t features = 1ull << VIRTIO_F_VERSION_1;
	uint64_t gpa = RINGS_GPA;
	unsigned n = 0;

	if (vm->opt->net.count || vm->opt->publish.count)
		fail(EXIT_VMM, "--net: this version has no network device yet; leave it out");
	vm->serial = &serial;
	if (!vm->own_guest)
		return create_plain(vm, stdio);
	/* messages of last resort go where ours go */
	serial_init(&serial, vm, -1, STDERR_FILENO, NULL);
	device[n] = (struct fdt_device){
		.window = n, .type = VIRTIO_ID_CONSOLE, .console = 0, .disk = -1
	};
	hand_over(console_add(vm, host_fd(stdio, 0), host_fd(stdio, 1), true),
		  features | 1ull << VIRTIO_CONSOLE_F_SIZE, &gpa, &device[n]);
	n++;
	device[n] = (struct fdt_device){
		.window = n, .type = VIRTIO_ID_CONSOLE, .console = 1, .disk = -1
	};
	hand_over(console_add(vm, -1, host_fd(stdio, 2), true),
		  features | 1ull << VIRTIO_CONSOLE_F_SIZE, &gpa, &device[n]);
	n++;
	/* Not handed over: the seed in the device tree is all that most need. */
	device[n] = (struct fdt_device){
		.window = n, .type = VIRTIO_ID_RNG, .console = -1, .disk = -1
	};
	rng_add(vm);
	n++;
	/* Nor these: set up when the program opens them, or never. */
	for (unsigned i = 0; i < vm->opt->disk.count; i++) {
		blk_add(vm, vm->opt->disk.item[i], i);
		device[n] = (struct fdt_device){
			.window = n, .type = VIRTIO_ID_BLOCK, .console = -1, .disk = (int)i
		};
		n++;
	}
	return n;
}
