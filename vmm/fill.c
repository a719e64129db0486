/*
 * See fill.h. An entry costs the host a nanosecond and the guest's kernel, where KVM
 * interprets it, two microseconds. The kernel has checked what it asks for; here it
 * is only kept inside the guest's own memory, which a guest may fill as it likes.
 *
 * A page that is touched for the first time costs a fault in KVM and one of the
 * host's own; the latter is saved for all pages of a run at once.
 */
#include <string.h>
#include <sys/mman.h>
#include <linux/mman.h>
#include "../shared/x86.h"
#include "fill.h"

#define ENTRIES    512
#define LEAST      4 /* entries: these cost the guest as much as the exit */
#define SIZE_LEAST (16u << 20) /* of memory: else pages come in few at a time */
#define COUNTED    (1ull << 30) /* where the kernel knows whose memory is */
#define BRING_MOST 64 /* pages of a run that may well be touched, all of them */

void fill_offer(struct fill *fill, const struct guest_mem *mem, uint64_t tables)
{
	struct boot_tables *t = mem_at(mem, tables, sizeof(*t));

	if (mem->size < SIZE_LEAST || !t || tables % 8 || t->fill_least != FILL_NEVER ||
	    (t->pml4 | t->blocks) % 8 || (t->mapped | t->lock) % 4)
		return;
	t->fill_least = LEAST;
	fill->tables = *t;
	fill->gpa = tables;
	fill->offered = true;
}

/* n entries of one table; NULL: they are not. */
static uint64_t *entries_at(const struct guest_mem *mem, uint64_t first, uint64_t n)
{
	if (first % 8 || n - 1 >= ENTRIES || first % PAGE_SIZE / 8 + n > ENTRIES)
		return NULL;
	return mem_at(mem, first, n * 8);
}

/* What the host refuses, it refuses again when the page is touched. */
static void bring_in(const struct guest_mem *mem, uint64_t entry, uint64_t n)
{
	const uint64_t gpa = entry & PTE_ADDR, len = n * PAGE_SIZE;
	void *p;

	if (n > BRING_MOST)
		return;
	p = entry & PTE_W ? mem_at(mem, gpa, len) : (void *)mem_to_read(mem, gpa, len);
	if (p)
		madvise(p, len, entry & PTE_W ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

static void write_entries(uint64_t *e, uint64_t entry, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		__atomic_store_n(&e[i], entry + i * PAGE_SIZE, __ATOMIC_RELAXED);
}

bool fill_entries(const struct guest_mem *mem, uint64_t first, uint64_t entry, uint64_t n)
{
	uint64_t *e = entries_at(mem, first, n);

	if (!e)
		return false;
	bring_in(mem, entry, n);
	write_entries(e, entry, n);
	return true;
}

/* ---- runs that nobody has checked yet */

/* As guest/kernel/paging.c, map_common(), has it, which see. */
static bool frames_allowed(const struct boot_tables *t, const struct guest_mem *mem, uint64_t pa,
			   uint64_t n)
{
	const uint64_t end = pa + n * PAGE_SIZE, *block;

	if (pa >> 32)
		return !(pa >> 50);
	if (pa < t->kernel_end && (pa < LOW_FREE_GPA || end > t->kernel_start))
		return false;
	if (end > COUNTED || (pa ^ (end - 1)) / BLOCK_SIZE)
		return false;
	block = mem_at(mem, t->blocks + pa / BLOCK_SIZE * 8, 8);
	return block && !(*block & PTE_PS);
}

/* A page of the kernel's pool for a table, empty; 0: there is none. */
static uint64_t new_table(const struct fill *fill, const struct guest_mem *mem)
{
	struct boot_tables *t = mem_at(mem, fill->gpa, sizeof(*t));
	const uint64_t pa = t ? t->pool_next : 0;
	void *page =
		pa % PAGE_SIZE || !pa || pa >= t->pool_limit ? NULL : mem_at(mem, pa, PAGE_SIZE);

	if (!page)
		return 0;
	memset(page, 0, PAGE_SIZE); /* of a donated block, as pool_take() has it */
	t->pool_next = pa + PAGE_SIZE;
	return pa;
}

/* The n entries for the pages from va on, in one table, which is made with `make`. NULL:
 * there is none, or none can be made. */
static uint64_t *entries_of(const struct fill *fill, const struct guest_mem *mem, uint64_t va,
			    uint64_t n, bool make)
{
	uint64_t at = fill->tables.pml4, *e;

	for (unsigned shift = 39; shift > 12; shift -= 9) {
		e = mem_at(mem, at + (va >> shift) % ENTRIES * 8, 8);
		if (!e || *e & PTE_PS)
			return NULL;
		if (*e == 0 && make) {
			at = new_table(fill, mem);
			if (at)
				__atomic_store_n(e, at | PTE_P | PTE_W | PTE_U | PTE_A,
						 __ATOMIC_RELEASE);
		}
		if (!(*e & PTE_P))
			return NULL;
		at = *e & PTE_ADDR;
	}
	return entries_at(mem, at + (va >> 12) % ENTRIES * 8, n);
}

/* The same, if none of them is in use. */
static uint64_t *empty_entries(const struct fill *fill, const struct guest_mem *mem, uint64_t va,
			       uint64_t n)
{
	uint64_t *e = entries_of(fill, mem, va, n, true);

	for (uint64_t i = 0; e && i < n; i++)
		if (e[i])
			return NULL;
	return e;
}

static bool map_locked(const struct fill *fill, const struct guest_mem *mem, uint64_t va,
		       uint64_t entry, uint64_t n)
{
	const struct boot_tables *t = &fill->tables;
	const uint64_t pa = entry & PTE_ADDR;
	uint32_t *count = mem_at(mem, t->mapped + pa / BLOCK_SIZE % ENTRIES * 4, 4);
	uint64_t *e =
		count && frames_allowed(t, mem, pa, n) ? empty_entries(fill, mem, va, n) : NULL;

	if (!e)
		return false;
	if (!(pa >> 32))
		*count += (uint32_t)n;
	write_entries(e, entry | PTE_U | PTE_A | PTE_D, n);
	return true;
}

static bool run_allowed(uint64_t va, uint64_t n)
{
	return n - 1 < ENTRIES && va / PAGE_SIZE % ENTRIES + n <= ENTRIES && va >> 47 == 0 &&
	       va % PAGE_SIZE == 0;
}

/* Of the kernel's tables; NULL: another vCPU has it, which is not worth waiting for. */
static uint32_t *take_lock(const struct fill *fill, const struct guest_mem *mem)
{
	uint32_t *lock = fill->offered ? mem_at(mem, fill->tables.lock, 4) : NULL;

	return lock && !__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) ? lock : NULL;
}

bool fill_map(const struct fill *fill, const struct guest_mem *mem, uint64_t va, uint64_t entry,
	      uint64_t n)
{
	const uint64_t allowed = PTE_ADDR | PTE_P | PTE_W | PTE_PWT | PTE_PCD | PTE_NX | PTE_FILE;
	uint32_t *lock = run_allowed(va, n) && !(entry & ~allowed) ? take_lock(fill, mem) : NULL;
	bool done;

	if (!lock)
		return false;
	done = map_locked(fill, mem, va, entry, n);
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	if (done)
		bring_in(mem, entry, n);
	return done;
}

/* ---- the end of mappings */

/* Entries of memory without PTE_FILE, all in use, for n pages from va on; NULL: other ones. */
static uint64_t *used_entries(const struct fill *fill, const struct guest_mem *mem, uint64_t va,
			      uint64_t n)
{
	uint64_t *e = entries_of(fill, mem, va, n, false);

	for (uint64_t i = 0; e && i < n; i++)
		if (!e[i] || e[i] & PTE_FILE || !mem_at(mem, e[i] & PTE_ADDR, PAGE_SIZE))
			return NULL;
	return e;
}

/*
 * KVM does not see that the VMM writes entries, but when the host's own mapping of the
 * memory goes, it forgets all that it knows of it. The pages stay, until the host is
 * short of memory, or they are written again.
 */
static bool forget(const struct guest_mem *mem, const uint64_t *entry, uint64_t n)
{
	for (uint64_t i = 0, len; i < n; i += len) {
		len = 1;
		while (i + len < n && entry[i + len] == entry[i] + len * PAGE_SIZE)
			len++;
		void *p = mem_at(mem, entry[i] & PTE_ADDR, len * PAGE_SIZE);
		if (!p || madvise(p, len * PAGE_SIZE, MADV_FREE))
			return false;
	}
	return true;
}

static bool unmap_locked(const struct fill *fill, const struct guest_mem *mem, uint64_t va,
			 uint64_t n)
{
	uint64_t *e = used_entries(fill, mem, va, n), old[ENTRIES];

	if (!e)
		return false;
	memcpy(old, e, n * sizeof(*e));
	for (uint64_t i = 0; i < n; i++)
		__atomic_store_n(&e[i], 0, __ATOMIC_RELAXED);
	if (!forget(mem, old, n)) {
		memcpy(e, old, n * sizeof(*e));
		return false;
	}
	for (uint64_t i = 0; i < n; i++) {
		const uint64_t block = (old[i] & PTE_ADDR) / BLOCK_SIZE;
		uint32_t *count =
			block < ENTRIES ? mem_at(mem, fill->tables.mapped + block * 4, 4) : NULL;

		if (count)
			--*count;
	}
	return true;
}

bool fill_unmap(const struct fill *fill, const struct guest_mem *mem, uint64_t va, uint64_t n)
{
	uint32_t *lock = run_allowed(va, n) ? take_lock(fill, mem) : NULL;
	bool done = lock && unmap_locked(fill, mem, va, n);

	if (lock)
		__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	return done;
}

uint32_t fill_run_length(const struct guest_mem *mem, uint64_t first, uint64_t n)
{
	const uint64_t *e = entries_at(mem, first, n);
	uint32_t len = 0;

	for (uint64_t expected = e ? *e : 0; e && len < n && e[len] == expected;
	     expected += PAGE_SIZE)
		len++;
	return len;
}
