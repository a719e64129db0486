/* `vmm check`, see check.h. */
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "check.h"
#include "load.h"
#include "options.h"

static const struct capability {
	const char *name, *remedy;
	int number;
	bool needed;
} capability[] = {
	{ "KVM_CAP_USER_MEMORY", "use Linux 2.6.26 or later", KVM_CAP_USER_MEMORY, true },
	{ "KVM_CAP_SPLIT_IRQCHIP", "use Linux 4.5 or later", KVM_CAP_SPLIT_IRQCHIP, true },
	{ "KVM_CAP_SIGNAL_MSI", "use Linux 3.5 or later", KVM_CAP_SIGNAL_MSI, true },
	{ "KVM_CAP_IMMEDIATE_EXIT", "use Linux 4.13 or later", KVM_CAP_IMMEDIATE_EXIT, true },
	{ "KVM_CAP_GET_TSC_KHZ", "use a host with a constant TSC", KVM_CAP_GET_TSC_KHZ, true },
	{ "KVM_CAP_MP_STATE", "use Linux 2.6.25 or later", KVM_CAP_MP_STATE, true },
	{ "KVM_CAP_EXT_CPUID", "use Linux 2.6.26 or later", KVM_CAP_EXT_CPUID, true },
	{ "KVM_CAP_IRQFD", "interrupts of busy devices cost more without", KVM_CAP_IRQFD, false },
	{ "KVM_CAP_IOEVENTFD", "busy devices cost more without", KVM_CAP_IOEVENTFD, false },
	{ "KVM_CAP_TSC_DEADLINE_TIMER", "timers are less exact without", KVM_CAP_TSC_DEADLINE_TIMER,
	  false },
	{ "KVM_CAP_VCPU_ATTRIBUTES", "the guest's TSC differs from the host's without (Linux 5.16)",
	  KVM_CAP_VCPU_ATTRIBUTES, false },
	{ "KVM_CAP_SYNC_REGS", "the start costs two calls more without", KVM_CAP_SYNC_REGS, false },
};

static int check_capabilities(int kvm)
{
	int missing = 0;

	for (unsigned i = 0; i < sizeof(capability) / sizeof(capability[0]); i++) {
		const struct capability *c = &capability[i];

		if (ioctl(kvm, KVM_CHECK_EXTENSION, c->number) > 0)
			continue;
		printf("%s: %s: %s\n", c->needed ? "MISSING" : "not there", c->name, c->remedy);
		missing += c->needed;
	}
	return missing;
}

/* What the host's processor says; the guest finds out by trying. */
static const char *flavour(void)
{
	uint32_t a, b, c, d;

	__cpuid(1, a, b, c, d);
	if (c & 1 << 5)
		return "hard (Intel VMX)";
	if (__get_cpuid(0x80000001, &a, &b, &c, &d) && c & 1 << 2)
		return "hard (AMD SVM)";
	return "soft (no VMX or SVM: privileged guest code is interpreted)";
}

/* A VM with a vCPU says more than a list of capabilities. */
static bool check_vm(int kvm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	bool ok = true;

	if (vm < 0) {
		printf("MISSING: a virtual machine cannot be made: %s%s\n", strerror(errno),
		       errno == EBUSY ? " (another hypervisor is active: stop it)" : "");
		return false;
	}
	if (ioctl(vm, KVM_ENABLE_CAP, &split) < 0) {
		printf("MISSING: no split interrupt controller: %s\n", strerror(errno));
		ok = false;
	}
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu < 0) {
		printf("MISSING: a virtual CPU cannot be made: %s\n", strerror(errno));
		ok = false;
	} else {
		close(vcpu);
	}
	close(vm);
	return ok;
}

static int open_kvm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm >= 0)
		return kvm;
	if (errno == ENOENT)
		printf("MISSING: /dev/kvm is not there: load the module kvm_intel or kvm_amd "
		       "(modprobe), and enable virtualization in the firmware\n");
	else if (errno == EACCES || errno == EPERM)
		printf("MISSING: no permission for /dev/kvm: join the group kvm "
		       "(sudo usermod -aG kvm $USER) and log in again\n");
	else
		printf("MISSING: /dev/kvm: %s\n", strerror(errno));
	return -1;
}

static int check_guest_image(void)
{
	char path[PATH_MAX];

	if (load_find_guest_image(path, sizeof(path)))
		return 0;
	printf("MISSING: the guest image, last looked for at %s: build it with \"make\", or set "
	       "MAYFLY_GUEST to its path\n",
	       path);
	return 1;
}

/* Not needed to run VMs. */
static void check_user_network(void)
{
	char path[PATH_MAX];

	if (load_find_slirp(path, sizeof(path)))
		printf("User network: %s\n", path);
	else
		printf("No user network (--net user, --publish): vmm-slirp is not at %s; build it "
		       "with \"make\", or set MAYFLY_SLIRP to its path\n",
		       path);
}

int check_host(void)
{
	int kvm = open_kvm(), version, missing;
	bool works;

	if (kvm < 0)
		return EXIT_VMM;
	version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	printf("KVM: API version %d, %s flavour, up to %d vCPUs\n", version, flavour(),
	       ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS));
	missing = check_capabilities(kvm) + (version != KVM_API_VERSION) + check_guest_image();
	works = check_vm(kvm);
	check_user_network();
	close(kvm);
	if (missing || !works) {
		printf("This host cannot run VMs.\n");
		return EXIT_VMM;
	}
	printf("This host can run VMs.\n");
	return 0;
}
