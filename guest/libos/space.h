/*
 * An address space: which ranges the program has mapped (VMAs), and the pages
 * behind them.
 */
#ifndef LIBOS_SPACE_H
#define LIBOS_SPACE_H

#include <linux/mman.h>
#include "lib.h"
#include "mappings.h"

struct vma {
	u64 start, end; /* page-aligned */
	u32 prot; /* PROT_* */
	u32 flags; /* MAP_SHARED, MAP_GROWSDOWN, MAP_NORESERVE as mmap had them; VMA_* */
	paddr_t backing; /* physical memory with the first contents, or 0: zeroes */
	u64 backing_len; /* bytes of it; beyond are zeroes */
	const char *name; /* for /proc/self/maps, or NULL */
	struct file *file; /* whose pages these are, with a reference; or NULL */
	u64 offset; /* of `start` in the file */
};

#define VMA_NEVER_WRITE MAP_DENYWRITE /* mprotect gives no right to write: sealed */

struct inode;
struct patches; /* patch.h */

struct space {
	struct mappings maps;
	u64 brk_start, brk; /* the heap; its VMA ends at ALIGN_UP(brk) */
	u64 ahead_end; /* the VMM has mapped zeroes for the heap up to here, or 0 */
	u64 mmap_top; /* mappings are placed below */
	u64 stack_top;
	struct patches *patches; /* or NULL */
	u64 resident; /* pages that the program has, for /proc and getrusage */
	u64 changes; /* of mappings: who waited sees that they are others now */
};

/* Lowest address a program may map (vm.mmap_min_addr). */
#define USER_START 0x1000

struct space *space_new(void); /* NULL: no memory */

/* The VMA that holds va; the first that ends above it; or NULL. */
struct vma *space_find(const struct space *space, u64 va);
struct vma *space_from(const struct space *space, u64 va);

/* A free range of `len` bytes below mmap_top and `limit`, or 0. */
u64 space_gap(struct space *space, u64 len, u64 limit);
bool space_is_free(struct space *space, u64 start, u64 end);

/* Something else is to be mapped at [start, end): what was mapped ahead for
 * the heap must not show there. */
void space_drop_ahead(struct space *space, u64 start, u64 end);

/* Adds a mapping where nothing is mapped; takes a reference to its file of its
 * own. 0 or -ENOMEM: no memory, or too many mappings. */
int space_add(struct space *space, const struct vma *vma);

/* Takes [start, end) out, with its pages. 0 or -ENOMEM. */
int space_remove(struct space *space, u64 start, u64 end);

/* Empties it, for another program: execve(2). */
void space_clear(struct space *space);

/* New rights; -ENOMEM when a part of the range is not mapped, -EACCES when its
 * file is shared and open for reading only. */
int space_protect(struct space *space, u64 start, u64 end, u32 prot);

/*
 * Brings the page at va in. 0; -EFAULT: not mapped there; -EACCES: mapped
 * without the right; -ENOMEM: no frame left; -ENXIO: the file ends before it,
 * or cannot be read.
 */
int space_fault(struct space *space, u64 va, bool write, bool exec);

/* Maps [start, end) of a VMA ahead of its use, as far as memory allows. */
void space_populate(struct space *space, u64 start, u64 end);

/* Queues (pages_queue) the pages of [start, end) of a VMA where nothing is
 * mapped yet; what cannot be had is left to faults. */
void space_map_ahead(struct space *space, const struct vma *vma, u64 start, u64 end);

/* Whether a mapping can write to the file, now or after an mprotect. */
bool space_may_write(struct space *space, const struct inode *inode);

/* file_pages.c: the same as space_fault() in the mapping of a file; `entry` is
 * what page_entry(va) says. */
int file_fault(struct space *space, const struct vma *vma, u64 va, bool write, u64 entry);

/* sys_mem.c: what mmap(2) does, with its types and flags; no file: anonymous memory.
 * The address or -errno. */
long space_map(u64 addr, u64 len, u32 prot, u32 flags, struct file *file, u64 offset);

/* sys_mem.c: fills a new private mapping, which can be written, from a file
 * without pages, and gives it its rights. 0 or -errno. */
long space_fill(struct file *file, u64 start, u64 len, u64 offset, u32 prot);

/* fault.c: queues pages of the file that lies in memory at vma->backing. */
int queue_file_pages(struct space *space, const struct vma *vma, u64 va);
bool pages_all_empty(u64 va, u64 end);

/* pages.c: the pages of [start, end) in the page tables. */
u64 pte_bits(u32 prot);
/* The entry for va in the page tables (read only), or 0; *size is how much of
 * memory it stands for, also where it is empty. */
u64 page_entry(u64 va, u64 *size);
int pages_map(u64 va, paddr_t pa, u64 bits, u64 n); /* n pages, or blocks with PTE_PS */
/* The same with the next pages_flush(), so that one kcall makes many. */
int pages_queue(u64 va, paddr_t pa, u64 bits, u64 n);
int pages_flush(void);
/* Makes pages of the blocks that lie across the ends of a range, for which there must
 * be memory: 0 or -ENOMEM. Before what follows, of a range that ends amidst blocks. */
int pages_cut(u64 start, u64 end);
void pages_free(struct space *space, u64 start, u64 end);
/* The frame pa instead of what is mapped in the page at va, which pages_cut() has cut: 0 or
 * -ENOMEM, and then it is still the caller's. */
int pages_replace(struct space *space, const struct vma *vma, u64 va, paddr_t pa);
/* Takes the pages that are a file's out, which may not be written without its
 * consent: faults bring private copies in, or ask for it. */
void pages_drop_file(struct space *space, u64 start, u64 end);
void pages_protect(u64 start, u64 end, u32 prot);
/* Gives the tables of the program's half back, where nothing is mapped. */
void pages_free_tables(void);
/* Moves what is mapped at `from` to `to` (mremap). 0 or -ENOMEM. */
int pages_move(u64 from, u64 to, u64 len);

#endif
