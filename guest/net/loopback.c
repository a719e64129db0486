/*
 * The loopback interface: what is transmitted is received, later, so that a
 * conversation of two of our sockets needs no stack in proportion to its
 * length. No checksum is ever computed on it: CSUM_PARTIAL says "the data is
 * good" to the receiver, and a large packet stays whole.
 */
#include "../libos/heap.h"
#include "stack.h"

#define MTU        65536 /* Linux's */
#define QUEUE_MOST 2048

struct netif *net_loopback;
static struct list queue = { &queue, &queue };
static unsigned queued;

static void deliver(struct net_work *work)
{
	struct pkt *pkt;

	(void)work;
	while ((pkt = pkt_dequeue(&queue)) != NULL) {
		queued--;
		netif_receive(net_loopback, pkt);
	}
}

static struct net_work delivery = { .run = deliver };

static int transmit(struct netif *netif, struct pkt *pkt)
{
	(void)netif;
	if (queued == QUEUE_MOST) {
		pkt_free(pkt);
		return -ENOBUFS;
	}
	queued++;
	list_add_tail(&queue, &pkt->link);
	net_defer(&delivery);
	return 0;
}

static void flush(struct netif *netif)
{
	(void)netif;
}

int loopback_init(void)
{
	struct ipaddr v4 = ip_from4(htonl(0x7f000001)), v6 = { .b = { [15] = 1 } };
	struct netif *lo = kalloc(sizeof(*lo));

	if (lo == NULL)
		return -ENOMEM;
	lo->mtu = MTU;
	lo->flags = NETIF_UP | NETIF_RUNNING | NETIF_LOOPBACK;
	lo->offload = NETIF_CSUM | NETIF_TSO4 | NETIF_TSO6;
	lo->gso_max = IP4_MAX;
	lo->transmit = transmit;
	lo->flush = flush;
	net_loopback = lo;
	netif_add(lo);
	netif_add_addr(lo, &v4, 8, ADDR_STATIC, NEVER, NEVER);
	netif_add_addr(lo, &v6, 128, ADDR_STATIC, NEVER, NEVER);
	return 0;
}

void loopback_stop(void)
{
	pkt_purge(&queue);
	queued = 0;
	net_undefer(&delivery);
	list_del(&net_loopback->link);
	kfree(net_loopback);
	net_loopback = NULL;
}
