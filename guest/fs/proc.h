/*
 * How /proc is described: tables of entries, some of whose directories also
 * have numbered children (processes, descriptors).
 */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "../libos/process.h"
#include "vfs.h"

struct proc_inode;

/* Text that grows; what does not fit into memory is dropped with `failed`. */
struct proc_text {
	char *buf;
	size_t len, room;
	bool failed;
	u64 first; /* where in the file it begins */
	u64 next; /* of a text in pieces: where show() is to go on; 0: no more */
};
#define PROC_PIECE 0x8000 /* as much as this, then show() may stop */
#define PROC_LINE  512 /* what one proc_print() may add */
bool proc_room(struct proc_text *t, size_t n);
#define proc_print(t, ...)                   \
	((void)(proc_room((t), PROC_LINE) && \
		((t)->len += snprintf((t)->buf + (t)->len, PROC_LINE, __VA_ARGS__))))
void proc_bytes(struct proc_text *t, const char *bytes, size_t n);
void proc_pad(struct proc_text *t, size_t line_start, size_t column); /* with spaces */

struct proc_entry {
	const char *name;
	u32 mode; /* with its type */
	const struct proc_entry *table; /* a directory's, ended by a NULL name */
	/* Numbered children: the lowest number >= from, or -1; what they are. */
	int (*next)(const struct proc_inode *dir, int from);
	const struct proc_entry *item;
	/* A file's text: constant, or made when it is read (p is NULL outside
	 * of process directories). */
	const char *text;
	const struct file_ops *fops; /* or neither: what it has instead of a text */
	void (*show)(struct proc_text *t, const struct proc_inode *pi, struct process *p);
	/* A link's text, its length or -errno; and where it leads, if not by text. */
	long (*link)(const struct proc_inode *pi, struct process *p, char *buf, size_t size);
	int (*follow)(const struct proc_inode *pi, struct process *p, struct path *out);
};

struct proc_inode {
	struct inode inode;
	const struct proc_entry *entry;
	int pid; /* of the process that it belongs to, or 0 */
	int number; /* among numbered children, or -1 */
};

/* The process of an entry: *p NULL when it belongs to none; -ESRCH: gone. */
int proc_process(const struct proc_inode *pi, struct process **p);
static inline const struct proc_inode *proc_inode(const struct inode *inode)
{
	return container_of(inode, const struct proc_inode, inode);
}

extern const struct proc_entry proc_root;
extern const struct proc_entry proc_pid_dir; /* proc_pid.c */
extern const struct proc_entry proc_net_table[]; /* proc_net.c */
extern const struct proc_entry proc_sysvipc_table[]; /* proc_sysvipc.c */

/* proc_status.c */
void proc_octal(struct proc_text *t, u32 value); /* after a 0, three or more digits */
void proc_show_stat(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_statm(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_status(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_task_stat(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_task_status(struct proc_text *t, const struct proc_inode *pi, struct process *p);

/* proc_maps.c */
void proc_show_maps(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_smaps(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_smaps_rollup(struct proc_text *t, const struct proc_inode *pi, struct process *p);

extern const struct file_ops proc_pagemap_ops, proc_mem_ops; /* proc_mem.c */

void proc_show_cpuinfo(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_mounts(struct proc_text *t, const struct proc_inode *pi, struct process *p);
void proc_show_mountinfo(struct proc_text *t, const struct proc_inode *pi, struct process *p);

#endif
