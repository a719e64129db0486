/*
 * ELF files of the file system, loaded by mappings of them (System V ABI,
 * chapter 5; Linux: fs/binfmt_elf.c). What Linux finds only when the old
 * program is gone, and kills the process for, is ENOEXEC here.
 */
#include <linux/elf.h>
#include "../../shared/abi.h"
#include "../fs/vfs.h"
#include "../kernel/kcall.h"
#include "exec.h"
#include "frames.h"
#include "heap.h"
#include "random.h"
#include "uaccess.h"

#define HEADERS_MAX (0x10000 / sizeof(Elf64_Phdr)) /* Linux's limit */
#define PIE_PAGES   (1ull << 28) /* of Linux's randomness, mmap_rnd_bits */

struct elf_file {
	struct file *file;
	Elf64_Ehdr e;
	u64 low, high; /* of all segments, page-aligned */
	u64 align;
	Elf64_Phdr p[];
};

static bool header_ok(const Elf64_Ehdr *e)
{
	return !memcmp(e->e_ident, ELFMAG, SELFMAG) && e->e_machine == EM_X86_64 &&
	       (e->e_type == ET_EXEC || e->e_type == ET_DYN) &&
	       e->e_phentsize == sizeof(Elf64_Phdr) && e->e_phnum && e->e_phnum <= HEADERS_MAX;
}

static bool segment_ok(const struct elf_file *f, const Elf64_Phdr *p)
{
	u64 size = f->file->inode->size;
	return p->p_filesz <= p->p_memsz && p->p_memsz <= USER_END &&
	       p->p_vaddr <= USER_END - p->p_memsz && p->p_offset <= size &&
	       p->p_filesz <= size - p->p_offset &&
	       p->p_offset % PAGE_SIZE == p->p_vaddr % PAGE_SIZE &&
	       (f->e.e_type == ET_DYN || p->p_vaddr >= USER_START);
}

static u64 first_page(const Elf64_Phdr *p)
{
	return ALIGN_DOWN(p->p_vaddr, PAGE_SIZE);
}

static u64 last_page(const Elf64_Phdr *p) /* the one behind it */
{
	return ALIGN_UP(p->p_vaddr + p->p_memsz, PAGE_SIZE);
}

static bool is_loaded(const Elf64_Phdr *p)
{
	return p->p_type == PT_LOAD && p->p_memsz;
}

static bool overlaps_earlier(const struct elf_file *f, unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (is_loaded(&f->p[k]) && first_page(&f->p[k]) < last_page(&f->p[i]) &&
		    first_page(&f->p[i]) < last_page(&f->p[k]))
			return true;
	return false;
}

static int measure(struct elf_file *f)
{
	f->low = UINT64_MAX;
	f->align = PAGE_SIZE;
	for (unsigned i = 0; i < f->e.e_phnum; i++) {
		const Elf64_Phdr *p = &f->p[i];
		if (!is_loaded(p))
			continue;
		if (!segment_ok(f, p) || overlaps_earlier(f, i))
			return -ENOEXEC;
		f->low = MIN(f->low, first_page(p));
		f->high = MAX(f->high, last_page(p));
		if (p->p_align <= BLOCK_SIZE && !(p->p_align & (p->p_align - 1)))
			f->align = MAX(f->align, p->p_align);
	}
	return f->low < f->high ? 0 : -ENOEXEC;
}

int elf_open(struct file *file, struct elf_file **out)
{
	Elf64_Ehdr e;
	long n = file_read_kernel(file, &e, sizeof(e), 0);
	if (n < 0)
		return n;
	if (n != sizeof(e) || !header_ok(&e))
		return -ENOEXEC;
	size_t size = e.e_phnum * sizeof(Elf64_Phdr);
	struct elf_file *f = kalloc(sizeof(*f) + size);
	if (!f)
		return -ENOMEM;
	f->e = e;
	f->file = file;
	n = file_read_kernel(file, f->p, size, e.e_phoff);
	int error = n == (long)size ? measure(f) : -ENOEXEC;
	if (error)
		kfree(f);
	else
		*out = f;
	return error;
}

void elf_close(struct elf_file *f)
{
	if (f)
		exec_close(f->file);
	kfree(f);
}

struct file *elf_file(const struct elf_file *f)
{
	return f->file;
}

struct file *elf_take_file(struct elf_file *f)
{
	struct file *file = f->file;
	kfree(f);
	return file;
}

bool elf_anywhere(const struct elf_file *f)
{
	return f->e.e_type == ET_DYN;
}

static const Elf64_Phdr *find_header(const struct elf_file *f, u32 type)
{
	for (unsigned i = 0; i < f->e.e_phnum; i++)
		if (f->p[i].p_type == type)
			return &f->p[i];
	return NULL;
}

char *elf_interpreter(const struct elf_file *f, int *error)
{
	const Elf64_Phdr *p = find_header(f, PT_INTERP);
	*error = 0;
	if (!p)
		return NULL;
	*error = -ENOEXEC;
	if (p->p_filesz < 2 || p->p_filesz > PATH_MAX)
		return NULL;
	char *name = kalloc(p->p_filesz);
	long n = name ? file_read_kernel(f->file, name, p->p_filesz, p->p_offset) : -ENOMEM;
	if (n == (long)p->p_filesz && !name[n - 1]) {
		*error = 0;
		return name;
	}
	if (n != (long)p->p_filesz)
		*error = n < 0 ? n : -EIO;
	kfree(name);
	return NULL;
}

static u32 segment_prot(const Elf64_Phdr *p)
{
	return (p->p_flags & PF_R ? PROT_READ : 0) | (p->p_flags & PF_W ? PROT_WRITE : 0) |
	       (p->p_flags & PF_X ? PROT_EXEC : 0);
}

/* The part of the file; copied if it comes from where pages cannot be mapped. */
static int map_part(struct space *space, struct vma *vma)
{
	struct file *file = vma->file;
	u32 prot = vma->prot;
	if (vma->start == vma->end)
		return 0;
	if (!file->inode->ops->get_page) {
		vma->file = NULL;
		vma->prot = PROT_READ | PROT_WRITE;
	}
	int error = space_add(space, vma);
	if (!error && !vma->file)
		error = space_fill(file, vma->start, vma->end - vma->start, vma->offset, prot);
	return error;
}

/* A segment's part of the file, and the zeroes behind it. */
static int map_segment(struct space *space, const struct elf_file *f, const Elf64_Phdr *p, u64 base)
{
	u64 start = first_page(p) + base, end = last_page(p) + base;
	u64 file_end = p->p_vaddr + base + p->p_filesz;
	struct vma vma = { .start = start,
			   .end = p->p_filesz ? MIN(ALIGN_UP(file_end, PAGE_SIZE), end) : start,
			   .prot = segment_prot(p),
			   .file = f->file,
			   .offset = ALIGN_DOWN(p->p_offset, PAGE_SIZE) };
	struct vma zeroes = { .start = vma.end, .end = end, .prot = vma.prot };

	if (!space_is_free(space, start, end))
		return -ENOEXEC;
	if ((end - zeroes.start) >> PAGE_SHIFT > frames_total())
		return -ENOMEM;
	int error = map_part(space, &vma);
	if (!error && zeroes.start < end)
		error = space_add(space, &zeroes);
	if (error)
		return error;
	if (p->p_flags & PF_W && p->p_memsz > p->p_filesz && file_end < vma.end &&
	    clear_user((void *)file_end, vma.end - file_end))
		return -ENOMEM;
	return 0;
}

/* Where it goes: what is added to its addresses, or -ENOMEM. */
static long choose_base(struct space *space, const struct elf_file *f, bool below, bool random)
{
	u64 at = PIE_BASE;
	if (f->e.e_type == ET_EXEC)
		return 0;
	if (below) {
		at = space_gap(space, f->high - f->low + f->align - PAGE_SIZE, USER_END);
	} else if (random) {
		at += random_below(PIE_PAGES) * PAGE_SIZE;
	}
	return at ? (long)(ALIGN_UP(at - f->low, f->align)) : -ENOMEM;
}

int elf_map(struct space *space, const struct elf_file *f, bool below, bool random,
	    struct elf_image *image)
{
	const Elf64_Phdr *stack = find_header(f, PT_GNU_STACK);
	long base = choose_base(space, f, below, random);
	if (base == -ENOMEM)
		return -ENOMEM;
	*image = (struct elf_image){ .entry = f->e.e_entry + base,
				     .base = base,
				     .phnum = f->e.e_phnum,
				     .exec_stack = stack && stack->p_flags & PF_X };
	for (unsigned i = 0; i < f->e.e_phnum; i++) {
		const Elf64_Phdr *p = &f->p[i];
		int error = is_loaded(p) ? map_segment(space, f, p, base) : 0;
		if (error)
			return error;
		if (is_loaded(p) && f->e.e_phoff - p->p_offset < p->p_filesz)
			image->phdr = f->e.e_phoff - p->p_offset + p->p_vaddr + base;
	}
	image->end = f->high + base;
	return image->entry < USER_END ? 0 : -ENOEXEC;
}
