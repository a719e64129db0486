/*
 * /proc/PID/maps, smaps and smaps_rollup: what is mapped, and how much of it is there.
 * (Linux: Documentation/filesystems/proc.rst; fs/proc/task_mmu.c)
 *
 * There is one process, so that each page is private to it and its proportional share
 * (Pss) is all of it. Whether a page was written is not recorded: of those that are the
 * process's own, of those in shared memory, which has no other copy, and of a file's
 * that may be written to, it is taken to be so.
 */
#include <asm/mman.h>
#include "../libos/path.h"
#include "../libos/proc_info.h"
#include "proc.h"
#include "tmpfs.h"

/* Bytes that are present; files in memory are shared memory, too. */
struct use {
	u64 all, own, shmem, written;
	u64 own_blocks, shmem_blocks, file_blocks;
};

/* ---- a line of maps ---- */

/* Device, inode and name of what is mapped. */
static void show_mapped(struct proc_text *t, const struct vma_info *v, size_t start)
{
	struct kstat st = { .ino = 0 };
	char path[256];
	const char *name = v->name;
	long n = name != NULL ? (long)strlen(name) : 0;

	if (v->file != NULL) {
		vfs_getattr(v->file->inode, &st);
		n = file_text(v->file, &current_process()->fs->root, path, sizeof(path));
		name = path;
	}
	proc_print(t, "%02x:%02x %lu ", DEV_MAJOR(st.dev), DEV_MINOR(st.dev), st.ino);
	if (n <= 0)
		return;
	proc_pad(t, start, 73);
	proc_bytes(t, name, n);
}

static void show_line(struct proc_text *t, const struct vma_info *v)
{
	size_t start = t->len;

	proc_print(t, "%08lx-%08lx %c%c%c%c %08lx ", v->start, v->end,
		   v->prot & PROT_READ ? 'r' : '-', v->prot & PROT_WRITE ? 'w' : '-',
		   v->prot & PROT_EXEC ? 'x' : '-', v->shared ? 's' : 'p', v->offset);
	show_mapped(t, v, start);
	proc_bytes(t, "\n", 1);
}

/* Each mapping, in pieces. */
static void show_each(struct proc_text *t, struct space *space,
		      void (*show)(struct proc_text *t, struct space *space,
				   const struct vma_info *v))
{
	struct vma_info v;
	u64 at = t->next;

	for (t->next = 0; space_describe(space, at, &v); at = v.end) {
		if (t->len >= PROC_PIECE) {
			t->next = at;
			return;
		}
		show_line(t, &v);
		if (show != NULL)
			show(t, space, &v);
	}
}

void proc_show_maps(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	show_each(t, p->space, NULL);
}

/* ---- what is present ---- */

static bool is_shmem(const struct vma_info *v)
{
	if (v->file == NULL)
		return v->shared;
	return v->file->inode->sb != NULL && v->file->inode->sb->magic == TMPFS_MAGIC;
}

static void add_use(struct use *u, const struct space *space, const struct vma_info *v)
{
	bool shmem = is_shmem(v);
	u64 run;

	for (u64 va = v->start; va < v->end; va += run) {
		u32 page = space_page(space, va, &run);
		u64 block = page & SPACE_PAGE_BLOCK ? run : 0;

		if (page == 0)
			continue;
		u->all += run;
		u->written += shmem || page & SPACE_PAGE_WRITTEN ? run : 0;
		if (page & SPACE_PAGE_OWN) {
			u->own += run;
			u->own_blocks += block;
		} else if (shmem) {
			u->shmem += run;
			u->shmem_blocks += block;
		} else {
			u->file_blocks += block;
		}
	}
}

static void show_size(struct proc_text *t, const char *name, u64 bytes)
{
	size_t start = t->len;

	proc_bytes(t, name, strlen(name));
	proc_pad(t, start, 16);
	proc_print(t, "%8lu kB\n", bytes / 1024);
}

static void show_use(struct proc_text *t, const struct use *u, bool rollup)
{
	show_size(t, "Rss:", u->all);
	show_size(t, "Pss:", u->all);
	show_size(t, "Pss_Dirty:", u->written);
	if (rollup) {
		show_size(t, "Pss_Anon:", u->own);
		show_size(t, "Pss_File:", u->all - u->own - u->shmem);
		show_size(t, "Pss_Shmem:", u->shmem);
	}
	show_size(t, "Shared_Clean:", 0);
	show_size(t, "Shared_Dirty:", 0);
	show_size(t, "Private_Clean:", u->all - u->written);
	show_size(t, "Private_Dirty:", u->written);
	show_size(t, "Referenced:", u->all);
	show_size(t, "Anonymous:", u->own);
	show_size(t, "KSM:", 0);
	show_size(t, "LazyFree:", 0);
	show_size(t, "AnonHugePages:", u->own_blocks);
	show_size(t, "ShmemPmdMapped:", u->shmem_blocks);
	show_size(t, "FilePmdMapped:", u->file_blocks);
	show_size(t, "Shared_Hugetlb:", 0);
	show_size(t, "Private_Hugetlb:", 0);
	show_size(t, "Swap:", 0);
	show_size(t, "SwapPss:", 0);
	show_size(t, "Locked:", 0);
}

/* In the order of Linux's VM_* bits. A shared mapping that can never be written to is
 * none to Linux itself (do_mmap). */
static void show_flags(struct proc_text *t, const struct vma_info *v)
{
	const struct {
		const char *name;
		bool set;
	} flags[] = {
		{ "rd ", v->prot & PROT_READ },
		{ "wr ", v->prot & PROT_WRITE },
		{ "ex ", v->prot & PROT_EXEC },
		{ "sh ", v->shared && v->may_write },
		{ "mr ", true },
		{ "mw ", v->may_write },
		{ "me ", true },
		{ "ms ", v->shared },
		{ "gd ", v->grows_down },
		{ "ac ", v->prot & PROT_WRITE && !v->shared },
	};

	proc_print(t, "VmFlags: ");
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (flags[i].set)
			proc_bytes(t, flags[i].name, 3);
	proc_bytes(t, "\n", 1);
}

static void show_block(struct proc_text *t, struct space *space, const struct vma_info *v)
{
	struct use u = { 0 };

	add_use(&u, space, v);
	show_size(t, "Size:", v->end - v->start);
	show_size(t, "KernelPageSize:", PAGE_SIZE);
	show_size(t, "MMUPageSize:", PAGE_SIZE);
	show_use(t, &u, false);
	proc_print(t, "THPeligible:           0\n");
	show_flags(t, v);
}

void proc_show_smaps(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	show_each(t, p->space, show_block);
}

void proc_show_smaps_rollup(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct vma_info v, all = { .name = "[rollup]" };
	struct use u = { 0 };

	(void)pi;
	for (u64 at = 0; space_describe(p->space, at, &v); at = all.end = v.end) {
		all.start = at == 0 ? v.start : all.start;
		add_use(&u, p->space, &v);
	}
	show_line(t, &all);
	show_use(t, &u, true);
}
