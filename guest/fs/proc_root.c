/*
 * /proc itself: what it says about the machine.
 */
#include "../libos/frames.h"
#include "../libos/proc_info.h"
#include "../libos/random.h"
#include "blockdev.h"
#include "proc.h"

/* ---- links ---- */

static long self_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	(void)pi;
	(void)p;
	return snprintf(buf, size, "%d", current_process()->pid);
}

static long thread_self_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	int pid = current_process()->pid;

	(void)pi;
	(void)p;
	return snprintf(buf, size, "%d/task/%d", pid, pid);
}

static long mounts_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	(void)pi;
	(void)p;
	return snprintf(buf, size, "self/mounts");
}

static long net_link(const struct proc_inode *pi, struct process *p, char *buf, size_t size)
{
	(void)pi;
	(void)p;
	return snprintf(buf, size, "self/net");
}

/* ---- memory, time ---- */

static void show_meminfo(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	u64 total = frames_total() * 4, available = frames_available() * 4;
	u64 cached = block_cached_frames() * 4; /* of disks, so Linux's "Buffers" */

	(void)pi;
	(void)p;
	proc_print(t, "MemTotal:       %8lu kB\nMemFree:        %8lu kB\nMemAvailable:   %8lu kB\n",
		   total, available, available + cached);
	proc_print(t, "Buffers:        %8lu kB\nCached:                0 kB\n", cached);
	proc_print(t, "SwapCached:            0 kB\nSwapTotal:             0 kB\n");
	proc_print(t, "SwapFree:              0 kB\nShmem:                 0 kB\n");
	proc_print(t, "CommitLimit:    %8lu kB\nCommitted_AS:   %8lu kB\n", total,
		   total - available);
	proc_print(t, "HugePages_Total:       0\nHugePages_Free:        0\n");
	proc_print(t, "Hugepagesize:       2048 kB\n");
}

/* What is known of it: nothing is ever swapped. */
static void show_vmstat(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	proc_print(t, "nr_free_pages %lu\nnr_file_pages %lu\npswpin 0\npswpout 0\n",
		   frames_available(), block_cached_frames());
}

static void show_partitions(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	int error;

	(void)pi;
	(void)p;
	proc_print(t, "major minor  #blocks  name\n\n");
	for (unsigned i = 0; i < blk_count(); i++) {
		const struct blk_disk *disk = blk_disk(i, &error);

		if (disk != NULL)
			proc_print(t, " %3u %8u %10lu vd%c\n", BLOCKDEV_MAJOR, i * 16,
				   disk->sectors / 2, 'a' + i);
	}
}

static void show_uptime(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	u64 up = now_ns() / 10000000 + 1, idle = 0; /* never 0 */

	(void)pi;
	(void)p;
	for (unsigned i = 0; i < cpus_online(); i++)
		idle += idle_ns(i) / 10000000;
	proc_print(t, "%lu.%02lu %lu.%02lu\n", up / 100, up % 100, idle / 100, idle % 100);
}

static void show_loadavg(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	proc_print(t, "0.00 0.00 0.00 1/1 %d\n", current_process()->pid);
}

static u64 idle_ticks(unsigned cpu, u64 up)
{
	return MIN(idle_ns(cpu) / 10000000, up);
}

static void show_stat(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	u64 up = now_ns() / 10000000, idle = 0;
	unsigned n = cpus_online();

	(void)pi;
	(void)p;
	for (unsigned i = 0; i < n; i++)
		idle += idle_ticks(i, up);
	proc_print(t, "cpu  %lu 0 0 %lu 0 0 0 0 0 0\n", n * up - idle, idle);
	for (unsigned i = 0; i < n; i++)
		proc_print(t, "cpu%u %lu 0 0 %lu 0 0 0 0 0 0\n", i, up - idle_ticks(i, up),
			   idle_ticks(i, up));
	proc_print(t, "intr 0\nctxt 0\nbtime %lu\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n",
		   (realtime_ns() - now_ns()) / 1000000000);
}

static void show_version(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	proc_print(t, "Linux version %s (mayfly) %s\n", host_release(), host_version());
}

/* ---- mounts ---- */

/* Where it is mounted; NULL: too long. */
static const char *mount_text(const struct mount *m, char *buf, size_t size)
{
	struct path root = { root_mount, root_mount->root };
	bool reachable;

	if (m->point.dentry == NULL)
		return "/";
	return path_text(&m->point, &root, buf, size, &reachable);
}

static void show_mount(struct proc_text *t, const struct mount *m)
{
	char buf[256];
	const char *text = mount_text(m, buf, sizeof(buf));

	if (text != NULL)
		proc_print(t, "%s %s %s %s,relatime%s 0 0\n", m->source, text, m->sb->type,
			   m->read_only ? "ro" : "rw",
			   m->sb->options != NULL ? m->sb->options : "");
}

void proc_show_mounts(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct list *l;

	(void)pi;
	(void)p;
	fs_make_dirs("/dev/pts", NULL); /* mounted when first looked for */
	fs_make_dirs("/sys", NULL);
	show_mount(t, root_mount);
	list_for_each (l, &mounts)
		show_mount(t, container_of(l, struct mount, link));
}

/* Mounts have no numbers of their own: their places in the order of mounting. */
static unsigned mount_number(const struct mount *m)
{
	unsigned n = 1;
	struct list *l;

	if (m == NULL || m == root_mount)
		return m != NULL;
	list_for_each (l, &mounts) {
		n++;
		if (container_of(l, struct mount, link) == m)
			break;
	}
	return n;
}

/* proc_pid_mountinfo(5) */
static void show_mount_info(struct proc_text *t, const struct mount *m)
{
	const char *rights = m->read_only ? "ro" : "rw";
	char buf[256];
	const char *text = mount_text(m, buf, sizeof(buf));

	if (text == NULL)
		return;
	proc_print(t, "%u %u %u:%u / %s %s,relatime - ", mount_number(m),
		   mount_number(m->point.mnt), DEV_MAJOR(m->sb->dev), DEV_MINOR(m->sb->dev), text,
		   rights);
	proc_print(t, "%s %s %s\n", m->sb->type, m->source, m->sb->read_only ? "ro" : "rw");
}

void proc_show_mountinfo(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	struct list *l;

	(void)pi;
	(void)p;
	show_mount_info(t, root_mount);
	list_for_each (l, &mounts)
		show_mount_info(t, container_of(l, struct mount, link));
}

/* ---- /proc/sys ---- */

static void show_hostname(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	proc_print(t, "%s\n", host_name());
}

static void show_osrelease(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	proc_print(t, "%s\n", host_release());
}

static void show_osversion(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	(void)pi;
	(void)p;
	proc_print(t, "%s\n", host_version());
}

static void show_bytes_as_uuid(struct proc_text *t, u8 *b)
{
	b[6] = (b[6] & 0x0f) | 0x40; /* RFC 9562, version 4 */
	b[8] = (b[8] & 0x3f) | 0x80;
	for (unsigned i = 0; i < 16; i++)
		proc_print(t, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", b[i]);
	proc_bytes(t, "\n", 1);
}

static void show_uuid(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	u8 bytes[16];

	(void)pi;
	(void)p;
	random_bytes(bytes, sizeof(bytes));
	show_bytes_as_uuid(t, bytes);
}

static void show_boot_id(struct proc_text *t, const struct proc_inode *pi, struct process *p)
{
	static u8 bytes[16];
	static bool made;

	(void)pi;
	(void)p;
	if (!made)
		random_bytes(bytes, sizeof(bytes));
	made = true;
	show_bytes_as_uuid(t, bytes);
}

#define CONSTANT(n, t)                                       \
	{                                                    \
		.name = n, .mode = S_IFREG | 0644, .text = t \
	}
#define SHOWN(n, f)                                          \
	{                                                    \
		.name = n, .mode = S_IFREG | 0444, .show = f \
	}
#define DIRECTORY(n, t)                                       \
	{                                                     \
		.name = n, .mode = S_IFDIR | 0555, .table = t \
	}
#define END                  \
	{                    \
		.name = NULL \
	}

static const struct proc_entry random_table[] = {
	SHOWN("boot_id", show_boot_id),
	CONSTANT("entropy_avail", "256\n"),
	CONSTANT("poolsize", "256\n"),
	SHOWN("uuid", show_uuid),
	END,
};
static const struct proc_entry kernel_table[] = {
	CONSTANT("cap_last_cap", "40\n"),
	CONSTANT("core_pattern", "core\n"),
	SHOWN("hostname", show_hostname),
	CONSTANT("msgmax", "8192\n"),
	CONSTANT("msgmnb", "16384\n"),
	CONSTANT("msgmni", "32000\n"),
	CONSTANT("ngroups_max", "65536\n"),
	SHOWN("osrelease", show_osrelease),
	CONSTANT("ostype", "Linux\n"),
	CONSTANT("overflowuid", "65534\n"),
	CONSTANT("pid_max", "32768\n"),
	DIRECTORY("random", random_table),
	CONSTANT("randomize_va_space", "0\n"),
	CONSTANT("sem", "32000\t1024000000\t500\t32000\n"),
	CONSTANT("shmall", "18446744073692774399\n"),
	CONSTANT("shmmax", "18446744073692774399\n"),
	CONSTANT("shmmni", "4096\n"),
	CONSTANT("threads-max", "32768\n"),
	SHOWN("version", show_osversion),
	END,
};
static const struct proc_entry vm_table[] = {
	CONSTANT("max_map_count", "65530\n"), CONSTANT("mmap_min_addr", "4096\n"),
	CONSTANT("overcommit_memory", "1\n"), CONSTANT("overcommit_ratio", "50\n"),
	CONSTANT("swappiness", "0\n"),        END,
};
static const struct proc_entry mqueue_table[] = {
	CONSTANT("msg_default", "10\n"),       CONSTANT("msg_max", "10\n"),
	CONSTANT("msgsize_default", "8192\n"), CONSTANT("msgsize_max", "8192\n"),
	CONSTANT("queues_max", "256\n"),       END,
};
static const struct proc_entry sys_fs_table[] = {
	CONSTANT("file-max", "1048576\n"),
	DIRECTORY("mqueue", mqueue_table),
	CONSTANT("nr_open", "1048576\n"),
	CONSTANT("pipe-max-size", "1048576\n"),
	END,
};
static const struct proc_entry net_core_table[] = {
	CONSTANT("rmem_max", "4194304\n"),
	CONSTANT("somaxconn", "4096\n"),
	CONSTANT("wmem_max", "4194304\n"),
	END,
};
static const struct proc_entry net_table[] = { DIRECTORY("core", net_core_table), END };
static const struct proc_entry sys_table[] = {
	DIRECTORY("fs", sys_fs_table),
	DIRECTORY("kernel", kernel_table),
	DIRECTORY("net", net_table),
	DIRECTORY("vm", vm_table),
	END,
};

/* ---- the directory ---- */

static int next_process(const struct proc_inode *dir, int from)
{
	int pid = process_next(from - 1);

	(void)dir;
	return pid > 0 ? pid : -1;
}

static const struct proc_entry root_table[] = {
	CONSTANT("cmdline", "\n"),
	SHOWN("cpuinfo", proc_show_cpuinfo),
	CONSTANT("devices",
		 "Character devices:\n  1 mem\n  5 /dev/tty\n\nBlock devices:\n254 virtblk\n"),
	CONSTANT("filesystems", "nodev\tsysfs\nnodev\ttmpfs\nnodev\tdevtmpfs\nnodev\tproc\n"
				"nodev\tdevpts\n\text2\n\terofs\n"),
	SHOWN("loadavg", show_loadavg),
	SHOWN("meminfo", show_meminfo),
	{ .name = "mounts", .mode = S_IFLNK | 0777, .link = mounts_link },
	{ .name = "net", .mode = S_IFLNK | 0777, .link = net_link },
	{ .name = "self", .mode = S_IFLNK | 0777, .link = self_link },
	SHOWN("partitions", show_partitions),
	SHOWN("stat", show_stat),
	CONSTANT("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	DIRECTORY("sys", sys_table),
	DIRECTORY("sysvipc", proc_sysvipc_table),
	{ .name = "thread-self", .mode = S_IFLNK | 0777, .link = thread_self_link },
	SHOWN("uptime", show_uptime),
	SHOWN("version", show_version),
	SHOWN("vmstat", show_vmstat),
	END,
};

const struct proc_entry proc_root = {
	.mode = S_IFDIR | 0555,
	.table = root_table,
	.next = next_process,
	.item = &proc_pid_dir,
};
