/*
 * In the place of what is not written yet; each goes when the real one comes.
 */
#include "stack.h"
#define WEAK __attribute__((weak))

WEAK bool raw_input(struct pkt *pkt)
{
	(void)pkt;
	return false;
}
WEAK struct ipaddr net_nameserver[NAMESERVERS];
WEAK unsigned net_nameservers;
WEAK void (*net_nameservers_changed)(void);
WEAK int dhcp_start(struct netif *netif)
{
	(void)netif;
	return 0;
}
WEAK int dhcp_wait(void)
{
	return -ETIMEDOUT;
}
