/*
 * What the VMM tells the process of the user network before all frames. Both
 * are built from one tree, so this is no protocol with versions.
 */
#ifndef NET_SLIRP_SETUP_H
#define NET_SLIRP_SETUP_H

#include "../../vmm/net_options.h"

#define SLIRP_FD          3 /* the socket, once that process has put it there */
#define SLIRP_MTU         65520 /* of an IP packet; libslirp's most is 65521 */
#define SLIRP_PUBLISH_MAX 256

/* The first message on the socket; the frames, one a message, come behind. */
struct slirp_setup {
	uint32_t index; /* n-th user network: its addresses */
	uint32_t npublish;
	struct publish_option publish[SLIRP_PUBLISH_MAX]; /* npublish are sent */
};

/* Its first message to the VMM, one byte, when npublish > 0: the ports are open. */
#define SLIRP_PUBLISHED 1

/* The networks 10.0.(2+index).0/24 and fd00:0:0:index::/64, laid out as QEMU's
 * users know it: the host and gateway is 2, the name server 3, the guest 15. */
#define SLIRP_NETWORK4     0x0a000200u
#define SLIRP_HOST         2
#define SLIRP_NAMESERVER   3
#define SLIRP_GUEST        15
#define SLIRP_NETWORKS_MAX 200 /* of the third byte of an IPv4 address */

#endif
