/* Virtual CPUs, see vcpu.h. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "cpuid.h"
#include "exits.h"
#include "fail.h"
#include "kvm_stats.h"
#include "signals.h"
#include "timeline.h"
#include "vcpu.h"

#define STACK_SIZE (128u << 10) /* of a vCPU's thread: its calls are shallow */

#define AHEAD 2 /* vCPUs that exist before the guest asks for them */

static struct cpuid template; /* made with vCPU 0, before other threads exist */

/*
 * TSC of the guest = TSC of the host, because the library OS reads it on the
 * soft flavour without KVM's offset, and the device tree promises it. Hosts
 * from before Linux 5.16 can't be told; there the guest is late by a constant.
 */
static void set_tsc_offset(const struct vcpu *vcpu)
{
	uint64_t offset = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uint64_t)&offset,
	};

	ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attr);
}

/*
 * As the guest's kernel will set it, which KVM may not see: TCG's SVM does not
 * intercept XSETBV. KVM would then load what it takes for the value, x87 alone, at
 * each entry, and a program's XSAVE would leave out SSE.
 */
static void set_xcr0(const struct vcpu *vcpu, struct cpuid *cpuid)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs[0].value = cpuid_xcr0(cpuid) };

	if (xcrs.xcrs[0].value)
		ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs);
}

static void map_run(struct vcpu *vcpu)
{
	int size =
		vm_ioctl(vcpu->vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	void *run = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);

	if (run == MAP_FAILED)
		fail(EXIT_VMM, "cannot map vCPU %u: %s", vcpu->id, strerror(errno));
	vcpu->run = run;
}

void vcpu_create(struct vm *vm, unsigned id)
{
	struct vcpu *vcpu = &vm->vcpu[id];
	struct cpuid cpuid;

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, id);
	if (vcpu->fd < 0)
		fail(EXIT_VMM, "KVM refused to make vCPU %u: %s; give fewer with --cpus", id,
		     strerror(errno));
	map_run(vcpu);
	vcpu->stats_fd = vm->opt->stats ? kvm_stats_open(vcpu->fd) : -1;
	if (id == 0) {
		timeline_mark("create vCPU 0");
		cpuid_make(&template, vm);
		timeline_mark("CPUID read");
	}
	cpuid = template;
	cpuid_set_id(&cpuid, id);
	vm_ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid, "KVM_SET_CPUID2");
	set_xcr0(vcpu, &cpuid);
	if (id == 0)
		timeline_mark("CPUID set");
	set_tsc_offset(vcpu);
	if (id == 0)
		timeline_mark("TSC set");
}

/* With KVM_RUN itself where the host can do that (two ioctls less). */
void vcpu_set_registers(struct vcpu *vcpu, const struct kvm_sregs *sregs,
			const struct kvm_regs *regs)
{
	const unsigned both = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	int can = ioctl(vcpu->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS);

	if (can > 0 && ((unsigned)can & both) == both) {
		vcpu->run->s.regs.sregs = *sregs;
		vcpu->run->s.regs.regs = *regs;
		vcpu->run->kvm_dirty_regs = both;
		return;
	}
	vm_ioctl(vcpu->fd, KVM_SET_SREGS, (void *)sregs, "KVM_SET_SREGS");
	vm_ioctl(vcpu->fd, KVM_SET_REGS, (void *)regs, "KVM_SET_REGS");
}

static void start_next(struct vm *vm);

/* The first INIT or SIPI has come: this vCPU starts. */
static void came(struct vcpu *vcpu)
{
	if (!vcpu->came) {
		vcpu->came = true;
		start_next(vcpu->vm);
	}
}

void vcpu_run(struct vcpu *vcpu)
{
	signals_attach(vcpu);
	for (;;) {
		int r = ioctl(vcpu->fd, KVM_RUN, 0);

		vcpu->stats.exits++;
		if (r == 0) {
			exit_serve(vcpu);
		} else if (errno == EINTR) {
			vcpu->stats.intr++;
			/* before the look, or a signal after it would be lost */
			vcpu->run->immediate_exit = 0;
			signals_serve(vcpu);
		} else if (errno == EAGAIN) {
			vcpu->stats.other++;
			came(vcpu);
		} else {
			exit_failed(vcpu, errno);
		}
	}
}

/*
 * KVM finds the target of an IPI in a map of APIC ids that it makes anew when
 * an APIC changes, but a vCPU's creation counts before the vCPU can be found.
 * Made while the others run, it may stay out of the map and miss each INIT;
 * setting its APIC state to what it is has KVM make the map again.
 */
static void announce(const struct vcpu *vcpu)
{
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu->fd, KVM_GET_LAPIC, &lapic) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_LAPIC, &lapic) < 0)
		fail(EXIT_VMM, "KVM refused the local APIC of vCPU %u: %s", vcpu->id,
		     strerror(errno));
}

static void *other_thread(void *argument)
{
	struct vcpu *vcpu = argument;

	vcpu_create(vcpu->vm, vcpu->id);
	announce(vcpu);
	atomic_store(&vcpu->started, true);
	vcpu_run(vcpu);
}

static void start_thread(pthread_t *thread, void *(*body)(void *), void *argument)
{
	pthread_attr_t attr;
	int error;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	error = pthread_create(thread, &attr, body, argument);
	if (error)
		fail(EXIT_VMM, "cannot start a thread for a vCPU: %s; give fewer with --cpus",
		     strerror(error));
	pthread_attr_destroy(&attr);
}

/*
 * Our own guest starts its vCPUs in order, each by its predecessor, and
 * retries; so vCPUs are made only as fast as they are asked for, AHEAD of
 * them. A program that ends early never pays for the rest. Other kernels
 * find all vCPUs.
 */
static void start_next(struct vm *vm)
{
	static atomic_uint made = 1;
	unsigned id = atomic_fetch_add(&made, 1);

	if (id >= vm->opt->cpus)
		return;
	vm->vcpu[id].vm = vm;
	vm->vcpu[id].id = id;
	start_thread(&vm->vcpu[id].thread, other_thread, &vm->vcpu[id]);
}

static void *starter_thread(void *argument)
{
	struct vm *vm = argument;
	const unsigned n = vm->own_guest ? AHEAD : vm->opt->cpus - 1;

	signals_block(); /* inherited by the vCPUs' threads */
	for (unsigned i = 0; i < n; i++)
		start_next(vm);
	return NULL;
}

void vcpu_start_others(struct vm *vm)
{
	pthread_t starter;

	int max;

	if (vm->opt->cpus == 1)
		return;
	max = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	if (max > 0 && vm->opt->cpus > (unsigned)max)
		fail(EXIT_VMM, "this host's KVM makes at most %d vCPUs; give fewer with --cpus",
		     max);
	start_thread(&starter, starter_thread, vm);
}
