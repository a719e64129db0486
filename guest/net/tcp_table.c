/*
 * The table of connections, by addresses and ports, and the keyed hashes that
 * TCP needs. The hash is SipHash, so that nobody outside can choose ports that
 * collide: 1-3 for the table, where a packet waits for it, and 2-4 for initial
 * sequence numbers (RFC 6528) and cookies, where the output is visible. The table
 * grows with what is in it, as long as there is memory.
 */
#include "tcp_conn.h"
#include "../libos/heap.h"
#include "../libos/random.h"

#define GROWTH 8

static struct tcp_node *first_buckets[64];
static struct tcp_node **buckets = first_buckets;
static u32 nbuckets = ARRAY_SIZE(first_buckets), nnodes;
static u64 table_key[2], secret_key[2];

void tcp_table_init(void)
{
	random_bytes(table_key, sizeof(table_key));
	random_bytes(secret_key, sizeof(secret_key));
}

static inline u64 rotate(u64 x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_rounds(u64 v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1], v[1] = rotate(v[1], 13) ^ v[0], v[0] = rotate(v[0], 32);
		v[2] += v[3], v[3] = rotate(v[3], 16) ^ v[2];
		v[0] += v[3], v[3] = rotate(v[3], 21) ^ v[0];
		v[2] += v[1], v[1] = rotate(v[1], 17) ^ v[2], v[2] = rotate(v[2], 32);
	}
}

/* SipHash of n whole words. */
static inline u64 siphash(const u64 key[2], const u64 *word, unsigned n, int c_rounds, int d_rounds)
{
	u64 v[4] = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
		     key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573 };
	u64 last = (u64)(n * 8) << 56;

	for (unsigned i = 0; i <= n; i++) {
		u64 m = i < n ? word[i] : last;

		v[3] ^= m;
		sip_rounds(v, c_rounds);
		v[0] ^= m;
	}
	v[2] ^= 0xff;
	sip_rounds(v, d_rounds);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static u32 hash_of(const struct ipaddr *local, u16 lport, const struct ipaddr *remote, u16 rport)
{
	u64 word[5];

	memcpy(word, local, 16);
	memcpy(word + 2, remote, 16);
	word[4] = (u64)lport << 16 | rport;
	return siphash(table_key, word, ARRAY_SIZE(word), 1, 3);
}

static void insert(struct tcp_node *node)
{
	struct tcp_node **head = &buckets[node->hash % nbuckets];

	node->next = *head;
	*head = node;
}

static void grow(void)
{
	struct tcp_node **old = buckets, *n, *next;
	struct tcp_node **larger = kalloc(nbuckets * GROWTH * sizeof(*larger));
	u32 nold = nbuckets;

	if (larger == NULL)
		return; /* slower, but as good */
	buckets = larger;
	nbuckets *= GROWTH;
	for (u32 i = 0; i < nold; i++) {
		for (n = old[i]; n != NULL; n = next) {
			next = n->next;
			insert(n);
		}
	}
	if (old != first_buckets)
		kfree(old);
}

void tcp_table_add(struct tcp_node *node)
{
	if (++nnodes % nbuckets == 0)
		grow();
	node->hash = hash_of(&node->local, node->lport, &node->remote, node->rport);
	insert(node);
	node->hashed = true;
}

void tcp_table_del(struct tcp_node *node)
{
	struct tcp_node **at = &buckets[node->hash % nbuckets];

	if (!node->hashed)
		return;
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->hashed = false;
	nnodes--;
}

struct tcp_node *tcp_table_find(const struct ipaddr *local, u16 lport, const struct ipaddr *remote,
				u16 rport)
{
	u32 hash = hash_of(local, lport, remote, rport);
	struct tcp_node *n;

	for (n = buckets[hash % nbuckets]; n != NULL; n = n->next)
		if (n->hash == hash && n->rport == rport && n->lport == lport &&
		    ip_equal(&n->remote, remote) && ip_equal(&n->local, local))
			return n;
	return NULL;
}

void tcp_table_visit(void (*visit)(struct tcp_node *node, void *arg), void *arg)
{
	for (u32 i = 0; i < nbuckets; i++) {
		for (struct tcp_node *n = buckets[i], *next; n != NULL; n = next) {
			next = n->next;
			visit(n, arg);
		}
	}
}

u64 tcp_keyed_hash(const struct tcp_node *node, u64 extra)
{
	u64 word[6];

	memcpy(word, &node->local, 16);
	memcpy(word + 2, &node->remote, 16);
	word[4] = (u64)node->lport << 16 | node->rport;
	word[5] = extra;
	return siphash(secret_key, word, ARRAY_SIZE(word), 2, 4);
}

enum { EXTRA_ISN = 1, EXTRA_TS };

/* RFC 6528, 3: a clock of 4 us ticks, from where only we know. */
u32 tcp_initial_seq(const struct tcp_node *node)
{
	return (u32)(now_ns() / 4096) + (u32)tcp_keyed_hash(node, EXTRA_ISN);
}

/* RFC 7323, 7.1: our clock shows each peer another time. */
u32 tcp_ts_offset(const struct tcp_node *node)
{
	return tcp_keyed_hash(node, EXTRA_TS);
}
