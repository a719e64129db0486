/*
 * Entering the program's pages in the guest's page tables before it starts
 * (shared/abi.h, "Mapping the program ahead").
 */
#ifndef VMM_PREMAP_H
#define VMM_PREMAP_H

#include "load.h"

/* Guest memory that writable segments were mapped to. */
struct premap_data {
	uint64_t gpa, size;
};

/*
 * Maps what it can of the program that load_program() put at program_gpa; the
 * guest image maps the rest itself. Nothing is done for a guest image without
 * NOTE_TABLES. Returns where the writable segments' memory is (size 0: none).
 */
struct premap_data premap_program(const struct guest_mem *mem, const struct image *guest_image,
				  const struct image *program, uint64_t program_gpa);

#endif
