/*
 * Signals to the VMM, and the alarm clock.
 *
 * Handlers only note what happened and make KVM_RUN return at once
 * (kvm_run->immediate_exit, so that none is lost between the look and the
 * entry); vCPU 0's thread does the rest in signals_serve(). All other threads
 * block the signals that are handled so.
 */
#ifndef VMM_SIGNALS_H
#define VMM_SIGNALS_H

#include "vm.h"

#define SIGNAL_KICK SIGUSR1 /* makes the KVM_RUN of a thread return */

/* Installs the handlers and starts the clock. vCPU 0 exists; main thread. */
void signals_start(struct vm *vm);

/* For threads other than vCPU 0's: blocks the process's signals. */
void signals_block(void);

/* The calling thread is going to run this vCPU. */
void signals_attach(struct vcpu *vcpu);

/* After KVM_RUN returned -EINTR, in the vCPU's thread. */
void signals_serve(struct vcpu *vcpu);

/* The number of the signal that waits for the guest, once; 0: none. */
uint32_t signals_fetch(void);

/* The VM is ending: from now on SIGINT and SIGTERM end the process at once. */
void signals_leaving(void);

#endif
