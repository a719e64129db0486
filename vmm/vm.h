/*
 * One virtual machine: what is shared between its threads.
 */
#ifndef VMM_VM_H
#define VMM_VM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include "../shared/abi.h"
#include "fill.h"
#include "mem.h"
#include "options.h"

struct ioapic;
struct kvm_run;
struct serial;
struct virtio_dev;

/* Counters for --stats; each vCPU thread adds to its own copy. */
struct vcpu_stats {
	uint64_t exits, mmio, attended, pio, intr, other;
};

struct vcpu {
	struct vm *vm;
	unsigned id; /* and APIC id */
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool came; /* the guest has started it (vCPUs other than 0) */
	atomic_bool started; /* thread is valid: it may be signalled */
	atomic_uint stuck_round; /* signals.c: when it was last seen to be halted for ever */
	unsigned spent_round; /* signals.c: when its instruction was last looked at */
	struct vcpu_stats stats;
	int stats_fd; /* KVM's own counters with --stats (kvm_stats.h), or -1 */
};

struct vm {
	const struct options *opt;
	int kvm_fd, fd;
	struct guest_mem mem;
	struct fill fill; /* what is known of our own guest's kernel */
	struct vcpu vcpu[MAX_CPUS];
	struct virtio_dev *dev[VIRTIO_MMIO_MAX]; /* by window, NULL: none */
	unsigned ndev;
	bool own_guest; /* runs our guest image, with a device tree; else another kernel */
	struct serial *serial;
	struct ioapic *ioapic; /* NULL with our own guest image */
};

/*
 * Opens /dev/kvm and makes the VM with its memory and a local APIC for each
 * vCPU to come. vm->opt and vm->mem are set. Ends the process when the host
 * cannot.
 */
void vm_create(struct vm *vm);

/* TSC frequency of the guest in Hz. vCPU 0 exists. */
uint64_t vm_tsc_hz(struct vm *vm);

/* An ioctl that must work: ends the process with its name when it does not. */
int vm_ioctl(int fd, unsigned long request, void *argument, const char *name);

/*
 * Raises `vector` on vCPU 0 as an MSI (KVM_SIGNAL_MSI). Any thread may call
 * it; async-signal-safe. For other kernels, whose vectors are their own,
 * VECTOR_DEVICE + i stands for the IOAPIC pin of virtio window i.
 */
void vm_raise(struct vm *vm, unsigned vector);

/* Ends the process with the program's status from any thread: restores the
 * terminal, prints what --stats and --verbose ask for, leaves without
 * tearing down what the host reclaims anyway. Waits until console output that
 * the guest has handed over is written. */
_Noreturn void vm_exit(struct vm *vm, int status);

/* The same with a message ("vmm: ..."), which comes after all output. */
_Noreturn void vm_fail(struct vm *vm, int status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
