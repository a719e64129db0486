/*
 * What /proc and /etc tell about the machine and its processes, from those who
 * know it.
 */
#ifndef LIBOS_PROC_INFO_H
#define LIBOS_PROC_INFO_H

#include "process.h"

const char *host_name(void); /* nodename, release and version of uname(2) */
const char *host_release(void);
const char *host_version(void);
struct process *process_find(int pid); /* or NULL */
int process_next(int after); /* the lowest pid > after, or 0 */
const char *process_comm(const struct process *process);
int thread_next(const struct process *process, int from); /* the lowest tid >= from, or 0 */
const char *thread_comm(const struct process *process, int tid); /* "" when it has ended */
unsigned cpus_online(void);
static inline u64 cpus_online_mask(void)
{
	unsigned n = MAX(cpus_online(), 1u);
	return n >= 64 ? UINT64_MAX : (1ull << n) - 1;
}
u64 cpu_khz(void); /* of the TSC */

/* The first mapping that ends above `from`, for /proc/PID/maps. 1, or 0 when there are
 * no more. */
struct vma_info {
	u64 start, end, offset;
	u32 prot; /* PROT_* */
	bool shared, may_write, grows_down;
	const char *name; /* a path, "[heap]", "[stack]"..., or NULL */
	const struct file *file; /* what is mapped, or NULL */
};
int space_describe(struct space *space, u64 from, struct vma_info *info);

/* The page at va: SPACE_PAGE_*, 0: none. *run bytes from va on are like it. */
#define SPACE_PAGE_PRESENT 1
#define SPACE_PAGE_OWN     2 /* no file's and not shared: "anonymous" */
#define SPACE_PAGE_WRITTEN 4 /* or given out to be */
#define SPACE_PAGE_BLOCK   8 /* in one of 2 MiB */
u32 space_page(const struct space *space, u64 va, u64 *run);

/* The program's memory as a debugger has it: what it may not read or write itself, too,
 * but what is shared with a file or others only by their leave. Bytes; short, or 0,
 * where nothing is mapped, or cannot be written, or there is no memory. May wait. */
size_t space_read(struct space *space, u64 va, void *buf, size_t n);
size_t space_write(struct space *space, u64 va, const void *buf, size_t n);

#endif
