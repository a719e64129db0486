/*
 * The virtio-net driver.
 */
#ifndef DRV_NET_H
#define DRV_NET_H

#include "../libos/boot_info.h"
#include "../net/netif.h"

/* Starts a device of type VIRTIO_ID_NET: its interface, made known to the
 * stack, or NULL when the device cannot be used or there is no memory. Between
 * net_enter() and net_leave(). */
struct netif *nic_start(const struct virtio_place *place);

#endif
