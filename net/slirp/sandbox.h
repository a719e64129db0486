/*
 * What the process of the user network gives up once its ports are open.
 */
#ifndef NET_SLIRP_SANDBOX_H
#define NET_SLIRP_SANDBOX_H

/* Ends the process when it cannot be done. */
void sandbox_enter(void);

#endif
