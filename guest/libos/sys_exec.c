/*
 * execve(2) and execveat(2): a program gives way to another one.
 *
 *   1. what the call names is copied from the program, opened and read: all
 *      that can go wrong is found here, and the program is told
 *   2. the other threads end
 *   3. the old program goes: memory, POSIX timers, handlers, descriptors that
 *      are close-on-exec. From here on there is nobody to be told of an error:
 *      the process ends as by SIGKILL, as on Linux
 *   4. the new one is mapped and begins
 *
 * There is one address space only, so the old program is gone before the new
 * one is mapped. With no processes to share memory or descriptors with,
 * nothing is to be unshared.
 */
#include <linux/binfmts.h>
#include <linux/limits.h>
#include <linux/personality.h>
#include "../fs/vfs.h"
#include "aio.h"
#include "clocks.h"
#include "exec.h"
#include "fd.h"
#include "fpu.h"
#include "heap.h"
#include "path.h"
#include "sigstate.h"
#include "sys.h"

/* What a call asks for, copied from the program. */
struct request {
	char *name; /* of the program, as the new one will see it (AT_EXECFN) */
	bool by_descriptor; /* and nothing else */
	bool closes; /* the name leads through a descriptor that is closed on exec */
	struct parts args, env;
	u64 left; /* bytes that these may still become more */
};

/* ---- copying from the program */

/* Strings that come in one after the other, each into one part. */
struct collector {
	struct parts *last;
	size_t size; /* of the last part */
	u64 *left; /* bytes that may still come, with a pointer for each string */
};

/* Another part, instead of the last one if nothing fitted there. */
static int add_part(struct collector *c)
{
	size_t size = MIN(MAX(2 * c->size, (size_t)1024), (size_t)MAX_ARG_STRLEN);
	struct parts *part = c->last->strings.len ? kalloc(sizeof(*part)) : c->last;
	char *text = kalloc(size);
	if (!part || !text) {
		kfree(text);
		kfree(part != c->last ? part : NULL);
		return -ENOMEM;
	}
	if (part != c->last)
		c->last->next = part;
	kfree((char *)part->strings.data);
	part->strings.data = text;
	c->last = part;
	c->size = size;
	return 0;
}

static int add_string(struct collector *c, const char *user)
{
	for (;;) {
		struct strings *part = &c->last->strings;
		u64 room = MIN(c->size - part->len, MIN((u64)MAX_ARG_STRLEN, *c->left));
		char *text = (char *)part->data + part->len;
		long n = room ? strncpy_from_user(text, user, room) : -ENAMETOOLONG;
		if (n >= 0) {
			part->len += n + 1;
			*c->left -= n + 1;
			return 0;
		}
		if (n != -ENAMETOOLONG)
			return n;
		if (room == MIN((u64)MAX_ARG_STRLEN, *c->left))
			return -E2BIG;
		int error = add_part(c);
		if (error)
			return error;
	}
}

static int take_pointer(struct collector *c)
{
	if (*c->left < sizeof(u64))
		return -E2BIG;
	*c->left -= sizeof(u64);
	return 0;
}

/* An array of strings, which a NULL ends; none at all is an empty one. */
static int strings_from_user(struct parts *out, const char *const *user, u64 *left)
{
	struct collector c = { .last = out, .left = left };
	const char *string;
	int error = 0;

	for (; user; user++) {
		error = get_user(string, user);
		if (error || !string)
			break;
		error = take_pointer(&c);
		if (!error)
			error = add_string(&c, string);
		if (error)
			break;
	}
	return error;
}

/* There is always a first argument, since so many programs expect it. */
static int args_from_user(struct parts *out, const char *const *user, u64 *left)
{
	int error = strings_from_user(out, user, left);
	if (!error && !out->strings.len) {
		char *empty = kalloc(1);
		out->strings = (struct strings){ empty, empty ? 1 : 0 };
		error = empty ? 0 : -ENOMEM;
		*left -= MIN(*left, sizeof(u64) + 1);
	}
	return error;
}

/* For the name, the strings and pointers to these: Linux's bprm_stack_limits(). */
static u64 room_for_args(void)
{
	u64 stack = current_process()->rlimit[RLIMIT_STACK].rlim_cur;
	return MAX(MIN(stack / 4, ARGS_MAX), (u64)ARG_MAX);
}

/* How the new program will know itself, if all it has is a descriptor. */
static int name_program(struct request *r, int dirfd, const char *path)
{
	size_t size = strlen(path) + sizeof("/dev/fd/2147483647/");
	bool plain = path[0] == '/' || dirfd == AT_FDCWD;

	r->name = kalloc(size);
	if (!r->name)
		return -ENOMEM;
	r->by_descriptor = !path[0];
	r->closes = !plain && fd_get_cloexec(dirfd) > 0;
	snprintf(r->name, size, "%s", path);
	if (!plain)
		snprintf(r->name, size, "/dev/fd/%d%s%s", dirfd, path[0] ? "/" : "", path);
	r->left = room_for_args() - strlen(r->name) - 1;
	return 0;
}

/* All but the first itself. */
static void parts_free(struct parts *first)
{
	for (const struct parts *part = first, *next; part; part = next) {
		next = part->next;
		kfree((char *)part->strings.data);
		if (part != first)
			kfree((void *)part);
	}
}

static void request_free(struct request *r)
{
	kfree(r->name);
	parts_free(&r->args);
	parts_free(&r->env);
}

/* ---- the old program goes */

/* With what scripts have added. */
static bool fits(const struct program *program, const struct request *r)
{
	return parts_size(&program->args) <= parts_size(&r->args) + r->left;
}

static void drop_old(struct process *p, struct thread *thread)
{
	futex_thread_exit(thread);
	thread->clear_child_tid = 0;
	thread->rseq.area = 0;
	aio_exec();
	timers_exec(p);
	space_clear(p->space);
	fd_table_exec(p->files);
	signals_exec(p, thread);
	p->attr.membarriers = 0;
	p->programs++;
}

static void name_thread(struct thread *thread, const struct request *r, const struct file *file)
{
	const char *name = r->name, *base = strrchr(name, '/');
	if (r->by_descriptor && file->path.dentry)
		name = file->path.dentry->name;
	else if (base)
		name = base + 1;
	memset(thread->comm, 0, COMM_LEN);
	memcpy(thread->comm, name, strnlen(name, COMM_LEN - 1));
}

/* The program is the process's from now on, and nobody may write to it. */
static void own_program(struct process *p, struct program *program)
{
	if (p->exe)
		exec_close(p->exe);
	else
		fs_ran();
	kfree(p->exe_path);
	p->exe_path = NULL;
	p->exe = elf_take_file(program->elf);
	program->elf = NULL;
}

static void replace(struct program *program, const struct request *r)
{
	struct process *p = current_process();
	struct thread *thread = current();

	drop_old(p, thread);
	name_thread(thread, r, elf_file(program->elf));
	cred_exec(elf_file(program->elf)->inode);
	fs_base_set(thread->fs_base = 0);
	fpu_reset();
	int error = exec_program(program, r->name, &r->env, !(p->attr.persona & ADDR_NO_RANDOMIZE));
	if (error) {
		klog("mayfly: %s: cannot begin: %s", r->name,
		     error == -ENOMEM ? "not enough memory" : "its file is damaged");
		process_exit(128 + SIGKILL);
	}
	own_program(p, program);
	libos_area()->work |= WORK_FULL;
}

/* ---- the calls */

static long run(struct file *file, const struct request *r)
{
	struct program program;
	int error = program_open(&program, file, r->closes ? NULL : r->name, &r->args, NULL);
	if (error)
		return error;
	error = fits(&program, r) ? thread_end_others() : -E2BIG;
	if (!error)
		replace(&program, r);
	program_close(&program);
	return error;
}

long sys_execveat(int dirfd, const char *path, const char *const *args, const char *const *env,
		  int flags)
{
	struct request r = { .name = NULL };
	struct pathname pn;
	struct file *file = NULL;
	int error = pathname_get(&pn, path, flags & AT_EMPTY_PATH);

	if (error)
		return error;
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		error = -EINVAL;
	else
		file = exec_open(dirfd, pn.text, lookup_flags(flags), &error);
	if (!error)
		error = name_program(&r, dirfd, pn.text);
	pathname_put(&pn);
	if (!error)
		error = args_from_user(&r.args, args, &r.left);
	if (!error)
		error = strings_from_user(&r.env, env, &r.left);
	if (!error)
		error = run(file, &r);
	else if (file)
		exec_close(file);
	request_free(&r);
	return error;
}

long sys_execve(const char *path, const char *const *args, const char *const *env)
{
	return sys_execveat(AT_FDCWD, path, args, env, 0);
}
