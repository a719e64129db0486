/*
 * Page table entries for the guest's kernel, and the host's memory behind them
 * (shared/abi.h, FILL_PORT).
 */
#ifndef VMM_FILL_H
#define VMM_FILL_H

#include <stdbool.h>
#include "../shared/abi.h"
#include "mem.h"

struct fill {
	bool offered;
	struct boot_tables tables; /* the guest image's own words */
	uint64_t gpa; /* where they are: the kernel moves pool_next */
};

/* Tells a guest image that wants to know, whose struct boot_tables is at `tables`: not
 * where it does not, or has little memory to map. */
void fill_offer(struct fill *fill, const struct guest_mem *mem, uint64_t tables);

/* What its kernel asks for, in its words. False: it makes no sense. */
bool fill_entries(const struct guest_mem *mem, uint64_t first, uint64_t entry, uint64_t n);
/* A run that the library OS wants mapped (MAP_GPA). False: it has to ask its kernel. */
bool fill_map(const struct fill *fill, const struct guest_mem *mem, uint64_t va, uint64_t entry,
	      uint64_t n);
/* Pages that it wants unmapped (UNMAP_GPA), the same. */
bool fill_unmap(const struct fill *fill, const struct guest_mem *mem, uint64_t va, uint64_t n);
/* The answer, 0: it makes no sense. */
uint32_t fill_run_length(const struct guest_mem *mem, uint64_t first, uint64_t n);

#endif
