/*
 * vmm: runs a program as a virtual machine. This file is the table of
 * contents.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "boot.h"
#include "check.h"
#include "copy.h"
#include "devices.h"
#include "fail.h"
#include "fill.h"
#include "fs.h"
#include "fs_dax.h"
#include "help.h"
#include "interp.h"
#include "ioapic.h"
#include "load.h"
#include "nets.h"
#include "premap.h"
#include "root.h"
#include "signals.h"
#include "term.h"
#include "timeline.h"
#include "vcpu.h"
#include "vm.h"

static struct options options;
static struct vm vm;
static struct image image; /* IMAGE: the program, or a kernel itself */
static struct image guest_image; /* what runs the program */

/* What the guest gets to know. */
static uint32_t stdio[3];
static struct fdt_device device[DEVICES_MAX];
static unsigned ndevices;
static struct boot boot;
static struct premap_data data; /* the program's writable memory, mapped ahead */
static struct copied copied;

/* IMAGE is looked at first: what is wrong with it is the likeliest error. */
static const struct image *open_images(void)
{
	if (root_is_image(&options)) {
		load_guest_image(&guest_image, options.kernel);
		vm.own_guest = guest_image.elf.tables != 0;
		return &guest_image;
	}
	if (options.root)
		root_load_image(&image, &options);
	else
		load_image(&image, options.image);
	if (image.elf.pvh) {
		if (image.elf.tables)
			fail(EXIT_CANNOT_RUN,
			     "%s: is Mayfly's guest image, which runs programs; name a program",
			     options.image);
		if (options.kernel)
			fail(EXIT_CANNOT_RUN, "%s: is a kernel itself; leave --kernel out",
			     options.image);
		return &image;
	}
	interp_check(&image, &options);
	load_guest_image(&guest_image, options.kernel);
	vm.own_guest = guest_image.elf.tables != 0; /* only ours have them */
	return &guest_image;
}

static void place_program(const struct image *kernel, uint64_t free)
{
	boot.program_gpa = load_program(&vm.mem, &image, free);
	boot.program_size = image.size;
	if (vm.own_guest)
		data = premap_program(&vm.mem, kernel, &image, boot.program_gpa);
	timeline_mark("program loaded");
}

static void load_memory(const struct image *kernel)
{
	uint64_t free = load_kernel(&vm.mem, kernel);

	timeline_mark("kernel loaded");
	if (vm.own_guest)
		fill_offer(&vm.fill, &vm.mem, kernel->elf.tables);
	if (kernel == &image) {
		if (options.copy.count || options.root)
			fail(EXIT_VMM, "--%s needs a program, and %s is a kernel",
			     options.root ? "root" : "copy", options.image);
		return;
	}
	if (!root_is_image(&options))
		place_program(kernel, free);
	if ((options.copy.count || options.root) && !vm.own_guest)
		fail(EXIT_VMM, "--%s needs Mayfly's own guest image; leave --kernel out",
		     options.root ? "root" : "copy");
	copied = copy_load(&vm.mem, &options.copy);
	if (options.copy.count)
		timeline_mark("files mapped");
}

/* For the shares, one of which the root may be. */
static void reserve_dax(void)
{
	const bool root = options.root && !root_is_image(&options);
	bool writable = false;
	struct share share;

	if (root) {
		root_parse(options.root, &share);
		writable = !share.read_only;
	}
	for (unsigned i = 0; i < options.share.count; i++) {
		share_parse(options.share.item[i], &share);
		writable |= !share.read_only;
	}
	dax_reserve(&vm.mem, options.share.count + root, writable);
}

/* Where the program is in the root, if there is one. */
static const char *program_path(size_t *len)
{
	*len = 0;
	if (root_is_image(&options))
		return root_places(&options, len);
	if (!options.root)
		return NULL;
	*len = strlen(image.path) + 1;
	return image.path;
}

/* The device tree, for our own guest image. */
static void describe(void)
{
	size_t path_len;
	const char *path = program_path(&path_len);
	const bool has_window = vm.ndev < VIRTIO_MMIO_MAX; /* the last: MAP_GPA, ATTEND_GPA */
	struct fdt_machine m = {
		.mem = &vm.mem,
		.cpus = options.cpus,
		.tsc_hz = vm_tsc_hz(&vm),
		.program = options.image,
		.args = options.args,
		.nargs = options.nargs,
		.env = options.env.item,
		.nenv = options.env.count,
		.cwd = options.cwd,
		.path = path,
		.path_len = path_len,
		.hostname = options.hostname,
		.program_gpa = boot.program_gpa,
		.program_size = boot.program_size,
		.program_base = image.base,
		.data_gpa = data.gpa,
		.data_size = data.size,
		.files_gpa = copied.files_gpa,
		.files_size = copied.files_size,
		.contents_gpa = vm.mem.contents.gpa,
		.contents_size = vm.mem.contents.size,
		.stdio = { stdio[0], stdio[1], stdio[2] },
		.verbose = options.verbose,
		.stats = options.stats,
		.no_patch = options.no_patch,
		.fills = vm.fill.offered,
		.maps = vm.fill.offered && has_window,
		.attends = has_window && nets_count(),
		.device = device,
		.ndevices = ndevices,
	};
	uint64_t room = FDT_MAX;
	struct timespec now;
	long size;

	if (boot.program_gpa > FDT_GPA && boot.program_gpa - FDT_GPA < room)
		room = boot.program_gpa - FDT_GPA; /* a small VM: the program is right behind */
	if (getrandom(m.seed, sizeof(m.seed), 0) != (ssize_t)sizeof(m.seed))
		fail(EXIT_VMM, "getrandom does not work; use Linux 3.17 or later");
	clock_gettime(CLOCK_REALTIME, &now);
	m.realtime_tsc = timeline_now();
	m.realtime_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	size = fdt_build(mem_at(&vm.mem, FDT_GPA, room), room, &m);
	if (size < 0)
		fail(EXIT_CANNOT_RUN,
		     "%s: the arguments and the environment take more than %llu KiB; %s",
		     options.image, (unsigned long long)room >> 10,
		     room < FDT_MAX ? "give more memory with --mem" : "pass less");
	boot.fdt_gpa = FDT_GPA;
	boot.fdt_size = (uint64_t)size;
}

/* The command line of another kernel: the user's, and where the devices are. */
static void write_command_line(char *line, size_t size)
{
	int n = snprintf(line, size, "%s", options.append ? options.append : "");

	for (unsigned i = 0; !vm.own_guest && i < vm.ndev && n >= 0 && (size_t)n < size; i++)
		n += snprintf(line + n, size - (size_t)n, " virtio_mmio.device=4K@%#x:%u",
			      VIRTIO_MMIO_GPA + i * VIRTIO_MMIO_SIZE, IOAPIC_PIN_VIRTIO + i);
	if (n < 0 || (size_t)n >= size)
		fail(EXIT_VMM, "--append: the command line is longer than %d bytes; shorten it",
		     BOOT_CMDLINE_MAX);
}

static void set_boot_state(uint32_t entry)
{
	static char line[BOOT_CMDLINE_MAX + 1];
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	write_command_line(line, sizeof(line));
	boot.cmdline = line;
	boot_info(&vm.mem, &boot);
	boot_registers(&sregs, &regs, entry);
	vcpu_set_registers(&vm.vcpu[0], &sregs, &regs);
}

static _Noreturn void run(int argc, char **argv)
{
	const struct image *kernel;

	devices_look_at_stdio(stdio);
	options_parse(&options, argc, argv);
	timeline_mark("options");
	kernel = open_images();
	timeline_mark("images opened");
	vm.opt = &options;
	mem_create(&vm.mem, options.mem);
	load_memory(kernel);
	reserve_dax();
	vm_create(&vm); /* with memory and interrupts */
	vcpu_create(&vm, 0);
	ndevices = devices_create(&vm, stdio, device);
	timeline_mark("devices");
	if (vm.own_guest)
		describe();
	timeline_mark("device tree");
	set_boot_state(kernel->elf.pvh_entry);
	nets_wait_published(); /* Ctrl-C still ends us */
	signals_start(&vm); /* before the terminal, which they give back */
	term_setup();
	timeline_mark("registers, terminal, signals");
	vcpu_start_others(&vm);
	timeline_mark("first KVM_RUN");
	vcpu_run(&vm.vcpu[0]);
}

/* For check and version, which know none but those that ask for help. */
static void refuse_options(int argc, char **argv)
{
	if (argc <= 2)
		return;
	if (!strcmp(argv[2], "--help") || !strcmp(argv[2], "-h"))
		help_print(help_main);
	fail(EXIT_VMM, "%s: takes no options, and \"%s\" is one too many; see \"vmm run --help\"",
	     argv[1], argv[2]);
}

static _Noreturn void version(void)
{
	help_print("vmm " MAYFLY_VERSION "\n");
}

int main(int argc, char **argv)
{
	const char *command = argc > 1 ? argv[1] : "";

	timeline_start("main()");
	fail_hook = term_restore;
	if (!strcmp(command, "run"))
		run(argc - 2, argv + 2);
	if (!strcmp(command, "check")) {
		refuse_options(argc, argv);
		return check_host();
	}
	if (!strcmp(command, "version") || !strcmp(command, "--version")) {
		refuse_options(argc, argv);
		version();
	}
	if (!strcmp(command, "help") || !strcmp(command, "--help") || !strcmp(command, "-h"))
		help_print(help_main);
	fail(EXIT_VMM, "%s%s%s: the commands are run, check, version and help",
	     *command ? "\"" : "", *command ? command : "no command",
	     *command ? "\" is no command" : "");
}
