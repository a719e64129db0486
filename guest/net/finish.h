/*
 * The end of the VM, as far as the network is concerned.
 */
#ifndef NET_FINISH_H
#define NET_FINISH_H

/* After the sockets were closed: waits until what was sent is on its way and
 * TCP's peers have acknowledged it, as long as there is progress. */
void net_finish(void);

#endif
