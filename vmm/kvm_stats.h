/*
 * What KVM itself counted for a vCPU (KVM_GET_STATS_FD, Linux 5.14).
 */
#ifndef VMM_KVM_STATS_H
#define VMM_KVM_STATS_H

#include <stdint.h>

/* The vCPU's counters, -1 where KVM has none. While it runs the ioctl would
 * wait, so this belongs before the first KVM_RUN. */
int kvm_stats_open(int vcpu_fd);

/* The counter of that name (its first value), 0 where there is none such. */
uint64_t kvm_stats_read(int stats_fd, const char *name);

#endif
