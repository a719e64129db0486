/*
 * Stand-ins for parts of the network that have not landed yet. Each line goes
 * away with the arrival of the real one.
 */
#include "ip.h"
#include "netif.h"
#include "pkt.h"
#include "socket.h"

#define WEAK __attribute__((weak))

WEAK int raw_socket(int family, int type, int protocol, struct socket **out)
{
	(void)family;
	(void)type;
	(void)protocol;
	(void)out;
	return -EPROTONOSUPPORT;
}
