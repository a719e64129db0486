/*
 * Loading the boot program's ELF file (System V ABI, chapter 5). The file
 * lies in physical memory: what the program only reads is mapped from there,
 * what it may write is copied on first touch.
 */
#include <linux/elf.h>
#include "../../shared/abi.h"
#include "../kernel/kcall.h"
#include "entry.h"
#include "exec.h"
#include "memory.h"

/* Program headers that lie inside the file; NULL: not a program. */
static const Elf64_Phdr *headers(const Elf64_Ehdr *e, u64 size)
{
	if (size < sizeof(*e) || memcmp(e->e_ident, ELFMAG, SELFMAG) ||
	    e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64 ||
	    (e->e_type != ET_EXEC && e->e_type != ET_DYN) || e->e_phentsize != sizeof(Elf64_Phdr) ||
	    !e->e_phnum || e->e_phoff > size || e->e_phnum * sizeof(Elf64_Phdr) > size - e->e_phoff)
		return NULL;
	return (const Elf64_Phdr *)((const char *)e + e->e_phoff);
}

static bool sane(const Elf64_Phdr *p, u64 size, u64 base)
{
	return p->p_offset <= size && p->p_filesz <= size - p->p_offset &&
	       p->p_filesz <= p->p_memsz && p->p_vaddr + base >= USER_START &&
	       p->p_vaddr + base < USER_END && p->p_memsz < USER_END - (p->p_vaddr + base) &&
	       p->p_offset % PAGE_SIZE == p->p_vaddr % PAGE_SIZE;
}

static u32 segment_prot(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* A segment's file part, and the zeroes behind it in a VMA of their own. */
static int map_segment(struct space *space, const Elf64_Phdr *p, paddr_t pa, u64 base,
		       const char *name)
{
	u64 start = ALIGN_DOWN(p->p_vaddr + base, PAGE_SIZE);
	u64 end = ALIGN_UP(p->p_vaddr + base + p->p_memsz, PAGE_SIZE);
	u64 lead = p->p_vaddr + base - start;
	u64 file_end = ALIGN_UP(start + lead + p->p_filesz, PAGE_SIZE);
	struct vma vma = { .start = start, .end = end, .prot = segment_prot(p) };

	if (!p->p_memsz)
		return 0;
	if (!space_is_free(space, start, end))
		return -ENOEXEC;
	if (p->p_filesz) {
		vma.end = MIN(file_end, end);
		vma.backing = pa + p->p_offset - lead;
		/* a read-only last page shows the file's bytes behind the segment,
		 * as Linux does; a writable one is zero there */
		vma.backing_len = vma.prot & PROT_WRITE ? lead + p->p_filesz : vma.end - start;
		vma.name = name;
		if (space_add(space, &vma))
			return -ENOMEM;
	}
	if (vma.end < end || !p->p_filesz) {
		struct vma zeroes = { .start = p->p_filesz ? vma.end : start,
				      .end = end,
				      .prot = vma.prot };
		return space_add(space, &zeroes);
	}
	return 0;
}

static bool sane_name(const Elf64_Ehdr *e, const Elf64_Phdr *p, u64 size)
{
	return p->p_filesz > 1 && p->p_filesz <= 4096 && p->p_offset <= size &&
	       p->p_filesz <= size - p->p_offset &&
	       !((const char *)e)[p->p_offset + p->p_filesz - 1];
}

int elf_load(struct space *space, paddr_t pa, u64 size, const char *name, struct elf_image *image)
{
	const Elf64_Ehdr *e = map_physical(pa, size);
	const Elf64_Phdr *p = headers(e, size);
	u64 base = 0;

	if (!p)
		return -ENOEXEC;
	if (e->e_type == ET_DYN)
		base = boot_info.program_base ? boot_info.program_base :
						PIE_BASE + (pa & (BLOCK_SIZE - 1));
	*image =
		(struct elf_image){ .entry = e->e_entry + base, .phnum = e->e_phnum, .base = base };
	for (unsigned i = 0; i < e->e_phnum; i++) {
		if (p[i].p_type == PT_INTERP && !image->interpreter) {
			if (!sane_name(e, &p[i], size))
				return -ENOEXEC;
			image->interpreter = (const char *)e + p[i].p_offset;
		}
		if (p[i].p_type == PT_GNU_STACK)
			image->exec_stack = p[i].p_flags & PF_X;
		if (p[i].p_type != PT_LOAD)
			continue;
		int error = sane(&p[i], size, base) ? map_segment(space, &p[i], pa, base, name) :
						      -ENOEXEC;
		if (error)
			return error;
		image->end = MAX(image->end, p[i].p_vaddr + base + p[i].p_memsz);
		if (e->e_phoff >= p[i].p_offset && e->e_phoff < p[i].p_offset + p[i].p_filesz)
			image->phdr = e->e_phoff - p[i].p_offset + p[i].p_vaddr + base;
	}
	return image->end ? 0 : -ENOEXEC;
}
