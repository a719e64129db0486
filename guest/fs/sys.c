/*
 * /sys: the few files that C libraries and runtimes look at to learn about
 * processors and huge pages. A tmpfs, filled when it is first looked into.
 */
#include "../libos/proc_info.h"
#include "vfs.h"

static struct super sys_super;

/* Makes the directories of a path of ours, and the file. */
static void put_file(struct dentry *dir, const char *path, const char *text)
{
	const char *slash;

	while ((slash = strchr(path, '/')) != NULL) {
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
		if (d == NULL)
			return;
		dir = d;
		path = slash + 1;
	}
	dir = tmpfs_make(dir, path, S_IFREG | 0444, 0);
	if (dir != NULL)
		tmpfs_put_text(dir, text);
}

static bool fill_sys(struct dentry *dir, const char *name)
{
	char cpus[32];

	(void)name;
	if (cpus_online() > 1)
		snprintf(cpus, sizeof(cpus), "0-%u\n", cpus_online() - 1);
	else
		snprintf(cpus, sizeof(cpus), "0\n");
	put_file(dir, "devices/system/cpu/online", cpus);
	put_file(dir, "devices/system/cpu/possible", cpus);
	put_file(dir, "devices/system/cpu/present", cpus);
	put_file(dir, "devices/system/clocksource/clocksource0/available_clocksource", "tsc\n");
	put_file(dir, "devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
	put_file(dir, "devices/system/node/online", "0\n");
	put_file(dir, "kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n");
	put_file(dir, "kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152\n");
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
