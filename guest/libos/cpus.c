/*
 * Each vCPU starts its successor, so that vCPU 0 pays for one only. The VMM
 * makes its vCPUs beside the boot; a start that came too early is lost, so it
 * is repeated until the vCPU has come.
 */
#include "boot_info.h"
#include "clock.h"
#include "cpus.h"
#include "entry.h"
#include "frames.h"
#include "memory.h"
#include "proc_info.h"
#include "space.h"
#include "thread.h"

#define STACK_ORDER 2 /* 16 KiB */
#define STACKS      WINDOW_BASE
#define STACK_SPAN  0x10000 /* the rest of it is the guard */
#define RETRY_NS    400000 /* at first; then twice as long each time */

extern char vcpu0_area[];
void libos_ap_main(void);
static void retry(struct timer *timer);

static struct {
	paddr_t area, stack;
	bool prepared;
	bool online;
} cpu[MAX_CPUS];
static bool hungry; /* a vCPU lacks memory to start the next one */
static struct timer retry_timer = { .expired = retry };

static void *stack_top(unsigned n)
{
	return (void *)(STACKS + n * STACK_SPAN + 0x8000 + (PAGE_SIZE << STACK_ORDER));
}

/* The successor's stack and area, by whoever starts it. */
static long prepare(unsigned n)
{
	struct vcpu_area *area = phys_to_virt(cpu[n].area);
	struct libos_area *mine = (struct libos_area *)area->libos;
	u64 bottom = (u64)stack_top(n) - (PAGE_SIZE << STACK_ORDER);
	if (cpu[n].prepared)
		return 0;
	/* not pages_map(): what that keeps in mind is vCPU 0's */
	vcpu()->run[0] =
		(struct map_run){ bottom, cpu[n].stack | PTE_P | PTE_W | PTE_NX, 1 << STACK_ORDER };
	long error = kcall(KCALL_MAP, 1, 0, 0);
	if (error)
		return error;
	area->self = area;
	area->kcall = vcpu()->kcall;
	mine->stack = stack_top(n);
	clock_copy(libos_area(), mine);
	cpu[n].prepared = true;
	return 0;
}

static bool online(unsigned n)
{
	return __atomic_load_n(&cpu[n].online, __ATOMIC_ACQUIRE);
}

unsigned cpus_online(void)
{
	unsigned n = 1;
	while (n < boot_info.cpus && online(n))
		n++;
	return n;
}

/* False: the kernel has no memory for it. */
static bool start(unsigned n)
{
	long error = prepare(n);
	if (!error)
		error = kcall(KCALL_START_CPU, n, cpu[n].area, 0);
	if (error && error != -ENOMEM)
		panic("vCPU %u does not start: error %ld", n, -error);
	return !error;
}

/* The program may have had all of the kernel's first pool for its page tables
 * meanwhile. Only vCPU 0 can give it more. */
void cpus_feed(void)
{
	if (__atomic_exchange_n(&hungry, false, __ATOMIC_ACQ_REL))
		frames_feed_kernel();
}

static void ask_for_memory(void)
{
	__atomic_store_n(&hungry, true, __ATOMIC_RELEASE);
	kcall(KCALL_IPI, 0, 0, 0);
}

static void retry(struct timer *timer)
{
	static u64 pause = RETRY_NS;
	if (online(1))
		return;
	if (!start(1))
		frames_feed_kernel();
	timer_arm(timer, now_ns() + pause);
	pause *= 2;
}

void cpus_start(void)
{
	if (boot_info.cpus < 2)
		return;
	boot_info.cpus = MIN(boot_info.cpus, MAX_CPUS);
	/* three frames of the kernel's for each: more than its first pool has */
	if (boot_info.cpus > 4 && !frames_feed_kernel())
		panic("not enough memory for %u vCPUs", boot_info.cpus);
	for (unsigned n = 1; n < boot_info.cpus; n++) {
		cpu[n].area = frames_alloc(0);
		cpu[n].stack = frames_alloc(STACK_ORDER);
		if (!cpu[n].area || !cpu[n].stack)
			panic("not enough memory for %u vCPUs", boot_info.cpus);
	}
	retry(&retry_timer);
}

void libos_ap_main(void)
{
	struct boot_record *record = phys_to_virt(BOOT_RECORD_GPA);
	unsigned n = vcpu()->cpu;
	__atomic_store_n(&cpu[n].online, true, __ATOMIC_RELEASE);
	if (boot_info.device_tree)
		__atomic_add_fetch(&record->cpus_online, 1, __ATOMIC_RELAXED);
	if (n + 1 < boot_info.cpus) {
		for (u64 pause = RETRY_NS; !online(n + 1); pause *= 2) {
			if (!start(n + 1))
				ask_for_memory();
			clock_arm(now_ns() + pause);
			kcall(KCALL_WAIT, 0, 0, 0);
			__atomic_store_n(&vcpu()->pending, 0, __ATOMIC_RELAXED);
		}
		clock_arm(NEVER);
	}
	for (;;) {
		kcall(KCALL_WAIT, 0, 0, 0);
		__atomic_store_n(&vcpu()->pending, 0, __ATOMIC_RELAXED);
	}
}
