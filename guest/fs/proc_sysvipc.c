/*
 * /proc/sysvipc: what there is of System V IPC, a line for each object.
 */
#include <linux/msg.h>
#include <linux/sem.h>
#include <linux/shm.h>
#include "../libos/sysv_ipc.h"
#include "proc.h"

/* A number whose decimal digits are the octal ones of a mode. */
static unsigned octal(u32 mode)
{
	return mode < 8 ? mode : octal(mode / 8) * 10 + mode % 8;
}

static void print_name(struct proc_text *t, const struct ipc64_perm *perm, int id)
{
	proc_print(t, "%10d %10d  %4u ", perm->key, id, octal(perm->mode));
}

static void print_owners(struct proc_text *t, const struct ipc64_perm *perm)
{
	proc_print(t, " %5u %5u %5u %5u ", perm->uid, perm->gid, perm->cuid, perm->cgid);
}

/* Prints the first object from an index on: its id or -1. */
typedef int print_next(struct proc_text *t, unsigned index);

static int print_segment(struct proc_text *t, unsigned index)
{
	struct shmid64_ds ds;
	u64 resident;
	int id = sysv_shm_next(index, &ds, &resident);

	if (id < 0)
		return id;
	print_name(t, &ds.shm_perm, id);
	proc_print(t, "%21lu %5u %5u  %5lu", ds.shm_segsz, ds.shm_cpid, ds.shm_lpid, ds.shm_nattch);
	print_owners(t, &ds.shm_perm);
	proc_print(t, "%10lu %10lu %10lu %21lu %21lu\n", ds.shm_atime, ds.shm_dtime, ds.shm_ctime,
		   resident, 0ul);
	return id;
}

static int print_semaphores(struct proc_text *t, unsigned index)
{
	struct semid64_ds ds;
	int id = sysv_sem_next(index, &ds);

	if (id < 0)
		return id;
	print_name(t, &ds.sem_perm, id);
	proc_print(t, "%10lu", ds.sem_nsems);
	print_owners(t, &ds.sem_perm);
	proc_print(t, "%10lu %10lu\n", ds.sem_otime, ds.sem_ctime);
	return id;
}

static int print_queue(struct proc_text *t, unsigned index)
{
	struct msqid64_ds ds;
	int id = sysv_msg_next(index, &ds);

	if (id < 0)
		return id;
	print_name(t, &ds.msg_perm, id);
	proc_print(t, " %10lu %10lu %5u %5u", ds.msg_cbytes, ds.msg_qnum, ds.msg_lspid,
		   ds.msg_lrpid);
	print_owners(t, &ds.msg_perm);
	proc_print(t, "%10lu %10lu %10lu\n", ds.msg_stime, ds.msg_rtime, ds.msg_ctime);
	return id;
}

static void show_all(struct proc_text *t, const char *title, print_next *print)
{
	unsigned index = t->next;
	int id;

	if (index == 0)
		proc_print(t, "%s\n", title);
	for (t->next = 0; (id = print(t, index)) >= 0; index = ipc_index(id) + 1) {
		if (t->len < PROC_PIECE)
			continue;
		t->next = ipc_index(id) + 1;
		return;
	}
}

static void show_shm(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	show_all(t,
		 "       key      shmid perms                  size  cpid  lpid nattch   uid   gid"
		 "  cuid  cgid      atime      dtime      ctime                   rss"
		 "                  swap",
		 print_segment);
}

static void show_sem(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	show_all(t,
		 "       key      semid perms      nsems   uid   gid  cuid  cgid      otime"
		 "      ctime",
		 print_semaphores);
}

static void show_msg(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	show_all(t,
		 "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid"
		 "  cgid      stime      rtime      ctime",
		 print_queue);
}

const struct proc_entry proc_sysvipc_table[] = {
	{ .name = "msg", .mode = S_IFREG | 0444, .show = show_msg },
	{ .name = "sem", .mode = S_IFREG | 0444, .show = show_sem },
	{ .name = "shm", .mode = S_IFREG | 0444, .show = show_shm },
	{ .name = NULL },
};
