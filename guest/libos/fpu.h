/*
 * The program's x87, SSE and AVX state, which stays in the registers while
 * the library OS runs.
 */
#ifndef LIBOS_FPU_H
#define LIBOS_FPU_H

#include "lib.h"

/* XSAVE and XRSTOR of `features`, or FXSAVE and FXRSTOR for 0; area 64-byte
 * aligned. 0 or -EFAULT. xsave.S */
long fpu_save(void *area, u64 features);
long fpu_restore(const void *area, u64 features);

/* What a signal frame holds: XSAVE's standard format with Linux's two magic
 * numbers. Sizes count the second one. */
bool fpu_extended(void); /* otherwise FXSAVE's format without the numbers */
size_t fpu_frame_size(void);
size_t fpu_frame_align(void);
int fpu_to_user(void *user); /* 0 or -EFAULT */
/* NULL: the initial state. -EINVAL when the CPU would not take it. */
int fpu_from_user(const void *user);
void fpu_reset(void); /* as at the start of a program */

/* The state of a thread that does not run: XSAVE's format. */
size_t fpu_state_size(void);

u64 fpu_features(void); /* XCR0, less what a frame doesn't hold; 0: no XSAVE */

/* Exceptions that are raised and not masked, x87's order of bits. */
u32 fpu_x87_raised(void);
u32 fpu_sse_raised(void);

#endif
