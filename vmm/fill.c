/*
 * See fill.h. An entry costs the host a nanosecond and the guest's kernel, where KVM
 * interprets it, two microseconds. The kernel has checked what it asks for; here it
 * is only kept inside the guest's own memory, which a guest may fill as it likes.
 *
 * A page that is touched for the first time costs a fault in KVM and one of the
 * host's own; the latter is saved for all pages of a run at once.
 */
#include <sys/mman.h>
#include <linux/mman.h>
#include "../shared/abi.h"
#include "../shared/x86.h"
#include "fill.h"

#define ENTRIES    512
#define LEAST      4 /* entries: these cost the guest as much as the exit */
#define SIZE_LEAST (8u << 20) /* of memory: else pages come in few at a time */
#define BRING_MOST 64 /* pages of a run that may well be touched, all of them */

bool fill_offer(const struct guest_mem *mem, uint64_t tables)
{
	struct boot_tables *t = mem_at(mem, tables, sizeof(*t));

	if (mem->size < SIZE_LEAST || !t || tables % 8 || t->fill_least != FILL_NEVER)
		return false;
	t->fill_least = LEAST;
	return true;
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

bool fill_entries(const struct guest_mem *mem, uint64_t first, uint64_t entry, uint64_t n)
{
	uint64_t *e = entries_at(mem, first, n);

	if (!e)
		return false;
	bring_in(mem, entry, n);
	for (uint64_t i = 0; i < n; i++)
		__atomic_store_n(&e[i], entry + i * PAGE_SIZE, __ATOMIC_RELAXED);
	return true;
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
