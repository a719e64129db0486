/*
 * Free page reporting (virtio 1.2, 5.5.6.7): blocks of 2 MiB that stay free are
 * named to the device, which lets the host have what is behind them.
 *
 * A second after a block became free the device is set up, if it was not, and
 * gets some blocks; the others have their turn a little later, so that nobody waits
 * long. Blocks that the device has are on no list: nobody gets them before it is
 * done, and their first bytes, in which the list was, are lost. Our VMM is done
 * when the doorbell returns; of another the next turn finds out.
 */
#include <linux/virtio_balloon.h>
#include <linux/virtio_ids.h>
#include "../libos/frames.h"
#include "../libos/sched.h"
#include "balloon.h"
#include "virtio.h"

#define DELAY_NS 1000000000ull
#define TURN_NS  20000000ull
#define TURN     8 /* blocks: about 0.5 ms of the host's time */
#define QUEUE    2 /* behind inflateq and deflateq, as no other feature is accepted */

static struct virtio dev;
static paddr_t block[TURN]; /* what the device has */
static unsigned count;
static bool absent;

static void turn(struct timer *timer);
static struct timer next = { .expired = turn };

static void nothing(struct virtio *device)
{
	(void)device; /* interrupts are not asked for */
}

static bool set_up(void)
{
	const u64 wanted = 1ull << VIRTIO_BALLOON_F_REPORTING;
	const struct virtio_place *place = virtio_find(VIRTIO_ID_BALLOON, 0);

	if (dev.regs != NULL)
		return true;
	dev.interrupt = nothing;
	dev.ring_limit = TURN;
	absent = place == NULL || virtio_setup(&dev, place, wanted, QUEUE + 1) < 0;
	if (!absent && !(dev.features & wanted)) {
		virtio_stop(&dev);
		absent = true;
	}
	if (absent)
		return false;
	virtq_disarm(&dev.queue[QUEUE]);
	return true;
}

/* What the device is done with is free again. */
static void take_back(void)
{
	u32 len;

	if (count == 0 || virtq_take(&dev.queue[QUEUE], &len) == NULL)
		return;
	while (count > 0)
		frames_put_idle(block[--count], true);
}

static void hand_out(void)
{
	struct virtq_buf buf[TURN];

	for (; count < TURN; count++) {
		block[count] = frames_take_idle();
		if (block[count] == 0)
			break;
		buf[count] = (struct virtq_buf){ block[count], 2u << 20 };
	}
	if (count == 0)
		return;
	if (virtq_add(&dev.queue[QUEUE], buf, 0, count, block) < 0) {
		absent = true; /* no memory, or a device that is broken */
		while (count > 0)
			frames_put_idle(block[--count], false);
		return;
	}
	virtq_kick(&dev, &dev.queue[QUEUE]);
}

static void turn(struct timer *timer)
{
	bool some;

	if (absent || !set_up())
		return;
	take_back();
	if (count == 0)
		hand_out();
	some = count > 0;
	take_back();
	if (some && !absent)
		timer_arm(timer, now_ns() + TURN_NS);
}

void balloon_block_freed(void)
{
	if (!next.armed && !absent)
		timer_arm(&next, now_ns() + DELAY_NS);
}
