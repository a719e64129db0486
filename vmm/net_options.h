/*
 * The values of --net and --publish.
 */
#ifndef VMM_NET_OPTIONS_H
#define VMM_NET_OPTIONS_H

#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NET_ADDRESSES 4

/* --net tap=NAME[,mac=][,ip=A/L[,gw=B]] | user[,mac=]; ip may come again, IPv4
 * and IPv6 */
struct net_option {
	enum { NET_TAP, NET_USER } kind;
	char tap[IFNAMSIZ];
	bool has_mac;
	uint8_t mac[6];
	char *ip[NET_ADDRESSES + 1]; /* "192.0.2.2/24", NULL-terminated; none: DHCP */
	char *gw[2 + 1]; /* one a family */
	char text[256]; /* what ip and gw point into: don't copy the structure */
};

/* --publish [ADDR:]HOST:GUEST[/tcp|/udp] */
struct publish_option {
	bool udp;
	struct sockaddr_storage host; /* address and port to listen on */
	uint16_t guest_port;
};

/* NULL, or what is wrong and what to give instead. */
const char *net_parse(const char *value, struct net_option *net);
const char *publish_parse(const char *value, struct publish_option *publish);
const char *net_check(const char *value);
const char *publish_check(const char *value);

#endif
