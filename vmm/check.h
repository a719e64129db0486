/*
 * `vmm check`: whether this host can run VMs, and if not, what to do.
 */
#ifndef VMM_CHECK_H
#define VMM_CHECK_H

/* Prints the findings to stdout; returns the exit status: 0, or EXIT_VMM when
 * something that `vmm run` needs is missing. */
int check_host(void);

#endif
