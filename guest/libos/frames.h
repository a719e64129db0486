/*
 * The domain's physical memory: frames of 4 KiB, given out as naturally
 * aligned runs of 2^order frames. Memory that nothing has used since the VM
 * was made is known to be zero and costs the host nothing until touched.
 */
#ifndef LIBOS_FRAMES_H
#define LIBOS_FRAMES_H

#include "lib.h"

#ifdef LIBOS_HOST_TEST /* unit tests: physical is virtual */
#define PHYS_BASE 0
#else
#include "../kernel/kcall.h"
#define PHYS_BASE DIRECT_MAP
#endif
#define BLOCK_ORDER 9 /* 2 MiB */

static inline void *phys_to_virt(paddr_t pa)
{
	return (void *)(PHYS_BASE + pa);
}
paddr_t virt_to_phys(const void *p); /* of the direct map or of the guest image's data */

/* 2^order frames (order <= BLOCK_ORDER), contents zero; 0 when there are
 * none. One reference is held by the caller. */
paddr_t frames_alloc(unsigned order);
/* The same, contents arbitrary: for those who overwrite all of it. */
paddr_t frames_alloc_dirty(unsigned order);
void frames_free_run(paddr_t pa, u64 n); /* of any number: touches few of them */
void frames_free(paddr_t pa, unsigned order);
/* n zero frames in a row, each to be freed by itself; 0 when there is no such
 * run. */
paddr_t frames_alloc_run(u64 n);

/* A free block that the host may have back, or 0; it still counts as available. To
 * be put where it was, soon, and `given_back` when its contents are gone. */
paddr_t frames_take_idle(void);
void frames_put_idle(paddr_t pa, bool given_back);

u64 frames_total(void); /* in 4 KiB frames */
u64 frames_available(void);
/* Asked for frames when there are none, after the disks' page cache: how many it
 * has freed. NULL: nobody. */
extern u64 (*frames_reclaim_more)(u64 n);

#endif
