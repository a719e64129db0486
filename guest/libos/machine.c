/*
 * Ending the machine, under whichever VMM.
 */
#include "../drv/mmio.h"
#include "entry.h"
#include "thread.h"

/* QEMU's microvm, ACPI generic event device: sleep control register. */
#define GED_SLEEP_CONTROL 0xfea00200
#define GED_SLEEP_S5      (5 << 2 | 1 << 5)

void machine_exit(int status)
{
	kcall(KCALL_PORT, EXIT_PORT | 4 << 16 | 1 << 24, status & 0xff, 0);
	volatile u8 *ged = mmio_map(GED_SLEEP_CONTROL);
	*ged = GED_SLEEP_S5;
	for (;;)
		kcall(KCALL_RESET, 0, 0, 0);
}
