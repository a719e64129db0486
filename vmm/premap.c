/*
 * Page tables (SDM 3A, 4.5) for the program, written from the host, where an
 * entry costs a nanosecond; the guest kernel's entries cost the soft flavour
 * two microseconds. All addresses, also those found in tables, come from the
 * guest image's file and go through mem_at().
 */
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <linux/mman.h>
#include "../shared/abi.h"
#include "../shared/x86.h"
#include "premap.h"

#define ENTRIES    512
#define USER_END   0x7ffffffff000
#define BLOCK      ((uint64_t)BLOCK_SIZE)
#define SMALL_MAX  (4u << 20) /* larger pieces than this only in blocks */
#define ZEROES     (64u << 10) /* of a segment's zeroes, mapped with it; where there is */
#define ZEROES_MAX (512u << 10) /* plenty of memory, so many */
#define PLENTY     16 /* times as much as is wanted */
#define HEAP       (144u << 10) /* behind the program: what malloc() asks for first */
#define HEAP_MAX   (1u << 20) /* behind one with as much data */
#define ROOM_LEFT  (256u << 10) /* memory not to be used up here */
#define TABLE      (PTE_P | PTE_W | PTE_U | PTE_A)

struct premap {
	const struct guest_mem *mem;
	struct boot_tables *tables; /* in guest memory */
};

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & -unit;
}

/* The table below an entry, made when there is none; NULL: it can't be. */
static uint64_t *below(struct premap *p, uint64_t *entry)
{
	uint64_t e = *entry;

	if (e & PTE_PS)
		return NULL;
	if (!e) {
		uint64_t next = p->tables->pool_next;

		if (next >= p->tables->pool_limit || next % PAGE_SIZE)
			return NULL;
		p->tables->pool_next = next + PAGE_SIZE;
		*entry = e = next | TABLE;
	}
	return mem_at(p->mem, e & PTE_ADDR, PAGE_SIZE);
}

/* The entry for va in the table of that level (1: pages, 2: blocks). */
static uint64_t *entry_for(struct premap *p, uint64_t va, unsigned level)
{
	uint64_t *table = mem_at(p->mem, p->tables->pml4, PAGE_SIZE);
	unsigned shift = 39;

	for (; table && shift > 12 + 9 * (level - 1); shift -= 9)
		table = below(p, &table[va >> shift & (ENTRIES - 1)]);
	return table ? &table[va >> shift & (ENTRIES - 1)] : NULL;
}

/* [va, va + len) to gpa on, in blocks where both allow it. What's mapped
 * already, by an overlapping page of another segment, is left alone. */
static bool map(struct premap *p, uint64_t va, uint64_t gpa, uint64_t len, uint64_t rights)
{
	const uint64_t bits = rights | PTE_P | PTE_U | PTE_A | PTE_D;

	for (uint64_t step, *entry; len > 0; va += step, gpa += step, len -= step) {
		const bool block = !(va % BLOCK) && !(gpa % BLOCK) && len >= BLOCK;

		step = block ? BLOCK : PAGE_SIZE;
		entry = entry_for(p, va, block ? 2 : 1);
		if (!entry || *entry)
			return false;
		*entry = gpa | bits | (block ? PTE_PS : 0);
	}
	return true;
}

static bool maps_cheaply(uint64_t va, uint64_t gpa, uint64_t len)
{
	return len <= SMALL_MAX || (va - gpa) % BLOCK == 0;
}

static bool is_last(const struct image *program, const struct elf_segment *seg)
{
	for (unsigned i = 0; i < program->elf.nsegments; i++)
		if (program->elf.segment[i].vaddr > seg->vaddr)
			return false;
	return true;
}

/* Of the heap to come, as much as there are data, or what there is memory for. */
static uint64_t heap_for(const struct guest_mem *mem, uint64_t gpa, uint64_t data)
{
	const uint64_t heap = data < HEAP ? HEAP : data < HEAP_MAX ? data : HEAP_MAX;

	if (mem_at(mem, gpa, PLENTY * heap))
		return heap;
	return mem_at(mem, gpa, 2 * ROOM_LEFT + data + HEAP) ? HEAP : 0;
}

/* A second private copy of a writable segment's pages, zero behind its bytes
 * of the file, at *gpa, which moves up. The heap follows the last one. What is written
 * to soon is copied now: that costs a quarter of what the faults would. */
static void map_writable(struct premap *p, const struct image *program,
			 const struct elf_segment *seg, uint64_t base, uint64_t *gpa)
{
	const uint64_t lead = seg->vaddr % PAGE_SIZE;
	const uint64_t va = seg->vaddr + base - lead;
	const uint64_t file = round_up(lead + seg->filesz, PAGE_SIZE);
	const uint64_t zeroes = mem_at(p->mem, *gpa, PLENTY * ZEROES_MAX) ? ZEROES_MAX : ZEROES;
	uint64_t data = round_up(lead + seg->memsz, PAGE_SIZE), heap = 0, whole;
	uint8_t *to;

	if (data > file + zeroes)
		data = file + zeroes;
	else if (is_last(program, seg))
		heap = heap_for(p->mem, *gpa, data);
	whole = data + heap;
	if (whole > SMALL_MAX || !mem_at(p->mem, *gpa, whole + ROOM_LEFT))
		return;
	to = mem_at(p->mem, *gpa, whole);
	if (seg->filesz > 0 && mmap(to, file, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
				    program->fd, (off_t)(seg->offset - lead)) == MAP_FAILED)
		return;
	memset(to + lead + seg->filesz, 0, seg->filesz ? file - lead - seg->filesz : 0);
	map(p, va, *gpa, whole, PTE_W | (seg->flags & PF_X ? 0 : PTE_NX));
	madvise(to, data + (data < heap ? data : heap), MADV_POPULATE_WRITE);
	*gpa += whole;
}

static void map_segment(struct premap *p, const struct image *program,
			const struct elf_segment *seg, uint64_t base, uint64_t program_gpa,
			uint64_t *data_gpa)
{
	const uint64_t lead = seg->vaddr % PAGE_SIZE;
	const uint64_t va = seg->vaddr + base - lead;
	const uint64_t gpa = program_gpa + seg->offset - lead;
	const uint64_t len = round_up(lead + seg->filesz, PAGE_SIZE);

	if (lead != seg->offset % PAGE_SIZE || va >= USER_END || seg->memsz > USER_END - va ||
	    va < PAGE_SIZE || !(seg->flags & (PF_R | PF_W | PF_X)))
		return;
	if (seg->flags & PF_W)
		map_writable(p, program, seg, base, data_gpa);
	else if (seg->filesz == seg->memsz && maps_cheaply(va, gpa, len))
		map(p, va, gpa, len, seg->flags & PF_X ? 0 : PTE_NX);
}

struct premap_data premap_program(const struct guest_mem *mem, const struct image *guest_image,
				  const struct image *program, uint64_t program_gpa)
{
	struct premap p = { .mem = mem };
	struct premap_data data = { .gpa = round_up(program_gpa + program->size, PAGE_SIZE) };
	uint64_t end = data.gpa;

	if (!guest_image->elf.tables)
		return data;
	p.tables = mem_at(mem, guest_image->elf.tables, sizeof(*p.tables));
	if (!p.tables || guest_image->elf.tables % 8)
		return data;
	if (program_gpa < GUEST_IMAGE_GPA) /* a small VM: the guest image is next */
		end = UINT64_MAX - BLOCK;
	for (unsigned i = 0; i < program->elf.nsegments; i++)
		map_segment(&p, program, &program->elf.segment[i], program->base, program_gpa,
			    &end);
	if (end > data.gpa && end < UINT64_MAX - BLOCK)
		data.size = end - data.gpa;
	return data;
}
