/*
 * A new program image: space, stack with arguments, environment and auxiliary
 * vector (System V ABI AMD64, 3.4.1), registers.
 */
#include <linux/auxvec.h>
#include "../fs/vfs.h"
#include "boot_info.h"
#include "entry.h"
#include "exec.h"
#include "exec_parts.h"
#include "frames.h"
#include "heap.h"
#include "memory.h"
#include "process.h"
#include "random.h"
#include "rseq.h"
#include "signal.h"
#include "thread.h"
#include "uaccess.h"

#define STACK_LEAST     (256ull << 10) /* whatever RLIMIT_STACK says */
#define STACK_MOST      (1ull << 30)
#define STACK_GAP       (128ull << 20) /* between stack and mappings */
#define EAGER           (1ull << 20) /* segments up to here are mapped at once */
#define HWCAP2_FSGSBASE 2

/* Linux's randomness, in pages: STACK_RND_MASK and mmap_rnd_bits. What it adds
 * to the stack pointer is in bytes. */
#define STACK_PLACES (1ull << 22)
#define MMAP_PLACES  (1ull << 28)
#define SP_PLACES    8192
#ifndef AT_RSEQ_FEATURE_SIZE
#define AT_RSEQ_FEATURE_SIZE 27
#define AT_RSEQ_ALIGN        28
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* boot.S has it mapped below STACK_TOP. */
__attribute__((section(".bss.pages"), aligned(PAGE_SIZE))) u8 first_stack[STACK_PAGES * PAGE_SIZE];

extern char vdso_start[], libos_ro_end[];

/* The stack being built, from the top down. */
struct builder {
	u64 sp;
	bool failed;
};

static u64 push(struct builder *b, const void *data, size_t n)
{
	b->sp -= n;
	if (copy_to_user((void *)b->sp, data, n))
		b->failed = true;
	return b->sp;
}

static u64 push_strings(struct builder *b, const struct parts *part)
{
	u64 at = b->sp -= parts_size(part);
	for (; part; part = part->next) {
		if (copy_to_user((void *)at, part->strings.data, part->strings.len))
			b->failed = true;
		at += part->strings.len;
	}
	return b->sp;
}

static unsigned count_strings(const struct parts *part)
{
	unsigned n = 0;
	for (; part; part = part->next)
		for (size_t at = 0; at < part->strings.len; n++)
			at += strlen(part->strings.data + at) + 1;
	return n;
}

/* What is written there upwards. */
struct words {
	u64 at;
	unsigned n;
	bool failed;
	u64 word[128];
};

static void write_words(struct words *w)
{
	if (copy_to_user((void *)w->at, w->word, w->n * sizeof(u64)))
		w->failed = true;
	w->at += w->n * sizeof(u64);
	w->n = 0;
}

static void add_word(struct words *w, u64 word)
{
	if (w->n == ARRAY_SIZE(w->word))
		write_words(w);
	w->word[w->n++] = word;
}

/* Pointers to strings that lie one after the other at `at`, and the NULL. */
static void list_strings(struct words *w, const struct parts *part, u64 at)
{
	for (; part; part = part->next) {
		const struct strings *s = &part->strings;
		for (size_t i = 0; i < s->len; i += strlen(s->data + i) + 1)
			add_word(w, at + i);
		at += s->len;
	}
	add_word(w, 0);
}

static void add_aux(struct words *w, u64 type, u64 value)
{
	add_word(w, type);
	add_word(w, value);
}

static u32 cpuid_edx1(void)
{
	u32 a = 1, b, c = 0, d;
	asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
	return d;
}

static void list_aux(struct words *v, const struct elf_image *image, u64 random, u64 name,
		     u64 platform, u64 base)
{
	const struct credentials *c = &current_process()->cred;
	add_aux(v, AT_SYSINFO_EHDR, VDSO_BASE);
	add_aux(v, AT_HWCAP, cpuid_edx1());
	add_aux(v, AT_PAGESZ, PAGE_SIZE);
	add_aux(v, AT_CLKTCK, 100);
	add_aux(v, AT_PHDR, image->phdr);
	add_aux(v, AT_PHENT, 56);
	add_aux(v, AT_PHNUM, image->phnum);
	add_aux(v, AT_BASE, base);
	add_aux(v, AT_FLAGS, 0);
	add_aux(v, AT_ENTRY, image->entry);
	add_aux(v, AT_UID, c->uid.real);
	add_aux(v, AT_EUID, c->uid.effective);
	add_aux(v, AT_GID, c->gid.real);
	add_aux(v, AT_EGID, c->gid.effective);
	add_aux(v, AT_SECURE, c->uid.real != c->uid.effective || c->gid.real != c->gid.effective);
	add_aux(v, AT_RANDOM, random);
	add_aux(v, AT_HWCAP2, can_wrfsbase() ? HWCAP2_FSGSBASE : 0);
	add_aux(v, AT_RSEQ_FEATURE_SIZE, RSEQ_AREA_SIZE);
	add_aux(v, AT_RSEQ_ALIGN, RSEQ_AREA_ALIGN);
	add_aux(v, AT_EXECFN, name);
	add_aux(v, AT_PLATFORM, platform);
	add_aux(v, AT_MINSIGSTKSZ, MAX(signal_frame_size(), 2048ul)); /* MINSIGSTKSZ */
	add_aux(v, AT_NULL, 0);
}
#define AUX_ENTRIES 23

u64 exec_build_stack(struct process *p, const struct elf_image *image, const char *path,
		     const struct parts *args, const struct parts *env, u64 base)
{
	struct builder b = { .sp = p->space->stack_top - 8 };
	u8 random[16];
	unsigned nargs = count_strings(args), nenv = count_strings(env);
	size_t size = (1 + nargs + 1 + nenv + 1 + 2 * AUX_ENTRIES) * sizeof(u64);
	struct words v = { .n = 0 };

	if (parts_size(args) + parts_size(env) + size > ARGS_MAX + PAGE_SIZE)
		return 0;
	u64 name = push(&b, path, strlen(path) + 1);
	p->env_end = b.sp;
	p->env_start = push_strings(&b, env);
	p->arg_end = b.sp;
	p->arg_start = push_strings(&b, args);
	u64 platform = push(&b, "x86_64", 7);
	random_bytes(random, sizeof(random));
	u64 random_at = push(&b, random, sizeof(random));
	if (p->space->stack_top != STACK_TOP)
		b.sp -= random_below(SP_PLACES);
	v.at = b.sp = ALIGN_DOWN(b.sp - size, 16);
	add_word(&v, nargs);
	list_strings(&v, args, p->arg_start);
	list_strings(&v, env, p->env_start);
	list_aux(&v, image, random_at, name, platform, base);
	write_words(&v);
	BUG_ON(v.at != b.sp + size); /* AUX_ENTRIES is what list_aux() lists */
	p->auxv_end = v.at;
	p->auxv_start = v.at - 2 * AUX_ENTRIES * sizeof(u64);
	return b.failed || v.failed ? 0 : b.sp;
}

int exec_map_vdso(struct space *space)
{
	u64 len = libos_ro_end - vdso_start;
	struct vma vma = { .start = VDSO_BASE,
			   .end = VDSO_BASE + len,
			   .prot = PROT_READ | PROT_EXEC,
			   .backing = virt_to_phys(vdso_start),
			   .backing_len = len,
			   .name = "[vdso]" };
	return space_add(space, &vma);
}

static u64 stack_size(void)
{
	u64 limit = current_process()->rlimit[RLIMIT_STACK].rlim_cur;
	return ALIGN_UP(MAX(MIN(limit, STACK_MOST), STACK_LEAST), PAGE_SIZE);
}

/* The stack, and where mappings go. boot.S has mapped a stack at STACK_TOP,
 * which costs nothing there. */
int exec_map_stack(struct space *space, bool executable, bool random)
{
	u64 size = stack_size(), top = STACK_TOP;
	if (random)
		top -= random_below(STACK_PLACES) * PAGE_SIZE;
	if (top != STACK_TOP)
		kcall(KCALL_UNMAP, STACK_TOP - STACK_PAGES * PAGE_SIZE, STACK_PAGES, 0);
	space->stack_top = top;
	space->mmap_top = top - size - STACK_GAP;
	if (random)
		space->mmap_top -= random_below(MMAP_PLACES) * PAGE_SIZE;
	struct vma vma = { .start = top - size,
			   .end = top,
			   .prot = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0),
			   .flags = MAP_GROWSDOWN,
			   .name = "[stack]" };
	return space_add(space, &vma);
}

/*
 * Small segments, the top of the stack and the vDSO, as far as the VMM and the
 * image have not mapped them already, in one kcall: each fault costs more than
 * many pages.
 */
void exec_map_ahead(struct space *space)
{
	const struct vma *vma;
	for (u64 at = 0; (vma = space_from(space, at)) != NULL; at = vma->end) {
		u64 start = vma->start;
		if (vma->flags & MAP_GROWSDOWN)
			start = vma->end - STACK_PAGES * PAGE_SIZE;
		else if (!vma->backing || vma->end - start > EAGER)
			continue;
		space_map_ahead(space, vma, start, vma->end);
	}
	pages_flush();
}

/* How far the VMM has mapped zeroes behind the program, for the heap. */
static void find_ahead(struct space *space)
{
	u64 end = space->brk, size;
	while (page_entry(end, &size) && size == PAGE_SIZE)
		end += PAGE_SIZE;
	space->ahead_end = end > space->brk ? end : 0;
}

void exec_cannot_run(const char *why)
{
	klog("mayfly: %s: %s", boot_info.args.len ? boot_info.args.data : "program", why);
	process_exit(126);
}

bool exec_is_script(void)
{
	return boot_info.program_size > 2 && !memcmp(map_physical(boot_info.program, 2), "#!", 2);
}

/* The program is a file of the guest too, under its own name. */
static const char *place_program(const char *name)
{
	const char *base = strrchr(name, '/');
	static char path[256];
	if (boot_info.path)
		return boot_info.path;
	base = base ? base + 1 : name;
	snprintf(path, sizeof(path), "/bin/%s", *base ? base : "program");
	tmpfs_add_mapped(path, boot_info.program, boot_info.program_size, 0755, !exec_is_script());
	return path;
}

static void set_comm(struct thread *thread, const char *path)
{
	const char *base = strrchr(path, '/');
	snprintf(thread->comm, sizeof(thread->comm), "%s", base ? base + 1 : path);
}

/* The registers of a program that begins. */
void exec_begin(u64 entry, u64 sp)
{
	current()->regs = (struct regs){
		.rip = entry, .rsp = sp, .rflags = RFLAGS_FIXED | RFLAGS_IF, .orig_rax = -1
	};
}

/* ---- the VM's first program */

/* The program that the VMM has mapped, and mapped ahead. */
static void run_mapped(struct process *p, const char *path)
{
	struct elf_image image, loader = { .entry = 0 };

	int error =
		elf_load(p->space, boot_info.program, boot_info.program_size, p->exe_path, &image);
	if (error == -ENOEXEC)
		exec_cannot_run("not an x86-64 Linux program");
	if (error || !p->exe_path ||
	    exec_map_stack(p->space, image.exec_stack,
			   boot_info.program_base || image.interpreter) ||
	    exec_map_vdso(p->space))
		exec_cannot_run("not enough memory");
	p->space->brk_start = p->space->brk = ALIGN_UP(image.end, PAGE_SIZE);
	if (image.interpreter)
		exec_boot_loader(p->space, image.interpreter, &loader);
	exec_map_ahead(p->space);
	find_ahead(p->space);
	const struct parts args = { boot_info.args, NULL }, env = { boot_info.env, NULL };
	u64 sp = exec_build_stack(p, &image, path, &args, &env, loader.base);
	if (!sp)
		exec_cannot_run("arguments and environment are too large");
	exec_begin(loader.entry ? loader.entry : image.entry, sp);
}

void exec_boot_program(void)
{
	if (!boot_info.program && boot_info.path) {
		exec_boot_from_root(current_process());
		set_comm(current(), current_process()->exe_path);
		return;
	}
	if (!boot_info.program)
		exec_cannot_run("the VMM passed no program");
	const char *path = place_program(boot_info.args.len ? boot_info.args.data : "program");
	set_comm(current(), path);
	current_process()->exe_path = boot_info.path ? exec_find_boot_program(path) : kstrdup(path);
	if (exec_is_script())
		exec_boot_script(current_process(), path);
	else
		run_mapped(current_process(), path);
}
