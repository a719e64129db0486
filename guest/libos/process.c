/*
 * The first process, and the end of it.
 */
#include "aio.h"
#include "boot_info.h"
#include "clock.h"
#include "cpus.h"
#include "entry.h"
#include "file.h"
#include "frames.h"
#include "net_boot.h"
#include "patch.h"
#include "path.h"
#include "proc_info.h"
#include "signal.h"
#include "space.h"
#include "sys.h"
#include "thread.h"
#include "../fs/disk_fs.h"

static struct thread first_thread;
static struct process first_process = { .pid = 1,
					.pgid = 1,
					.sid = 1,
					.threads = 1,
					.leader = &first_thread,
					.ended = WAITQ_INIT(first_process.ended) };
static struct thread first_thread = { .process = &first_process,
				      .tid = 1,
				      .timeout.expired = sched_timed_out };

struct process *current_process(void)
{
	return current()->process;
}

struct process *process_find(int pid)
{
	return pid == first_process.pid ? &first_process : NULL;
}

int process_next(int after)
{
	return after < first_process.pid ? first_process.pid : 0;
}

const char *process_comm(const struct process *process)
{
	return process->leader->comm;
}

/* As a new login has them on Debian. */
static void default_limits(struct process *p)
{
	for (unsigned i = 0; i < MAX_RLIMITS; i++)
		p->rlimit[i] = (struct rlimit64){ RLIM64_INFINITY, RLIM64_INFINITY };
	p->rlimit[RLIMIT_STACK].rlim_cur = 8 << 20;
	p->rlimit[RLIMIT_CORE].rlim_cur = 0;
	p->rlimit[RLIMIT_NOFILE] = (struct rlimit64){ 1024, 1 << 20 };
	p->rlimit[RLIMIT_MEMLOCK] = (struct rlimit64){ 8 << 20, 8 << 20 };
	p->rlimit[RLIMIT_MSGQUEUE] = (struct rlimit64){ 819200, 819200 };
	p->rlimit[RLIMIT_NICE] = (struct rlimit64){ 0, 0 };
	p->rlimit[RLIMIT_RTPRIO] = (struct rlimit64){ 0, 0 };
	p->rlimit[RLIMIT_NPROC] = p->rlimit[RLIMIT_SIGPENDING] =
		(struct rlimit64){ frames_total() / 32, frames_total() / 32 };
}

void process_init(void *stack_top)
{
	struct libos_area *area = libos_area();
	cpus_init();
	first_thread.cpu = area->cpu;
	area->cpu->running = &first_thread;
	first_thread.stack = stack_top;
	area->current = &first_thread;
	area->regs = &first_thread.regs;
	area->stack = stack_top;
	default_limits(&first_process);
	first_process.start_ns = first_thread.since = now_ns();
	first_process.space = space_new();
	if (!first_process.space || signals_init(&first_process, &first_thread))
		panic("no memory for the first process");
}

/* Its files, once there are file systems. */
void process_init_files(void)
{
	first_process.files = fd_table_new();
	first_process.fs = fs_context_new();
	if (!first_process.files || !first_process.fs || stdio_setup(&first_process))
		panic("no memory for the first process");
	int error = fs_set_cwd(first_process.fs, boot_info.cwd);
	if (error)
		klog("mayfly: %s: cannot be the working directory: error %d", boot_info.cwd,
		     -error);
	if (error)
		process_exit(126);
}

void process_exit(int status)
{
	struct boot_record *record = phys_to_virt(BOOT_RECORD_GPA);
	sched_alone();
	if (boot_info.stats)
		patch_report();
	net_end();
	aio_drain();
	disk_fs_sync(true); /* the end of the VM: as a system that is shut down */
	if (boot_info.device_tree)
		record->program_exit = rdtsc();
	machine_exit(status);
}

long sys_exit_group(int status)
{
	process_exit(status & 0xff);
}

long sys_exit(int status)
{
	thread_exit(status & 0xff);
}
