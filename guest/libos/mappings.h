/*
 * The mappings (VMAs) of a space in order of their addresses, without overlap.
 * What a function returns points into the set: it holds until the set is changed.
 */
#ifndef LIBOS_MAPPINGS_H
#define LIBOS_MAPPINGS_H

#include "lib.h"

struct vma;

#define MAPPINGS_MAX 65530 /* as vm.max_map_count: a few more for a moment only */

/* A sorted array of some of them. */
struct leaf {
	struct vma *vma;
	u64 gap; /* between one of them and what lies below it: none is larger */
	unsigned count, room;
};

struct mappings {
	struct leaf *leaf; /* in order, none of several empty */
	unsigned leaves, leaf_room;
	unsigned count; /* VMAs in all */
	struct leaf first; /* the only one, until there are more than it can hold */
};

bool mappings_init(struct mappings *m); /* false: no memory */

/* The first that ends above va; the last that starts below va; or NULL. */
struct vma *mappings_from(const struct mappings *m, u64 va);
struct vma *mappings_before(const struct mappings *m, u64 va);

/* Where nothing is mapped, or, to split one, inside of it: it has to be shortened
 * next. -ENOMEM: no memory. */
int mappings_insert(struct mappings *m, const struct vma *vma);
/* The one that starts there. What was below it may reach its end already, to merge. */
void mappings_remove(struct mappings *m, u64 start);

/* The highest address at or below `top` down to which `len` bytes are free, with
 * *bottom the end of what is mapped below; 0: there is none. */
u64 mappings_gap(const struct mappings *m, u64 len, u64 top, u64 *bottom);

#endif
