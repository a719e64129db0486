/*
 * /sys: the few files that programs look at to learn about processors, huge pages,
 * interfaces and disks. A tmpfs, filled when it is first looked into.
 */
#include "../libos/proc_info.h"
#include "sys.h"

static struct super sys_super;

/* The directory that the last name of a path of ours is in, made with those above it,
 * and that name; or NULL. */
static struct dentry *make_dirs(struct dentry *dir, const char *path, const char **last)
{
	const char *slash;

	while (dir != NULL && (slash = strchr(path, '/')) != NULL) {
		char name[32];
		size_t len = slash - path;
		struct dentry *d = dentry_find(dir, path, len);

		if (d != NULL) {
			dentry_put(d); /* the directory keeps it */
		} else {
			memcpy(name, path, len);
			name[len] = 0;
			d = tmpfs_make(dir, name, S_IFDIR | 0755, 0);
		}
		dir = d;
		path = slash + 1;
	}
	*last = path;
	return dir;
}

void sys_put_file(struct dentry *dir, const char *path, const char *text)
{
	const char *name;

	dir = make_dirs(dir, path, &name);
	if (dir != NULL)
		dir = tmpfs_make(dir, name, S_IFREG | 0444, 0);
	if (dir != NULL)
		tmpfs_put_text(dir, text);
}

void sys_put_dir(struct dentry *dir, const char *path, fill_function *fill)
{
	const char *name;

	dir = make_dirs(dir, path, &name);
	if (dir != NULL)
		dir = tmpfs_make(dir, name, S_IFDIR | 0755, 0);
	if (dir != NULL && fill != NULL)
		tmpfs_populate_later(dir, fill);
}

void sys_put_link(struct dentry *dir, const char *path, const char *target)
{
	const char *name;

	dir = make_dirs(dir, path, &name);
	if (dir != NULL)
		tmpfs_make_link(dir, name, target);
}

/* ---- processors: one socket, one memory, a core each ---- */

/* A list and a mask of all of them. */
static void name_all(char *list, char *mask, size_t size)
{
	unsigned n = cpus_online();
	u64 all = cpus_online_mask();

	snprintf(list, size, n > 1 ? "0-%u\n" : "%u\n", n - 1);
	if (n > 32)
		snprintf(mask, size, "%08lx,%08lx\n", all >> 32, all & UINT32_MAX);
	else
		snprintf(mask, size, "%lx\n", all);
}

/* .../cpuN/topology */
static bool fill_cpu(struct dentry *dir, const char *name)
{
	char list[32], mask[32], own[16], own_mask[32];
	unsigned n = 0;

	(void)name;
	for (const char *digit = dir->name + 3; *digit != 0; digit++)
		n = n * 10 + *digit - '0';
	name_all(list, mask, sizeof(list));
	snprintf(own, sizeof(own), "%u\n", n);
	if (cpus_online() > 32)
		snprintf(own_mask, sizeof(own_mask), "%08x,%08x\n", n < 32 ? 0 : 1u << (n - 32),
			 n < 32 ? 1u << n : 0);
	else
		snprintf(own_mask, sizeof(own_mask), "%x\n", 1u << n);
	sys_put_file(dir, "topology/physical_package_id", "0\n");
	sys_put_file(dir, "topology/core_id", own);
	sys_put_file(dir, "topology/thread_siblings", own_mask);
	sys_put_file(dir, "topology/thread_siblings_list", own);
	sys_put_file(dir, "topology/core_cpus", own_mask);
	sys_put_file(dir, "topology/core_cpus_list", own);
	sys_put_file(dir, "topology/core_siblings", mask);
	sys_put_file(dir, "topology/core_siblings_list", list);
	sys_put_file(dir, "topology/package_cpus", mask);
	sys_put_file(dir, "topology/package_cpus_list", list);
	return true;
}

static void put_cpus(struct dentry *dir)
{
	char list[32], mask[32], path[48];

	name_all(list, mask, sizeof(list));
	sys_put_file(dir, "devices/system/cpu/online", list);
	sys_put_file(dir, "devices/system/cpu/possible", list);
	sys_put_file(dir, "devices/system/cpu/present", list);
	sys_put_file(dir, "devices/system/cpu/offline", "\n");
	sys_put_file(dir, "devices/system/cpu/kernel_max", "63\n");
	sys_put_file(dir, "devices/system/node/online", "0\n");
	sys_put_file(dir, "devices/system/node/possible", "0\n");
	sys_put_file(dir, "devices/system/node/has_cpu", "0\n");
	sys_put_file(dir, "devices/system/node/node0/cpulist", list);
	sys_put_file(dir, "devices/system/node/node0/cpumap", mask);
	sys_put_file(dir, "devices/system/node/node0/distance", "10\n");
	for (unsigned i = 0; i < cpus_online(); i++) {
		snprintf(path, sizeof(path), "devices/system/cpu/cpu%u", i);
		sys_put_dir(dir, path, fill_cpu);
	}
}

static bool fill_sys(struct dentry *dir, const char *name)
{
	(void)name;
	put_cpus(dir);
	sys_put_net(dir);
	sys_put_block(dir);
	sys_put_file(dir, "devices/system/clocksource/clocksource0/available_clocksource", "tsc\n");
	sys_put_file(dir, "devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	sys_put_file(dir, "kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	sys_put_file(dir, "kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
	return true;
}

struct super *sysfs(void)
{
	if (sys_super.root == NULL) {
		if (tmpfs_init(&sys_super, MKDEV(0, 23), 0555) < 0)
			return NULL;
		sys_super.type = "sysfs";
		sys_super.magic = 0x62656572;
		tmpfs_populate_later(sys_super.root, fill_sys);
	}
	return &sys_super;
}
