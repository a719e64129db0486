/*
 * The network at boot.
 */
#ifndef LIBOS_NET_BOOT_H
#define LIBOS_NET_BOOT_H

/* Starts the interfaces that the VM has; without one, nothing. */
void net_boot(void);

#endif
