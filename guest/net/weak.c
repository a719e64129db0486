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
WEAK struct pkt *reass_input4(struct pkt *pkt)
{
	pkt_free(pkt);
	return NULL;
}
WEAK struct pkt *reass_input6(struct pkt *pkt)
{
	pkt_free(pkt);
	return NULL;
}
WEAK void icmp_input(struct pkt *pkt)
{
	pkt_free(pkt);
}
WEAK void icmp6_input(struct pkt *pkt)
{
	pkt_free(pkt);
}
WEAK void icmp_error(const struct pkt *pkt, u8 type, u8 code, u32 word)
{
	(void)pkt, (void)type, (void)code, (void)word;
}
WEAK void icmp6_error(const struct pkt *pkt, u8 type, u8 code, u32 word)
{
	(void)pkt, (void)type, (void)code, (void)word;
}
WEAK void icmp_port_unreachable(const struct pkt *pkt)
{
	(void)pkt;
}
WEAK void ip_confirm(const struct ipaddr *dst)
{
	(void)dst;
}
