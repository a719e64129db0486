/*
 * virtio-blk, driver side (virtio 1.2, 5.2).
 *
 *   blk_submit --room--> ring --kick--> device --> blk_reap --> done()
 *        |                ^
 *        +--> waiting ----+ (as others end)
 *
 * Nobody is interrupted for what nobody waits for: an interrupt costs more
 * than a request. blk_wait() asks for one when it has spun in vain for about
 * as long as waking up from a sleep takes; a queue with requests that wait for
 * room has one, too. Everything else is found by blk_reap(), which costs a
 * look at the used ring.
 *
 * The device is trusted with memory, as any device is, but what it says is
 * checked: virtq.c bounds the ring, and a queue that it has declared dead fails
 * all requests.
 */
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "../libos/sched.h"
#include "blk.h"

#define RING    128
#define SPIN_NS 50000 /* an interrupt out of HLT: 37 to 70 us on the soft flavour */

static struct blk_disk *disks[BLK_DISKS]; /* by number */
static unsigned in_use[BLK_DISKS], nused; /* in the order of their set-up */

/* ---- finding and setting up */

unsigned blk_count(void)
{
	static unsigned count;
	static bool counted;
	if (!counted)
		while (count < BLK_DISKS && virtio_find(VIRTIO_ID_BLOCK, count))
			count++;
	counted = true;
	return count;
}

/* In the order of the options; without a device tree, of the windows. */
static const struct virtio_place *place_of(unsigned n)
{
	for (unsigned i = 0; boot_info.device_tree && i < boot_info.nvirtio; i++)
		if (boot_info.virtio[i].disk == (int)n)
			return &boot_info.virtio[i];
	return boot_info.device_tree ? NULL : virtio_find(VIRTIO_ID_BLOCK, n);
}

#define CONFIG(disk, field) \
	virtio_read32(&(disk)->dev, VIRTIO_MMIO_CONFIG + offsetof(struct virtio_blk_config, field))

static bool has(const struct blk_disk *disk, unsigned feature)
{
	return disk->dev.features & 1ull << feature;
}

static u32 block_size(u64 n, u32 otherwise)
{
	return n >= BLK_SECTOR && n <= 65536 && !(n & (n - 1)) ? n : otherwise;
}

/* 5.2.4; 4.2.2.2 has multi-byte fields read 32 bits at a time. */
static void read_config(struct blk_disk *disk)
{
	disk->sectors = CONFIG(disk, capacity) |
			(u64)virtio_read32(&disk->dev, VIRTIO_MMIO_CONFIG + 4) << 32;
	disk->sectors = MIN(disk->sectors, (u64)INT64_MAX / BLK_SECTOR);
	disk->read_only = has(disk, VIRTIO_BLK_F_RO);
	disk->can_flush = has(disk, VIRTIO_BLK_F_FLUSH);
	disk->segments = has(disk, VIRTIO_BLK_F_SEG_MAX) ? CONFIG(disk, seg_max) : 1;
	disk->segments = MAX(MIN(disk->segments, BLK_SEGMENTS), 1u);
	disk->logical = has(disk, VIRTIO_BLK_F_BLK_SIZE) ?
				block_size(CONFIG(disk, blk_size), BLK_SECTOR) :
				BLK_SECTOR;
	disk->physical = disk->logical;
	if (has(disk, VIRTIO_BLK_F_TOPOLOGY)) /* the lowest byte of its word */
		disk->physical =
			block_size((u64)disk->logical << (CONFIG(disk, physical_block_exp) & 15),
				   disk->logical);
	if (has(disk, VIRTIO_BLK_F_DISCARD))
		disk->max_discard = CONFIG(disk, max_discard_sectors);
	if (has(disk, VIRTIO_BLK_F_WRITE_ZEROES))
		disk->max_zeroes = CONFIG(disk, max_write_zeroes_sectors);
}

static void interrupt(struct virtio *dev)
{
	blk_reap(container_of(dev, struct blk_disk, dev));
}

static struct blk_disk *set_up(unsigned n, const struct virtio_place *place, int *error)
{
	const u64 wanted = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
			   1ull << VIRTIO_BLK_F_TOPOLOGY | 1ull << VIRTIO_BLK_F_FLUSH |
			   1ull << VIRTIO_BLK_F_RO | 1ull << VIRTIO_BLK_F_DISCARD |
			   1ull << VIRTIO_BLK_F_WRITE_ZEROES | 1ull << VIRTIO_RING_F_EVENT_IDX |
			   1ull << VIRTIO_RING_F_INDIRECT_DESC;
	struct blk_disk *disk = kalloc(sizeof(*disk));
	if (!disk) {
		*error = -ENOMEM;
		return NULL;
	}
	disk->number = n;
	list_init(&disk->flying);
	list_init(&disk->waiting);
	waitq_init(&disk->wait);
	disk->dev.interrupt = interrupt;
	disk->dev.ring_limit = RING;
	*error = virtio_setup(&disk->dev, place, wanted, 1);
	if (*error) {
		kfree(disk);
		return NULL;
	}
	read_config(disk);
	virtq_disarm(&disk->dev.queue[0]);
	return disk;
}

struct blk_disk *blk_disk(unsigned n, int *error)
{
	*error = -ENXIO;
	if (n >= BLK_DISKS)
		return NULL;
	if (!disks[n]) {
		const struct virtio_place *place = place_of(n);
		if (place)
			disks[n] = set_up(n, place, error);
		if (disks[n])
			in_use[nused++] = n;
	}
	return disks[n];
}

struct blk_disk *blk_disk_in_use(unsigned n)
{
	return n < nused ? disks[in_use[n]] : NULL;
}

/* ---- requests */

void blk_prepare(struct blk_request *req, enum blk_type type, u64 sector,
		 void (*done)(struct blk_request *req, int error))
{
	req->type = type;
	req->sector = sector;
	req->sectors = 0;
	req->count = 0;
	req->done = done;
	list_init(&req->link);
}

bool blk_add_buffer(const struct blk_disk *disk, struct blk_request *req, paddr_t pa, u32 len)
{
	struct virtq_buf *last = &req->buf[req->count]; /* buf[0] is the header */
	if (req->count && last->pa + last->len == pa && (u64)last->len + len <= UINT32_MAX) {
		last->len += len;
		return true;
	}
	if (req->count == disk->segments)
		return false;
	req->buf[++req->count] = (struct virtq_buf){ pa, len };
	return true;
}

/* 5.2.6: header, data, status. */
static int add_to_ring(struct blk_disk *disk, struct blk_request *req)
{
	static const u32 type[] = { [BLK_READ] = VIRTIO_BLK_T_IN,
				    [BLK_WRITE] = VIRTIO_BLK_T_OUT,
				    [BLK_FLUSH] = VIRTIO_BLK_T_FLUSH,
				    [BLK_DISCARD] = VIRTIO_BLK_T_DISCARD,
				    [BLK_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES };
	bool range = req->type == BLK_DISCARD || req->type == BLK_ZEROES;
	unsigned n = req->count;
	req->header = (struct virtio_blk_outhdr){ type[req->type], 0, range ? 0 : req->sector };
	req->buf[0] = (struct virtq_buf){ virt_to_phys(&req->header), sizeof(req->header) };
	if (range) {
		req->range =
			(struct virtio_blk_discard_write_zeroes){ req->sector, req->sectors, 0 };
		if (req->type == BLK_ZEROES)
			req->range.flags = VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
		req->buf[1] = (struct virtq_buf){ virt_to_phys(&req->range), sizeof(req->range) };
		n = 1;
	}
	req->status = 0xff;
	req->buf[n + 1] = (struct virtq_buf){ virt_to_phys(&req->status), 1 };
	if (req->type == BLK_READ)
		return virtq_add(&disk->dev.queue[0], req->buf, 1, n + 1, req);
	return virtq_add(&disk->dev.queue[0], req->buf, n + 1, 1, req);
}

static void end(struct blk_disk *disk, struct blk_request *req, int error)
{
	list_del(&req->link);
	disk->in_flight--;
	disk->completed++;
	req->done(req, error);
}

/* Without anybody who looks: for what waits for room, and what is watched. */
static bool needs_interrupt(const struct blk_disk *disk)
{
	return !list_empty(&disk->waiting) || disk->watched;
}

/* As much of what waits as there is room for. */
static void refill(struct blk_disk *disk)
{
	struct virtq *q = &disk->dev.queue[0];
	bool added = false;
	while (!list_empty(&disk->waiting)) {
		struct blk_request *req =
			container_of(disk->waiting.next, struct blk_request, link);
		int error = add_to_ring(disk, req);
		/* what is in flight makes room, or memory */
		if ((error == -ENOSPC || error == -ENOMEM) && q->in_flight)
			break;
		list_del(&req->link);
		list_add_tail(&disk->flying, &req->link);
		if (error)
			end(disk, req, -EIO);
		added |= !error;
	}
	if (added)
		virtq_kick(&disk->dev, q);
}

void blk_submit(struct blk_disk *disk, struct blk_request *req)
{
	disk->in_flight++;
	if (list_empty(&disk->waiting) && !add_to_ring(disk, req)) {
		list_add_tail(&disk->flying, &req->link);
		return;
	}
	list_add_tail(&disk->waiting, &req->link);
}

void blk_kick(struct blk_disk *disk)
{
	virtq_kick(&disk->dev, &disk->dev.queue[0]);
	if (needs_interrupt(disk))
		blk_reap(disk);
}

static int error_of(const struct blk_request *req)
{
	switch (*(volatile const u8 *)&req->status) {
	case VIRTIO_BLK_S_OK:
		return 0;
	case VIRTIO_BLK_S_UNSUPP:
		return -EOPNOTSUPP;
	default:
		return -EIO;
	}
}

/* The device broke the rules: nothing that it has comes back. */
static void fail_all(struct blk_disk *disk)
{
	while (!list_empty(&disk->flying))
		end(disk, container_of(disk->flying.next, struct blk_request, link), -EIO);
}

bool blk_reap(struct blk_disk *disk)
{
	struct virtq *q = &disk->dev.queue[0];
	struct blk_request *req;
	bool any = false;
	u32 len;
	do {
		while ((req = virtq_take(q, &len)) != NULL) {
			end(disk, req, error_of(req));
			any = true;
		}
		if (unlikely(q->dead) && disk->in_flight) {
			fail_all(disk);
			any = true;
		}
		if (!list_empty(&disk->waiting))
			refill(disk);
		else
			virtq_kick(&disk->dev, q); /* what done() submitted */
	} while (needs_interrupt(disk) && virtq_arm(q));
	if (any)
		wake_all(&disk->wait);
	return any;
}

/* ---- waiting */

bool blk_spin(struct blk_disk *disk)
{
	u64 until = now_ns() + SPIN_NS;
	while (now_ns() < until) {
		if (blk_reap(disk))
			return true;
		for (int i = 0; i < 20; i++)
			__asm__ volatile("pause");
	}
	return false;
}

bool blk_arm(struct blk_disk *disk, unsigned n)
{
	struct virtq *q = &disk->dev.queue[0];
	/* what is not in the ring needs the others' ends first */
	unsigned left = needs_interrupt(disk) ? 1 : MIN(n, q->in_flight);
	return !left || virtq_arm_after(q, left - 1);
}

void blk_disarm(struct blk_disk *disk)
{
	/* another thread may have armed it */
	if (!needs_interrupt(disk) && sched_threads == 1)
		virtq_disarm(&disk->dev.queue[0]);
}

void blk_wait(struct blk_disk *disk, unsigned n)
{
	u64 goal = disk->completed + MIN(n, disk->in_flight);
	blk_kick(disk);
	while (disk->completed < goal) {
		if (blk_reap(disk) || blk_spin(disk))
			continue;
		if (!blk_arm(disk, goal - disk->completed))
			wait_uninterruptible(&disk->wait);
	}
	blk_disarm(disk);
}

int blk_do(struct blk_disk *disk, struct blk_request *req)
{
	blk_submit(disk, req);
	while (!list_empty(&req->link))
		blk_wait(disk, 1);
	return error_of(req);
}

static void flushed(struct blk_request *req, int error)
{
	(void)req;
	(void)error;
}

int blk_flush(struct blk_disk *disk)
{
	struct blk_request *req;
	int error;
	if (!disk->can_flush)
		return 0;
	req = kalloc(sizeof(*req));
	if (!req)
		return -ENOMEM;
	blk_prepare(req, BLK_FLUSH, 0, flushed);
	error = blk_do(disk, req);
	kfree(req);
	return error;
}
