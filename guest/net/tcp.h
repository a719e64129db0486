/*
 * TCP, for the rest of the library OS; sockets are made by tcp_socket()
 * (socket.h), packets come by tcp_input() (ip.h).
 */
#ifndef NET_TCP_H
#define NET_TCP_H

#include "pkt.h"
#include "socket.h"

/* Appends the `len` bytes at `data`, which lie in `mem`, to what is to be
 * sent, without copying them: for sendfile(2). They must not change until the
 * reference that this takes is put. Waits for room (unless nonblock); `more`:
 * other bytes follow at once, so a partial segment may wait. Bytes taken,
 * which are less than len only if some were; or -errno (-EAGAIN, -EPIPE,
 * -EINTR, -ENOMEM ...). No signal is sent. */
long tcp_send_mem(struct socket *s, struct pkt_mem *mem, u8 *data, u32 len, bool nonblock,
		  bool more);

#endif
