/* The I/O APIC, see ioapic.h. Sections are of the 82093AA data sheet. */
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/kvm.h>
#include "../shared/x86.h"
#include "ioapic.h"
#include "vm.h"

/* 3.1: two windows; 3.2: what the index selects */
#define REG_SELECT  0x00
#define REG_WINDOW  0x10
#define IDX_ID      0x00
#define IDX_VERSION 0x01
#define IDX_TABLE   0x10

#define VERSION ((IOAPIC_PINS - 1) << 16 | 0x11) /* 3.2.2 */

/* 3.2.4: a redirection entry */
#define ENTRY_VECTOR      0xff
#define ENTRY_DELIVERY    0x700
#define ENTRY_LOGICAL     0x800
#define ENTRY_READ_ONLY   0x5000 /* delivery status, remote IRR */
#define ENTRY_MASKED      0x10000
#define ENTRY_DEST(entry) ((entry) >> 56)

struct ioapic {
	struct vm *vm;
	_Atomic uint32_t select, id;
	_Atomic uint64_t table[IOAPIC_PINS];
};

struct ioapic *ioapic_create(struct vm *vm)
{
	static struct ioapic one;

	one.vm = vm;
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		one.table[i] = ENTRY_MASKED;
	return &one;
}

static uint32_t read_index(struct ioapic *ioapic, uint32_t index)
{
	if (index == IDX_ID)
		return ioapic->id;
	if (index == IDX_VERSION)
		return VERSION;
	if (index < IDX_TABLE || index >= IDX_TABLE + 2 * IOAPIC_PINS)
		return 0;
	return (uint32_t)(ioapic->table[(index - IDX_TABLE) / 2] >> (index & 1 ? 32 : 0));
}

/* Two vCPUs that write halves of one entry at the same time get one of the
 * results, as on hardware. */
static void write_index(struct ioapic *ioapic, uint32_t index, uint32_t value)
{
	uint64_t entry;

	if (index == IDX_ID)
		ioapic->id = value & 0x0f000000;
	if (index < IDX_TABLE || index >= IDX_TABLE + 2 * IOAPIC_PINS)
		return;
	entry = ioapic->table[(index - IDX_TABLE) / 2];
	if (index & 1)
		entry = (entry & 0xffffffff) | (uint64_t)value << 32;
	else
		entry = (entry & 0xffffffff00000000) | (value & ~(uint32_t)ENTRY_READ_ONLY);
	ioapic->table[(index - IDX_TABLE) / 2] = entry;
}

void ioapic_access(struct ioapic *ioapic, uint64_t offset, void *data, uint32_t len, bool write)
{
	uint32_t value = 0;

	if (write && len == 4) {
		memcpy(&value, data, sizeof(value));
		if (offset == REG_SELECT)
			ioapic->select = value & 0xff;
		else if (offset == REG_WINDOW)
			write_index(ioapic, ioapic->select, value);
	} else if (!write) {
		if (offset == REG_SELECT)
			value = ioapic->select;
		else if (offset == REG_WINDOW)
			value = read_index(ioapic, ioapic->select);
		memset(data, 0, len);
		memcpy(data, &value, len < sizeof(value) ? len : sizeof(value));
	}
}

/* SDM 10.11: the entry's fields in the form of an MSI. */
void ioapic_raise(struct ioapic *ioapic, unsigned pin)
{
	const uint64_t entry = pin < IOAPIC_PINS ? ioapic->table[pin] : ENTRY_MASKED;
	struct kvm_msi msi = {
		.address_lo = APIC_GPA | (uint32_t)ENTRY_DEST(entry) << 12 |
			      (entry & ENTRY_LOGICAL ? 4 : 0),
		.data = entry & (ENTRY_VECTOR | ENTRY_DELIVERY),
	};

	if (!(entry & ENTRY_MASKED))
		ioctl(ioapic->vm->fd, KVM_SIGNAL_MSI, &msi);
}
