// link: vmm/cpuid.c vmm/fail.c
/* The guest's CPUID: nothing that the host has not, nothing that KVM would
 * have to emulate, and each vCPU its own identity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <cpuid.h>
#include "../../vmm/cpuid.h"

static struct options options;
static struct vm vm = { .opt = &options, .kvm_fd = -1, .own_guest = true };
static struct cpuid cpuid;

int vm_ioctl(int fd, unsigned long request, void *argument, const char *name)
{
	(void)fd, (void)request, (void)argument;
	fail_msg("our own guest needs no %s", name);
	return -1;
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	for (unsigned i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entry[i].function == function && cpuid.entry[i].index == index)
			return &cpuid.entry[i];
	fail_msg("no leaf %x.%u", function, index);
	return NULL;
}

static void make(unsigned cpus)
{
	options.cpus = cpus;
	memset(&cpuid, 0xa5, sizeof(cpuid));
	cpuid_make(&cpuid, &vm);
	assert_in_range(cpuid.head.nent, 6, CPUID_MAX);
}

static void test_features(void **state)
{
	uint32_t eax, ebx, ecx, edx;

	(void)state;
	make(1);
	assert_in_range(leaf(0, 0)->eax, 1, 0xd);
	__cpuid(1, eax, ebx, ecx, edx);
	/* x2APIC, TSC deadline and "hypervisor" are KVM's own */
	assert_int_equal(leaf(1, 0)->ecx & ~(ecx | 1u << 21 | 1u << 24 | 1u << 31), 0);
	assert_int_equal(leaf(1, 0)->edx & ~edx, 0);
	assert_int_equal(leaf(1, 0)->ecx & (1 << 3 | 1 << 5 | 1 << 17), 0); /* MONITOR VMX PCID */
	assert_true(leaf(1, 0)->ecx & 1 << 21);
	__cpuid(0x80000001, eax, ebx, ecx, edx);
	assert_int_equal(leaf(0x80000001, 0)->ecx & ~ecx, 0);
	assert_int_equal(leaf(0x80000001, 0)->ecx & 1 << 2, 0); /* SVM */
	assert_true(leaf(0x80000001, 0)->edx & 1 << 29); /* long mode */
	assert_memory_equal(&leaf(0x40000000, 0)->ebx, "KVMKVMKVM\0\0\0", 12);
	assert_int_equal(leaf(0x40000001, 0)->eax, 0);
}

/* SDM volume 1, 13.2: AVX only with XSAVE, components only as the host has. */
static void test_xsave(void **state)
{
	const uint32_t avx = 1 << 28, xsave = 1 << 26;

	(void)state;
	make(1);
	if (leaf(1, 0)->ecx & avx)
		assert_true(leaf(1, 0)->ecx & xsave);
	if (leaf(1, 0)->ecx & xsave) {
		assert_int_equal(leaf(0xd, 0)->eax & 3, 3);
		assert_int_equal(leaf(0xd, 0)->eax & ~0xe7u, 0);
		assert_in_range(leaf(0xd, 0)->ecx, 576, 16384);
	}
}

static void test_topology(void **state)
{
	static const struct {
		unsigned cpus, bits;
	} cases[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 64, 6 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(cases[i].cpus);
		assert_int_equal(leaf(0xb, 1)->ebx, cases[i].cpus);
		assert_int_equal(leaf(0xb, 1)->eax, cases[i].bits);
		assert_int_equal((leaf(1, 0)->edx >> 28 & 1), cases[i].cpus > 1);
		cpuid_set_id(&cpuid, cases[i].cpus - 1);
		assert_int_equal(leaf(1, 0)->ebx >> 24, cases[i].cpus - 1);
		assert_int_equal(leaf(0xb, 0)->edx, cases[i].cpus - 1);
		assert_int_equal(leaf(0xb, 1)->edx, cases[i].cpus - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_xsave),
		cmocka_unit_test(test_topology),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
