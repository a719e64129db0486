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
char *kstrdup(const char *s); /* NULL when there is no memory */

#endif
