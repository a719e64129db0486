/*
 * The device tree that tells the guest image what it runs on and what to run,
 * in the vocabulary of shared/abi.h.
 */
#ifndef VMM_FDT_H
#define VMM_FDT_H

#include <stdbool.h>
#include <stddef.h>
#include "../shared/abi.h"
#include "mem.h"

#define FDT_MAX_QUEUES 4

struct fdt_net {
	uint8_t mac[6];
	uint32_t mtu; /* 0: not said */
	char *const *addresses, *const *gateways, *const *nameservers; /* NULL-terminated */
	bool dhcp;
};

/* A virtio window. With nqueues > 0 it is handed over ready (mayfly,ready). */
struct fdt_device {
	unsigned window;
	uint32_t type; /* virtio device ID */
	int console; /* mayfly,console; -1: no console */
	int disk; /* mayfly,disk; -1: no disk */
	const struct fdt_net *net; /* NULL: no network interface */
	/* mayfly,share and mayfly,readonly; length 0: no share */
	const char *share;
	size_t share_len;
	bool read_only;
	uint64_t dax_gpa, dax_size; /* mayfly,dax; size 0: none */
	uint64_t features;
	unsigned nqueues;
	struct {
		uint32_t size;
		uint64_t desc, driver, device;
	} queue[FDT_MAX_QUEUES];
};

struct fdt_machine {
	const struct guest_mem *mem;
	unsigned cpus;
	uint64_t tsc_hz;
	const char *program; /* argv[0] */
	char *const *args; /* argv[1]..., nargs of them */
	unsigned nargs;
	char *const *env;
	unsigned nenv;
	const char *cwd, *hostname;
	const char *path; /* of the program, in the root; NULL: not there */
	size_t path_len; /* with the NUL; of an image: of all paths to be tried */
	uint64_t program_gpa, program_size; /* size 0: none */
	uint64_t program_base; /* 0: not said */
	uint64_t data_gpa, data_size; /* its memory that was mapped ahead; size 0: none */
	uint64_t files_gpa, files_size; /* of --copy: the list; size 0: none */
	uint64_t contents_gpa, contents_size; /* and what is mapped for it */
	uint8_t seed[48];
	uint64_t realtime_tsc, realtime_ns;
	uint32_t stdio[3];
	bool verbose, stats, no_patch, fills, maps, attends;
	const struct fdt_device *device;
	unsigned ndevices;
};

/* Writes the tree to [buf, buf + room). Returns its size in bytes, or
 * -ENOSPC when it is larger than room. */
long fdt_build(void *buf, size_t room, const struct fdt_machine *machine);

#endif
