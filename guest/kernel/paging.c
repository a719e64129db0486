/*
 * Page tables (SDM 4.5), always four levels. The domain asks for runs, so
 * that one check covers many entries; each costs one or two instructions.
 * Tables come from the kernel's pool; of the program's half they can come back.
 */
#include "kernel.h"

#define ENOMEM          12
#define EINVAL          22
#define ENTRIES         512
#define RIGHTS          (PTE_P | PTE_W | PTE_PWT | PTE_PCD | PTE_NX)
#define ALLOWED         (RIGHTS | PTE_FILE)
#define BOOKKEEPING     (PTE_U | PTE_A | PTE_D)
#define ALIGN_PAGE(va)  ((va) & ~(PAGE_SIZE - 1ull))
#define DIRECT_MAP_SLOT (DIRECT_MAP >> 39)
#define TABLE           (PTE_P | PTE_W | PTE_U | PTE_A)
#define DROPPED_MAX     120 /* tables of a level that are kept for their next use */
#define MAP_AGAIN_MAX   (ENTRIES * 8) /* blocks of a run that tables are put for */

static inline unsigned entry_index(uint64_t va, unsigned shift)
{
	return va >> shift & (ENTRIES - 1);
}

/* The domain may map anything but the top 512 GiB, where the kernel is. */
static inline int va_allowed(uint64_t va, uint64_t len)
{
	uint64_t last = va + len - 1;
	if (last < va || va % PAGE_SIZE)
		return 0;
	if (!(last >> 47))
		return 1;
	return va >> 47 == 0x1ffff && entry_index(last, 39) != ENTRIES - 1;
}

static uint64_t *new_table(uint64_t *entry)
{
	uint64_t pa = pool_take();
	if (!pa)
		return NULL;
	*entry = pa | TABLE;
	return kernel_page(pa);
}

/* One level down; NULL when there is no table and none is to be made, the
 * pool is empty, or a block lies in the way. */
static inline uint64_t *next_table(uint64_t *table, unsigned index, int make)
{
	uint64_t entry = table[index];
	if (!entry)
		return make ? new_table(&table[index]) : NULL;
	if (entry & PTE_PS)
		return NULL;
	return kernel_page(entry & PTE_ADDR);
}

/* The level 2 table (2 MiB entries) for va. */
static inline uint64_t *directory_for(uint64_t va, int make)
{
	uint64_t *table = next_table(pml4, entry_index(va, 39), make);
	return table ? next_table(table, entry_index(va, 30), make) : NULL;
}

static void flush(uint64_t va)
{
	asm volatile("invlpg (%0)" : : "r"(va) : "memory");
}

static void flush_all(void)
{
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

/* Two instructions an entry, eight entries a turn, since the soft flavour
 * pays for each instruction; or one for all of them, where the VMM does it. */
static inline void fill_pages(uint64_t *e, uint64_t entry, uint64_t n)
{
	if (n >= boot_tables.fill_least) {
		asm volatile("out %%eax, %0"
			     :
			     : "i"(FILL_PORT), "a"(entry), "D"((uint64_t)e - IMAGE_BASE), "c"(n)
			     : "memory");
		return;
	}
	asm volatile("sub $8, %2\n\t"
		     "jb 2f\n"
		     "1:\n\t"
		     ".rept 8\n\t"
		     "stosq\n\t"
		     "add %3, %0\n\t"
		     ".endr\n\t"
		     "sub $8, %2\n\t"
		     "jae 1b\n"
		     "2:\n\t"
		     "add $8, %2\n\t"
		     "jz 4f\n"
		     "3:\n\t"
		     "stosq\n\t"
		     "add %3, %0\n\t"
		     "dec %2\n\t"
		     "jnz 3b\n"
		     "4:"
		     : "+a"(entry), "+D"(e), "+r"(n)
		     : "r"((uint64_t)PAGE_SIZE)
		     : "memory", "cc");
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

/* The table of 4 KiB entries that was used last: what is asked for lies close
 * together, and a table that is once in place stays. Under the lock. */
static struct {
	uint64_t block; /* va >> 21 */
	uint64_t *table; /* NULL: none yet */
} last;

static inline uint64_t *table_at(uint64_t va, int make)
{
	if (last.table && last.block == va >> 21)
		return last.table;
	uint64_t *directory = directory_for(va, make);
	uint64_t *table = directory ? next_table(directory, entry_index(va, 21), make) : NULL;
	if (table) {
		last.block = va >> 21;
		last.table = table;
	}
	return table;
}

static inline long map_pages(uint64_t va, uint64_t entry, uint64_t n)
{
	while (n) {
		uint64_t *table = table_at(va, 1);
		if (!table)
			return -ENOMEM;
		unsigned first = entry_index(va, PAGE_SHIFT);
		uint64_t count = ENTRIES - first < n ? ENTRIES - first : n;
		fill_pages(table + first, entry, count);
		entry += count * PAGE_SIZE;
		va += count * PAGE_SIZE;
		n -= count;
	}
	return 0;
}

/*
 * Where a page is mapped already, the domain must have unmapped it: what it
 * would see through stale translations is only its own memory.
 */
static long map_blocks(uint64_t va, uint64_t entry, uint64_t n)
{
	uint64_t pa = entry & PTE_ADDR;

	if (n - 1 >= 1 << 17 || !va_allowed(va, n * BLOCK_SIZE) || (va | pa) & (BLOCK_SIZE - 1) ||
	    entry & ~(PTE_ADDR | ALLOWED | PTE_PS) || !domain_owns(pa, n * BLOCK_SIZE))
		return -EINVAL;
	if (va >> 39 != DIRECT_MAP_SLOT)
		count_mapped(pa, n * BLOCK_SIZE);
	entry |= BOOKKEEPING;
	while (n) {
		uint64_t *table = directory_for(va, 1);
		if (!table)
			return -ENOMEM;
		unsigned first = entry_index(va, 21);
		uint64_t count = ENTRIES - first < n ? ENTRIES - first : n;
		if (fill_blocks(table + first, entry, count))
			return -EINVAL;
		entry += count * BLOCK_SIZE;
		va += count * BLOCK_SIZE;
		n -= count;
	}
	return 0;
}

/* 4 KiB pages that may cross tables, blocks or halves: the long way. */
static long map_pages_anywhere(uint64_t va, uint64_t entry, uint64_t n)
{
	uint64_t pa = entry & PTE_ADDR;

	if (n - 1 >= 1 << 26 || !va_allowed(va, n * PAGE_SIZE) || entry & ~(PTE_ADDR | ALLOWED) ||
	    !domain_owns(pa, n * PAGE_SIZE))
		return -EINVAL;
	if (va >> 39 != DIRECT_MAP_SLOT)
		count_mapped(pa, n * PAGE_SIZE);
	return map_pages(va, entry | BOOKKEEPING, n);
}

/* Below this image, where nothing is the kernel's but what lies further down. */
static inline int low_frames(uint64_t pa, uint64_t n)
{
	return pa >= LOW_FREE_GPA && pa + n * PAGE_SIZE <= (uint64_t)kernel_start - IMAGE_BASE;
}

/* Files of the host: above 4 GiB nothing is the kernel's, nor counted; far enough
 * below the top that a table of pages does not come round to 0. */
static inline int above_all(uint64_t pa)
{
	return pa >> 32 && !(pa >> 50);
}

/*
 * What nearly all calls ask for: a run in the program's half, in one table, its frames
 * in one block between this image and 1 GiB, below it, or above 4 GiB. Few checks
 * decide. 1: done; 0: it is another one, or has no table, and none is to be made;
 * -ENOMEM.
 */
static inline __attribute__((always_inline)) int map_common(uint64_t va, uint64_t entry, uint64_t n,
							    int make)
{
	uint64_t first = va >> PAGE_SHIFT & (ENTRIES - 1), pa = entry & PTE_ADDR, *table;

	if (n - 1 >= ENTRIES - first || va >> 47 || va & (PAGE_SIZE - 1) ||
	    entry & ~(PTE_ADDR | ALLOWED))
		return 0;
	if (!above_all(pa) &&
	    ((pa < (uint64_t)kernel_end - IMAGE_BASE && !low_frames(pa, n)) ||
	     pa >= BLOCKS * (uint64_t)BLOCK_SIZE || entry_index(pa, PAGE_SHIFT) + n > ENTRIES ||
	     pd_image[pa >> 21] & PTE_PS))
		return 0;
	table = table_at(va, make);
	if (!table)
		return make ? -ENOMEM : 0;
	if (!above_all(pa))
		mapped[pa >> 21] += n;
	fill_pages(table + first, entry | BOOKKEEPING, n);
	return 1;
}

static inline long map_run(uint64_t va, uint64_t entry, uint64_t n)
{
	if (entry & PTE_PS)
		return map_blocks(va, entry, n);
	int done = map_common(va, entry, n, 1);
	if (done)
		return done < 0 ? done : 0;
	return map_pages_anywhere(va, entry, n);
}

/*
 * Tables that came back, by the level they had (1: of 4 KiB entries), as numbers
 * of their frames. They are used again at that level only, and nothing else is
 * ever written to them: so whoever still knows one, another vCPU or an entry
 * that the domain had better not left in a table, finds entries of the right
 * kind there, and never takes a table for a page.
 */
static struct {
	uint32_t frame[DROPPED_MAX];
	unsigned n;
} dropped[4];

/* One of them, or 0. */
static uint64_t reuse_table(unsigned level)
{
	unsigned n = dropped[level].n;
	if (!n)
		return 0;
	dropped[level].n--;
	return (uint64_t)dropped[level].frame[n - 1] << PAGE_SHIFT;
}

/* Puts such tables where map_run() found the pool empty, down to those whose
 * entries stand for 1 << lowest bytes. False: there was none to put. */
static int put_tables(uint64_t va, uint64_t end, unsigned lowest)
{
	int put = 0;
	for (; va < end && !(va >> 47); va = (va | (BLOCK_SIZE - 1)) + 1) {
		uint64_t *table = pml4;
		for (unsigned shift = 39; table && shift > lowest; shift -= 9) {
			uint64_t *entry = &table[entry_index(va, shift)];
			uint64_t pa = *entry ? 0 : reuse_table((shift - PAGE_SHIFT) / 9);
			if (pa) {
				*entry = pa | TABLE;
				put = 1;
			}
			table = next_table(table, entry_index(va, shift), 0);
		}
	}
	return put;
}

/* Any run; once more when there was no memory for tables. */
static __attribute__((noinline)) long map_run_slowly(uint64_t va, uint64_t entry, uint64_t n)
{
	int blocks = (entry & PTE_PS) != 0;
	uint64_t most = (uint64_t)MAP_AGAIN_MAX * BLOCK_SIZE;
	uint64_t len = blocks ? n * BLOCK_SIZE : n * PAGE_SIZE;
	long result = map_run(va, entry, n);

	if (result != -ENOMEM ||
	    !put_tables(va, va + (len < most ? len : most), blocks ? 21 : PAGE_SHIFT))
		return result;
	return map_run(va, entry, n);
}

static __attribute__((noinline)) long map_run_locking(uint64_t va, uint64_t entry, uint64_t n)
{
	kernel_lock();
	long result = map_run_slowly(va, entry, n);
	kernel_unlock();
	return result;
}

/* The lock is let go in between, so that the quick way needs no stack. */
long kcall_map_run(uint64_t va, uint64_t entry, uint64_t n)
{
	kernel_lock();
	int done = map_common(va, entry, n, 0);
	kernel_unlock();
	return done ? 0 : map_run_locking(va, entry, n);
}

/* The runs are in the vCPU area, where the domain may change them at any
 * time: each is read once. */
long kcall_map(uint64_t count)
{
	const volatile struct map_run *run = this_area()->run;
	long result = 0;

	if (count > MAP_RUNS)
		return -EINVAL;
	kernel_lock();
	for (; count && !result; count--, run++) {
		struct map_run r = { run->va, run->entry, run->n };
		if (!map_common(r.va, r.entry, r.n, 0))
			result = map_run_slowly(r.va, r.entry, r.n);
	}
	kernel_unlock();
	return result;
}

static void protect_pages(uint64_t *e, uint64_t n, uint64_t bits)
{
	for (uint64_t *end = e + n; e != end; e++)
		if (*e)
			*e = (*e & ~RIGHTS) | bits;
}

/* How many of n entries are of frames in a row: here, or as the VMM sees it. */
static inline uint64_t run_length(const uint64_t *e, uint64_t n)
{
	uint64_t expected = *e, len = 1;
	if (n >= boot_tables.fill_least) {
		uint32_t told;
		asm volatile("in %1, %%eax"
			     : "=a"(told)
			     : "i"(FILL_PORT), "D"((uint64_t)e - IMAGE_BASE), "c"(n)
			     : "memory");
		return told;
	}
	while (len != n && e[len] == (expected += PAGE_SIZE))
		len++;
	return len;
}

/* One instruction an entry, which the VMM cannot do: KVM has to learn of it. */
static inline void empty_entries(uint64_t *e, uint64_t n)
{
	asm volatile("sub $8, %1\n\t"
		     "jb 2f\n"
		     "1:\n\t"
		     ".rept 8\n\t"
		     "stosq\n\t"
		     ".endr\n\t"
		     "sub $8, %1\n\t"
		     "jae 1b\n"
		     "2:\n\t"
		     "add $8, %1\n\t"
		     "jz 4f\n"
		     "3:\n\t"
		     "stosq\n\t"
		     "dec %1\n\t"
		     "jnz 3b\n"
		     "4:"
		     : "+D"(e), "+r"(n)
		     : "a"(0ull)
		     : "memory", "cc");
}

/* Of frames in a row, as runs were mapped, a few instructions each: they are
 * of one block, and so counted together. */
static void clear_pages(uint64_t *e, uint64_t n)
{
	uint64_t len;
	for (uint64_t *end = e + n; e != end; e += len) {
		uint64_t first = *e, most = ENTRIES - entry_index(first, PAGE_SHIFT);
		len = 1;
		if (!first)
			continue;
		len = run_length(e, most < (uint64_t)(end - e) ? most : (uint64_t)(end - e));
		empty_entries(e, len);
		count_unmapped(first & PTE_ADDR, len * PAGE_SIZE);
	}
}

/*
 * New rights for, or the end of, the entries in use in [va, va + n pages); a
 * block counts 512 pages and must lie wholly inside.
 */
static long change_locked(uint64_t va, uint64_t end, uint64_t bits, int clear)
{
	while (va < end) {
		uint64_t next = (va | (BLOCK_SIZE - 1)) + 1;
		uint64_t *directory = directory_for(va, 0);
		uint64_t *e = directory ? &directory[entry_index(va, 21)] : NULL;
		if (next > end)
			next = end;
		if (!e || !*e) {
			va = next;
			continue;
		}
		if (*e & PTE_PS) {
			if (va & (BLOCK_SIZE - 1) || next - va < BLOCK_SIZE)
				return -EINVAL;
			if (clear)
				count_unmapped(*e & PTE_ADDR, BLOCK_SIZE);
			*e = clear ? 0 : (*e & ~RIGHTS) | bits;
		} else {
			uint64_t *first = (uint64_t *)kernel_page(*e & PTE_ADDR) +
					  entry_index(va, PAGE_SHIFT);
			if (clear)
				clear_pages(first, (next - va) / PAGE_SIZE);
			else
				protect_pages(first, (next - va) / PAGE_SIZE, bits);
		}
		va = next;
	}
	return 0;
}

/* The usual range is the program's, in one table. False: it is another one. */
static inline int change_few(uint64_t va, uint64_t n, uint64_t bits, int clear)
{
	uint64_t first = entry_index(va, PAGE_SHIFT);
	uint64_t *table;
	if (n - 1 >= ENTRIES || first + n > ENTRIES || va >> 47 || va & (PAGE_SIZE - 1))
		return 0;
	kernel_lock();
	table = table_at(va, 0);
	if (table && clear)
		clear_pages(table + first, n);
	else if (table)
		protect_pages(table + first, n, bits);
	kernel_unlock();
	return table != NULL;
}

static void flush_range(uint64_t va, uint64_t n)
{
	if (n == 1)
		flush(va);
	else
		flush_all();
}

static long change(uint64_t va, uint64_t n, uint64_t bits, int clear)
{
	if (n - 1 >= 1ull << 36 || !va_allowed(va, n * PAGE_SIZE) || va >> 39 == DIRECT_MAP_SLOT)
		return -EINVAL;
	kernel_lock();
	long result = change_locked(va, va + n * PAGE_SIZE, bits, clear);
	kernel_unlock();
	flush_range(va, n);
	return result;
}

long kcall_protect(uint64_t va, uint64_t bits, uint64_t n)
{
	if (bits & ~RIGHTS)
		return -EINVAL;
	if (!change_few(va, n, bits, 0))
		return change(va, n, bits, 0);
	flush_range(va, n);
	return 0;
}

long kcall_unmap(uint64_t va, uint64_t n)
{
	if (!change_few(va, n, 0, 1))
		return change(va, n, 0, 1);
	flush_range(va, n);
	return 0;
}

static long split(uint64_t va)
{
	uint64_t *table = directory_for(va, 0);
	uint64_t *block = table ? &table[entry_index(va, 21)] : NULL;
	if (!block || !(*block & PTE_PS))
		return -EINVAL;
	uint64_t pa = pool_take();
	if (!pa)
		pa = reuse_table(1); /* all of it is filled */
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

/*
 * Nobody looks whether the table is empty, which would cost the soft flavour
 * half a millisecond: what is left in it stays counted as mapped, and shows
 * where the table is used next. It is the domain's own memory.
 */
static long drop_table(uint64_t va, uint64_t shift)
{
	unsigned level = (shift - PAGE_SHIFT) / 9, n = dropped[level].n;
	uint64_t *table = pml4;
	for (unsigned at = 39; table && at > shift; at -= 9)
		table = next_table(table, entry_index(va, at), 0);
	uint64_t *entry = table ? &table[entry_index(va, shift)] : NULL;
	if (!entry || !*entry || *entry & PTE_PS || n == DROPPED_MAX)
		return -EINVAL;
	dropped[level].frame[n] = (*entry & PTE_ADDR) >> PAGE_SHIFT;
	dropped[level].n++;
	*entry = 0;
	last.table = NULL;
	flush_all();
	return 0;
}

long kcall_drop_table(uint64_t va, uint64_t shift)
{
	if (va >> 47 || (shift != 21 && shift != 30 && shift != 39))
		return -EINVAL;
	kernel_lock();
	long result = drop_table(va, shift);
	kernel_unlock();
	return result;
}
