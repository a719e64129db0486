/*
 * Floating-point state in signal frames (Linux: arch/x86/kernel/fpu/signal.c;
 * SDM volume 1, chapter 13).
 *
 * State goes between the registers and the program by way of a buffer here:
 * XRSTOR then never sees bytes that another thread can still change after
 * they were checked, and neither instruction can fault. What the checks have
 * to find is what makes XRSTOR raise #GP: reserved bits of MXCSR and of the
 * header, and features that are not enabled.
 */
#include <asm/sigcontext.h>
#include "entry.h"
#include "fpu.h"
#include "sched.h"
#include "uaccess.h"

#define FEATURES_LEGACY 3 /* x87 and SSE */
#define FCW_INIT        0x37f
#define MXCSR_INIT      0x1f80
#define MXCSR_MASK_OLD  0xffbf /* where FXSAVE gives none, SDM volume 1, 11.6.6 */
#define AREA_SIZE       4096

/* Also bounds a frame: a feature that lies beyond, that is AMX tile data, is
 * not in it, as on Linux without ARCH_REQ_XCOMP_PERM. */
static u8 area[AREA_SIZE] __attribute__((aligned(64)));
/* One for all threads: where it is in use and the program's memory may have to be
 * waited for, others do not run (sched_hold). */

static struct {
	bool known;
	u64 features; /* 0: without XSAVE */
	u32 size; /* of the XSAVE or FXSAVE area */
	u32 mxcsr_mask;
} layout;

static u64 xcr0(void)
{
	u32 lo, hi;
	asm volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	return (u64)hi << 32 | lo;
}

/* Where a feature ends in the standard format. These numbers are the CPU's,
 * so that it doesn't matter whose CPUID this is. */
static u32 feature_end(u32 feature)
{
	u32 size = 0xd, offset, c = feature, d;
	asm volatile("cpuid" : "+a"(size), "=b"(offset), "+c"(c), "=d"(d));
	return offset + size;
}

/* A CPU may have XSAVE with an XCR0 that lacks SSE: nested in TCG, whose SVM
 * does not let KVM see XSETBV. Then only FXSAVE saves everything. */
static void find_layout(void)
{
	struct _xstate *x = (struct _xstate *)area;
	u64 enabled = vcpu()->xsave ? xcr0() : 0;
	layout.size = sizeof(struct _fpstate_64);
	if ((enabled & FEATURES_LEGACY) == FEATURES_LEGACY) {
		layout.features = FEATURES_LEGACY;
		layout.size += sizeof(struct _header);
		for (u32 i = 2; i < 63; i++) {
			u32 end = enabled & 1ull << i ? feature_end(i) : 0;
			if (!end || end > AREA_SIZE)
				continue;
			layout.features |= 1ull << i;
			layout.size = MAX(layout.size, end);
		}
	}
	fpu_save(area, layout.features);
	layout.mxcsr_mask = x->fpstate.mxcsr_mask ? x->fpstate.mxcsr_mask : MXCSR_MASK_OLD;
	layout.known = true;
}

u64 fpu_features(void)
{
	if (!layout.known)
		find_layout();
	return layout.features;
}

bool fpu_extended(void)
{
	return fpu_features() != 0;
}

size_t fpu_frame_size(void)
{
	return fpu_extended() ? layout.size + FP_XSTATE_MAGIC2_SIZE : sizeof(struct _fpstate_64);
}

size_t fpu_state_size(void)
{
	fpu_features(); /* finds the layout */
	return layout.size;
}

size_t fpu_frame_align(void)
{
	return fpu_extended() ? 64 : 16;
}

static int to_user(void *user)
{
	struct _xstate *x = (struct _xstate *)area;
	u64 features = fpu_features();

	memset(area, 0, layout.size);
	if (fpu_save(area, features))
		return -EFAULT;
	if (!features)
		return copy_to_user(user, area, layout.size);
	x->fpstate.sw_reserved = (struct _fpx_sw_bytes){
		.magic1 = FP_XSTATE_MAGIC1,
		.extended_size = layout.size + FP_XSTATE_MAGIC2_SIZE,
		.xfeatures = features,
		.xstate_size = layout.size,
	};
	/* programs change x87 and SSE state without setting the bits */
	x->xstate_hdr.xfeatures |= FEATURES_LEGACY;
	if (copy_to_user(user, area, layout.size))
		return -EFAULT;
	return put_user((u32 *)((u64)user + layout.size), (u32)FP_XSTATE_MAGIC2);
}

int fpu_to_user(void *user)
{
	sched_hold();
	int error = to_user(user);
	sched_release();
	return error;
}

/* Loads `area`, whose legacy part and xfeatures are set. */
static int load(void)
{
	struct _xstate *x = (struct _xstate *)area;
	if (x->fpstate.mxcsr & ~layout.mxcsr_mask)
		return -EINVAL;
	return fpu_restore(area, layout.features);
}

/* Whether the frame has more than the legacy part: 1, 0 or -EFAULT. */
static int is_extended(const void *user, const struct _fpx_sw_bytes *sw)
{
	u32 magic2;
	if (!layout.features || sw->magic1 != FP_XSTATE_MAGIC1 ||
	    sw->xstate_size < sizeof(struct _fpstate_64) + sizeof(struct _header) ||
	    sw->xstate_size > layout.size || sw->xstate_size > sw->extended_size)
		return 0;
	if (get_user(magic2, (u8 *)user + sw->xstate_size))
		return -EFAULT;
	return magic2 == FP_XSTATE_MAGIC2;
}

static int from_user(const void *user)
{
	struct _xstate *x = (struct _xstate *)area;
	struct _fpx_sw_bytes sw;
	u64 features = fpu_features();

	if (!user) {
		fpu_reset();
		return 0;
	}
	if ((u64)user & (fpu_frame_align() - 1))
		return -EINVAL;
	memset(area, 0, layout.size);
	if (copy_from_user(area, user, sizeof(x->fpstate)))
		return -EFAULT;
	sw = x->fpstate.sw_reserved;
	int extended = is_extended(user, &sw);
	if (extended < 0)
		return extended;
	if (!extended) {
		if (features)
			x->xstate_hdr.xfeatures = FEATURES_LEGACY;
		return load();
	}
	if (copy_from_user(area, user, sw.xstate_size))
		return -EFAULT;
	if (x->xstate_hdr.xfeatures & ~features || x->xstate_hdr.reserved1[0] ||
	    x->xstate_hdr.reserved1[1])
		return -EINVAL;
	x->xstate_hdr.xfeatures &= sw.xfeatures;
	memset(x->xstate_hdr.reserved2, 0, sizeof(x->xstate_hdr.reserved2));
	return load();
}

int fpu_from_user(const void *user)
{
	sched_hold();
	int error = from_user(user);
	sched_release();
	return error;
}

void fpu_reset(void)
{
	struct _xstate *x = (struct _xstate *)area;
	fpu_features(); /* finds the layout */
	memset(area, 0, sizeof(x->fpstate) + sizeof(x->xstate_hdr));
	x->fpstate.cwd = FCW_INIT;
	x->fpstate.mxcsr = MXCSR_INIT;
	load();
}

u32 fpu_x87_raised(void)
{
	u16 control, status;
	asm volatile("fnstcw %0\n\tfnstsw %1" : "=m"(control), "=m"(status));
	return status & ~control & 0x3f;
}

u32 fpu_sse_raised(void)
{
	u32 mxcsr;
	asm volatile("stmxcsr %0" : "=m"(mxcsr));
	return ~(mxcsr >> 7) & mxcsr & 0x3f;
}
