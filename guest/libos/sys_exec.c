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
	struct strings args, env;
};

/* ---- copying from the program */

/* Strings that come in one after the other. */
struct collector {
	char *text;
	size_t len, size;
	u64 *left; /* bytes that may still come, with a pointer for each string */
};

static int enlarge(struct collector *c)
{
	size_t size = MAX(2 * c->size, (size_t)1024);
	char *text = size <= 2 * ARGS_MAX ? kalloc(size) : NULL;
	if (!text)
		return -ENOMEM;
	if (c->text)
		memcpy(text, c->text, c->len);
	kfree(c->text);
	c->text = text;
	c->size = size;
	return 0;
}

static int add_string(struct collector *c, const char *user)
{
	for (;;) {
		u64 room = MIN(c->size - c->len, MIN((u64)MAX_ARG_STRLEN, *c->left));
		long n = room ? strncpy_from_user(c->text + c->len, user, room) : -ENAMETOOLONG;
		if (n >= 0) {
			c->len += n + 1;
			*c->left -= n + 1;
			return 0;
		}
		if (n != -ENAMETOOLONG)
			return n;
		if (room == MIN((u64)MAX_ARG_STRLEN, *c->left))
			return -E2BIG;
		int error = enlarge(c);
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
static int strings_from_user(struct strings *out, const char *const *user, u64 *left)
{
	struct collector c = { .left = left };
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
	*out = (struct strings){ c.text, c.len };
	return error;
}

/* There is always a first argument, since so many programs expect it. */
static int args_from_user(struct strings *out, const char *const *user, u64 *left)
{
	int error = strings_from_user(out, user, left);
	if (!error && !out->len) {
		kfree((char *)out->data);
		out->data = kalloc(1);
		out->len = out->data ? 1 : 0;
		error = out->data ? 0 : -ENOMEM;
	}
	return error;
}

/* Linux's bprm_stack_limits(), but for what is more than ARGS_MAX. */
static u64 room_for_args(void)
{
	u64 stack = current_process()->rlimit[RLIMIT_STACK].rlim_cur;
	return MIN(MAX(stack / 4, (u64)ARG_MAX), ARGS_MAX);
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
	return 0;
}

static void request_free(struct request *r)
{
	kfree(r->name);
	kfree((char *)r->args.data);
	kfree((char *)r->env.data);
}

/* ---- the old program goes */

static u64 *words_of(const struct strings *s, u64 *left)
{
	for (size_t at = 0; at < s->len; at += strlen(s->data + at) + 1)
		*left -= MIN(*left, sizeof(u64));
	*left -= MIN(*left, s->len);
	return left;
}

/* With what scripts have added. */
static bool fits(const struct program *program, const struct request *r)
{
	u64 left = room_for_args();
	return *words_of(&program->args, words_of(&r->env, &left)) > 0;
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
	u64 left = room_for_args();
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
		error = args_from_user(&r.args, args, &left);
	if (!error)
		error = strings_from_user(&r.env, env, &left);
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
