/*
 * System calls at the cost of a function call: the program's SYSCALL sites
 * that trap often get a jump to a thunk.
 */
#ifndef LIBOS_PATCH_H
#define LIBOS_PATCH_H

#include "entry.h"
#include "space.h"

/* After each system call that came by SYSCALL. entry.S */
void patch_trapped(struct regs *regs);

/* [start, end) goes away, moves or becomes writable: its sites get their own
 * code back, and so do those whose thunks lie there. */
void patch_undo(struct space *space, u64 start, u64 end);

/* Of bytes that were read at va: the sites among them as they are without patches. What
 * lies between instructions may differ. */
void patch_show_original(struct space *space, u64 va, u8 *bytes, size_t n);

/* The text was written by another address than it is executed at: the CPU
 * must not go on with what it has fetched (SDM 8.1.3). CPUID serializes. */
static inline void patch_sync_core(void)
{
	u32 a = 0;
	asm volatile("cpuid" : "+a"(a) : : "rbx", "rcx", "rdx", "memory");
}

/* All of it goes, with what is known about its sites: execve(2). */
void patch_forget(struct space *space);

/* The program was interrupted, and looks at its registers now: if it is in a
 * thunk, to where it would be without one. */
void patch_leave_thunk(struct regs *regs);

/* A single step ended: true when it only led into a thunk. That site is left
 * alone from now on. */
bool patch_stepped(struct regs *regs);

/* With --stats, at the end: the sites that trapped, unless there were few. */
void patch_report(void);

#endif
