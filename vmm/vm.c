/* The virtual machine as a whole, see vm.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "../shared/x86.h"
#include "console.h"
#include "fail.h"
#include "ioapic.h"
#include "net.h"
#include "signals.h"
#include "stats.h"
#include "term.h"
#include "timeline.h"
#include "vm.h"
#include "../net/pcap.h"

/* Three pages that VMX needs for real mode on CPUs without "unrestricted
 * guest" (KVM_SET_TSS_ADDR), in the hole below 4 GiB and away from devices. */
#define KVM_TSS_GPA 0xfffbd000

int vm_ioctl(int fd, unsigned long request, void *argument, const char *name)
{
	int r = ioctl(fd, request, argument);

	if (r < 0)
		fail(EXIT_VMM, "KVM refused %s: %s; \"vmm check\" says what is missing", name,
		     strerror(errno));
	return r;
}

static void open_kvm(struct vm *vm)
{
	int version;

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0 && errno == ENOENT)
		fail(EXIT_VMM, "/dev/kvm is not there; load the module kvm_intel or kvm_amd, and "
			       "enable virtualization in the firmware");
	if (vm->kvm_fd < 0 && (errno == EACCES || errno == EPERM))
		fail(EXIT_VMM, "/dev/kvm: permission denied; join the group kvm: "
			       "sudo usermod -aG kvm $USER, then log in again");
	if (vm->kvm_fd < 0)
		fail(EXIT_VMM, "/dev/kvm: %s; \"vmm check\" says what is missing", strerror(errno));
	version = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		fail(EXIT_VMM,
		     "/dev/kvm has API version %d instead of %d; use a Linux kernel from "
		     "2.6.22 on",
		     version, KVM_API_VERSION);
}

static void set_slot(struct vm *vm, uint32_t slot, uint32_t flags, uint64_t gpa, uint8_t *host,
		     uint64_t size)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uint64_t)host,
	};

	vm_ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

/*
 * Memory slots come before the interrupt controller: after it each costs
 * milliseconds on the soft flavour, as KVM then waits for readers.
 */
void vm_create(struct vm *vm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { IOAPIC_PINS } };
	const struct guest_mem *mem = &vm->mem;

	open_kvm(vm);
	timeline_mark("open /dev/kvm");
	do
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0)
		fail(EXIT_VMM, "KVM refused KVM_CREATE_VM: %s; \"vmm check\" says what is missing",
		     strerror(errno));
	timeline_mark("create VM");
	vm_ioctl(vm->fd, KVM_SET_TSS_ADDR, (void *)KVM_TSS_GPA, "KVM_SET_TSS_ADDR");
	set_slot(vm, 0, 0, 0, mem->base, mem->low);
	if (mem->size > mem->low)
		set_slot(vm, 1, 0, RAM_HOLE_END, mem->base + mem->low, mem->size - mem->low);
	if (mem->contents.size > 0)
		set_slot(vm, 2, KVM_MEM_READONLY, mem->contents.gpa, mem->contents.base,
			 mem->contents.size);
	if (mem->dax.size > 0)
		set_slot(vm, 3, mem->dax.writable ? 0 : KVM_MEM_READONLY, mem->dax.gpa,
			 mem->dax.base, mem->dax.size);
	timeline_mark("memory slots");
	vm_ioctl(vm->fd, KVM_ENABLE_CAP, &split, "KVM_CAP_SPLIT_IRQCHIP (Linux 4.5 has it)");
	timeline_mark("interrupt controller");
}

uint64_t vm_tsc_hz(struct vm *vm)
{
	/* Asking the VM is cheap, but only Linux 5.18 and later answer. */
	int khz = ioctl(vm->fd, KVM_GET_TSC_KHZ, 0);

	if (khz <= 0)
		khz = ioctl(vm->vcpu[0].fd, KVM_GET_TSC_KHZ, 0);
	if (khz <= 0)
		fail(EXIT_VMM,
		     "KVM does not know the frequency of the TSC (KVM_GET_TSC_KHZ); use a "
		     "host with a constant TSC");
	return (uint64_t)khz * 1000;
}

/* SDM 10.11: physical destination, APIC id 0, fixed, edge. */
void vm_raise(struct vm *vm, unsigned vector)
{
	struct kvm_msi msi = { .address_lo = APIC_GPA, .data = vector };

	if (vm->ioapic) {
		ioapic_raise(vm->ioapic, vector - VECTOR_DEVICE + IOAPIC_PIN_VIRTIO);
		return;
	}
	ioctl(vm->fd, KVM_SIGNAL_MSI, &msi);
}

static bool linux_at_least(unsigned major, unsigned minor)
{
	struct utsname host;
	unsigned long a, b;
	char *end;

	if (uname(&host) < 0)
		return false;
	a = strtoul(host.release, &end, 10);
	b = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	return a > major || (a == major && b >= minor);
}

/*
 * Taking a KVM VM apart waits several times until all CPUs have passed through
 * the scheduler, and the last to let go of the VM waits: our exit, some 0.2 ms
 * on an idle host and 10 on a busy one. So the last reference is left in a
 * message that a socket has sent itself. Nobody can ever receive it; the
 * kernel's collector of such sockets finds it and takes the VM apart in a
 * thread of its own. Before Linux 6.10 the collector ran in our exit, where it
 * gains nothing and holds other collections up, so there it is left alone.
 * Memory and processes are not held by it. Failure costs only time.
 */
static void let_go(int vm_fd)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control = { .head = { .cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS,
				.cmsg_len = CMSG_LEN(2 * sizeof(int)) } };
	char byte = 0;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int pair[2];

	if (!linux_at_least(6, 10))
		return;
	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
		return;
	memcpy(CMSG_DATA(&control.head), (int[]){ vm_fd, pair[1] }, 2 * sizeof(int));
	sendmsg(pair[0], &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static _Noreturn void leave(struct vm *vm, int status, const char *message)
{
	static atomic_flag leaving = ATOMIC_FLAG_INIT;

	/* The first thread to come decides the status; the others wait for
	 * the end, which is near. */
	while (atomic_flag_test_and_set(&leaving))
		pause();
	timeline_mark("guest ended");
	signals_leaving();
	console_drain(vm);
	net_drain(vm);
	pcap_finish();
	term_restore();
	timeline_mark("output written");
	if (message)
		warn("%s", message);
	if (vm->opt->verbose)
		timeline_print(vm);
	if (vm->opt->stats)
		stats_print(vm);
	let_go(vm->fd);
	_exit(status);
}

void vm_exit(struct vm *vm, int status)
{
	leave(vm, status, NULL);
}

void vm_fail(struct vm *vm, int status, const char *format, ...)
{
	char message[512];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	leave(vm, status, message);
}
