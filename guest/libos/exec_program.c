/*
 * Programs that lie in the guest's file system, and the interpreters of the
 * boot program, which do so, too.
 */
#include "../fs/vfs.h"
#include "exec_parts.h"
#include "heap.h"
#include "path.h"
#include "random.h"
#include "thread.h"

#define BRK_PLACES (1ull << 13) /* of the heap's start, in pages, as on Linux */

int exec_program(const struct program *program, const char *name, const struct parts *env,
		 bool random)
{
	struct process *p = current_process();
	struct elf_image image, loader = { .entry = 0 };
	/* a program linked to one address keeps it, all else moves */
	int error = elf_map(p->space, program->elf, false, random, &image);

	if (error || exec_map_stack(p->space, image.exec_stack, random) || exec_map_vdso(p->space))
		return error ? error : -ENOMEM;
	if (program->loader)
		error = elf_map(p->space, program->loader, true, random, &loader);
	if (error)
		return error;
	p->space->brk_start = image.end;
	if (random && elf_anywhere(program->elf))
		p->space->brk_start += random_below(BRK_PLACES) * PAGE_SIZE;
	p->space->brk = p->space->brk_start;
	exec_map_ahead(p->space);
	u64 sp = exec_build_stack(p, &image, name, &program->args, env, loader.base);
	exec_begin(loader.entry ? loader.entry : image.entry, sp);
	return sp ? 0 : -ENOMEM;
}

/* ---- the VM's first program */

static const char *reason(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENOTDIR:
		return "is not in the VM's file system";
	case -EACCES:
		return "may not be executed";
	case -ENOMEM:
		return "does not fit into memory";
	case -ELOOP:
		return "leads to too many scripts or symbolic links";
	case -ENOEXEC:
	case -ELIBBAD:
		return "is damaged, or no program for x86-64";
	default:
		return "cannot be read";
	}
}

_Noreturn static void blame_interpreter(const char *name, int error)
{
	klog("mayfly: %s: its interpreter %s %s", boot_info.args.data, name, reason(error));
	process_exit(126);
}

static char *text_of(const struct path *p)
{
	char *buf = kalloc(PATH_MAX), *text = NULL;
	bool reachable;

	if (buf)
		text = path_text(p, &current_process()->fs->root, buf, PATH_MAX, &reachable);
	text = text ? kstrdup(text) : NULL;
	kfree(buf);
	return text;
}

char *exec_find_boot_program(const char *path)
{
	struct path p;
	int error = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
	if (error == -ENOENT)
		tmpfs_add_mapped(path, boot_info.program, boot_info.program_size, 0755,
				 !exec_is_script());
	if (error)
		return kstrdup(path);
	if (!exec_is_script())
		fs_runs(p.dentry->inode);
	char *text = text_of(&p);
	path_put(&p);
	return text;
}

/* The loader of the boot program. */
void exec_boot_loader(struct space *space, const char *name, struct elf_image *image)
{
	struct elf_file *elf;
	int error;
	struct file *file = exec_open(AT_FDCWD, name, LOOKUP_FOLLOW, &error);
	if (!file)
		blame_interpreter(name, error);
	error = elf_open(file, &elf);
	if (!error)
		error = elf_map(space, elf, true, true, image);
	if (error)
		blame_interpreter(name, error);
	elf_close(elf);
}

/* Becomes what the file is; `what`: it is not that. */
static void run_file(struct process *p, struct file *file, const char *path, const char *what)
{
	char *culprit = kalloc(PATH_MAX);
	struct program program;
	if (!culprit)
		exec_cannot_run("not enough memory");
	const struct parts args = { boot_info.args, NULL }, env = { boot_info.env, NULL };
	int error = program_open(&program, file, path, &args, culprit);
	if (!error)
		error = exec_program(&program, path, &env, true);
	if (error && culprit[0])
		blame_interpreter(culprit, error);
	if (error)
		exec_cannot_run(what);
	kfree(culprit);
	p->exe = elf_take_file(program.elf); /* nobody may write to it as long as it runs */
	program.elf = NULL;
	program_close(&program);
}

/* What the VMM passed is a script: its interpreter is a program of the guest. */
void exec_boot_script(struct process *p, const char *path)
{
	int error;
	struct file *file = exec_open(AT_FDCWD, path, LOOKUP_FOLLOW, &error);
	if (!file)
		exec_cannot_run("it cannot be read in the VM");
	run_file(p, file, path, "not a script that can be run");
}

_Noreturn static void not_in_root(int error)
{
	bool missing = error == -ENOENT || error == -ENOTDIR;
	klog("mayfly: %s: %s", boot_info.args.data,
	     missing ? "not found in the image of --root" : reason(error));
	process_exit(missing ? 127 : 126);
}

void exec_boot_from_root(struct process *p)
{
	const struct strings *paths = &boot_info.paths;
	const char *path = paths->data;
	int error = -ENOENT, first = 0;
	struct file *file = NULL;
	while (path < paths->data + paths->len) {
		file = exec_open(AT_FDCWD, path, LOOKUP_FOLLOW, &error);
		if (file)
			break;
		if (!first && error != -ENOENT && error != -ENOTDIR)
			first = error;
		path += strlen(path) + 1;
	}
	if (!file)
		not_in_root(first ? first : error);
	p->exe_path = text_of(&file->path);
	run_file(p, file, path, "not an x86-64 Linux program");
}
