/*
 * Patched system calls.
 *
 *   before                         after
 *   mov $39,%eax    5 bytes        jmp thunk
 *   syscall                        syscall        for who jumps to it
 *
 *   xor %eax,%eax   2 bytes        jmp hole       short; into the operand of
 *   syscall                        syscall        an eight-byte NOP nearby, or
 *                                                 what fills the gap between two
 *                                                 functions: `jmp thunk` is there
 *   mov $202,%eax   5 bytes        jmp thunk      instructions between: copies of
 *   mov %rbx,%rdi                  mov %rbx,%rdi  them are in the thunk too
 *   syscall                        syscall
 *
 *   thunk: the instruction that was replaced, and those up to the SYSCALL
 *          lea behind(%rip),%rcx   as SYSCALL leaves it
 *          jmp *patched_entry      libos_syscall_patched, entry.S
 *
 * The library OS returns to `behind` itself, so the program is in a thunk only
 * on the way in, and there no register is lost: a signal that comes shows the
 * program at the instruction whose copy comes next or at the SYSCALL, and goes
 * on from there. A single step into a thunk takes the patch back.
 *
 * Only private text that the program cannot write is patched, in a page of its
 * own: file contents stay what they are. Other vCPUs see the old or the new
 * instruction, because what they can execute changes by one aligned store.
 *
 * A trap costs 0.9 us on the soft flavour, a copied page and its mapping about
 * 30, splitting a 2 MiB block a thousand: so a site must have trapped often
 * before its page is touched.
 */
#include "../kernel/kcall.h"
#include "boot_info.h"
#include "cpus.h"
#include "frames.h"
#include "heap.h"
#include "memory.h"
#include "patch.h"
#include "patch_match.h"
#include "thread.h"
#include "uaccess.h"

#define SYSCALL_LEN  2
#define TRAPS_OWN    2 /* traps before a site is patched: in a page of our own, */
#define TRAPS_COPY   32 /* in one that must be copied, */
#define TRAPS_SPLIT  2048 /* in a block that must be split */
#define REACH        (0x7fffffffl - PAGE_SIZE)
#define HOLE_REACH   160 /* bytes to either side that are searched for a hole */
#define THUNK_BOTTOM 0x10000
#define SITES        32
#define PROBES       4

struct thunk {
	u8 code[PATCH_LONGEST + 14]; /* int3 behind the last instruction */
	u8 copied; /* bytes of the program's at its start */
	u8 replaced; /* of them, the length of the first instruction */
	u64 behind; /* the address behind the SYSCALL; 0: free */
};
#define THUNKS (PAGE_SIZE / sizeof(struct thunk))
_Static_assert(sizeof(struct thunk) == 48, "no gaps");

/* What is done to a site. */
struct plan {
	unsigned copied, replaced;
	u64 site; /* the first instruction */
	u64 hole; /* for the near jump of one that is too short; 0: none */
};

struct thunk_page {
	struct list link;
	u64 va;
	struct thunk *thunk; /* through the direct map */
};

struct patches {
	struct list pages;
	u64 low, high; /* all sites and thunks are inside */
};

/* A site that trapped; the text is looked at again before anything is done,
 * so a stale entry is harmless. */
static struct trap_site {
	u64 behind;
	u32 count;
	u16 nr;
	bool refused;
} sites[SITES];
static u64 forgotten, patched; /* traps of sites no longer listed; patches made */

extern void libos_syscall_patched(void);
void (*const patched_entry)(void) = libos_syscall_patched;

/* ---- sites that trap */

static struct trap_site *site_of(u64 behind)
{
	unsigned at = behind * 0x9e3779b97f4a7c15 >> 59;
	struct trap_site *least = &sites[at];
	for (unsigned i = 0; i < PROBES; i++) {
		struct trap_site *s = &sites[(at + i) % SITES];
		if (s->behind == behind)
			return s;
		if (s->count < least->count)
			least = s;
	}
	forgotten += least->count;
	*least = (struct trap_site){ .behind = behind };
	return least;
}

/* ---- the program's text */

static bool patchable(const struct vma *vma)
{
	return vma && vma->prot & PROT_EXEC && !(vma->prot & PROT_WRITE) &&
	       !(vma->flags & MAP_SHARED);
}

/* Where the page at va lies, if it is mapped by itself and nobody else's. */
static u8 *own_page(const struct vma *vma, u64 va)
{
	u64 size, entry = page_entry(va, &size);
	paddr_t pa = entry & PTE_ADDR;
	if (!(entry & PTE_P) || entry & (PTE_PS | PTE_FILE) || !frames_are_ours(pa) ||
	    (vma->backing && pa == vma->backing + (va - vma->start)))
		return NULL;
	return phys_to_virt(pa);
}

static unsigned traps_needed(const struct vma *vma, u64 va)
{
	u64 size, entry = page_entry(va, &size);
	if (own_page(vma, ALIGN_DOWN(va, PAGE_SIZE)))
		return TRAPS_OWN;
	return entry & PTE_PS ? TRAPS_SPLIT : TRAPS_COPY;
}

/* The same page, made the program's own. NULL: no memory. */
static u8 *make_own(struct space *space, const struct vma *vma, u64 va)
{
	u8 *page = own_page(vma, va);
	if (page)
		return page;
	paddr_t pa = pages_cut(va, va + PAGE_SIZE) ? 0 : frames_alloc_dirty(0);
	if (!pa)
		return NULL;
	page = phys_to_virt(pa);
	if (copy_from_user(page, (void *)va, PAGE_SIZE) || pages_replace(space, vma, va, pa)) {
		frames_free(pa, 0);
		return NULL;
	}
	return page;
}

/* One store for other vCPUs; whoever has more than one never asks for what
 * crosses eight bytes (can_store). */
static void store_text(u8 *to, const u8 *bytes, unsigned n)
{
	u64 *word = (u64 *)ALIGN_DOWN((u64)to, 8);
	unsigned at = (u64)to % 8;
	u64 value = *word;
	if (at + n <= 8) {
		memcpy((u8 *)&value + at, bytes, n);
		__atomic_store_n(word, value, __ATOMIC_RELEASE);
	} else {
		memcpy(to, bytes, n);
	}
}

static bool can_store(u64 va, unsigned n)
{
	return va % 8 + n <= 8 || boot_info.cpus <= 1;
}

/* Writes to text of a VMA, in one page or two. False: no memory. */
static bool write_text(struct space *space, const struct vma *vma, u64 va, const u8 *bytes,
		       unsigned n)
{
	unsigned first = MIN(n, PAGE_SIZE - va % PAGE_SIZE);
	u8 *page = make_own(space, vma, ALIGN_DOWN(va, PAGE_SIZE));
	u8 *next = first < n ? make_own(space, vma, ALIGN_UP(va, PAGE_SIZE)) : page;
	if (!page || !next)
		return false;
	if (first < n)
		memcpy(next, bytes + first, n - first);
	store_text(page + va % PAGE_SIZE, bytes, first);
	return true;
}

/* ---- thunks */

static struct patches *patches_of(struct space *space)
{
	if (space->patches)
		return space->patches;
	struct patches *p = kalloc(sizeof(*p));
	if (!p)
		return NULL;
	list_init(&p->pages);
	p->low = UINT64_MAX;
	return space->patches = p;
}

static void include(struct patches *p, u64 start, u64 end)
{
	p->low = MIN(p->low, start);
	p->high = MAX(p->high, end);
}

static bool reaches(u64 from, u64 to)
{
	i64 distance = (i64)(to - from);
	return distance < REACH && distance > -REACH;
}

/* A page for thunks below the text, where neither heap nor stack grow. */
static struct thunk_page *new_page(struct space *space, struct patches *p, u64 text)
{
	u64 va = space_gap(space, PAGE_SIZE, text);
	struct vma vma = { .start = va,
			   .end = va + PAGE_SIZE,
			   .prot = PROT_READ | PROT_EXEC,
			   .name = "[thunks]" };
	if (va < THUNK_BOTTOM || !reaches(va, text + PAGE_SIZE))
		return NULL;
	struct thunk_page *page = kalloc(sizeof(*page));
	paddr_t pa = frames_alloc(0);
	if (!page || !pa || space_add(space, &vma))
		goto out;
	if (pages_map(va, pa, pte_bits(vma.prot), 1)) {
		space_remove(space, va, va + PAGE_SIZE);
		goto out;
	}
	space->resident++;
	page->va = va;
	page->thunk = phys_to_virt(pa);
	list_add_tail(&p->pages, &page->link);
	include(p, va, va + PAGE_SIZE);
	return page;
out:
	if (pa)
		frames_free(pa, 0);
	kfree(page);
	return NULL;
}

static void put32(u8 *p, u32 value)
{
	memcpy(p, &value, sizeof(value));
}

/* Its address in the program. */
static u64 fill_thunk(struct thunk_page *page, unsigned i, const u8 *code, const struct plan *plan,
		      u64 behind)
{
	struct thunk *t = &page->thunk[i];
	u64 va = page->va + i * sizeof(*t);
	u8 *p = t->code + plan->copied;

	memset(t, 0xcc, sizeof(*t));
	memcpy(t->code, code, plan->copied);
	p[0] = 0x48; /* lea rel32(%rip),%rcx */
	p[1] = 0x8d;
	p[2] = 0x0d;
	put32(p + 3, behind - (va + plan->copied + 7));
	p[7] = 0xff; /* jmp *abs32 */
	p[8] = 0x24;
	p[9] = 0x25;
	put32(p + 10, (u64)&patched_entry);
	t->copied = plan->copied;
	t->replaced = plan->replaced;
	t->behind = behind;
	return va;
}

/* A thunk that the site can jump to, or 0. `code`: what it begins with. */
static u64 make_thunk(struct space *space, const struct vma *vma, const u8 *code,
		      const struct plan *plan, u64 behind)
{
	struct patches *p = patches_of(space);
	struct list *at;
	if (!p)
		return 0;
	include(p, behind - PATCH_BEFORE, behind);
	list_for_each (at, &p->pages) {
		struct thunk_page *page = container_of(at, struct thunk_page, link);
		for (unsigned i = 0; reaches(page->va, behind) && i < THUNKS; i++) {
			struct thunk *t = &page->thunk[i];
			if (t->behind == behind && t->copied == plan->copied &&
			    !memcmp(t->code, code, plan->copied))
				return page->va + i * sizeof(*t);
			/* one that was taken back may still have a thread inside */
			if (!t->behind && !t->code[0])
				return fill_thunk(page, i, code, plan, behind);
		}
	}
	struct thunk_page *page = new_page(space, p, vma->start);
	return page ? fill_thunk(page, 0, code, plan, behind) : 0;
}

static struct thunk *thunk_at(struct space *space, u64 va, unsigned *offset)
{
	struct list *at;
	if (!space->patches || va < space->patches->low || va >= space->patches->high)
		return NULL;
	list_for_each (at, &space->patches->pages) {
		struct thunk_page *page = container_of(at, struct thunk_page, link);
		if (va < page->va || va >= page->va + THUNKS * sizeof(struct thunk))
			continue;
		*offset = (va - page->va) % sizeof(struct thunk);
		struct thunk *t = &page->thunk[(va - page->va) / sizeof(struct thunk)];
		return t->behind ? t : NULL;
	}
	return NULL;
}

/* ---- patching */

static void near_jump(u8 *bytes, u64 at, u64 to)
{
	bytes[0] = 0xe9;
	put32(bytes + 1, to - (at + JUMP_NEAR));
}

static bool patch_near(struct space *space, const struct vma *vma, u64 site, u64 thunk)
{
	u8 jump[JUMP_NEAR];
	near_jump(jump, site, thunk);
	return write_text(space, vma, site, jump, sizeof(jump));
}

/* The address of a hole for a near jump, 0: none. */
static u64 find_hole(const struct vma *vma, u64 site)
{
	u8 around[2 * HOLE_REACH];
	u64 start = MAX(site - HOLE_REACH, vma->start);
	u64 end = MIN(site + HOLE_REACH, vma->end);
	if (copy_from_user(around, (void *)start, end - start))
		return 0;
	long at = patch_hole(around, end - start, site - start, start);
	return at < 0 ? 0 : start + at;
}

/* First the hole, which is nothing to anybody; then the way to it. */
static bool patch_short(struct space *space, const struct vma *vma, u64 site, u64 hole, u64 thunk)
{
	u8 jump[JUMP_NEAR], hop[JUMP_SHORT] = { 0xeb, (u8)(hole - (site + JUMP_SHORT)) };
	near_jump(jump, hole, thunk);
	return write_text(space, vma, hole, jump, sizeof(jump)) &&
	       write_text(space, vma, site, hop, sizeof(hop));
}

/* By their numbers, as they were at the SYSCALL; what SYSCALL itself changed is
 * not looked at. */
static void registers_at(const struct regs *regs, u64 reg[16])
{
	const u64 now[16] = { regs->orig_rax, 0,         regs->rdx, regs->rbx, regs->rsp, regs->rbp,
			      regs->rsi,      regs->rdi, regs->r8,  regs->r9,  regs->r10, 0,
			      regs->r12,      regs->r13, regs->r14, regs->r15 };
	memcpy(reg, now, sizeof(now));
}

/* The fewest instructions that have room for a near jump, else the fewest that
 * can make a short one. */
static bool make_plan(const struct vma *vma, const u8 *code, const struct regs *regs,
		      struct plan *plan)
{
	u64 reg[16], end = regs->rip - SYSCALL_LEN;
	registers_at(regs, reg);
	*plan = (struct plan){ 0 };
	for (unsigned n = JUMP_SHORT; n <= PATCH_LONGEST; n++) {
		unsigned replaced = patch_match(code, reg, n);
		if (replaced >= JUMP_NEAR && can_store(end - n, JUMP_NEAR)) {
			*plan = (struct plan){ n, replaced, end - n, 0 };
			return true;
		}
		if (!replaced || plan->hole || !can_store(end - n, JUMP_SHORT))
			continue;
		*plan = (struct plan){ n, replaced, end - n, find_hole(vma, end - n) };
	}
	return plan->hole != 0;
}

/* False: this site cannot be patched. */
static bool patch_site(struct space *space, const struct regs *regs)
{
	u8 code[PATCH_BEFORE + SYSCALL_LEN];
	u64 behind = regs->rip;
	const struct vma *vma = space_find(space, behind - SYSCALL_LEN);
	struct plan plan;
	u64 from = MAX(behind - sizeof(code), vma->start);
	memset(code, 0xcc, sizeof(code)); /* what is not text is nothing known */
	if (copy_from_user(code + sizeof(code) - (behind - from), (void *)from, behind - from))
		return false;
	if (!make_plan(vma, code, regs, &plan))
		return false;
	u64 thunk = make_thunk(space, vma, code + PATCH_BEFORE - plan.copied, &plan, behind);
	if (!thunk)
		return false;
	vma = space_find(space, plan.site); /* the page of thunks may have moved it */
	bool done = plan.hole ? patch_short(space, vma, plan.site, plan.hole, thunk) :
				patch_near(space, vma, plan.site, thunk);
	patch_sync_core();
	patched += done;
	return done;
}

void patch_trapped(struct regs *regs)
{
	u64 behind = regs->rip, nr = regs->orig_rax;
	if (nr >= SYSCALL_COUNT || behind >= USER_END)
		return;
	struct trap_site *s = site_of(behind);
	s->count++;
	s->nr = nr;
	if (s->refused || s->count < TRAPS_OWN || s->count & (s->count - 1) || boot_info.no_patch)
		return;
	struct space *space = current_process()->space;
	const struct vma *vma = space_find(space, behind - SYSCALL_LEN);
	if (!patchable(vma) || s->count < traps_needed(vma, behind - SYSCALL_LEN))
		return;
	s->refused = !patch_site(space, regs);
}

/* ---- taking it back */

static void restore(struct space *space, struct thunk *t)
{
	u64 site = t->behind - SYSCALL_LEN - t->copied;
	const struct vma *vma = space_find(space, site);
	unsigned n = MIN(t->replaced, JUMP_NEAR);
	u8 now[1];
	/* a page that was fetched anew has its own code already */
	if (vma && own_page(vma, ALIGN_DOWN(site, PAGE_SIZE)) &&
	    !copy_from_user(now, (void *)site, 1) && (now[0] == 0xe9 || now[0] == 0xeb))
		write_text(space, vma, site, t->code, now[0] == 0xeb ? JUMP_SHORT : n);
	t->behind = 0;
}

static void undo_page(struct space *space, struct thunk_page *page, u64 start, u64 end)
{
	bool whole = page->va >= start && page->va < end;
	for (unsigned i = 0; i < THUNKS; i++) {
		struct thunk *t = &page->thunk[i];
		if (t->behind && (whole || (t->behind > start && t->behind - PATCH_BEFORE < end)))
			restore(space, t);
	}
	if (!whole)
		return;
	list_del(&page->link);
	kfree(page);
}

void patch_undo(struct space *space, u64 start, u64 end)
{
	struct patches *p = space->patches;
	if (!p || end <= p->low || start >= p->high)
		return;
	struct list *at, *next;
	for (at = p->pages.next; at != &p->pages; at = next) {
		next = at->next;
		undo_page(space, container_of(at, struct thunk_page, link), start, end);
	}
	patch_sync_core();
}

void patch_show_original(struct space *space, u64 va, u8 *bytes, size_t n)
{
	struct patches *p = space->patches;
	struct list *at;
	if (!p || va + n <= p->low || va >= p->high)
		return;
	list_for_each (at, &p->pages) {
		const struct thunk_page *page = container_of(at, struct thunk_page, link);
		for (unsigned i = 0; i < THUNKS; i++) {
			const struct thunk *t = &page->thunk[i];
			u64 site = t->behind - SYSCALL_LEN - t->copied;
			for (unsigned k = 0; t->behind && k < t->replaced; k++)
				if (site + k - va < n)
					bytes[site + k - va] = t->code[k];
		}
	}
}

void patch_forget(struct space *space)
{
	patch_undo(space, 0, USER_END);
	kfree(space->patches);
	space->patches = NULL;
	for (unsigned i = 0; i < SITES; i++)
		forgotten += sites[i].count;
	memset(sites, 0, sizeof(sites));
}

void patch_leave_thunk(struct regs *regs)
{
	unsigned offset;
	const struct thunk *t = thunk_at(current_process()->space, regs->rip, &offset);
	if (!t)
		return;
	regs->rip = t->behind - SYSCALL_LEN - (offset < t->copied ? t->copied - offset : 0);
	libos_area()->work |= WORK_FULL;
}

bool patch_stepped(struct regs *regs)
{
	unsigned offset;
	struct space *space = current_process()->space;
	struct thunk *t = thunk_at(space, regs->rip, &offset);
	if (!t)
		return false;
	site_of(t->behind)->refused = true;
	patch_leave_thunk(regs);
	restore(space, t);
	patch_sync_core();
	return offset == 0;
}

void patch_report(void)
{
	u64 traps = forgotten;
	for (unsigned i = 0; i < MAX_CPUS && cpus[i]; i++)
		traps += cpus[i]->libos->traps;
	if (traps < TRAPS_UNCOUNTED)
		return;
	for (unsigned i = 0; i < SITES; i++)
		traps += sites[i].count;
	klog("mayfly: system calls: %lu trapped, %lu sites patched", traps, patched);
	for (unsigned n = 0; n < 8; n++) {
		struct trap_site *most = &sites[0];
		for (unsigned i = 1; i < SITES; i++)
			if (sites[i].count > most->count)
				most = &sites[i];
		if (most->count < TRAPS_OWN)
			break;
		klog("mayfly: trapped at %lx: %u times, number %u%s", most->behind - SYSCALL_LEN,
		     most->count, most->nr, most->refused ? ", cannot be patched" : "");
		most->count = 0;
	}
}
