/*
 * CPUID for the guest. Asking KVM what it supports (KVM_GET_SUPPORTED_CPUID)
 * costs more than the rest of a vCPU, so for our own guest image the table is
 * the host's CPUID, masked by a list of features that need nothing from KVM
 * but to be let through, and that the kernel or programs use. Other kernels
 * get what KVM supports.
 *
 * On hosts without VMX or SVM (the soft flavour), CPUID at CPL3 gives the
 * host's values whatever is set here, and each CPUID instruction of ours is
 * itself slow; only what the guest's kernel looks at is filled in then.
 */
#include <cpuid.h>
#include <string.h>
#include <sys/ioctl.h>
#include "cpuid.h"
#include "fail.h"

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

#define LEAF_MAX           0x0000000d /* the highest basic leaf that we give */
#define EXT_MAX            0x8000001e
#define LEAF1_VMX          (1u << 5) /* ECX */
#define EXT1_SVM           (1u << 2) /* ECX */
#define LEAF1_X2APIC       (1u << 21)
#define LEAF1_TSC_DEADLINE (1u << 24)
#define LEAF1_HYPERVISOR   (1u << 31)
#define LEAF1_HTT          (1u << 28) /* EDX */

/* SDM volume 1, 13.1: x87, SSE, AVX, AVX-512 (opmask, ZMM_Hi256, Hi16_ZMM) */
#define XCR0_WANTED 0xe7

struct wanted {
	uint32_t leaf, index, flags;
	bool hard_only; /* not needed on the soft flavour */
	uint32_t eax, ebx, ecx, edx; /* masks */
};

#define ALL 0xffffffff

/*
 * SDM volume 2A, CPUID; APM volume 3, appendix E. A bit that is left out is
 * either of no use here or needs state that KVM must emulate or switch:
 * MONITOR, PCID, XSAVES, PKU, LA57, SGX, CET, AMX, RTM, PMU, VMX, SVM.
 */
static const struct wanted table[] = {
	/* maximum leaf, vendor */
	{ 0x0, 0, 0, false, ALL, ALL, ALL, ALL },
	/* family; CLFLUSH size; SSE3 PCLMUL SSSE3 FMA CX16 SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE
	 * AVX F16C RDRAND; FPU DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE36 CLFSH
	 * MMX FXSR SSE SSE2 */
	{ 0x1, 0, 0, false, ALL, 0x0000ffff, 0x76d83203, 0x078bbb7d },
	{ 0x80000000, 0, 0, false, ALL, ALL, ALL, ALL },
	/* LAHF ABM SSE4A MISALIGNSSE PREFETCHW TOPOEXT; SYSCALL NX MMXEXT RDTSCP LM and AMD's
	 * copies of leaf 1 */
	{ 0x80000001, 0, 0, false, ALL, 0, 0x004001e1, 0x29d3bb7d },
	/* caches (Intel) */
	{ 0x2, 0, 0, true, ALL, ALL, ALL, ALL },
	{ 0x4, 0, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	{ 0x4, 1, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	{ 0x4, 2, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	{ 0x4, 3, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	/* FSGSBASE BMI1 AVX2 SMEP BMI2 ERMS AVX512F DQ RDSEED ADX SMAP IFMA CLFLUSHOPT CLWB
	 * AVX512CD SHA BW VL; VBMI UMIP VBMI2 GFNI VAES VPCLMUL VNNI BITALG VPOPCNTDQ RDPID;
	 * FSRM VP2INTERSECT SERIALIZE */
	{ 0x7, 0, INDEXED, false, 0x1, 0xf1bf03a9, 0x00405f46, 0x00004110 },
	/* AVX_VNNI AVX512_BF16 FZRM FSRS FSRC */
	{ 0x7, 1, INDEXED, true, 0x00001c30, 0, 0, 0 },
	/* extended state: components; XSAVEOPT XSAVEC XGETBV1; where each is */
	{ 0xd, 0, INDEXED, false, XCR0_WANTED, ALL, ALL, 0 },
	{ 0xd, 1, INDEXED, true, 0x7, 0, 0, 0 },
	{ 0xd, 2, INDEXED, true, ALL, ALL, 0x2, 0 },
	{ 0xd, 5, INDEXED, true, ALL, ALL, 0x2, 0 },
	{ 0xd, 6, INDEXED, true, ALL, ALL, 0x2, 0 },
	{ 0xd, 7, INDEXED, true, ALL, ALL, 0x2, 0 },
	/* brand */
	{ 0x80000002, 0, 0, true, ALL, ALL, ALL, ALL },
	{ 0x80000003, 0, 0, true, ALL, ALL, ALL, ALL },
	{ 0x80000004, 0, 0, true, ALL, ALL, ALL, ALL },
	/* caches */
	{ 0x80000005, 0, 0, true, ALL, ALL, ALL, ALL },
	{ 0x80000006, 0, 0, true, ALL, ALL, ALL, ALL },
	/* invariant TSC */
	{ 0x80000007, 0, 0, true, 0, 0, 0, 0x100 },
	/* address sizes; CLZERO XSAVEERPTR */
	{ 0x80000008, 0, 0, false, 0xff, 0x5, 0, 0 },
	/* caches (AMD) */
	{ 0x8000001d, 0, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	{ 0x8000001d, 1, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	{ 0x8000001d, 2, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
	{ 0x8000001d, 3, INDEXED, true, 0x00003fff, ALL, ALL, ALL },
};

/* What is learnt while the host's CPUID is read. */
struct host {
	uint32_t max, ext_max; /* leaves */
	bool hard, xsave;
};

static struct kvm_cpuid_entry2 *find(struct cpuid *cpuid, uint32_t leaf, uint32_t index)
{
	for (unsigned i = 0; i < cpuid->head.nent; i++)
		if (cpuid->entry[i].function == leaf && cpuid->entry[i].index == index)
			return &cpuid->entry[i];
	return NULL;
}

static struct kvm_cpuid_entry2 *add(struct cpuid *cpuid, uint32_t leaf, uint32_t index,
				    uint32_t flags)
{
	struct kvm_cpuid_entry2 *e = find(cpuid, leaf, index);

	if (e)
		return e;
	if (cpuid->head.nent == CPUID_MAX)
		fail(EXIT_VMM, "the host's CPUID has more than %d leaves", CPUID_MAX);
	e = &cpuid->entry[cpuid->head.nent++];
	*e = (struct kvm_cpuid_entry2){ .function = leaf, .index = index, .flags = flags };
	return e;
}

static uint32_t host_xcr0(void)
{
	uint32_t low, high;

	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low;
}

/* ---- the host's CPUID, masked */

/*
 * Takes a row of the table from the host. On the way it turns out whether
 * KVM can be hard at all: the rows that say so come first in the table.
 */
static void copy_row(struct cpuid *cpuid, const struct wanted *w, struct host *host)
{
	struct kvm_cpuid_entry2 *e = add(cpuid, w->leaf, w->index, w->flags);

	__cpuid_count(w->leaf, w->index, e->eax, e->ebx, e->ecx, e->edx);
	if (w->leaf == 0)
		host->max = e->eax = e->eax < LEAF_MAX ? e->eax : LEAF_MAX;
	if (w->leaf == 0x80000000)
		host->ext_max = e->eax = e->eax < EXT_MAX ? e->eax : EXT_MAX;
	if (w->leaf == 1) {
		host->hard |= (e->ecx & LEAF1_VMX) != 0;
		host->xsave = e->ecx & bit_OSXSAVE;
	}
	if (w->leaf == 0x80000001)
		host->hard |= (e->ecx & EXT1_SVM) != 0;
	e->eax &= w->eax;
	e->ebx &= w->ebx;
	e->ecx &= w->ecx;
	e->edx &= w->edx;
}

static void copy_host(struct cpuid *cpuid, struct host *host)
{
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct wanted *w = &table[i];
		const uint32_t max = w->leaf < 0x80000000 ? host->max : host->ext_max;

		if (w->leaf <= max && (host->hard || !w->hard_only))
			copy_row(cpuid, w, host);
	}
}

/*
 * XSAVE must be consistent (SDM volume 1, 13.2): no component that the host's
 * kernel has not enabled, and the size of what is left. KVM itself keeps EBX
 * (the size for the present XCR0) up to date.
 */
static void fix_xsave(struct cpuid *cpuid, const struct host *host)
{
	struct kvm_cpuid_entry2 *state = find(cpuid, 0xd, 0), *part;
	struct kvm_cpuid_entry2 *one = find(cpuid, 1, 0);
	uint32_t end = 512 + 64; /* legacy area and header */

	if (!state || !host->xsave) {
		one->ecx &= ~(uint32_t)(bit_XSAVE | bit_AVX | bit_FMA | bit_F16C);
		if (state)
			memset(&state->eax, 0, 4 * sizeof(state->eax));
		return;
	}
	state->eax &= host_xcr0();
	for (uint32_t i = 2; i < 32; i++) {
		part = find(cpuid, 0xd, i);
		if (part && !(state->eax & 1u << i))
			memset(&part->eax, 0, 4 * sizeof(part->eax));
		if (part && part->eax + part->ebx > end)
			end = part->eax + part->ebx;
	}
	/* the soft flavour's table has no parts; there ECX is the host's */
	if (find(cpuid, 0xd, 2))
		state->ecx = end;
}

uint64_t cpuid_xcr0(struct cpuid *cpuid)
{
	const struct kvm_cpuid_entry2 *state = find(cpuid, 0xd, 0);

	return state && find(cpuid, 0xd, 2) ? state->eax : 0;
}

/* ---- topology: each vCPU a core of its own in one package */

static unsigned bits_for(unsigned n)
{
	return n > 1 ? 32 - (unsigned)__builtin_clz(n - 1) : 0;
}

static void add_topology(struct cpuid *cpuid, unsigned cpus)
{
	const unsigned bits = bits_for(cpus);
	struct kvm_cpuid_entry2 *e;

	/* SDM volume 3, 8.9: level 0 threads (1), level 1 cores */
	e = add(cpuid, 0xb, 0, INDEXED);
	*e = (struct kvm_cpuid_entry2){
		.function = 0xb, .index = 0, .flags = INDEXED, .eax = 0, .ebx = 1, .ecx = 0x100
	};
	e = add(cpuid, 0xb, 1, INDEXED);
	*e = (struct kvm_cpuid_entry2){ .function = 0xb,
					.index = 1,
					.flags = INDEXED,
					.eax = bits,
					.ebx = cpus,
					.ecx = 0x201 };
	e = find(cpuid, 1, 0);
	if (cpus > 1) {
		e->ebx |= (1u << bits) << 16;
		e->edx |= LEAF1_HTT;
	}
	e = find(cpuid, 0x80000008, 0);
	if (e)
		e->ecx = bits << 12 | (cpus - 1); /* APM volume 3, E.4.7 */
	e = find(cpuid, 0x80000001, 0);
	if (e && e->ecx & 1u << 22) /* TOPOEXT: E.4.17 */
		add(cpuid, 0x8000001e, 0, 0);
}

/* ---- what KVM supports, for other kernels */

static void copy_supported(struct cpuid *cpuid, const struct vm *vm)
{
	cpuid->head.nent = CPUID_MAX - 4;
	vm_ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid, "KVM_GET_SUPPORTED_CPUID");
}

void cpuid_make(struct cpuid *cpuid, const struct vm *vm)
{
	struct host host = { .max = 1, .ext_max = 0x80000001 };
	struct kvm_cpuid_entry2 *e;

	memset(&cpuid->head, 0, sizeof(cpuid->head));
	if (vm->own_guest) {
		copy_host(cpuid, &host);
		fix_xsave(cpuid, &host);
		e = find(cpuid, 0x80000008, 0);
		if (e)
			e->eax |= 48 << 8; /* virtual addresses: no LA57 */
		/* signature "KVMKVMKVM", and no paravirtual features (KVM's cpuid.rst) */
		e = add(cpuid, 0x40000000, 0, 0);
		e->eax = 0x40000001;
		memcpy(&e->ebx, "KVMKVMKVM\0\0\0", 12);
		add(cpuid, 0x40000001, 0, 0);
	} else {
		copy_supported(cpuid, vm);
	}
	e = find(cpuid, 1, 0);
	if (!e || !find(cpuid, 0x80000001, 0))
		fail(EXIT_VMM, "the host's CPU is too old: CPUID lacks leaf 1 or 0x80000001");
	/* KVM's local APIC has these, whatever the CPU; it keeps OSXSAVE up to date. */
	e->ecx |= LEAF1_X2APIC | LEAF1_HYPERVISOR;
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
		e->ecx |= LEAF1_TSC_DEADLINE;
	add_topology(cpuid, vm->opt->cpus);
}

void cpuid_set_id(struct cpuid *cpuid, unsigned id)
{
	for (unsigned i = 0; i < cpuid->head.nent; i++) {
		struct kvm_cpuid_entry2 *e = &cpuid->entry[i];

		if (e->function == 1)
			e->ebx = (e->ebx & 0x00ffffff) | id << 24;
		else if (e->function == 0xb)
			e->edx = id;
		else if (e->function == 0x8000001e) {
			e->eax = id;
			e->ebx = id; /* one thread a core */
		}
	}
}
