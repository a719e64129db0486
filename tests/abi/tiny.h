/*
 * What the programs about execve(2) have in common.
 */
#ifndef ABI_TINY_H
#define ABI_TINY_H

#include <elf.h> /* EM_X86_64 */

#define SELF "/proc/self/exe"

extern char *no_words[]; /* for argv and envp */
int execveat_raw(int dirfd, const char *path, char **argv, char **envp, int flags);

/* A program of a few bytes of code, that ends with the number of its arguments.
 * interp: for PT_INTERP, or NULL. */
void make_tiny(const char *path, const char *interp, unsigned machine);
void make_script(const char *path, const char *text);

#endif
