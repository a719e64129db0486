/*
 * Between the two ends of pseudo-terminals: pty.c has the slaves, pty_master.c the
 * masters.
 */
#ifndef LIBOS_PTY_PARTS_H
#define LIBOS_PTY_PARTS_H

#include "pty.h"

#define PTYS_MAX 64
#define PTY_OUT  4096

struct pty {
	struct tty tty; /* first: a slave's file->priv */
	unsigned number;
	unsigned slaves; /* open files */
	bool locked, was_open;
	bool packet;
	bool held; /* what the master writes: TCOOFF, until TCOON */
	u8 events; /* TIOCPKT_*, which the master has not read */
	u32 tail, head; /* of out, modulo PTY_OUT */
	u8 out[PTY_OUT];
	struct waitq read_wait, room_wait; /* of the master; of who writes at either end */
	struct path node; /* in /dev/pts */
};

extern struct pty *ptys[PTYS_MAX];
extern const struct tty_driver pty_driver; /* of the slave */

static inline struct pty *pty_of(const struct file *file)
{
	return file->priv;
}
/* Bytes that the slave has shown, and the master has not read. */
static inline u32 pty_waiting(const struct pty *pty)
{
	return pty->head - pty->tail;
}
static inline bool master_closed(const struct pty *pty)
{
	return pty->tty.hung_up;
}
void pty_free(struct pty *pty); /* closed at both ends */

#endif
