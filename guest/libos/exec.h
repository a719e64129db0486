/*
 * Starting programs: the VM's first one, and the interpreters that it needs.
 */
#ifndef LIBOS_EXEC_H
#define LIBOS_EXEC_H

#include "boot_info.h"
#include "file.h"
#include "lib.h"
#include "space.h"

/* What a loaded ELF file tells the auxiliary vector. */
struct elf_image {
	u64 entry, phdr, end; /* addresses in the program; end: first byte above */
	u64 phnum;
	u64 base; /* of a position-independent one */
	const char *interpreter; /* PT_INTERP, in the file; NULL: none, or not asked for */
	bool exec_stack;
};

/*
 * elf.c: maps the ELF file that lies at physical [pa, pa + size) into the
 * space, as parts of the file `name`, which must stay.
 * 0, -ENOEXEC (not a program for this machine), -ENOMEM.
 */
int elf_load(struct space *space, paddr_t pa, u64 size, const char *name, struct elf_image *image);

/*
 * elf_file.c: the same for a file of the file system, in steps: everything
 * that can be wrong with it is found before anything is mapped.
 */
struct elf_file;
/* Reads and checks the headers; takes over a file of exec_open() if there is
 * no error. 0, -ENOEXEC, -ENOMEM, or why it cannot be read. */
int elf_open(struct file *file, struct elf_file **out);
void elf_close(struct elf_file *f); /* NULL is allowed */
struct file *elf_file(const struct elf_file *f);
struct file *elf_take_file(struct elf_file *f); /* all of it goes but the file */
/* PT_INTERP's path, on the heap; NULL: none (*error 0), or why not. */
char *elf_interpreter(const struct elf_file *f, int *error);
bool elf_anywhere(const struct elf_file *f);
/* Maps it: a program at its place, or a loader (`below`) where there is room below
 * mmap_top. Without `random` a program that can be anywhere is at PIE_BASE. */
int elf_map(struct space *space, const struct elf_file *f, bool below, bool random,
	    struct elf_image *image);

/*
 * exec_file.c: what the file system has to be run.
 */

/* Opens a file to be executed; as long as it is open nobody may write to it.
 * NULL, and *error is what execve(2) says. */
struct file *exec_open(int dirfd, const char *path, u32 lookup, int *error);
void exec_close(struct file *file);

/* Strings that are not all in one place; each is in one part. */
struct parts {
	struct strings strings;
	const struct parts *next; /* NULL: that was the last one */
};
static inline size_t parts_size(const struct parts *part)
{
	size_t n = 0;
	for (; part; part = part->next)
		n += part->strings.len;
	return n;
}

/* A program with its loader, if it has one, and with the arguments that `#!`
 * lines have given it. */
struct program {
	struct elf_file *elf, *loader;
	struct parts args;
	char *own; /* the heap's, if args begin in it; or NULL */
	struct parts rest; /* of the arguments it was begun with, then */
};
/*
 * Finds out what the file is: takes it over, whatever comes out. `path` is its
 * name for a script's interpreter, NULL when that could not open it. 0 or what
 * execve(2) says: *culprit (PATH_MAX bytes, or NULL) is then the interpreter
 * that is to blame, "" if none is.
 */
int program_open(struct program *program, struct file *file, const char *path,
		 const struct parts *args, char *culprit);

void program_close(struct program *program);

/*
 * exec.c
 */
extern u8 first_stack[];

#define ARGS_MAX (6ull << 20) /* arguments and environment, whatever the stack */

/* Loads the boot program and sets the current thread up to begin it; on
 * failure says why on the host's stderr and ends the VM with status 126. */
void exec_boot_program(void);

/* Maps the program into the empty space of the current process, with stack
 * and all, and has the current thread begin it. name: for AT_EXECFN. After an
 * error the process cannot go on. */
int exec_program(const struct program *program, const char *name, const struct parts *env,
		 bool random);

#endif
