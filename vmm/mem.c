/* Guest memory, see mem.h. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include "../shared/abi.h"
#include "../shared/x86.h"
#include "fail.h"
#include "mem.h"
#include "options.h"

/*
 * One mapping, aligned to 2 MiB so that the host can use large pages where
 * the guest does. MAP_NORESERVE: memory that the guest never touches costs
 * nothing, so a VM may be given more than it will use.
 */
void mem_create(struct guest_mem *mem, uint64_t size)
{
	uint64_t host;
	void *p = mmap(NULL, size + BLOCK_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		fail(EXIT_VMM, "cannot reserve %llu MiB of memory: %s; give less with --mem",
		     (unsigned long long)size >> 20, strerror(errno));
	host = ((uint64_t)p + BLOCK_SIZE - 1) & -(uint64_t)BLOCK_SIZE;
	mem->base = (uint8_t *)host;
	mem->size = size;
	mem->low = size < RAM_HOLE_START ? size : RAM_HOLE_START;
}

void *mem_at(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t end = RAM_HOLE_END + (mem->size - mem->low);

	if (gpa < mem->low)
		return len <= mem->low - gpa ? mem->base + gpa : NULL;
	if (gpa >= RAM_HOLE_END && gpa < end)
		return len <= end - gpa ? mem->base + mem->low + (gpa - RAM_HOLE_END) : NULL;
	return NULL;
}

const void *mem_to_read(const struct guest_mem *mem, uint64_t gpa, uint64_t len)
{
	uint64_t offset = gpa - mem->contents.gpa;

	if (offset < mem->contents.size)
		return len <= mem->contents.size - offset ? mem->contents.base + offset : NULL;
	offset = gpa - mem->dax.gpa;
	if (offset < mem->dax.size)
		return len <= mem->dax.size - offset ? mem->dax.base + offset : NULL;
	return mem_at(mem, gpa, len);
}
