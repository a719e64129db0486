/*
 * Device registers in the library OS's address space.
 */
#ifndef DRV_MMIO_H
#define DRV_MMIO_H

#include "../libos/lib.h"

/* The registers at that physical address, uncached. The mapping stays; it
 * reaches to the end of the page. */
volatile u8 *mmio_map(paddr_t gpa);

#endif
