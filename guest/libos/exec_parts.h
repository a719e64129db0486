/*
 * What starting a program is made of: for exec.c and exec_program.c only.
 */
#ifndef LIBOS_EXEC_PARTS_H
#define LIBOS_EXEC_PARTS_H

#include "exec.h"
#include "process.h"

/* Stack and vDSO as mappings, and where mmap's go. 0 or -ENOMEM. */
int exec_map_stack(struct space *space, bool executable, bool random);
int exec_map_vdso(struct space *space);
/* Pages of all that: afterwards the program's first faults are fewer. */
void exec_map_ahead(struct space *space);
/* What the program finds on its stack; base: of its loader. The stack pointer,
 * or 0: it does not fit. */
u64 exec_build_stack(struct process *p, const struct elf_image *image, const char *path,
		     const struct parts *args, const struct parts *env, u64 base);
/* The registers of a program that begins. */
void exec_begin(u64 entry, u64 sp);

bool exec_is_script(void); /* the boot program, which the VMM passed */
/* The boot program's path, on the heap, in the root that the host shares: links are
 * followed; should a mount hide it, it is put there, too. NULL: no memory. */
char *exec_find_boot_program(const char *path);
/* Of the boot program: maps its loader, or what runs it if it is a script.
 * Both end the VM with a line that says why not. */
void exec_boot_loader(struct space *space, const char *name, struct elf_image *image);
void exec_boot_script(struct process *p, const char *path);
/* The boot program is in the root, at one of boot_info.paths. */
void exec_boot_from_root(struct process *p);
_Noreturn void exec_cannot_run(const char *why);

#endif
