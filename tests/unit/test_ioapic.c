// link: vmm/ioapic.c
// libs: -Wl,--wrap=ioctl
/* The I/O APIC: registers, and what a pin sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include <linux/kvm.h>
#include "../../shared/x86.h"
#include "../../vmm/ioapic.h"
#include "../../vmm/vm.h"

static struct vm vm = { .fd = 77 };
static struct kvm_msi sent;
static unsigned count;

int __wrap_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, void *argument)
{
	assert_int_equal(fd, vm.fd);
	assert_int_equal(request, KVM_SIGNAL_MSI);
	sent = *(struct kvm_msi *)argument;
	count++;
	return 0;
}

static int begin(void **state)
{
	*state = ioapic_create(&vm);
	count = 0;
	return 0;
}

static uint32_t get(struct ioapic *ioapic, uint32_t index)
{
	uint32_t value = 0xdeadbeef;

	ioapic_access(ioapic, 0, &index, 4, true);
	ioapic_access(ioapic, 0x10, &value, 4, false);
	return value;
}

static void set(struct ioapic *ioapic, uint32_t index, uint32_t value)
{
	ioapic_access(ioapic, 0, &index, 4, true);
	ioapic_access(ioapic, 0x10, &value, 4, true);
}

static void test_registers(void **state)
{
	struct ioapic *ioapic = *state;

	assert_int_equal(get(ioapic, 1), 23 << 16 | 0x11); /* 24 pins */
	set(ioapic, 0, 0xffffffff);
	assert_int_equal(get(ioapic, 0), 0x0f000000);
	set(ioapic, 1, 0);
	assert_int_equal(get(ioapic, 1), 23 << 16 | 0x11);
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		assert_int_equal(get(ioapic, 0x10 + 2 * pin), 0x10000); /* masked */
	set(ioapic, 0x10 + 2 * 23, 0xffffffff);
	assert_int_equal(get(ioapic, 0x10 + 2 * 23), 0xffffafff); /* two bits are read-only */
	set(ioapic, 0x11 + 2 * 23, 0x12345678);
	assert_int_equal(get(ioapic, 0x11 + 2 * 23), 0x12345678);
	assert_int_equal(get(ioapic, 0x10 + 2 * 23), 0xffffafff);
}

static void test_bad_accesses(void **state)
{
	struct ioapic *ioapic = *state;
	uint64_t wide = UINT64_MAX;
	uint8_t byte = 0xff;

	set(ioapic, 0x10 + 2 * 24, 0x41); /* behind the last pin */
	assert_int_equal(get(ioapic, 0x10 + 2 * 24), 0);
	assert_int_equal(get(ioapic, 0xff), 0);
	set(ioapic, 0x10, 0x30);
	ioapic_access(ioapic, 0x10, &byte, 1, true); /* only 32 bits write */
	ioapic_access(ioapic, 0x10, &wide, 8, true);
	assert_int_equal(get(ioapic, 0x10), 0x30);
	ioapic_access(ioapic, 0x10, &wide, 8, false); /* and reads are filled up */
	assert_int_equal(wide, 0x30);
	ioapic_access(ioapic, 0x10, &byte, 1, false);
	assert_int_equal(byte, 0x30);
	ioapic_access(ioapic, 0x20, &wide, 8, false);
	assert_int_equal(wide, 0);
}

static void test_raise(void **state)
{
	struct ioapic *ioapic = *state;

	ioapic_raise(ioapic, 5); /* masked: lost */
	ioapic_raise(ioapic, IOAPIC_PINS); /* there is no such pin */
	assert_int_equal(count, 0);
	set(ioapic, 0x10 + 2 * 5, 0x41);
	set(ioapic, 0x11 + 2 * 5, 3u << 24);
	ioapic_raise(ioapic, 5);
	assert_int_equal(count, 1);
	assert_int_equal(sent.address_lo, APIC_GPA | 3 << 12);
	assert_int_equal(sent.data, 0x41);
	set(ioapic, 0x10 + 2 * 5, 0x41 | 0x100 | 0x800 | 0x8000); /* lowest, logical, level */
	ioapic_raise(ioapic, 5);
	assert_int_equal(sent.address_lo, APIC_GPA | 3 << 12 | 4);
	assert_int_equal(sent.data, 0x141);
	set(ioapic, 0x10 + 2 * 5, 0x10041);
	ioapic_raise(ioapic, 5);
	assert_int_equal(count, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_registers, begin),
		cmocka_unit_test_setup(test_bad_accesses, begin),
		cmocka_unit_test_setup(test_raise, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
