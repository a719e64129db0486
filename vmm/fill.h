/*
 * Page table entries for the guest's kernel, and the host's memory behind them
 * (shared/abi.h, FILL_PORT).
 */
#ifndef VMM_FILL_H
#define VMM_FILL_H

#include <stdbool.h>
#include "mem.h"

/* Tells a guest image that wants to know, whose struct boot_tables is at `tables`: false
 * where it does not, or has little memory to map. */
bool fill_offer(const struct guest_mem *mem, uint64_t tables);

/* What its kernel asks for, in its words. False: it makes no sense. */
bool fill_entries(const struct guest_mem *mem, uint64_t first, uint64_t entry, uint64_t n);
/* The answer, 0: it makes no sense. */
uint32_t fill_run_length(const struct guest_mem *mem, uint64_t first, uint64_t n);

#endif
