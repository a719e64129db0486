/*
 * virtio-fs, driver side (virtio 1.2, 5.11): carries FUSE messages.
 */
#ifndef DRV_FS_H
#define DRV_FS_H

#include "../../shared/fuse.h"
#include "../libos/sched.h"
#include "virtio.h"

#define FS_PAGES 28 /* buffers of data; with the other two, an indirect table */

struct fs_dev {
	struct virtio dev;
	u64 unique; /* number of the last request */
	struct timer show; /* rings for what fs_post() has left */
	struct waitq wait; /* woken when requests are done */
};

/* A request: arguments in up to three parts, then data one way or the other. */
struct fs_message {
	u32 opcode;
	u64 nodeid;
	u32 uid, gid, pid;
	struct {
		const void *from;
		u32 len;
	} arg[3];
	void *reply; /* room for what follows the reply's header */
	u32 room;
	u32 got; /* bytes of reply and data that came */
	struct virtq_buf data[FS_PAGES];
	unsigned ndata;
	bool into_data; /* READ: the device fills the data, and `reply` is not used */
};

/* The nth share of the device tree, set up. NULL with *error. */
struct fs_dev *fs_dev_start(const struct virtio_place *place, int *error);

/* Sends a message and waits, signals or not, for the reply: 0 or -errno. */
int fs_send(struct fs_dev *dev, struct fs_message *m);

/* The same with two messages on one doorbell, served in this order. What the second
 * came to is in *second. */
int fs_send_both(struct fs_dev *dev, struct fs_message *m, struct fs_message *then, int *second);

/* Sends a message whose reply nobody wants, with the next one or a while later. */
void fs_post(struct fs_dev *dev, const struct fs_message *m);

/* Tells that the guest forgets a node; there is no reply. */
void fs_forget(struct fs_dev *dev, u64 nodeid, u64 lookups);

#endif
