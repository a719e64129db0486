/*
 * Addresses and byte order. IPv4 addresses are kept as IPv4-mapped IPv6
 * addresses (RFC 4291, 2.5.5.2), so that everything above the IP layer is
 * written once.
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include "../libos/lib.h"

typedef u16 be16; /* as on the wire */
typedef u32 be32;
#define htons(x) __builtin_bswap16(x)
#define ntohs(x) __builtin_bswap16(x)
#define htonl(x) __builtin_bswap32(x)
#define ntohl(x) __builtin_bswap32(x)

/* Fields of packets may lie at any address. */
static inline u16 get_be16(const void *p)
{
	u16 v;
	__builtin_memcpy(&v, p, sizeof(v)); /* inline, even freestanding */
	return ntohs(v);
}
static inline u32 get_be32(const void *p)
{
	u32 v;
	__builtin_memcpy(&v, p, sizeof(v));
	return ntohl(v);
}
static inline void put_be16(void *p, u16 v)
{
	v = htons(v);
	__builtin_memcpy(p, &v, sizeof(v));
}
static inline void put_be32(void *p, u32 v)
{
	v = htonl(v);
	__builtin_memcpy(p, &v, sizeof(v));
}

struct ipaddr {
	u8 b[16];
};

static inline bool ip_equal(const struct ipaddr *a, const struct ipaddr *b)
{
	u64 x[2], y[2];
	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}
static inline bool ip_is4(const struct ipaddr *a)
{
	u64 high;
	u32 middle;
	__builtin_memcpy(&high, a->b, sizeof(high));
	__builtin_memcpy(&middle, a->b + 8, sizeof(middle));
	return high == 0 && middle == 0xffff0000;
}
static inline be32 ip_get4(const struct ipaddr *a)
{
	be32 v;
	__builtin_memcpy(&v, a->b + 12, sizeof(v));
	return v;
}
static inline struct ipaddr ip_from4(be32 v4)
{
	struct ipaddr a = { .b = { [10] = 0xff, [11] = 0xff } };
	__builtin_memcpy(a.b + 12, &v4, sizeof(v4));
	return a;
}
/* The unspecified address: ::, or 0.0.0.0 in its mapped form. */
static inline bool ip_is_any(const struct ipaddr *a)
{
	static const struct ipaddr any6;
	return ip_equal(a, &any6) || (ip_is4(a) && ip_get4(a) == 0);
}
static inline bool ip_is_multicast(const struct ipaddr *a)
{
	return ip_is4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}
static inline bool ip_is_loopback(const struct ipaddr *a)
{
	static const struct ipaddr loop6 = { .b = { [15] = 1 } };
	return ip_is4(a) ? a->b[12] == 127 : ip_equal(a, &loop6);
}
static inline bool ip_is_link_local(const struct ipaddr *a)
{
	return ip_is4(a) ? a->b[12] == 169 && a->b[13] == 254 :
			   a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

#endif
