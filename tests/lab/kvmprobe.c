/*
 * kvmprobe - makes a VM, checks its KVM flavour, and says what it found:
 *
 *   hlt: a vCPU in real mode executes hlt, and KVM reports just that
 *   flavour: hard if SYSCALL at CPL3 enters CPL0, as on SVM and VMX; soft if it
 *            stays at CPL3, as on KVMs that interpret CPL0
 *
 * Exit status 0: a VM runs; the flavour is on stdout.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

enum {
	MEMORY = 0x10000,
	CODE = 0x8000, /* entered at CPL3 */
	LSTAR_CODE = 0x9000,
	/* page tables: one 2 MiB page, user-accessible, at address 0 */
	PML4 = 0x1000,
	PDPT = 0x2000,
	PD = 0x3000,
};

#define PAGE_USER_RW 0x7ul
#define PAGE_LARGE   0x80ul
#define MSR_STAR     0xc0000081
#define MSR_LSTAR    0xc0000082

static uint8_t *memory;
static struct kvm_run *run;

static int ctl(int fd, unsigned long request, void *argument)
{
	int result = ioctl(fd, request, argument);

	if (result < 0)
		err(1, "ioctl %#lx", request);
	return result;
}

static int make_vcpu(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		err(1, "/dev/kvm");
	int vm = ctl(kvm, KVM_CREATE_VM, NULL);

	memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	struct kvm_userspace_memory_region region = {
		.memory_size = MEMORY,
		.userspace_addr = (uintptr_t)memory,
	};

	ctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
	int vcpu = ctl(vm, KVM_CREATE_VCPU, NULL);

	run = mmap(NULL, (size_t)ctl(kvm, KVM_GET_VCPU_MMAP_SIZE, NULL), PROT_READ | PROT_WRITE,
		   MAP_SHARED, vcpu, 0);
	if (run == MAP_FAILED)
		err(1, "mmap of the vCPU");
	return vcpu;
}

static void check_hlt(int vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };

	memory[CODE] = 0xf4;
	ctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = sregs.cs.selector = 0;
	ctl(vcpu, KVM_SET_SREGS, &sregs);
	ctl(vcpu, KVM_SET_REGS, &regs);
	ctl(vcpu, KVM_RUN, NULL);
	if (run->exit_reason != KVM_EXIT_HLT)
		errx(1, "exit reason %u for hlt", run->exit_reason);
	puts("hlt: ok");
}

static void long_mode_tables(void)
{
	const uint64_t pml4e = PDPT | PAGE_USER_RW, pdpte = PD | PAGE_USER_RW;
	const uint64_t pde = PAGE_LARGE | PAGE_USER_RW;

	memcpy(memory + PML4, &pml4e, sizeof pml4e);
	memcpy(memory + PDPT, &pdpte, sizeof pdpte);
	memcpy(memory + PD, &pde, sizeof pde);
}

/* A flat segment at a privilege level (APM volume 2, section 4.8). */
static struct kvm_segment segment(uint16_t selector, uint8_t type, int code)
{
	return (struct kvm_segment){
		.limit = UINT32_MAX,
		.selector = selector,
		.type = type,
		.present = 1,
		.dpl = selector & 3,
		.s = 1,
		.l = code,
		.db = !code,
		.g = 1,
	};
}

static void enter_long_mode(int vcpu)
{
	struct kvm_sregs sregs;

	long_mode_tables();
	ctl(vcpu, KVM_GET_SREGS, &sregs);
	sregs.cr3 = PML4;
	sregs.cr4 = 1 << 5; /* PAE */
	sregs.cr0 = 0x80000011; /* PG, ET, PE */
	sregs.efer = 1 | 1 << 8 | 1 << 10; /* SCE, LME, LMA */
	sregs.cs = segment(0x33, 11, 1);
	sregs.ss = sregs.ds = sregs.es = segment(0x2b, 3, 0);
	ctl(vcpu, KVM_SET_SREGS, &sregs);
}

static void set_syscall_msrs(int vcpu)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[2];
	} msrs = {
		.head.nmsrs = 2,
		.entry = {
			{.index = MSR_STAR, .data = 0x0023001000000000},
			{.index = MSR_LSTAR, .data = LSTAR_CODE},
		},
	};

	if (ctl(vcpu, KVM_SET_MSRS, &msrs) != 2)
		errx(1, "cannot set the MSRs of SYSCALL");
}

/*
 * At LSTAR: mov %cs, %eax; mov %eax, 0x20000: outside memory, so an MMIO exit that
 * either privilege level can make.
 */
static const char *flavour(int vcpu)
{
	static const uint8_t at_lstar[] = { 0x8c, 0xc8, 0x89, 0x04, 0x25, 0, 0, 2, 0 };
	static const uint8_t at_start[] = { 0x0f, 0x05 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };

	memcpy(memory + CODE, at_start, sizeof at_start);
	memcpy(memory + LSTAR_CODE, at_lstar, sizeof at_lstar);
	enter_long_mode(vcpu);
	set_syscall_msrs(vcpu);
	ctl(vcpu, KVM_SET_REGS, &regs);
	ctl(vcpu, KVM_RUN, NULL);
	if (run->exit_reason != KVM_EXIT_MMIO)
		errx(1, "exit reason %u after syscall", run->exit_reason);
	return (run->mmio.data[0] & 3) == 0 ? "hard" : "soft";
}

int main(void)
{
	int vcpu = make_vcpu();

	check_hlt(vcpu);
	printf("flavour: %s\n", flavour(vcpu));
}
