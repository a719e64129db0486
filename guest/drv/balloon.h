/*
 * virtio-balloon, driver side (virtio 1.2, 5.5), for one thing: memory that is free
 * goes back to the host (free page reporting, 5.5.6.7).
 */
#ifndef DRV_BALLOON_H
#define DRV_BALLOON_H

/* A block has become free: a second later it is reported, if it still is. */
void balloon_block_freed(void);

#endif
