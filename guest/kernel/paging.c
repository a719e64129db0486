/*
 * Page tables (SDM 4.5), always four levels. The domain asks for runs, so
 * that one check covers many entries; each costs one or two instructions.
 * Tables come from the kernel's pool and stay with the space.
 */
#include "kernel.h"

#define ENOMEM 12
#define EINVAL 22
#define ENTRIES 512
#define ALLOWED (PTE_P | PTE_W | PTE_PWT | PTE_PCD | PTE_NX)
#define BOOKKEEPING (PTE_U | PTE_A | PTE_D)
#define ALIGN_PAGE(va) ((va) & ~(PAGE_SIZE - 1ull))
#define DIRECT_MAP_SLOT (DIRECT_MAP >> 39)
#define TABLE (PTE_P | PTE_W | PTE_U | PTE_A)

static unsigned entry_index(uint64_t va, unsigned shift)
{
	return va >> shift & (ENTRIES - 1);
}

/* The domain may map anything but the top 512 GiB, where the kernel is. */
static int va_allowed(uint64_t va, uint64_t len)
{
	uint64_t last = va + len - 1;
	if (va % PAGE_SIZE || !len || last < va)
		return 0;
	if (!(va >> 47))
		return !(last >> 47);
	return va >> 47 == 0x1ffff && entry_index(last, 39) != ENTRIES - 1;
}

/*
 * The table of level `leaf` (1: 4 KiB entries, 2: 2 MiB entries) for va, with
 * those above it; NULL when one is missing and not to be made, the pool is
 * empty, or a block lies in the way.
 */
static uint64_t *table_for(uint64_t va, unsigned leaf, int make)
{
	uint64_t *table = pml4;
	for (unsigned level = 4; level > leaf; level--) {
		uint64_t *entry = &table[entry_index(va, 12 + 9 * (level - 1))];
		if (!*entry) {
			uint64_t pa = make ? pool_take() : 0;
			if (!pa)
				return NULL;
			*entry = pa | TABLE;
		} else if (*entry & PTE_PS) {
			return NULL;
		}
		table = kernel_page(*entry & PTE_ADDR);
	}
	return table;
}

static void flush(uint64_t va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* Eight entries a turn: the soft flavour pays for each instruction. */
static void fill_pages(uint64_t *e, uint64_t entry, uint64_t n)
{
	for (; n >= 8; n -= 8, e += 8, entry += 8 * PAGE_SIZE) {
		e[0] = entry;
		e[1] = entry + PAGE_SIZE;
		e[2] = entry + 2 * PAGE_SIZE;
		e[3] = entry + 3 * PAGE_SIZE;
		e[4] = entry + 4 * PAGE_SIZE;
		e[5] = entry + 5 * PAGE_SIZE;
		e[6] = entry + 6 * PAGE_SIZE;
		e[7] = entry + 7 * PAGE_SIZE;
	}
	for (; n; n--, entry += PAGE_SIZE)
		*e++ = entry;
}

static int fill_blocks(uint64_t *e, uint64_t entry, uint64_t n)
{
	for (; n; n--, e++, entry += BLOCK_SIZE) {
		if (*e && !(*e & PTE_PS))
			return -EINVAL; /* a table of 4 KiB pages is there */
		*e = entry;
	}
	return 0;
}

static long map_run(uint64_t va, uint64_t entry, uint64_t n, unsigned leaf, uint64_t unit)
{
	while (n) {
		uint64_t *table = table_for(va, leaf, 1);
		if (!table)
			return -ENOMEM;
		unsigned first = entry_index(va, leaf == 2 ? 21 : 12);
		unsigned count = ENTRIES - first < n ? ENTRIES - first : n;
		if (leaf == 1)
			fill_pages(table + first, entry, count);
		else if (fill_blocks(table + first, entry, count))
			return -EINVAL;
		entry += count * unit;
		va += count * unit;
		n -= count;
	}
	return 0;
}

/*
 * Where a page is mapped already, the domain must have unmapped it: what it
 * would see through stale translations is only its own memory.
 */
long kcall_map(uint64_t va, uint64_t entry, uint64_t n)
{
	unsigned leaf = entry & PTE_PS ? 2 : 1;
	uint64_t unit = leaf == 2 ? BLOCK_SIZE : PAGE_SIZE;
	uint64_t pa = entry & PTE_ADDR;

	if (n > (1ull << 26) || !va_allowed(va, n * unit) || (va | pa) & (unit - 1) ||
	    entry & ~(PTE_ADDR | ALLOWED | PTE_PS) || !domain_owns(pa, n * unit))
		return -EINVAL;
	kernel_lock();
	if (va >> 39 != DIRECT_MAP_SLOT)
		count_mapped(pa, n * unit);
	long result = map_run(va, entry | BOOKKEEPING, n, leaf, unit);
	kernel_unlock();
	return result;
}

/*
 * Calls for each entry of [va, va + n pages) that is in use; a block counts
 * 512 pages and must lie wholly inside. `bits` replaces the rights, or the
 * entry is cleared when `clear` is set.
 */
static long change(uint64_t va, uint64_t n, uint64_t bits, int clear)
{
	if (n > (1ull << 36) || !va_allowed(va, n * PAGE_SIZE))
		return -EINVAL;
	uint64_t end = va + n * PAGE_SIZE;
	long result = 0;
	kernel_lock();
	while (va < end) {
		uint64_t step = PAGE_SIZE;
		uint64_t *table = table_for(va, 2, 0);
		uint64_t *e = table ? &table[entry_index(va, 21)] : NULL;
		if (!e || !*e) {
			va = (va | (BLOCK_SIZE - 1)) + 1;
			continue;
		}
		if (*e & PTE_PS) {
			step = BLOCK_SIZE;
			if (va & (BLOCK_SIZE - 1) || end - va < BLOCK_SIZE) {
				result = -EINVAL;
				break;
			}
		} else {
			table = kernel_page(*e & PTE_ADDR);
			e = &table[entry_index(va, 12)];
		}
		if (*e) {
			if (clear && va >> 39 != DIRECT_MAP_SLOT)
				count_unmapped(*e & PTE_ADDR, step);
			*e = clear ? 0 : (*e & ~ALLOWED) | bits;
			flush(va);
		}
		va += step;
	}
	kernel_unlock();
	return result;
}

long kcall_protect(uint64_t va, uint64_t bits, uint64_t n)
{
	return bits & ~ALLOWED ? -EINVAL : change(va, n, bits, 0);
}

long kcall_unmap(uint64_t va, uint64_t n)
{
	return change(va, n, 0, 1);
}

static long split(uint64_t va)
{
	uint64_t *table = table_for(va, 2, 0);
	uint64_t *block = table ? &table[entry_index(va, 21)] : NULL;
	if (!block || !(*block & PTE_PS))
		return -EINVAL;
	uint64_t pa = pool_take();
	if (!pa)
		return -ENOMEM;
	fill_pages(kernel_page(pa), *block & ~PTE_PS, ENTRIES);
	*block = pa | TABLE;
	flush(va);
	return 0;
}

long kcall_split(uint64_t va)
{
	if (!va_allowed(ALIGN_PAGE(va), PAGE_SIZE))
		return -EINVAL;
	kernel_lock();
	long result = split(va);
	kernel_unlock();
	return result;
}
