/*
 * Starting the other vCPUs, and the lock between them.
 *
 * Each vCPU starts its successor, so that vCPU 0 pays for one only. The VMM
 * makes its vCPUs beside the boot; a start that came too early is lost, so it
 * is repeated until the vCPU has come.
 */
#include "boot_info.h"
#include "clock.h"
#include "cpus.h"
#include "entry.h"
#include "frames.h"
#include "heap.h"
#include "memory.h"
#include "proc_info.h"
#include "space.h"
#include "thread.h"
#include "timer.h"

#define STACK_ORDER 2 /* 16 KiB */
#define STACKS      WINDOW_BASE
#define STACK_SPAN  0x10000 /* the rest of it is the guard */
#define RETRY_NS    400000 /* at first; then twice as long each time */
#define SPINS       4000 /* some 100 us */
#define IMPATIENT   200 /* who has spun that often wants to be let in */
#define PATIENT     400 /* and who comes then waits that long for him */
#define YIELD_NS    50000

void libos_ap_main(void);
static void retry(struct timer *timer);

static struct cpu first_cpu = {
	.ready = { &first_cpu.ready, &first_cpu.ready },
	.slice.expired = sched_slice_over,
	.up = true,
};
struct cpu *cpus[MAX_CPUS] = { &first_cpu };
/* beside them: a boot touches no further page */
u32 libos_smp __attribute__((section(".data")));
u32 libos_lock_word __attribute__((section(".data")));
u32 libos_lock_wanted __attribute__((section(".data")));

static struct {
	paddr_t area, stack;
	bool prepared;
	bool online;
} start_of[MAX_CPUS]; /* what a vCPU starts with */
static bool hungry; /* a vCPU lacks memory to start the next one */
static struct timer retry_timer = { .expired = retry };

static void *stack_top(unsigned n)
{
	return (void *)(STACKS + n * STACK_SPAN + 0x8000 + (PAGE_SIZE << STACK_ORDER));
}

/* Not pages_map(): what that keeps in mind is for who holds the lock. */
static long map_stack(unsigned n)
{
	u64 bottom = (u64)stack_top(n) - (PAGE_SIZE << STACK_ORDER);
	vcpu()->run[0] = (struct map_run){ bottom, start_of[n].stack | PTE_P | PTE_W | PTE_NX,
					   1 << STACK_ORDER };
	return kcall(KCALL_MAP, 1, 0, 0);
}

static struct vcpu_area *area_of(unsigned n)
{
	return phys_to_virt(start_of[n].area);
}

/* The successor's stack and area, by whoever starts it. */
static long prepare(unsigned n)
{
	struct vcpu_area *area = area_of(n);
	struct libos_area *mine = (struct libos_area *)area->libos;
	if (start_of[n].prepared)
		return 0;
	long error = map_stack(n);
	if (error)
		return error;
	area->self = area;
	area->kcall = vcpu()->kcall;
	mine->stack = stack_top(n);
	clock_copy(libos_area(), mine);
	start_of[n].prepared = true;
	return 0;
}

static bool online(unsigned n)
{
	return __atomic_load_n(&start_of[n].online, __ATOMIC_ACQUIRE);
}

/* Those that have not come yet will, before the program can tell. */
unsigned cpus_online(void)
{
	return boot_info.cpus;
}

/* False: the kernel has no memory for it. */
static bool start(unsigned n)
{
	long error = prepare(n);
	if (!error)
		error = kcall(KCALL_START_CPU, n, start_of[n].area, 0);
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

void cpus_init(void)
{
	first_cpu.area = vcpu();
	first_cpu.libos = libos_area();
	first_cpu.libos->cpu = &first_cpu;
}

static _Noreturn void too_little_memory(void)
{
	klog("mayfly: too little memory for %u vCPUs: give more with --mem", boot_info.cpus);
	machine_exit(125);
}

void cpus_start(void)
{
	if (boot_info.cpus < 2)
		return;
	boot_info.cpus = MIN(boot_info.cpus, MAX_CPUS);
	/* three frames of the kernel's for each: more than its first pool has */
	if (boot_info.cpus > 4 && !frames_feed_kernel())
		too_little_memory();
	for (unsigned n = 1; n < boot_info.cpus; n++) {
		start_of[n].area = frames_alloc(0);
		start_of[n].stack = frames_alloc(STACK_ORDER);
		if (!start_of[n].area || !start_of[n].stack)
			too_little_memory();
	}
	retry(&retry_timer);
}

static void start_successor(unsigned n)
{
	for (u64 pause = RETRY_NS; !online(n); pause *= 2) {
		if (!start(n))
			ask_for_memory();
		clock_arm(now_ns() + pause);
		kcall(KCALL_WAIT, 0, 0, 0);
		__atomic_store_n(&vcpu()->pending, 0, __ATOMIC_RELAXED);
	}
	clock_arm(NEVER);
}

void libos_ap_main(void)
{
	struct boot_record *record = phys_to_virt(BOOT_RECORD_GPA);
	unsigned n = vcpu()->cpu;
	__atomic_store_n(&start_of[n].online, true, __ATOMIC_RELEASE);
	if (boot_info.device_tree)
		__atomic_add_fetch(&record->cpus_online, 1, __ATOMIC_RELAXED);
	if (n + 1 < boot_info.cpus)
		start_successor(n + 1);
	while (!__atomic_load_n(&libos_smp, __ATOMIC_ACQUIRE)) {
		kcall(KCALL_WAIT, 0, 0, 0);
		__atomic_store_n(&vcpu()->pending, 0, __ATOMIC_RELAXED);
	}
	libos_lock();
	this_cpu()->up = true;
	sched_idle();
}

/* ---- sharing the library OS ---- */

static struct cpu *cpu_new(unsigned n)
{
	struct cpu *cpu = kalloc(sizeof(*cpu));
	if (!cpu)
		return NULL;
	cpu->number = n;
	cpu->area = area_of(n);
	cpu->libos = (struct libos_area *)cpu->area->libos;
	cpu->up = online(n);
	cpu->halted = true;
	cpu->halted_since = 1;
	list_init(&cpu->ready);
	cpu->slice.expired = sched_slice_over;
	return cpu;
}

/* A vCPU joins: with a thread that looks for others, on the stack that it
 * started on, or, vCPU 0, on a second one. */
static int add(unsigned n)
{
	struct cpu *cpu = cpus[n] ? cpus[n] : cpu_new(n);
	if (!cpu)
		return -ENOMEM;
	cpus[n] = cpu;
	if (!n && !start_of[0].stack) {
		start_of[0].stack = frames_alloc(STACK_ORDER);
		if (!start_of[0].stack || map_stack(0))
			return -ENOMEM;
	}
	if (!cpu->idle)
		cpu->idle = thread_of_cpu(stack_top(n), n == 0);
	if (!cpu->idle)
		return -ENOMEM;
	if (n) /* the time may have been set meanwhile */
		clock_copy(libos_area(), cpu->libos);
	cpu->libos->cpu = cpu;
	cpu->libos->inside = 1;
	if (n) {
		cpu->libos->current = cpu->idle;
		cpu->libos->regs = &cpu->idle->regs;
	}
	return 0;
}

int cpus_share(void)
{
	if (libos_smp || boot_info.cpus < 2)
		return 0;
	for (unsigned n = 0; n < boot_info.cpus; n++)
		if (add(n))
			return -ENOMEM;
	libos_lock_word = this_cpu()->number + 1;
	__atomic_store_n(&libos_smp, 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- the lock ---- */

static bool try_lock(u32 me)
{
	u32 free = 0;
	return !__atomic_load_n(&libos_lock_word, __ATOMIC_RELAXED) &&
	       __atomic_compare_exchange_n(&libos_lock_word, &free, me, false, __ATOMIC_ACQUIRE,
					   __ATOMIC_RELAXED);
}

static void want_lock(u32 from, u32 to)
{
	__atomic_compare_exchange_n(&libos_lock_wanted, &from, to, false, __ATOMIC_RELAXED,
				    __ATOMIC_RELAXED);
}

/* A vCPU that is back after a few nanoseconds in the program, again and again, finds
 * the lock in its own cache, and nobody else ever would. So who waits says that he
 * does, and who comes later lets him go first; but not for long, as he may have lost
 * his host CPU. */
static bool may_try(u32 me, unsigned spins)
{
	u32 wanted = __atomic_load_n(&libos_lock_wanted, __ATOMIC_RELAXED);
	if (!wanted && spins > IMPATIENT)
		want_lock(0, me);
	if (!wanted || wanted == me)
		return true;
	if (spins < PATIENT)
		return false;
	want_lock(wanted, 0);
	return true;
}

/* The owner may have lost its host CPU: who waits long leaves his to others. An
 * early timer interrupt does no harm. */
static void wait_for_lock(u32 me)
{
	for (unsigned spins = 1; !may_try(me, spins) || !try_lock(me); spins++) {
		__builtin_ia32_pause();
		if (spins % SPINS)
			continue;
		want_lock(me, 0);
		clock_arm(now_ns() + YIELD_NS);
		kcall(KCALL_WAIT, 0, 0, 0);
	}
	want_lock(me, 0);
}

void libos_lock(void)
{
	struct libos_area *mine = libos_area();
	u32 me = vcpu()->cpu + 1;
	if (!libos_smp)
		return;
	if (libos_lock_word != me)
		wait_for_lock(me);
	if (mine->stale)
		kcall(KCALL_FLUSH, 1ull << (me - 1), 0, 0);
	mine->stale = 0;
}

void libos_unlock(void)
{
	__atomic_store_n(&libos_lock_word, 0, __ATOMIC_RELEASE);
}

/* ---- what vCPUs want of each other ---- */

void cpu_kick(struct cpu *cpu)
{
	if (!cpu->running && !cpu->halted)
		return; /* it is on its way */
	cpu->halted = false;
	libos_area()->kicks |= 1ull << cpu->number;
	libos_area()->work |= WORK_POST;
}

struct post {
	u64 kicks, due;
};

static struct post take(void)
{
	struct libos_area *mine = libos_area();
	struct post post = { mine->kicks, timers_due() };
	mine->work &= ~(u64)WORK_POST;
	mine->kicks = 0;
	return post;
}

static void write_attend(u32 value)
{
	*(volatile u32 *)(VIRTIO_BASE + (ATTEND_GPA - VIRTIO_MMIO_GPA)) = value;
}

static void send_kicks(u64 kicks)
{
	for (unsigned i = 0; kicks; i++, kicks >>= 1) {
		if (!(kicks & 1))
			continue;
		if (cpus[i]->attends)
			write_attend(ATTEND_WAKE);
		else
			kcall(KCALL_IPI, i, 0, 0);
	}
}

static void send(struct post post)
{
	send_kicks(post.kicks);
	if (post.due != NEVER)
		clock_arm(post.due);
}

void cpus_post_locked(void)
{
	send(take());
}

void cpus_post_unlocking(void)
{
	struct post post = take();
	libos_unlock();
	send(post);
}

void cpus_post(void)
{
	cpus_post_unlocking();
	libos_lock();
}

void cpus_attend(u32 microseconds)
{
	u64 kicks = libos_area()->kicks;
	libos_area()->kicks = 0;
	libos_unlock();
	send_kicks(kicks);
	write_attend(microseconds);
	libos_lock();
}

bool cpus_others_run(void)
{
	for (unsigned i = 0; i < MAX_CPUS && cpus[i]; i++)
		if (cpus[i] != this_cpu() && cpus[i]->running)
			return true;
	return false;
}

void cpus_flush(void)
{
	u64 running = 0;
	for (unsigned i = 0; libos_smp && i < MAX_CPUS && cpus[i]; i++) {
		if (cpus[i] == this_cpu())
			continue;
		if (__atomic_load_n(&cpus[i]->libos->inside, __ATOMIC_SEQ_CST))
			cpus[i]->libos->stale = 1;
		else
			running |= 1ull << i;
	}
	if (running)
		kcall(KCALL_FLUSH, running, 0, 0);
}
