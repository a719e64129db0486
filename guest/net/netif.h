/*
 * Network interfaces, their addresses, and the door into the stack.
 *
 * All of guest/net runs under the library OS's one lock. Whoever enters it
 * from outside (a system call, an interrupt, a timer) does so between
 * net_enter() and net_leave(); they nest. Packets sent in between are given to
 * the devices' rings at once, and rung for, together, by the last net_leave(),
 * before which what the protocols have put off (acknowledgements) is done too.
 */
#ifndef NET_NETIF_H
#define NET_NETIF_H

#include "../libos/sched.h"
#include "addr.h"
#include "pkt.h"

#define NETIF_NAME  16
#define NETIF_ADDRS 16 /* a family */

/* What the device does by itself; others get it done by netif_transmit(). */
#define NETIF_CSUM 0x01 /* completes CSUM_PARTIAL, both families, TCP and UDP */
#define NETIF_TSO4 0x02
#define NETIF_TSO6 0x04
#define NETIF_USO  0x08

/* IFF_* of <linux/if.h>, which does not build freestanding. */
#define NETIF_UP        0x1
#define NETIF_BROADCAST 0x2
#define NETIF_LOOPBACK  0x8
#define NETIF_RUNNING   0x40
#define NETIF_MULTICAST 0x1000

struct netif_addr {
	struct ipaddr addr;
	u8 prefix; /* of the family: 0..32 or 0..128 */
	u8 state; /* enum: tentative until duplicate detection is over (RFC 4862, 5.4) */
	u8 origin; /* enum */
	u64 preferred_until, valid_until; /* now_ns(), or NEVER */
	u64 dad_at; /* private to ndp.c */
	bool dad_sent;
};
enum { ADDR_TENTATIVE, ADDR_PREFERRED, ADDR_DEPRECATED, ADDR_DUPLICATE };
enum { ADDR_STATIC, ADDR_DHCP, ADDR_SLAAC, ADDR_LINK_LOCAL };

struct netif_stats {
	u64 rx_packets, rx_bytes, rx_errors, rx_dropped;
	u64 tx_packets, tx_bytes, tx_errors, tx_dropped;
	u64 multicast;
};

struct netif {
	struct list link; /* netifs */
	char name[NETIF_NAME];
	unsigned index; /* from 1: lo */
	u8 mac[6];
	bool ethernet; /* else frames are IP packets */
	u32 mtu; /* of an IP packet */
	u32 flags; /* NETIF_UP ... */
	u32 offload; /* NETIF_CSUM ... */
	u32 gso_max; /* largest IP packet to be segmented; 0: none */
	struct netif_addr addr4[NETIF_ADDRS], addr6[NETIF_ADDRS];
	unsigned naddr4, naddr6;
	struct netif_stats stats;

	/* The driver's. transmit() takes the packet, which is a whole frame, and
	 * frees it once the device is done with it: 0, or -ENOBUFS when the ring is
	 * full (the packet is freed all the same). It does not ring the doorbell;
	 * flush() does, where there is something new. */
	int (*transmit)(struct netif *netif, struct pkt *pkt);
	void (*flush)(struct netif *netif);
	/* Whether packets are still to be sent; net_activity is woken when that
	 * changes. NULL: never. */
	bool (*busy)(struct netif *netif);
	void *driver;

	/* The protocols' own, of this interface. */
	struct nd *nd;
	struct dhcp *dhcp;
	bool dirty; /* something was transmitted since the last flush() */
	/* Packets wait for room in the ring: whoever can should wait too, and is
	 * woken when none does any more. */
	bool full;
	struct waitq room;
};

extern struct list netifs;
extern struct waitq net_activity; /* woken after each look at a device */

/* Once, before anything else: the loopback interface. 0 or -ENOMEM. */
int net_init(void);
bool net_up(void); /* net_init() has been done */

/* Makes the interface known: name ("eth0") and index are given to it, and IPv6
 * begins (link-local address, router solicitation). */
void netif_add(struct netif *netif);
struct netif *netif_by_index(unsigned index); /* NULL: none */
struct netif *netif_by_name(const char *name);

/* Adds or renews an address: 0, -EEXIST (renewed), -ENOSPC. With a broadcast
 * route of its own for IPv4. */
int netif_add_addr(struct netif *netif, const struct ipaddr *addr, unsigned prefix, int origin,
		   u64 preferred_until, u64 valid_until);
int netif_del_addr(struct netif *netif, const struct ipaddr *addr); /* 0, -EADDRNOTAVAIL */
/* Whether a packet for that address is for us; multicast and broadcast of the
 * interface too. */
bool netif_accepts(const struct netif *netif, const struct ipaddr *dst);
/* Whether it is one of our own addresses, on any interface (127/8 too). */
bool net_is_local(const struct ipaddr *addr);

void net_enter(void);
void net_leave(void);
/* Has run(work) called by the last net_leave(), once however often asked for. */
struct net_work {
	struct list link; /* zero before its first use */
	void (*run)(struct net_work *work);
};
void net_defer(struct net_work *work);
void net_undefer(struct net_work *work); /* its owner goes away */

/* A received frame (Ethernet header in front, unless !netif->ethernet), with
 * csum and gso_* set by the driver. Takes the packet. Between net_enter() and
 * net_leave(). */
void netif_receive(struct netif *netif, struct pkt *pkt);

/* A whole frame to the device, after doing what the device cannot (checksum,
 * segmentation). Takes the packet. 0 or -errno. */
int netif_transmit(struct netif *netif, struct pkt *pkt);

#endif
