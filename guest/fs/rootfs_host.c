/*
 * The root of --root: the directory of the host itself, or the root's tmpfs as
 * an overlay above it. It has directories and files of its own; what the library
 * OS has to bring is mounted over it at once.
 */
#include "../libos/boot_info.h"
#include "../libos/heap.h"
#include "overlay.h"

static struct super *tmp_super(void)
{
	struct super *sb = kalloc(sizeof(*sb));

	return sb != NULL && tmpfs_init(sb, MKDEV(0, 24), 01777) == 0 ? sb : NULL;
}

/* Directories that are missing are made. */
static int mount_over(const char *path, struct super *sb)
{
	struct mount *m = kalloc(sizeof(*m));
	struct path point = { NULL, NULL };
	int error = m != NULL && sb != NULL ? fs_make_dirs(path, &point) : -ENOMEM;

	if (error == 0 && !S_ISDIR(point.dentry->inode->mode))
		error = -ENOTDIR;
	if (error == 0) {
		m->source = sb->type;
		error = mount_add(m, sb, &point);
	}
	path_put(&point);
	if (error < 0)
		kfree(m);
	return error;
}

static void mount_over_root(void)
{
	static const struct {
		const char *path;
		struct super *(*super)(void);
	} over[] = {
		{ "/dev", devfs }, { "/proc", procfs }, { "/sys", sysfs }, { "/tmp", tmp_super }
	};

	for (unsigned i = 0; i < ARRAY_SIZE(over); i++) {
		int error = mount_over(over[i].path, over[i].super());

		if (error < 0)
			klog("mayfly: --root: cannot mount %s (error %d)", over[i].path, -error);
	}
	copied_make();
	shares_mount();
}

int rootfs_of_host(struct mount *memory)
{
	int error;
	struct mount *host = virtiofs_root(boot_info.root, &error);

	if (host == NULL)
		return error;
	if (boot_info.root->read_only) {
		memory->source = memory->sb->type = "overlay";
		memory->sb->magic = OVERLAY_MAGIC;
		error = overlay_begin(memory->root->inode, host);
	} else {
		error = mount_add(host, host->sb, NULL);
	}
	if (error == 0)
		mount_over_root();
	return error;
}
