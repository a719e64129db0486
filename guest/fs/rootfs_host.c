/*
 * The root of --root: the directory of the host itself, or what its disk holds; or
 * the root's tmpfs as an overlay above it. It has directories and files of its own; what the
 * library OS has to bring is mounted over it at once.
 */
#include <linux/virtio_ids.h>
#include "../libos/boot_info.h"
#include "../libos/heap.h"
#include "disk_fs.h"
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

static struct mount *refuse(int *error, const char *why)
{
	klog("mayfly: --root: %s", why);
	*error = -EINVAL;
	return NULL;
}

static struct mount *disk_root(const struct virtio_place *place, int *error)
{
	struct super *sb = disk_fs_mount(place->disk, NULL, place->read_only, error);
	struct mount *m;

	if (sb == NULL && *error == -ENODEV)
		return refuse(error, "the image has no file system that is known: make it by "
				     "mkfs.ext2 or mkfs.erofs");
	if (sb == NULL && *error == -EIO)
		return refuse(error, "the image is damaged, or cannot be read");
	if (sb == NULL)
		return NULL;
	if (sb->read_only && !place->read_only)
		return refuse(error, "the image can only be read: leave \",rw\" out");
	m = kalloc(sizeof(*m));
	*error = -ENOMEM;
	if (m == NULL)
		return NULL;
	m->source = "root";
	m->sb = sb;
	m->root = sb->root;
	m->read_only = sb->read_only;
	return m;
}

int rootfs_of_host(struct mount *memory)
{
	const struct virtio_place *place = boot_info.root;
	int error;
	struct mount *host = place->type == VIRTIO_ID_BLOCK ? disk_root(place, &error) :
							      virtiofs_root(place, &error);

	if (host == NULL)
		return error;
	if (boot_info.root->read_only) {
		memory->source = memory->sb->type = "overlay";
		memory->sb->magic = OVERLAY_MAGIC;
		error = overlay_begin(memory->root->inode, host);
		if (error < 0)
			refuse(&error, "its first directory cannot be read");
	} else {
		error = mount_add(host, host->sb, NULL);
	}
	if (error == 0)
		mount_over_root();
	return error;
}
