/*
 * Setting the frame allocator up; for start.c and the space.
 */
#ifndef LIBOS_MEMORY_H
#define LIBOS_MEMORY_H

#include "lib.h"

/* RAM that is free at boot; all of it before frames_init(). */
void frames_add(paddr_t start, paddr_t end);
void frames_init(void);

/* A pointer to physical memory that is not the allocator's (modules, boot
 * data); it stays valid. */
void *map_physical(paddr_t pa, u64 len);

/* Bytes of physical memory to be read, RAM, the contents of --copy or of shares: mapped
 * when first asked for. NULL: no memory for page tables. */
const void *physical_bytes(paddr_t pa, u64 len);

/* Whether this frame is of a file of the host, by --copy or a share: never to be
 * written or freed. */
bool frames_are_contents(paddr_t pa);

/* Whether the allocator gave this frame out, so that it may be freed. */
bool frames_are_ours(paddr_t pa);

/* Donates a block to the kernel for page tables; false: no memory. */
bool frames_feed_kernel(void);

#endif
