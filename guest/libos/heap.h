/*
 * Small objects of the library OS itself, and whole frames for large ones.
 */
#ifndef LIBOS_HEAP_H
#define LIBOS_HEAP_H

#include "lib.h"

/* Memory of at least `size` bytes, zeroed, 16-byte aligned (page-aligned from
 * 4 KiB on); NULL when there is none. The caller owns it until kfree(). */
void *kalloc(size_t size);
void kfree(void *p); /* NULL is allowed */
/* Gives frames back that have no small object in use: how many. frames.c */
u64 heap_reclaim(void);
char *kstrdup(const char *s); /* NULL when there is no memory */

#endif
