/*
 * Device pages, mapped one after the other into a window of their own.
 */
#include "../libos/entry.h"
#include "../libos/space.h"
#include "../../shared/abi.h"
#include "mmio.h"

#define MMIO_WINDOW (WINDOW_BASE + 0x10000000)
#define MAX_PAGES   (VIRTIO_MMIO_MAX + 4)

static paddr_t mapped[MAX_PAGES];
static unsigned count;

volatile u8 *mmio_map(paddr_t gpa)
{
	/* our own VMM's devices are in the page tables from the start */
	if (gpa >= VIRTIO_MMIO_GPA && gpa < VIRTIO_MMIO_GPA + VIRTIO_MMIO_MAX * VIRTIO_MMIO_SIZE)
		return (volatile u8 *)VIRTIO_BASE + (gpa - VIRTIO_MMIO_GPA);
	paddr_t page = ALIGN_DOWN(gpa, PAGE_SIZE);
	unsigned i = 0;
	while (i < count && mapped[i] != page)
		i++;
	u64 va = MMIO_WINDOW + i * PAGE_SIZE;
	if (i == count) {
		u64 bits = PTE_P | PTE_W | PTE_NX | PTE_PCD | PTE_PWT;
		if (i == MAX_PAGES || pages_map(va, page, bits, 1))
			panic("cannot map the device at %lx", gpa);
		mapped[count++] = page;
	}
	return (volatile u8 *)va + gpa % PAGE_SIZE;
}
