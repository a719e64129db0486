/*
 * What the servers of this folder have in common: sockets that serve IPv4 and
 * IPv6 alike, and an end when a signal asks for it. Plain Linux.
 */
#ifndef EXAMPLES_SERVER_H
#define EXAMPLES_SERVER_H

#include <signal.h>
#include <stdint.h>

/* Prints "PROGRAM: WHAT: the error of errno" and ends the process. */
_Noreturn void die(const char *what);

/* A number from a command line, from 1 to `most`; 0 when it is none. */
unsigned parse_number(const char *text, unsigned most);

/* A non-blocking socket on this port of all addresses: SOCK_STREAM (listening)
 * or SOCK_DGRAM. Ends the process when that cannot be. */
int serve(int type, uint16_t port);

/* As many descriptors as the system lets us have. */
void raise_descriptor_limit(void);

/* From here on SIGTERM and SIGINT set `stopping`, but are blocked: `unblocked`
 * is the mask for epoll_pwait(), so that none is missed between a look at
 * `stopping` and the wait. */
extern volatile sig_atomic_t stopping;
void stop_on_signals(sigset_t *unblocked);

#endif
