/*
 * Starting the program.
 */
#ifndef LIBOS_EXEC_H
#define LIBOS_EXEC_H

#include "lib.h"
#include "space.h"

/* What a loaded ELF file tells the auxiliary vector. */
struct elf_image {
	u64 entry, phdr, end; /* addresses in the program; end: first byte above */
	u64 phnum;
	bool exec_stack;
};

/*
 * Maps the ELF file that lies at physical [pa, pa + size) into the space, as
 * parts of the file `name`, which must stay.
 * 0, -ENOEXEC (not a program for this machine), -ENOMEM.
 */
int elf_load(struct space *space, paddr_t pa, u64 size, const char *name, struct elf_image *image);

extern u8 first_stack[];

/* Loads the boot program and sets the current thread up to begin it; on
 * failure says why on the host's stderr and ends the VM with status 126. */
void exec_boot_program(void);

#endif
