/*
 * Which frames are whose. The kernel's own are its image, with a small pool
 * for page tables, and the 2 MiB blocks below 1 GiB that the domain has
 * donated; every other frame is the domain's.
 */
#include "kernel.h"

#define EINVAL       22
#define KERNEL_BLOCK (PTE_P | PTE_W | PTE_A | PTE_D | PTE_PS | PTE_NX)
#define SHOWN_BLOCK  (PTE_P | PTE_U | PTE_A | PTE_PS | PTE_NX)

int any_donated;
uint32_t mapped[BLOCKS];
uint32_t kernel_lock_word;

uint64_t pool_take(void)
{
	if (boot_tables.pool_next == boot_tables.pool_limit)
		return 0;
	uint64_t pa = boot_tables.pool_next;
	boot_tables.pool_next += PAGE_SIZE;
	if (any_donated) { /* what the domain wrote there must not become entries */
		void *page = kernel_page(pa);
		uint64_t n = PAGE_SIZE / 8;
		asm volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0ull) : "memory");
	}
	return pa;
}

void count_mapped(uint64_t pa, uint64_t len)
{
	for (uint64_t end = pa + len; pa < end && pa < BLOCKS * (uint64_t)BLOCK_SIZE;
	     pa = (pa | (BLOCK_SIZE - 1)) + 1) {
		uint64_t block_end = (pa | (BLOCK_SIZE - 1)) + 1;
		mapped[pa / BLOCK_SIZE] += ((block_end < end ? block_end : end) - pa) / PAGE_SIZE;
	}
}

void count_unmapped(uint64_t pa, uint64_t len)
{
	if (pa < BLOCKS * (uint64_t)BLOCK_SIZE)
		mapped[pa / BLOCK_SIZE] -= len / PAGE_SIZE;
}

static int touches_donated(uint64_t pa, uint64_t end)
{
	for (uint64_t block = pa / BLOCK_SIZE; block < BLOCKS && block * BLOCK_SIZE < end; block++)
		if (block && pd_image[block])
			return 1;
	return 0;
}

int domain_owns_slow(uint64_t pa, uint64_t len)
{
	uint64_t end = pa + len;
	if (end < pa || end > PTE_ADDR)
		return 0;
	if (pa < (uint64_t)kernel_end - IMAGE_BASE) {
		if (end > (uint64_t)kernel_start - IMAGE_BASE)
			return 0;
		if (pa < AP_BOOT_GPA + PAGE_SIZE && end > AP_BOOT_GPA)
			return 0;
	}
	if (pa < APIC_GPA + PAGE_SIZE && end > APIC_GPA)
		return 0;
	return !any_donated || !touches_donated(pa, end);
}

/*
 * The block leaves the domain's direct map but for reading (the library OS
 * reads page tables, the kernel alone writes them). It must not be mapped
 * anywhere else.
 */
static long take_over(uint64_t pa)
{
	uint64_t block = pa / BLOCK_SIZE;
	if (pa % BLOCK_SIZE || !block || block >= BLOCKS || pd_image[block] || mapped[block])
		return -EINVAL;
	pd_direct[block] = pa | SHOWN_BLOCK;
	pd_image[block] = pa | KERNEL_BLOCK;
	any_donated = 1;
	return 0;
}

/* A table only comes from the block once no vCPU can write there any more. What
 * was left of the pool is given up. */
long kcall_donate(uint64_t pa)
{
	kernel_lock();
	long result = take_over(pa);
	kernel_unlock();
	if (result)
		return result;
	kcall_flush(UINT64_MAX);
	kernel_lock();
	boot_tables.pool_next = pa;
	boot_tables.pool_limit = pa + BLOCK_SIZE;
	kernel_unlock();
	return 0;
}
