/*
 * Reading x86-64 ELF files, and the first line of scripts. Pure: bytes in, facts or the reason out;
 * no access outside [bytes, bytes + len), whatever they hold.
 */
#ifndef VMM_ELF_H
#define VMM_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ELF_MAX_HEADERS  256 /* program headers */
#define ELF_MAX_SEGMENTS 64 /* of them PT_LOAD and not empty */
#define ELF_NAME         256 /* of an interpreter, with its NUL */

struct elf_segment {
	uint64_t offset, filesz; /* in the file: inside it */
	uint64_t vaddr, paddr, memsz; /* memsz >= filesz; neither address wraps */
	uint32_t flags; /* PF_* */
};

struct elf {
	bool pvh; /* has a PVH entry: a kernel; else a Linux program */
	bool script; /* "#!", no ELF file: only `interpreter` is set */
	char interpreter[ELF_NAME]; /* the program that runs this one; "": none */
	uint32_t pvh_entry; /* physical, inside a segment (pvh) */
	uint64_t tables; /* of a guest image: physical address of struct boot_tables, or 0 */
	bool anywhere; /* ET_DYN: linked to run at any address */
	uint64_t entry; /* e_entry, inside a segment (not pvh) */
	uint64_t paddr_end; /* end of the highest segment (pvh) */
	unsigned nsegments;
	struct elf_segment segment[ELF_MAX_SEGMENTS]; /* as in the file, none overlap */
};

/*
 * Checks the file and fills *elf. Returns NULL, or what is wrong and what to
 * do, for "vmm: FILE: ...". Of kernels the physical addresses are checked, of
 * programs the virtual ones.
 */
const char *elf_parse(struct elf *elf, const void *bytes, size_t len);

#endif
