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

/* NUL-terminated strings one after the other. */
struct strings {
	const char *data;
	size_t len;
};

/* A network interface's configuration: shared/abi.h. */
struct net_place {
	const u8 *mac; /* NULL: the device says */
	u32 mtu; /* 0: the device says */
	struct strings addresses, gateways, nameservers;
	bool dhcp;
};

struct virtio_place {
	paddr_t gpa;
	u32 size;
	u32 vector; /* interrupt vector, or 0: IOAPIC pin `irq` */
	u32 irq;
	u32 type; /* virtio device ID; 0: to be read from the device */
	int console; /* 0, 1, or -1 */
	int disk; /* n, or -1 */
	const char *share; /* where to mount this file system; NULL: nowhere */
	bool read_only;
	paddr_t dax; /* where the host maps files for it, only to be read; size 0: nowhere */
	u64 dax_size;
	struct net_place net;
	bool ready; /* handed over initialised */
	u64 features;
	struct queue_place queue[MAX_QUEUES];
};

struct boot_info {
	bool device_tree;
	paddr_t program;
	u64 program_size, program_base; /* base: 0, not said */
	struct strings args, env;
	const char *cwd, *hostname;
	const char *path; /* of the program in the file system of `root`; NULL: not there */
	struct strings paths; /* all where it may be */
	const struct virtio_place *root; /* the file system of --root; NULL: none */
	const void *seed;
	unsigned seed_len;
	u64 tsc_hz, realtime_tsc, realtime_ns;
	u32 stdio[3];
	bool verbose, stats, no_patch;
	bool fills; /* page table entries cost next to nothing */
	bool maps; /* MAP_GPA */
	bool attends; /* ATTEND_GPA */
	unsigned cpus;
	struct virtio_place virtio[VIRTIO_MMIO_MAX];
	unsigned nvirtio;
	struct net_place line_net; /* mayfly.ip=, mayfly.gw= of the command line, for eth0 */
	paddr_t files; /* struct copied_file ...; 0: none */
	u64 files_size;
	paddr_t contents; /* memory of --copy, not RAM, only to be read; size 0: none */
	u64 contents_size;
	paddr_t dax; /* of all shares; size 0: none */
	u64 dax_size;
};

extern struct boot_info boot_info;

/* Fills boot_info and gives free RAM to frames_add(). */
void boot_info_read(paddr_t start_info);

#endif
