/*
 * What the VMM told us: the device tree of shared/abi.h, or, under another
 * PVH VMM, the memory map, the modules and the command line.
 */
#ifndef LIBOS_BOOT_INFO_H
#define LIBOS_BOOT_INFO_H

#include "../../shared/abi.h"
#include "../../shared/pvh.h"
#include "lib.h"

#define MAX_QUEUES 4

struct queue_place {
	u32 size;
	u64 desc, driver, device;
};

struct virtio_place {
	paddr_t gpa;
	u32 size;
	u32 vector; /* interrupt vector, or 0: IOAPIC pin `irq` */
	u32 irq;
	int console; /* 0, 1, or -1 */
	bool ready; /* handed over initialised */
	u64 features;
	struct queue_place queue[MAX_QUEUES];
};

/* NUL-terminated strings one after the other. */
struct strings {
	const char *data;
	size_t len;
};

struct boot_info {
	bool device_tree;
	paddr_t program;
	u64 program_size;
	struct strings args, env;
	const char *cwd, *hostname;
	const void *seed;
	unsigned seed_len;
	u64 tsc_hz, realtime_tsc, realtime_ns;
	u32 stdio[3];
	bool verbose;
	unsigned cpus;
	struct virtio_place virtio[VIRTIO_MMIO_MAX];
	unsigned nvirtio;
};

extern struct boot_info boot_info;

/* Fills boot_info and gives free RAM to frames_add(). */
void boot_info_read(paddr_t start_info);

#endif
