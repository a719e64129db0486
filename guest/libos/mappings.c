/*
 * A B+tree of two levels: arrays ("leaves") of up to LEAF mappings, and one sorted
 * array of these. A program with tens of mappings has one leaf, which is all the
 * memory that it costs. With 65,530 of them a look-up is two binary searches, a
 * change moves at most a leaf's 4 KiB, and once in 32 insertions the 48 KiB at most
 * of the array of leaves. Who looks for a gap skips the leaves that have none.
 */
#include "../kernel/kcall.h"
#include "heap.h"
#include "mappings.h"
#include "space.h"

#define LEAF  (PAGE_SIZE / sizeof(struct vma))
#define SMALL 12 /* what a static program needs */

/* Behind all mappings of `leaf` that start at or below an address, of which there are
 * i, and none of the leaves that follow does. */
struct place {
	struct leaf *leaf;
	unsigned i;
};

bool mappings_init(struct mappings *m)
{
	m->first.room = SMALL;
	m->first.vma = kalloc(SMALL * sizeof(struct vma));
	m->first.gap = USER_END;
	m->leaf = &m->first;
	m->leaves = m->leaf_room = 1;
	return m->first.vma != NULL;
}

static struct place place_of(const struct mappings *m, u64 va)
{
	unsigned low = 0, high = m->leaves - 1;
	while (low < high) {
		unsigned mid = (low + high + 1) / 2;
		if (m->leaf[mid].vma[0].start <= va)
			low = mid;
		else
			high = mid - 1;
	}
	struct leaf *leaf = &m->leaf[low];
	low = 0;
	high = leaf->count;
	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (leaf->vma[mid].start <= va)
			low = mid + 1;
		else
			high = mid;
	}
	return (struct place){ leaf, low };
}

struct vma *mappings_from(const struct mappings *m, u64 va)
{
	struct place p = place_of(m, va);
	if (p.i && p.leaf->vma[p.i - 1].end > va)
		return &p.leaf->vma[p.i - 1];
	if (p.i < p.leaf->count)
		return &p.leaf->vma[p.i];
	return p.leaf + 1 < m->leaf + m->leaves ? p.leaf[1].vma : NULL;
}

struct vma *mappings_before(const struct mappings *m, u64 va)
{
	struct place p = place_of(m, va - 1);
	return va && p.i ? &p.leaf->vma[p.i - 1] : NULL;
}

/* ---- insertion */

static bool enlarge(struct leaf *leaf)
{
	unsigned room = MIN(2 * leaf->room, LEAF);
	struct vma *larger = kalloc(room * sizeof(*larger));
	if (!larger)
		return false;
	memcpy(larger, leaf->vma, leaf->count * sizeof(*larger));
	kfree(leaf->vma);
	leaf->vma = larger;
	leaf->room = room;
	return true;
}

/* One more leaf fits into the array of them. */
static bool enlarge_array(struct mappings *m)
{
	if (m->leaves < m->leaf_room)
		return true;
	unsigned room = MAX(2 * m->leaf_room, 16u);
	struct leaf *larger = kalloc(room * sizeof(*larger));
	if (!larger)
		return false;
	memcpy(larger, m->leaf, m->leaves * sizeof(*larger));
	if (m->leaf != &m->first)
		kfree(m->leaf);
	m->leaf = larger;
	m->leaf_room = room;
	return true;
}

/* The upper half of a full leaf becomes one of its own; `i` is its place. */
static bool split_leaf(struct mappings *m, unsigned i)
{
	struct vma *upper = enlarge_array(m) ? kalloc(LEAF * sizeof(*upper)) : NULL;
	if (!upper)
		return false;
	struct leaf *leaf = &m->leaf[i];
	memcpy(upper, leaf->vma + LEAF / 2, (LEAF - LEAF / 2) * sizeof(*upper));
	memmove(leaf + 2, leaf + 1, (m->leaves - i - 1) * sizeof(*leaf));
	leaf[1] = (struct leaf){ upper, leaf->gap, LEAF - LEAF / 2, LEAF };
	leaf->count = LEAF / 2;
	m->leaves++;
	return true;
}

int mappings_insert(struct mappings *m, const struct vma *vma)
{
	struct place p = place_of(m, vma->start);
	if (p.leaf->count == p.leaf->room) {
		if (!(p.leaf->room < LEAF ? enlarge(p.leaf) : split_leaf(m, p.leaf - m->leaf)))
			return -ENOMEM;
		p = place_of(m, vma->start);
	}
	struct vma *at = p.leaf->vma + p.i;
	memmove(at + 1, at, (p.leaf->count - p.i) * sizeof(*at));
	*at = *vma;
	p.leaf->count++;
	m->count++;
	return 0;
}

/* ---- removal */

static void drop_leaf(struct mappings *m, struct leaf *leaf)
{
	kfree(leaf->vma);
	m->leaves--;
	memmove(leaf, leaf + 1, (m->leaf + m->leaves - leaf) * sizeof(*leaf));
}

/* Leaves do not stay nearly empty: two that are less than half full together become one. */
static void join(struct mappings *m, struct leaf *leaf)
{
	struct leaf *upper = leaf + 1;
	if (leaf < m->leaf || upper == m->leaf + m->leaves || leaf->count + upper->count > LEAF / 2)
		return;
	memcpy(leaf->vma + leaf->count, upper->vma, upper->count * sizeof(*upper->vma));
	leaf->count += upper->count;
	leaf->gap = MAX(leaf->gap, upper->gap);
	drop_leaf(m, upper);
}

/* What follows `start` now has more room below it. */
static void note_gap(struct mappings *m, u64 start)
{
	struct place p = place_of(m, start);
	u64 bottom = p.i ? p.leaf->vma[p.i - 1].end : 0;
	if (p.i == p.leaf->count) {
		p.leaf++;
		p.i = 0;
	}
	if (p.leaf < m->leaf + m->leaves)
		p.leaf->gap = MAX(p.leaf->gap, p.leaf->vma[p.i].start - bottom);
}

void mappings_remove(struct mappings *m, u64 start)
{
	struct place p = place_of(m, start);
	struct leaf *leaf = p.leaf;
	struct vma *at = &leaf->vma[p.i - 1];

	leaf->count--;
	m->count--;
	memmove(at, at + 1, (leaf->count - (p.i - 1)) * sizeof(*at));
	if (!leaf->count && m->leaves > 1) {
		drop_leaf(m, leaf);
	} else {
		join(m, leaf);
		join(m, leaf - 1);
	}
	note_gap(m, start);
}

/* ---- gaps */

/* The end of what lies below number i of a leaf, which may be its end. */
static u64 end_below(const struct mappings *m, const struct leaf *leaf, unsigned i)
{
	if (i)
		return leaf->vma[i - 1].end;
	return leaf > m->leaf ? leaf[-1].vma[leaf[-1].count - 1].end : USER_START;
}

/* Below one of the first i of a leaf: its end, or 0. */
static u64 gap_in_leaf(const struct mappings *m, struct leaf *leaf, unsigned i, u64 len,
		       u64 *bottom)
{
	bool all = i == leaf->count;
	u64 largest = 0;
	while (i-- > 0) {
		u64 end = leaf->vma[i].start;
		*bottom = end_below(m, leaf, i);
		if (end - *bottom >= len)
			return end;
		largest = MAX(largest, end - *bottom);
	}
	if (all)
		leaf->gap = largest;
	return 0;
}

u64 mappings_gap(const struct mappings *m, u64 len, u64 top, u64 *bottom)
{
	struct place p = place_of(m, top - 1);
	struct leaf *leaf = p.leaf;
	*bottom = end_below(m, leaf, p.i);
	if (top >= *bottom && top - *bottom >= len)
		return top;
	for (unsigned i = p.i;; i = leaf->count) {
		u64 end = leaf->gap >= len ? gap_in_leaf(m, leaf, i, len, bottom) : 0;
		if (end || leaf == m->leaf)
			return end;
		leaf--;
	}
}
