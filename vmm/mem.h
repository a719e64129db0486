/*
 * Guest memory. The guest's physical addresses become host pointers through
 * mem_at() and nowhere else.
 */
#ifndef VMM_MEM_H
#define VMM_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct guest_mem {
	uint8_t *base; /* host address of guest physical 0 */
	uint64_t size; /* bytes of RAM */
	uint64_t low; /* bytes below the hole: [0, low); the rest starts at 4 GiB */
	/* The contents of --copy, above all RAM, which the guest may only read;
	 * size 0: none (copy_list.h). */
	struct {
		uint8_t *base;
		uint64_t gpa, size;
	} contents;
	/* Files of shares, which the VMM only reads (fs_dax.h). */
	struct {
		uint8_t *base;
		uint64_t gpa, size;
		bool writable; /* by the guest */
	} dax;
};

/* Reserves `size` bytes of guest memory (a multiple of 4 KiB); nothing is
 * committed until touched. Fails with a message when the host refuses. */
void mem_create(struct guest_mem *mem, uint64_t size);

/*
 * Host address of guest physical [gpa, gpa + len), or NULL when any byte of
 * it is outside RAM or the range wraps. len 0 is allowed inside RAM. Nothing
 * that the guest can read back through it is a secret, and nothing that it
 * holds may be trusted twice.
 */
void *mem_at(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

/* The same for what a device only reads: also the contents of --copy and the files
 * of shares that are mapped. */
const void *mem_to_read(const struct guest_mem *mem, uint64_t gpa, uint64_t len);

#endif
