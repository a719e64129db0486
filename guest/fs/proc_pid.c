/*
 * /proc/PID: what processes say about themselves. Of memory, only the current
 * process's own can be shown (its arguments and environment).
 */
#include <asm/mman.h>
#include <linux/auxvec.h>
#include "../libos/path.h"
#include "../libos/clocks.h"
#include "../libos/proc_info.h"
#include "../libos/space.h"
#include "proc.h"

/* ---- links ---- */

static long link_of_path(const struct path *path, char *buf, size_t size)
{
	bool reachable;
	char *text = path_text(path, &current_process()->fs->root, buf, size, &reachable);
	size_t len;

	if (text == NULL)
		return -ENAMETOOLONG;
	len = strlen(text);
	memmove(buf, text, len);
	return len;
}

static int follow_path(const struct path *path, struct path *out)
{
	*out = *path;
	path_get(out);
	return 0;
}

static long cwd_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	(void)pi;
	return link_of_path(&p->fs->cwd, buf, size);
}

static int cwd_follow(const struct proc_inode *pi, struct process *p, struct path *out)
{
	(void)pi;
	return follow_path(&p->fs->cwd, out);
}

static long root_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	(void)pi;
	return link_of_path(&p->fs->root, buf, size);
}

static int root_follow(const struct proc_inode *pi, struct process *p, struct path *out)
{
	(void)pi;
	return follow_path(&p->fs->root, out);
}

static long exe_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	size_t len;

	(void)pi;
	if (p->exe != NULL)
		return file_text(p->exe, &current_process()->fs->root, buf, size);
	if (p->exe_path == NULL)
		return -ENOENT;
	len = MIN(strlen(p->exe_path), size);
	memcpy(buf, p->exe_path, len);
	return len;
}

static int exe_follow(const struct proc_inode *pi, struct process *p, struct path *out)
{
	(void)pi;
	if (p->exe != NULL && p->exe->path.dentry != NULL)
		return follow_path(&p->exe->path, out);
	if (p->exe_path == NULL)
		return -ENOENT;
	return path_lookup(AT_FDCWD, p->exe_path, LOOKUP_FOLLOW, out);
}

/* ---- descriptors ---- */

static int next_fd(const struct proc_inode *dir, int from)
{
	struct process *p = process_find(dir->pid);

	return p != NULL && p->files != NULL ? fd_table_next(p->files, from) : -1;
}

static long fd_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	struct file *file = fd_table_file(p->files, pi->number);
	long r;

	if (file == NULL)
		return -ENOENT;
	r = file_text(file, &current_process()->fs->root, buf, size);
	file_put(file);
	return r;
}

static int fd_follow(const struct proc_inode *pi, struct process *p, struct path *out)
{
	struct file *file = fd_table_file(p->files, pi->number);
	int error;

	if (file == NULL)
		return -ENOENT;
	error = path_of_file(file, out);
	file_put(file);
	return error;
}

static void show_fdinfo(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct file *file = fd_table_file(p->files, pi->number);

	if (file == NULL)
		return;
	proc_print(t, "pos:\t%lu\nflags:\t", file->pos);
	proc_octal(t, file->flags);
	proc_print(t, "\nmnt_id:\t1\nino:\t%lu\n", file->inode != NULL ? file->inode->ino : 0);
	file_put(file);
}

static const struct proc_entry fd_item = {
	.mode = S_IFLNK | 0700,
	.link = fd_link,
	.follow = fd_follow,
};
static const struct proc_entry fdinfo_item = { .mode = S_IFREG | 0444, .show = show_fdinfo };

/* ---- memory ---- */

static void show_range(struct proc_text *t, u64 start, u64 end)
{
	char bytes[256];

	while (start < end) {
		size_t n = MIN(end - start, sizeof(bytes));

		if (copy_from_user(bytes, (const void *)start, n) < 0)
			break;
		proc_bytes(t, bytes, n);
		start += n;
	}
}

static void show_cmdline(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	if (p == current_process())
		show_range(t, p->arg_start, p->arg_end);
}

static void show_environ(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	if (p == current_process())
		show_range(t, p->env_start, p->env_end);
}

static void show_auxv(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	if (p == current_process())
		show_range(t, p->auxv_start, p->auxv_end);
}

/* ---- names ---- */

static void show_comm(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	proc_print(t, "%s\n", process_comm(p));
}

/* ---- limits ---- */

static void show_limit(struct proc_text *t, u64 value)
{
	size_t start = t->len;

	if (value == RLIM64_INFINITY)
		proc_print(t, "unlimited");
	else
		proc_print(t, "%lu", value);
	proc_pad(t, start, 21);
}

static void show_limits(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	static const struct {
		const char *name, *unit;
	} limits[MAX_RLIMITS] = {
		[RLIMIT_CPU] = { "Max cpu time", "seconds" },
		[RLIMIT_FSIZE] = { "Max file size", "bytes" },
		[RLIMIT_DATA] = { "Max data size", "bytes" },
		[RLIMIT_STACK] = { "Max stack size", "bytes" },
		[RLIMIT_CORE] = { "Max core file size", "bytes" },
		[RLIMIT_RSS] = { "Max resident set", "bytes" },
		[RLIMIT_NPROC] = { "Max processes", "processes" },
		[RLIMIT_NOFILE] = { "Max open files", "files" },
		[RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
		[RLIMIT_AS] = { "Max address space", "bytes" },
		[RLIMIT_LOCKS] = { "Max file locks", "locks" },
		[RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
		[RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
		[RLIMIT_NICE] = { "Max nice priority", "" },
		[RLIMIT_RTPRIO] = { "Max realtime priority", "" },
		[RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
	};

	(void)pi;
	proc_print(t, "Limit                     Soft Limit           Hard Limit           Units"
		      "     \n");
	for (unsigned i = 0; i < MAX_RLIMITS; i++) {
		size_t start = t->len;

		proc_print(t, "%s", limits[i].name);
		proc_pad(t, start, 26);
		show_limit(t, p->rlimit[i].rlim_cur);
		show_limit(t, p->rlimit[i].rlim_max);
		start = t->len;
		proc_print(t, "%s", limits[i].unit);
		proc_pad(t, start, 10);
		proc_bytes(t, "\n", 1);
	}
}

/* ---- the directory ---- */

static int next_task(const struct proc_inode *dir, int from)
{
	const struct process *p = process_find(dir->pid);
	int tid = p ? thread_next(p, from) : 0;

	return tid > 0 ? tid : -1;
}

static void show_task_comm(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	proc_print(t, "%s\n", thread_comm(p, pi->number));
}

static const struct proc_entry task_table[] = {
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_task_comm },
	{ .name = "maps", .mode = S_IFREG | 0444, .show = proc_show_maps },
	{ .name = "mem", .mode = S_IFREG | 0600, .fops = &proc_mem_ops },
	{ .name = "pagemap", .mode = S_IFREG | 0400, .fops = &proc_pagemap_ops },
	{ .name = "smaps", .mode = S_IFREG | 0444, .show = proc_show_smaps },
	{ .name = "smaps_rollup", .mode = S_IFREG | 0444, .show = proc_show_smaps_rollup },
	{ .name = "stat", .mode = S_IFREG | 0444, .show = proc_show_task_stat },
	{ .name = "status", .mode = S_IFREG | 0444, .show = proc_show_task_status },
	{ .name = NULL },
};
static const struct proc_entry task_item = { .mode = S_IFDIR | 0555, .table = task_table };

static const struct proc_entry pid_table[] = {
	{ .name = "auxv", .mode = S_IFREG | 0400, .show = show_auxv },
	{ .name = "cgroup", .mode = S_IFREG | 0444, .text = "0::/\n" },
	{ .name = "cmdline", .mode = S_IFREG | 0444, .show = show_cmdline },
	{ .name = "comm", .mode = S_IFREG | 0644, .show = show_comm },
	{ .name = "cwd", .mode = S_IFLNK | 0777, .link = cwd_link, .follow = cwd_follow },
	{ .name = "environ", .mode = S_IFREG | 0400, .show = show_environ },
	{ .name = "exe", .mode = S_IFLNK | 0777, .link = exe_link, .follow = exe_follow },
	{ .name = "fd", .mode = S_IFDIR | 0500, .next = next_fd, .item = &fd_item },
	{ .name = "fdinfo", .mode = S_IFDIR | 0555, .next = next_fd, .item = &fdinfo_item },
	{ .name = "limits", .mode = S_IFREG | 0444, .show = show_limits },
	{ .name = "maps", .mode = S_IFREG | 0444, .show = proc_show_maps },
	{ .name = "mem", .mode = S_IFREG | 0600, .fops = &proc_mem_ops },
	{ .name = "mountinfo", .mode = S_IFREG | 0444, .show = proc_show_mountinfo },
	{ .name = "mounts", .mode = S_IFREG | 0444, .show = proc_show_mounts },
	{ .name = "net", .mode = S_IFDIR | 0555, .table = proc_net_table },
	{ .name = "oom_score", .mode = S_IFREG | 0444, .text = "0\n" },
	{ .name = "oom_score_adj", .mode = S_IFREG | 0644, .text = "0\n" },
	{ .name = "pagemap", .mode = S_IFREG | 0400, .fops = &proc_pagemap_ops },
	{ .name = "root", .mode = S_IFLNK | 0777, .link = root_link, .follow = root_follow },
	{ .name = "smaps", .mode = S_IFREG | 0444, .show = proc_show_smaps },
	{ .name = "smaps_rollup", .mode = S_IFREG | 0444, .show = proc_show_smaps_rollup },
	{ .name = "stat", .mode = S_IFREG | 0444, .show = proc_show_stat },
	{ .name = "statm", .mode = S_IFREG | 0444, .show = proc_show_statm },
	{ .name = "status", .mode = S_IFREG | 0444, .show = proc_show_status },
	{ .name = "task", .mode = S_IFDIR | 0555, .next = next_task, .item = &task_item },
	{ .name = NULL },
};

const struct proc_entry proc_pid_dir = { .mode = S_IFDIR | 0555, .table = pid_table };
