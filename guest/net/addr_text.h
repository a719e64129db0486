/*
 * Addresses as text.
 */
#ifndef NET_ADDR_TEXT_H
#define NET_ADDR_TEXT_H

#include "addr.h"

#define IP_TEXT 46 /* longest, with its NUL */

/* "192.0.2.1", "2001:db8::1" and its other forms (RFC 4291, 2.2), to the end of
 * the text: true when it is one. */
bool ip_parse(const char *s, struct ipaddr *addr);
/* The same with "/LENGTH" behind it, at most 32 or 128. */
bool ip_parse_prefix(const char *s, struct ipaddr *addr, unsigned *prefix);
/* As RFC 5952 wants it; its length. */
unsigned ip_format(const struct ipaddr *addr, char text[IP_TEXT]);

#endif
