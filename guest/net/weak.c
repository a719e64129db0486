/*
 * In the place of what is not written yet; each goes when the real one comes.
 */
#include "stack.h"
#define WEAK __attribute__((weak))

WEAK void tcp_input(struct pkt *pkt)
{
	pkt_free(pkt);
}
WEAK void tcp_error(struct pkt *pkt, int error, u32 mtu)
{
	(void)pkt, (void)error, (void)mtu;
}
WEAK bool raw_input(struct pkt *pkt)
{
	(void)pkt;
	return false;
}
