/*
 * The name servers that the network has told us of.
 */
#include "ndp.h"

struct ipaddr net_nameserver[NAMESERVERS];
unsigned net_nameservers;
void (*net_nameservers_changed)(void);

void nameservers_set(unsigned side, const struct ipaddr *server, unsigned n)
{
	static struct {
		struct ipaddr server[NAMESERVERS];
		unsigned n;
	} known[NAMESERVER_SIDES];
	bool same = n == known[side].n;

	for (unsigned i = 0; i < n; i++) {
		same = same && ip_equal(&known[side].server[i], &server[i]);
		known[side].server[i] = server[i];
	}
	known[side].n = n;
	if (same)
		return;
	net_nameservers = 0;
	for (unsigned s = 0; s < NAMESERVER_SIDES; s++)
		for (unsigned i = 0; i < known[s].n && net_nameservers < NAMESERVERS; i++)
			net_nameserver[net_nameservers++] = known[s].server[i];
	if (net_nameservers_changed != NULL)
		net_nameservers_changed();
}
