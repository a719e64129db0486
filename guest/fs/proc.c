/*
 * /proc: the machinery. Inodes are made on each lookup from the tables and
 * freed with their last reference: nothing of /proc stays in memory, and a
 * process directory cannot outlive its process for longer than a file in it
 * is open. A file's text is made when it is read from its start, and that of many
 * lines piece by piece.
 */
#include <linux/magic.h>
#include "proc.h"
#include "../libos/heap.h"
#include "../libos/proc_info.h"

#define NUMBERED 0x10000 /* readdir positions of numbered children begin here */

static const struct inode_ops dir_ops, link_ops, magic_ops, file_ops;
static const struct file_ops dir_file_ops, text_file_ops;

int proc_process(const struct proc_inode *pi, struct process **p)
{
	*p = pi->pid != 0 ? process_find(pi->pid) : NULL;
	return pi->pid != 0 && *p == NULL ? -ESRCH : 0;
}

/* ---- text ---- */

bool proc_room(struct proc_text *t, size_t n)
{
	char *buf;
	size_t room = MAX(t->room * 2, 2048ul);

	if (t->buf != NULL && t->room - t->len >= n)
		return true;
	while (room - t->len < n)
		room *= 2;
	buf = kalloc(room);
	if (buf == NULL) {
		t->failed = true;
		return false;
	}
	if (t->buf != NULL)
		memcpy(buf, t->buf, t->len);
	kfree(t->buf);
	t->buf = buf;
	t->room = room;
	return true;
}

void proc_bytes(struct proc_text *t, const char *bytes, size_t n)
{
	if (n == 0 || !proc_room(t, n))
		return;
	memcpy(t->buf + t->len, bytes, n);
	t->len += n;
}

void proc_pad(struct proc_text *t, size_t line_start, size_t column)
{
	while (t->len - line_start < column && proc_room(t, 1))
		t->buf[t->len++] = ' ';
}

static int make_text(struct proc_text *t, const struct proc_inode *pi)
{
	struct process *p;
	int error = proc_process(pi, &p);

	t->len = 0;
	t->failed = false;
	if (error < 0)
		return error;
	if (pi->entry->show != NULL)
		pi->entry->show(t, pi, p);
	else
		proc_bytes(t, pi->entry->text, strlen(pi->entry->text));
	return t->failed ? -ENOMEM : 0;
}

static long text_read(struct file *file, struct uio *uio, u64 *pos)
{
	struct proc_text *t = file->priv;
	long moved;
	int error;

	if (t == NULL) {
		t = file->priv = kalloc(sizeof(*t));
		if (t == NULL)
			return -ENOMEM;
	}
	if (*pos == 0 || t->buf == NULL || *pos < t->first) {
		t->first = t->next = 0;
		error = make_text(t, proc_inode(file->inode));
		if (error < 0)
			return error;
	}
	while (*pos >= t->first + t->len && t->next != 0) {
		t->first += t->len;
		error = make_text(t, proc_inode(file->inode));
		if (error < 0)
			return error;
	}
	if (*pos >= t->first + t->len)
		return 0;
	moved = uio_to(uio, t->buf + (*pos - t->first), t->first + t->len - *pos);
	if (moved > 0)
		*pos += moved;
	return moved;
}

static void text_release(struct file *file)
{
	struct proc_text *t = file->priv;

	if (t != NULL)
		kfree(t->buf);
	kfree(t);
}

/* ---- inodes ---- */

static void evict(struct inode *inode)
{
	kfree((void *)proc_inode(inode));
}

static struct super proc_super = {
	.type = "proc",
	.magic = PROC_SUPER_MAGIC,
	.dev = MKDEV(0, 22),
	.evict = evict,
};

/* The same for the same entry each time; distinct as far as they are seen. */
static u64 number_inode(const struct proc_entry *entry, int pid, int number)
{
	u64 h = (uintptr_t)entry / sizeof(void *) % 0x10000;

	return 0x100000000 + (u64)pid * 0x40000000 + (u64)(number + 1) * 0x10000 + h;
}

static struct inode *make_inode(const struct proc_entry *entry, int pid, int number)
{
	struct proc_inode *pi = kalloc(sizeof(*pi));

	if (pi == NULL)
		return NULL;
	inode_init(&pi->inode, &proc_super, entry->mode);
	pi->inode.ino = entry == &proc_root ? 1 : number_inode(entry, pid, number);
	pi->entry = entry;
	pi->pid = pid;
	pi->number = number;
	pi->inode.ops = &file_ops;
	if (S_ISDIR(entry->mode)) {
		pi->inode.ops = &dir_ops;
		pi->inode.fops = &dir_file_ops;
		pi->inode.nlink = 2;
	} else if (S_ISLNK(entry->mode)) {
		pi->inode.ops = entry->follow != NULL ? &magic_ops : &link_ops;
	} else {
		pi->inode.fops = entry->fops != NULL ? entry->fops : &text_file_ops;
	}
	return &pi->inode;
}

/* Children of a process directory belong to its process. */
static int pid_of_child(const struct proc_inode *dir, const struct proc_entry *child, int number)
{
	return child == &proc_pid_dir ? number : dir->pid;
}

/* ---- directories ---- */

static int parse_number(const struct dentry *d)
{
	int n = 0;

	if (d->len == 0 || d->len > 9 || (d->len > 1 && d->name[0] == '0'))
		return -1;
	for (unsigned i = 0; i < d->len; i++) {
		if (d->name[i] < '0' || d->name[i] > '9')
			return -1;
		n = n * 10 + d->name[i] - '0';
	}
	return n;
}

static int lookup(struct inode *inode, struct dentry *d)
{
	const struct proc_inode *dir = proc_inode(inode);
	const struct proc_entry *found = NULL;
	struct process *p;
	int number = -1;

	if (proc_process(dir, &p) < 0)
		return 0;
	for (const struct proc_entry *e = dir->entry->table; e != NULL && e->name != NULL; e++)
		if (strcmp(e->name, d->name) == 0)
			found = e;
	if (found == NULL && dir->entry->next != NULL) {
		number = parse_number(d);
		if (number >= 0 && dir->entry->next(dir, number) == number)
			found = dir->entry->item;
	}
	if (found == NULL)
		return 0;
	d->inode = make_inode(found, pid_of_child(dir, found, number),
			      number >= 0 ? number : dir->number);
	return d->inode != NULL ? 0 : -ENOMEM;
}

static bool emit(struct file *file, struct dir_sink *sink, const struct proc_entry *child,
		 const char *name, int number, u64 next)
{
	const struct proc_inode *dir = proc_inode(file->inode);
	u64 ino = number_inode(child, pid_of_child(dir, child, number),
			       number >= 0 ? number : dir->number);

	if (!sink->emit(sink, name, strlen(name), ino, DT_OF(child->mode), next))
		return false;
	file->pos = next;
	return true;
}

static bool read_numbers(struct file *file, struct dir_sink *sink)
{
	const struct proc_inode *dir = proc_inode(file->inode);
	int from = file->pos >= NUMBERED ? file->pos - NUMBERED : 0, n;
	char name[12];

	while ((n = dir->entry->next(dir, from)) >= 0) {
		snprintf(name, sizeof(name), "%d", n);
		from = n + 1;
		if (!emit(file, sink, dir->entry->item, name, n, NUMBERED + from))
			return false;
	}
	return true;
}

static long read_dir(struct file *file, struct dir_sink *sink)
{
	const struct proc_inode *dir = proc_inode(file->inode);
	const struct proc_entry *e = dir->entry->table;
	struct process *p;
	u64 pos = 2;

	if (proc_process(dir, &p) < 0)
		return -ENOENT;
	if (!dir_emit_dots(file, sink))
		return 0;
	for (; e != NULL && e->name != NULL; e++, pos++)
		if (file->pos <= pos && !emit(file, sink, e, e->name, -1, pos + 1))
			return 0;
	if (dir->entry->next != NULL)
		read_numbers(file, sink);
	return 0;
}

/* ---- links ---- */

static long read_link(struct inode *inode, char *buf, size_t size)
{
	const struct proc_inode *pi = proc_inode(inode);
	struct process *p;
	int error = proc_process(pi, &p);

	return error < 0 ? -ENOENT : pi->entry->link(pi, p, buf, size);
}

static int follow(struct inode *inode, struct path *out)
{
	const struct proc_inode *pi = proc_inode(inode);
	struct process *p;
	int error = proc_process(pi, &p);

	return error < 0 ? -ENOENT : pi->entry->follow(pi, p, out);
}

static const struct inode_ops dir_ops = { .lookup = lookup };
static const struct inode_ops file_ops = { .lookup = NULL };
static const struct inode_ops magic_ops = { .readlink = read_link, .follow = follow };
static const struct inode_ops link_ops = { .readlink = read_link };
static const struct file_ops dir_file_ops = { .readdir = read_dir, .lseek = dir_lseek };
static const struct file_ops text_file_ops = {
	.read = text_read,
	.lseek = file_lseek,
	.release = text_release,
};

struct super *procfs(void)
{
	struct dentry *d;

	if (proc_super.root != NULL)
		return &proc_super;
	d = dentry_new(NULL, "", 0);
	if (d == NULL)
		return NULL;
	d->inode = make_inode(&proc_root, 0, -1);
	if (d->inode == NULL) {
		dentry_put(d);
		return NULL;
	}
	proc_super.root = d;
	return &proc_super;
}
