/*
 * What a vCPU's exits to user space ask for.
 */
#ifndef VMM_EXITS_H
#define VMM_EXITS_H

#include "vm.h"

/* Serves the exit that vcpu->run describes; ends the VM where it says so. */
void exit_serve(struct vcpu *vcpu);

/* KVM_RUN itself failed with this errno: ends the VM, unless it may be tried again. */
void exit_failed(struct vcpu *vcpu, int error);

/* Instruction pointer, for messages. In the vCPU's thread. */
uint64_t exit_rip(const struct vcpu *vcpu);

#endif
