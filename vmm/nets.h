/*
 * The networks of a VM: from --net, --publish and --pcap to devices.
 */
#ifndef VMM_NETS_H
#define VMM_NETS_H

#include "fdt.h"
#include "vm.h"

/* Looks at all options together, and opens the record. Ends the process with a
 * clear line when they contradict each other. */
void nets_open(const struct options *opt);
unsigned nets_count(void);

/* Opens the i-th network and adds its device. */
struct virtio_dev *nets_add(struct vm *vm, unsigned i);
/* Until the published ports are open; at once when there are none. */
void nets_wait_published(void);
/* What the guest is to know about it; lives on. */
const struct fdt_net *nets_describe(const struct virtio_dev *dev, unsigned i);

#endif
