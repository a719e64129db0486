/*
 * The network at boot.
 */
#ifndef LIBOS_NET_BOOT_H
#define LIBOS_NET_BOOT_H

/* Starts the interfaces that the VM has; without one, nothing. */
void net_boot(void);

/* The VM ends: closes the program's files, and waits for what its sockets had
 * to send; without a network, nothing. */
void net_end(void);

#endif
