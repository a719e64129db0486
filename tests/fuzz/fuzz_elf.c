// link: vmm/elf.c
/*
 * ELF files: any bytes are refused with a reason, or give segments that hold
 * what elf.h promises. The sanitizers watch for looks outside of the bytes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../../vmm/elf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

static bool inside(const struct elf *elf, uint64_t entry)
{
	for (unsigned i = 0; i < elf->nsegments; i++) {
		const struct elf_segment *seg = &elf->segment[i];
		uint64_t start = elf->pvh ? seg->paddr : seg->vaddr;

		if (entry >= start && entry - start < seg->memsz)
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf elf;
	const char *why = elf_parse(&elf, data, size);

	if (why) {
		/* a sentence with a remedy, for "vmm: FILE: ..." */
		require(strlen(why) > 10 && !strchr(why, '\n'));
		return 0;
	}
	if (elf.script) {
		require(elf.interpreter[0] && strlen(elf.interpreter) < ELF_NAME - 2);
		return 0;
	}
	require(elf.nsegments >= 1 && elf.nsegments <= ELF_MAX_SEGMENTS);
	require(inside(&elf, elf.pvh ? elf.pvh_entry : elf.entry));
	for (unsigned i = 0; i < elf.nsegments; i++) {
		const struct elf_segment *a = &elf.segment[i];

		require(a->filesz <= a->memsz && a->memsz > 0);
		require(a->offset <= size && a->filesz <= size - a->offset);
		require(a->vaddr + a->memsz > a->vaddr && a->paddr + a->memsz > a->paddr);
		if (elf.pvh)
			require(a->paddr + a->memsz <= elf.paddr_end);
		for (unsigned j = 0; j < i; j++) {
			const struct elf_segment *b = &elf.segment[j];
			uint64_t from_a = elf.pvh ? a->paddr : a->vaddr;
			uint64_t from_b = elf.pvh ? b->paddr : b->vaddr;

			require(from_a >= from_b + b->memsz || from_b >= from_a + a->memsz);
		}
	}
	return 0;
}
