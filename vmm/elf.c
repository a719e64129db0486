/*
 * ELF-64 (System V gABI chapters 4 and 5, x86-64 psABI chapter 4) and the PVH
 * note (shared/pvh.h). Every structure is copied out of the file once, and
 * only the copy is checked and used: the file may change under the mapping.
 */
#include <elf.h>
#include <string.h>
#include "../shared/abi.h"
#include "../shared/pvh.h"
#include "elf.h"

#define USER_END  0x7ffffffff000 /* what Linux gives to programs */
#define TRUNCATED "is truncated; copy or build it again"
#define CORRUPT   " (a damaged file?); build it again"

static const char *check_ident(const Elf64_Ehdr *eh)
{
	const unsigned char *id = eh->e_ident;

	if (id[EI_CLASS] == ELFCLASS32)
		return "is a 32-bit program; build it for x86-64";
	if (id[EI_CLASS] != ELFCLASS64)
		return "has an unknown ELF class" CORRUPT;
	if (id[EI_DATA] != ELFDATA2LSB)
		return "is big-endian, for another machine; build it for x86-64";
	if (id[EI_VERSION] != EV_CURRENT || eh->e_version != EV_CURRENT)
		return "has an unknown ELF version" CORRUPT;
	if (eh->e_machine != EM_X86_64)
		return "is for another machine; build it for x86-64";
	return NULL;
}

static const char *check_header(const Elf64_Ehdr *eh, size_t len)
{
	const char *why = check_ident(eh);

	if (why)
		return why;
	if (eh->e_type == ET_REL)
		return "is an object file; link it into a program first";
	if (eh->e_type == ET_CORE)
		return "is a core dump; name the program instead";
	if (eh->e_type != ET_EXEC && eh->e_type != ET_DYN)
		return "has an unknown ELF type" CORRUPT;
	if (eh->e_phnum == 0)
		return "has no program headers; link it as a program";
	if (eh->e_phentsize != sizeof(Elf64_Phdr))
		return "has program headers of a wrong size" CORRUPT;
	if (eh->e_phnum > ELF_MAX_HEADERS)
		return "has more than 256 program headers" CORRUPT;
	if (eh->e_phoff > len || eh->e_phnum * sizeof(Elf64_Phdr) > len - eh->e_phoff)
		return TRUNCATED;
	return NULL;
}

static bool overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a < b + blen && b < a + alen;
}

static const char *add_segment(struct elf *elf, const Elf64_Phdr *ph, size_t len)
{
	if (ph->p_memsz < ph->p_filesz)
		return "has a segment larger in the file than in memory" CORRUPT;
	if (ph->p_offset > len || ph->p_filesz > len - ph->p_offset)
		return TRUNCATED;
	if (ph->p_memsz == 0)
		return NULL;
	if (ph->p_vaddr + ph->p_memsz < ph->p_vaddr || ph->p_paddr + ph->p_memsz < ph->p_paddr)
		return "has a segment whose addresses wrap around" CORRUPT;
	if (elf->nsegments == ELF_MAX_SEGMENTS)
		return "has more than 64 segments to load; link it with fewer";
	elf->segment[elf->nsegments++] = (struct elf_segment){
		.offset = ph->p_offset,
		.filesz = ph->p_filesz,
		.vaddr = ph->p_vaddr,
		.paddr = ph->p_paddr,
		.memsz = ph->p_memsz,
		.flags = ph->p_flags,
	};
	return NULL;
}

/*
 * Looks for the PVH entry and for NOTE_TABLES (abi.h) among the notes at
 * [at, end) (gABI chapter 5, "Note Section"; entries are aligned to 4 bytes, or 8 where the segment
 * says so). Notes of others that make no sense are theirs to worry about: the search just ends.
 */
static void find_notes(struct elf *elf, const uint8_t *at, const uint8_t *end, uint64_t align)
{
	Elf64_Nhdr note;

	align = align == 8 ? 8 : 4;
	while ((size_t)(end - at) >= sizeof(note)) {
		uint64_t name, desc;

		memcpy(&note, at, sizeof(note));
		at += sizeof(note);
		name = ((uint64_t)note.n_namesz + align - 1) & -align;
		desc = ((uint64_t)note.n_descsz + align - 1) & -align;
		if (name > (size_t)(end - at) || note.n_descsz > (size_t)(end - at) - name)
			return;
		if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
		    !memcmp(at, "Xen", 4) && note.n_descsz >= 4) {
			memcpy(&elf->pvh_entry, at + name, 4);
			elf->pvh = true;
		}
		if (note.n_type == NOTE_TABLES && note.n_namesz == 7 && !memcmp(at, "Mayfly", 7) &&
		    note.n_descsz == 8)
			memcpy(&elf->tables, at + name, 8);
		if (desc > (size_t)(end - at) - name)
			return;
		at += name + desc;
	}
}

/* The first PT_INTERP counts, as on Linux. */
static const char *read_interpreter(struct elf *elf, const uint8_t *bytes, size_t len,
				    const Elf64_Phdr *ph)
{
	if (elf->interpreter[0])
		return NULL;
	if (ph->p_offset > len || ph->p_filesz > len - ph->p_offset)
		return TRUNCATED;
	if (ph->p_filesz > ELF_NAME)
		return "names an interpreter of more than 255 bytes; link it again";
	memcpy(elf->interpreter, bytes + ph->p_offset, ph->p_filesz);
	if (ph->p_filesz < 2 || elf->interpreter[ph->p_filesz - 1] || !elf->interpreter[0])
		return "names its interpreter wrongly" CORRUPT;
	return NULL;
}

/* As Linux's binfmt_script reads it, from 256 bytes at most; its argument is the guest's affair. */
static const char *read_script(struct elf *elf, const char *text, size_t len)
{
	size_t at = 2, n = 0;

	if (len > ELF_NAME)
		len = ELF_NAME;
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	while (at + n < len && text[at + n] && !strchr(" \t\n", text[at + n]))
		n++;
	if (n == 0)
		return "is a script that names no interpreter; begin it with #! and a path";
	if (at + n == ELF_NAME)
		return "is a script whose first line is too long; make its interpreter's path "
		       "shorter";
	memcpy(elf->interpreter, text + at, n);
	elf->script = true;
	return NULL;
}

static const char *read_headers(struct elf *elf, const uint8_t *bytes, size_t len,
				const Elf64_Ehdr *eh)
{
	const char *why;

	for (unsigned i = 0; i < eh->e_phnum; i++) {
		Elf64_Phdr ph;

		memcpy(&ph, bytes + eh->e_phoff + i * sizeof(ph), sizeof(ph));
		if (ph.p_type == PT_LOAD) {
			why = add_segment(elf, &ph, len);
			if (why)
				return why;
		} else if (ph.p_type == PT_INTERP) {
			why = read_interpreter(elf, bytes, len, &ph);
			if (why)
				return why;
		} else if (ph.p_type == PT_NOTE) {
			if (ph.p_offset > len || ph.p_filesz > len - ph.p_offset)
				return TRUNCATED;
			if (!elf->pvh || !elf->tables)
				find_notes(elf, bytes + ph.p_offset,
					   bytes + ph.p_offset + ph.p_filesz, ph.p_align);
		}
	}
	return NULL;
}

/* Kernels are loaded at their physical addresses, programs at the virtual. */
static uint64_t address(const struct elf *elf, const struct elf_segment *seg)
{
	return elf->pvh ? seg->paddr : seg->vaddr;
}

static const char *check_segments(struct elf *elf)
{
	uint64_t entry = elf->pvh ? elf->pvh_entry : elf->entry;
	bool entry_inside = false;

	if (elf->nsegments == 0)
		return "has nothing to load; link it as a program";
	for (unsigned i = 0; i < elf->nsegments; i++) {
		const struct elf_segment *seg = &elf->segment[i];
		uint64_t start = address(elf, seg), end = start + seg->memsz;

		if (!elf->pvh && end > USER_END)
			return "has a segment above the addresses of programs" CORRUPT;
		if (!elf->pvh && (seg->vaddr ^ seg->offset) & 0xfff)
			return "has a segment that cannot be mapped (address and file offset "
			       "differ within a page); link it again";
		for (unsigned j = 0; j < i; j++)
			if (overlap(start, seg->memsz, address(elf, &elf->segment[j]),
				    elf->segment[j].memsz))
				return "has segments that overlap" CORRUPT;
		if (end > elf->paddr_end)
			elf->paddr_end = end;
		if (entry >= start && entry < end)
			entry_inside = true;
	}
	return entry_inside ? NULL : "has its entry point outside of what is loaded" CORRUPT;
}

const char *elf_parse(struct elf *elf, const void *bytes, size_t len)
{
	Elf64_Ehdr eh;
	const char *why;

	memset(elf, 0, sizeof(*elf));
	if (len == 0)
		return "is empty; name a program";
	if (len >= 2 && !memcmp(bytes, "#!", 2))
		return read_script(elf, bytes, len);
	if (memcmp(bytes, ELFMAG, len < SELFMAG ? len : SELFMAG))
		return "is not an ELF file; name a Linux program for x86-64";
	if (len < sizeof(eh))
		return TRUNCATED;
	memcpy(&eh, bytes, sizeof(eh));
	why = check_header(&eh, len);
	if (!why)
		why = read_headers(elf, bytes, len, &eh);
	if (why)
		return why;
	elf->entry = eh.e_entry;
	elf->anywhere = eh.e_type == ET_DYN;
	return check_segments(elf);
}
