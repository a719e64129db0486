/*
 * Virtual CPUs: making them and running them.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <linux/kvm.h>
#include "vm.h"

/*
 * Makes vCPU `id` of the VM with its CPUID and TSC. vCPU 0 is ready to get
 * its registers; the others wait for INIT and SIPI.
 */
void vcpu_create(struct vm *vm, unsigned id);

/* Registers for the next vcpu_run(), of a vCPU that does not run. */
void vcpu_set_registers(struct vcpu *vcpu, const struct kvm_sregs *sregs,
			const struct kvm_regs *regs);

/* Has vCPUs 1 to opt->cpus - 1 made and run, each in a thread of its own,
 * while the caller goes on. */
void vcpu_start_others(struct vm *vm);

/* Runs the vCPU in this thread until the VM ends. */
_Noreturn void vcpu_run(struct vcpu *vcpu);

#endif
