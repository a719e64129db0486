/*
 * What a file that is to be executed turns out to be: a program, with or
 * without a dynamic loader, or a script whose first line names what runs it
 * (Linux: fs/exec.c, fs/binfmt_elf.c, fs/binfmt_script.c).
 */
#include "../fs/vfs.h"
#include "exec.h"
#include "heap.h"
#include "path.h"
#include "uaccess.h"

#define HEAD         256 /* of a file is looked at: BINPRM_BUF_SIZE */
#define LOADER_LEAST 64 /* bytes: an ELF header */
#define SCRIPTS_MAX  5 /* scripts that run each other */

/* ---- opening */

static int check(const struct path *p)
{
	const struct inode *inode = p->dentry->inode;
	if (S_ISLNK(inode->mode))
		return -ELOOP;
	if (!S_ISREG(inode->mode) || !inode->ops)
		return -EACCES;
	return vfs_permission(p, 1);
}

struct file *exec_open(int dirfd, const char *path, u32 lookup, int *error)
{
	struct file *file = NULL;
	struct path p;

	*error = path_lookup(dirfd, path, lookup, &p);
	if (*error)
		return NULL;
	struct inode *inode = p.dentry->inode;
	*error = check(&p);
	if (!*error)
		*error = inode_deny_write(inode);
	if (!*error) {
		file = vfs_open(&p, O_RDONLY | O_LARGEFILE, error);
		if (!file)
			inode_allow_write(inode);
	}
	path_put(&p);
	return file;
}

void exec_close(struct file *file)
{
	inode_allow_write(file->inode);
	file_put(file);
}

/* ---- scripts */

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* Finds interpreter and argument (NULL: none) in the first HEAD bytes, which a
 * NUL follows, and ends them. False: it is no script that can be run. */
static bool parse_line(char *head, char **name, char **argument)
{
	char *line = head + 2, *end = memchr(line, '\n', HEAD - 2);
	bool cut = !end;

	if (cut)
		end = head + HEAD - 1;
	while (end > line && is_space(end[-1]))
		end--;
	while (line < end && is_space(*line))
		line++;
	if (line == end || !*line)
		return false;
	*name = line;
	while (line < end && *line && !is_space(*line))
		line++;
	if (cut && line == end && end == head + HEAD - 1)
		return false; /* who knows how the path goes on */
	bool more = line < end && *line;
	*end = *line = 0;
	for (line++; more && is_space(*line);)
		line++;
	*argument = more ? line : NULL;
	return true;
}

static size_t length(const char *s)
{
	return s ? strlen(s) + 1 : 0;
}

static char *put(char *to, const char *s)
{
	size_t n = length(s);
	return (char *)memcpy(to, s, n) + n;
}

/* name, argument and path take the place of the first argument. */
static int prepend(struct program *p, const char *name, const char *argument, const char *path)
{
	const struct strings *first = &p->args.strings;
	size_t skip = first->len ? length(first->data) : 0, rest = first->len - skip;
	size_t own = p->own ? rest : 0; /* to be taken along */
	size_t n = length(name) + length(argument) + length(path) + own;
	char *text = kalloc(n), *at = text;
	if (!text)
		return -ENOMEM;
	at = put(at, name);
	if (argument)
		at = put(at, argument);
	at = put(at, path);
	memcpy(at, first->data + skip, own);
	if (!p->own)
		p->rest = (struct parts){ { first->data + skip, rest }, p->args.next };
	kfree(p->own);
	p->own = text;
	p->args = (struct parts){ { text, n }, &p->rest };
	return 0;
}

/* The script's file gives way to its interpreter's, whose path goes to `path`. */
static int open_script(struct program *p, char *head, struct file **file, char **path)
{
	char *name, *argument, *next;
	if (!parse_line(head, &name, &argument))
		return -ENOEXEC;
	if (!*path) /* close-on-exec: the interpreter would not find it */
		return -ENOENT;
	int error = prepend(p, name, argument, *path);
	next = error ? NULL : kstrdup(name);
	if (!next)
		return error ? error : -ENOMEM;
	kfree(*path);
	*path = next;
	exec_close(*file);
	*file = exec_open(AT_FDCWD, next, LOOKUP_FOLLOW, &error);
	BUG_ON(!*file && !error);
	return error;
}

/* ---- programs */

static void blame(char *culprit, const char *name)
{
	if (culprit)
		snprintf(culprit, PATH_MAX, "%s", name);
}

static int open_loader(struct program *p, char *culprit)
{
	struct file *file;
	int error;
	char *name = elf_interpreter(p->elf, &error);
	if (!name)
		return error;
	blame(culprit, name);
	file = exec_open(AT_FDCWD, name, LOOKUP_FOLLOW, &error);
	kfree(name);
	if (!file)
		return error;
	error = file->inode->size < LOADER_LEAST ? -EIO : elf_open(file, &p->loader);
	if (error)
		exec_close(file);
	return error == -ENOEXEC ? -ELIBBAD : error;
}

/* Follows scripts to what is none. *file is NULL if that has no file. */
static int follow_scripts(struct program *p, struct file **file, char **path, char *culprit)
{
	for (unsigned depth = 0; depth <= SCRIPTS_MAX; depth++) {
		char head[HEAD + 1] = { 0 };
		long n = file_read_kernel(*file, head, HEAD, 0);
		if (n < 0)
			return n;
		if (n < 2 || head[0] != '#' || head[1] != '!')
			return 0;
		int error = open_script(p, head, file, path);
		if (*path && (!error || !*file))
			blame(culprit, *path);
		if (error)
			return error;
	}
	return -ELOOP;
}

void program_close(struct program *p)
{
	elf_close(p->elf);
	elf_close(p->loader);
	kfree(p->own);
	*p = (struct program){ 0 };
}

int program_open(struct program *p, struct file *file, const char *path, const struct parts *args,
		 char *culprit)
{
	char *name = path ? kstrdup(path) : NULL;
	int error = path && !name ? -ENOMEM : 0;

	*p = (struct program){ .args = *args };
	blame(culprit, "");
	if (!error)
		error = follow_scripts(p, &file, &name, culprit);
	if (!error)
		error = elf_open(file, &p->elf);
	if (error && file)
		exec_close(file);
	if (!error)
		error = open_loader(p, culprit);
	if (error)
		program_close(p);
	kfree(name);
	return error;
}
