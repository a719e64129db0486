/* --stats, see stats.h. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "kvm_stats.h"
#include "stats.h"
#include "virtio.h"
#include "vm.h"

/* Resident KiB of the process, and of it what backs guest memory, from the
 * kernel's list of mappings (proc_pid_smaps(5)). */
static void resident(const struct guest_mem *mem, uint64_t *process, uint64_t *guest)
{
	const uint64_t start = (uint64_t)mem->base, end = start + mem->size;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool inside = false;
	char line[512], *end_of_number;

	*process = *guest = 0;
	while (f && fgets(line, sizeof(line), f)) {
		const uint64_t from = strtoull(line, &end_of_number, 16);

		if (*end_of_number == '-') { /* "from-to rw-p ..." begins a mapping */
			inside = from >= start && strtoull(end_of_number + 1, NULL, 16) <= end;
		} else if (!strncmp(line, "Rss:", 4)) {
			const uint64_t kib = strtoull(line + 4, NULL, 10);

			*process += kib;
			*guest += inside ? kib : 0;
		}
	}
	if (f)
		fclose(f);
}

/* On the soft flavour the instructions that KVM emulates are those of CPL0. */
static void print_kvm(const struct vcpu *vcpu)
{
	const int fd = vcpu->stats_fd;

	if (fd < 0 || (vcpu->id && !vcpu->came))
		return;
	fprintf(stderr,
		"vmm: vCPU %u, KVM's counters: %" PRIu64 " exits, %" PRIu64
		" instructions emulated, %" PRIu64 " page faults served, %" PRIu64
		" passed to the guest, %" PRIu64 " interrupts, %" PRIu64
		" halts, in which KVM looked for %" PRIu64 " us\n",
		vcpu->id, kvm_stats_read(fd, "exits"), kvm_stats_read(fd, "insn_emulation"),
		kvm_stats_read(fd, "pf_fixed"), kvm_stats_read(fd, "pf_guest"),
		kvm_stats_read(fd, "irq_injections"), kvm_stats_read(fd, "halt_exits"),
		(kvm_stats_read(fd, "halt_poll_success_ns") +
		 kvm_stats_read(fd, "halt_poll_fail_ns")) /
			1000);
}

void stats_print(struct vm *vm)
{
	uint64_t process, guest;
	struct rusage use;
	char text[512];

	for (unsigned i = 0; i < vm->opt->cpus; i++) {
		const struct vcpu_stats *s = &vm->vcpu[i].stats;

		fprintf(stderr,
			"vmm: vCPU %u: %" PRIu64 " exits to the VMM: %" PRIu64
			" device registers, %" PRIu64 " waits for frames, %" PRIu64
			" ports, %" PRIu64 " signals, %" PRIu64 " other\n",
			i, s->exits, s->mmio, s->attended, s->pio, s->intr, s->other);
		print_kvm(&vm->vcpu[i]);
	}
	for (unsigned i = 0; i < vm->ndev; i++) {
		const struct virtio_dev *dev = vm->dev[i];

		fprintf(stderr, "vmm: %s in window %u: doorbells", dev->ops->name, i);
		for (unsigned q = 0; q < dev->ops->nqueues; q++)
			fprintf(stderr, " %" PRIu64, dev->queue[q].kicks);
		fprintf(stderr, "; requests");
		for (unsigned q = 0; q < dev->ops->nqueues; q++)
			fprintf(stderr, " %" PRIu64, dev->queue[q].total);
		fprintf(stderr, "; interrupts %" PRIu64 "\n", dev->interrupts);
		if (dev->ops->report) {
			dev->ops->report(dev, text, sizeof(text));
			fprintf(stderr, "vmm: %s in window %u: %s\n", dev->ops->name, i, text);
		}
	}
	resident(&vm->mem, &process, &guest);
	fprintf(stderr,
		"vmm: resident memory: %" PRIu64 " KiB, of it guest memory %" PRIu64
		" KiB of %" PRIu64 "\n",
		process, guest, vm->mem.size >> 10);
	getrusage(RUSAGE_SELF, &use);
	fprintf(stderr, "vmm: CPU time: %ld.%06ld s user, %ld.%06ld s system\n",
		(long)use.ru_utime.tv_sec, (long)use.ru_utime.tv_usec, (long)use.ru_stime.tv_sec,
		(long)use.ru_stime.tv_usec);
}
