/*
 * Exits to user space: ports, device registers, and all the ways in which a
 * guest can fail. The guest is hostile: what an exit asks for is bounded
 * here or in the device, and what makes no sense ends this VM.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include "attend.h"
#include "exits.h"
#include "fail.h"
#include "fill.h"
#include "fs.h"
#include "ioapic.h"
#include "serial.h"
#include "signals.h"
#include "virtio.h"

uint64_t exit_rip(const struct vcpu *vcpu)
{
	struct kvm_regs regs = { .rip = 0 };

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	return regs.rip;
}

/* One line with the reason and the place, then the end. */
#define STOP(vcpu, format, ...)                                                                 \
	vm_fail((vcpu)->vm, EXIT_VMM, format " at instruction %#llx of vCPU %u", ##__VA_ARGS__, \
		(unsigned long long)exit_rip(vcpu), (vcpu)->id)

/* ---- ports */

static void port_write(struct vcpu *vcpu, unsigned port, unsigned size, uint32_t value)
{
	if (port == EXIT_PORT) {
		if (value & EXIT_PANIC)
			STOP(vcpu, "the guest image stopped itself because of an error");
		vm_exit(vcpu->vm, value & 0xff);
	}
	if (port >= SERIAL_PORT && port < SERIAL_PORT + 8 && size == 1)
		serial_write(vcpu->vm->serial, port - SERIAL_PORT, (uint8_t)value);
}

static uint32_t port_read(struct vcpu *vcpu, unsigned port, unsigned size)
{
	if (port == EXIT_PORT)
		return signals_fetch();
	if (port >= SERIAL_PORT && port < SERIAL_PORT + 8 && size == 1)
		return serial_read(vcpu->vm->serial, port - SERIAL_PORT);
	return 0xffffffff; /* nobody drives the bus */
}

/* The registers tell what for: abi.h. Only our own guest's kernel gets there. */
static void serve_fill(struct vcpu *vcpu, bool writes, void *data)
{
	const struct guest_mem *mem = &vcpu->vm->mem;
	struct kvm_regs regs = { .rcx = 0 };
	uint32_t told = 1;
	bool done;

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	if (writes)
		done = fill_entries(mem, regs.rdi, regs.rax, regs.rcx);
	else
		done = (told = fill_run_length(mem, regs.rdi, regs.rcx)) > 0;
	if (!done)
		STOP(vcpu, "the guest asked for page table entries where there can be none");
	if (!writes)
		memcpy(data, &told, sizeof(told));
}

static void serve_port(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	const unsigned size = run->io.size;

	vcpu->stats.pio++;
	if (run->io.port == FILL_PORT && vcpu->vm->own_guest && size == 4 && run->io.count == 1) {
		serve_fill(vcpu, run->io.direction == KVM_EXIT_IO_OUT, data);
		return;
	}
	for (uint32_t i = 0; i < run->io.count; i++, data += size) {
		uint32_t value = 0;

		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, size);
			port_write(vcpu, run->io.port, size, value);
		} else {
			value = port_read(vcpu, run->io.port, size);
			memcpy(data, &value, size);
		}
	}
}

/* ---- memory-mapped registers */

/* The library OS's registers tell what for: abi.h. */
static void serve_map(struct vcpu *vcpu, bool unmap)
{
	const struct vm *vm = vcpu->vm;
	struct kvm_regs regs = { .rdx = 0 };
	uint32_t done;

	ioctl(vcpu->fd, KVM_GET_REGS, &regs);
	done = unmap ? fill_unmap(&vm->fill, &vm->mem, regs.rdi, regs.rdx) :
		       fill_map(&vm->fill, &vm->mem, regs.rdi, regs.rsi, regs.rdx);
	memcpy(vcpu->run->mmio.data, &done, sizeof(done));
}

static void serve_attend(struct vcpu *vcpu)
{
	uint32_t value;

	vcpu->stats.attended++;
	memcpy(&value, vcpu->run->mmio.data, sizeof(value));
	attend(vcpu, value);
}

static void serve_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vm *vm = vcpu->vm;
	const uint64_t gpa = run->mmio.phys_addr,
		       window = (gpa - VIRTIO_MMIO_GPA) / VIRTIO_MMIO_SIZE;

	if (gpa == ATTEND_GPA && vm->own_guest && window >= vm->ndev && run->mmio.is_write &&
	    run->mmio.len == 4) {
		serve_attend(vcpu);
		return;
	}
	vcpu->stats.mmio++;
	if ((gpa == MAP_GPA || gpa == UNMAP_GPA) && vm->fill.offered && window >= vm->ndev &&
	    !run->mmio.is_write && run->mmio.len == 4) {
		serve_map(vcpu, gpa == UNMAP_GPA);
		return;
	}
	if (gpa >= VIRTIO_MMIO_GPA && window < vm->ndev) {
		if (run->mmio.is_write)
			virtio_mmio_write(vm->dev[window], gpa % VIRTIO_MMIO_SIZE, run->mmio.data,
					  run->mmio.len);
		else
			virtio_mmio_read(vm->dev[window], gpa % VIRTIO_MMIO_SIZE, run->mmio.data,
					 run->mmio.len);
		return;
	}
	if (vm->ioapic && gpa >= IOAPIC_GPA && gpa < IOAPIC_GPA + IOAPIC_SIZE) {
		ioapic_access(vm->ioapic, gpa - IOAPIC_GPA, run->mmio.data, run->mmio.len,
			      run->mmio.is_write);
		return;
	}
	STOP(vcpu, "the guest %s %u bytes at physical address %#llx, where there is nothing,",
	     run->mmio.is_write ? "wrote" : "read", run->mmio.len, (unsigned long long)gpa);
}

/* ---- failures */

static const char *internal_error(uint32_t suberror)
{
	switch (suberror) {
	case KVM_INTERNAL_ERROR_EMULATION:
		return "cannot emulate an instruction";
	case KVM_INTERNAL_ERROR_SIMUL_EX:
		return "met two exceptions at once";
	case KVM_INTERNAL_ERROR_DELIVERY_EV:
		return "cannot deliver an exception";
	case KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON:
		return "met an exit that it does not know";
	default:
		return "has an internal error";
	}
}

static _Noreturn void stop_internal(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char bytes[3 * 15 + 1] = "";

	if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION &&
	    run->emulation_failure.ndata >= 1 &&
	    run->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)
		for (unsigned i = 0; i < run->emulation_failure.insn_size && i < 15; i++) {
			static const char digit[] = "0123456789abcdef";
			const uint8_t byte = run->emulation_failure.insn_bytes[i];

			memcpy(bytes + 3 * i, (char[]){ ' ', digit[byte >> 4], digit[byte & 15] },
			       3);
			bytes[3 * i + 3] = 0;
		}
	if (bytes[0])
		STOP(vcpu, "KVM %s (bytes%s)", internal_error(run->internal.suberror), bytes);
	STOP(vcpu, "KVM %s (suberror %u)", internal_error(run->internal.suberror),
	     run->internal.suberror);
}

void exit_failed(struct vcpu *vcpu, int error)
{
	if (error == EFAULT && fs_mend(vcpu->vm))
		return; /* try again */
	if (error == EFAULT)
		STOP(vcpu,
		     "KVM cannot reach guest memory (was a file that the VM uses truncated?)");
	STOP(vcpu, "KVM_RUN failed: %s,", strerror(error));
}

void exit_serve(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		serve_port(vcpu);
		return;
	case KVM_EXIT_MMIO:
		serve_mmio(vcpu);
		return;
	case KVM_EXIT_IOAPIC_EOI: /* nothing waits for it (ioapic.h) */
		vcpu->stats.other++;
		return;
	case KVM_EXIT_INTR:
		vcpu->stats.intr++;
		return;
	case KVM_EXIT_SHUTDOWN:
		STOP(vcpu, "the guest failed with a triple fault");
	case KVM_EXIT_HLT:
		STOP(vcpu, "the guest halted for ever");
	case KVM_EXIT_FAIL_ENTRY:
		STOP(vcpu, "the processor refused to enter the guest (hardware reason %#llx)",
		     (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_INTERNAL_ERROR:
		stop_internal(vcpu);
	case KVM_EXIT_SYSTEM_EVENT:
		STOP(vcpu, "the guest asked for system event %u", run->system_event.type);
	default:
		STOP(vcpu, "KVM exit %u, which this program does not know,", run->exit_reason);
	}
}
