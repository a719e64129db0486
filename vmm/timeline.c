/* The steps of the start, see timeline.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "timeline.h"
#include "vm.h"

#define MAX_MARKS 32

static struct mark {
	const char *name;
	uint64_t tsc;
} mark[MAX_MARKS];
static unsigned count;
static struct timespec before_main; /* CPU time used up to the first mark */

void timeline_start(const char *name)
{
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before_main);
	timeline_mark(name);
}

void timeline_mark(const char *name)
{
	if (count < MAX_MARKS)
		mark[count++] = (struct mark){ name, timeline_now() };
}

/* Inserts a mark of the guest's, by time. The guest may have written anything
 * there: it is believed only between our own first and last. */
static void insert(const char *name, uint64_t tsc)
{
	unsigned i = count;

	if (count == MAX_MARKS || tsc < mark[0].tsc || tsc > mark[count - 1].tsc)
		return;
	for (; i > 0 && mark[i - 1].tsc > tsc; i--)
		mark[i] = mark[i - 1];
	mark[i] = (struct mark){ name, tsc };
	count++;
}

void timeline_print(struct vm *vm)
{
	const double mhz = (double)vm_tsc_hz(vm) / 1e6;
	struct boot_record record;

	memcpy(&record, vm->mem.base + BOOT_RECORD_GPA, sizeof(record));
	insert("guest: library OS entered", record.libos_entry);
	insert("guest: program entered", record.program_entry);
	insert("guest: program's exit call", record.program_exit);
	fprintf(stderr,
		"vmm: timeline, in microseconds since main() (the step took); fork and exec before "
		"that: %.0f of CPU time\n",
		(double)before_main.tv_sec * 1e6 + (double)before_main.tv_nsec / 1e3);
	for (unsigned i = 1; i < count; i++)
		fprintf(stderr, "vmm: %10.1f %8.1f  %s\n",
			(double)(mark[i].tsc - mark[0].tsc) / mhz,
			(double)(mark[i].tsc - mark[i - 1].tsc) / mhz, mark[i].name);
	if (record.libos_entry)
		fprintf(stderr, "vmm: the guest ran on the %s flavour of KVM, %u vCPUs came up\n",
			record.hard ? "hard" : "soft", record.cpus_online);
}
