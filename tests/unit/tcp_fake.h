/*
 * For tests of TCP: in the place of IP a wire that delays, loses, repeats and
 * reorders, with both ends in the same stack; or, for scripts, one that keeps
 * what is sent until the test looks at it, and a peer that is the test itself.
 *
 * The clock stands still but for what the wire and the timers wait for. A call
 * that waits has the world run until it is woken.
 */
#ifndef TESTS_TCP_FAKE_H
#define TESTS_TCP_FAKE_H

#include "fake_libos.h"
#include "../../guest/net/addr_text.h"
#include "../../guest/net/tcp.h"
#include "../../guest/net/tcp_conn.h"

extern struct wire {
	bool script; /* kept for expect_*(), not delivered */
	bool segment; /* large packets arrive as segments of gso_size */
	u64 delay; /* ns, one way */
	u64 jitter; /* and up to so much more, at random */
	unsigned loss, repeat, damage; /* of 1,000 packets */
	unsigned mtu_limit; /* 0, or longer packets are lost, with an ICMP error */
	int error; /* ip_output() fails with it, ip_route() too */
	int (*lose)(const struct tcp_header *h, u32 len); /* asked first */
	u64 packets, lost; /* that went over it */
	u32 longest;
	u8 tos; /* of the last */
} wire;
extern struct netif fake_if; /* mtu, gso_max */

void tcp_fake_begin(void);
void tcp_fake_end(void); /* nothing is left: packets, memory, timers */
void fake_seed(u64 seed);
u32 fake_random(u32 below);

/* Runs the world: packets and timers, until the time has passed; until nothing
 * happens any more (but TIME-WAIT: `most` limits it). */
void run_for(u64 ns);

/* ---- sockets ---- */
struct socket *new_socket(int family);
struct sockname name_of(int family, const char *addr, u16 port);
struct socket *listen_at(const char *addr, u16 port, int backlog);
struct socket *connect_to(const char *addr, u16 port);
struct socket *accept_from(struct socket *l);
void connect_pair(struct socket **client, struct socket **server); /* through a listener */
void end_socket(struct socket *s); /* close(2) */
long send_to(struct socket *s, const void *data, size_t n, u32 flags);
long recv_from(struct socket *s, void *data, size_t n, u32 flags);
u32 poll_of(struct socket *s);
int set_int(struct socket *s, int name, int value);
#define STATE(s) (tcp_of(s)->state)

/* ---- scripts ---- */
/* The peer of a connection: its address and port, and where the numbers
 * begin: seq and ack below are relative to these. */
struct peer {
	struct ipaddr local, remote; /* ours, the peer's */
	u16 lport, rport;
	u32 iss, irs; /* ours; the peer's */
	struct tcp_options opt; /* for what it sends next */
	u32 window;
};
#define PEER "192.0.2.2"
#define OURS "192.0.2.1"
/* A segment from the peer, with data of `len` bytes that depend on seq. */
void inject(struct peer *p, u8 flags, u32 seq, u32 ack, u32 len);
void inject_raw(const struct peer *p, u8 flags, u32 seq, u32 ack, const void *data, u32 len);
/* The next segment that we sent: its flags, relative numbers and length, all
 * as expected. The answer's options are in `got`. */
extern struct tcp_options got;
extern u16 got_window;
extern u8 got_data[1 << 17];
void expect(struct peer *p, u8 flags, u32 seq, u32 ack, u32 len);
void expect_nothing(void);
void drain(void); /* whatever was sent is of no interest */
bool next_segment(struct tcp_header *h, u32 *len); /* whatever it is; false: none */
/* Opens from the peer's side: SYN, SYN-ACK, ACK; its socket. */
struct socket *passive_open(struct peer *p, struct socket *l, const struct tcp_options *opt);
/* Opens from ours; the socket is connected. */
struct socket *active_open(struct peer *p, const struct tcp_options *opt);
u8 pattern(u32 at);

#endif
