/*
 * File systems on disks: which one a disk holds.
 */
#include "disk_fs.h"
#include "blockdev.h"

static const struct kind {
	const char *type;
	u32 magic;
	struct super *(*mount)(struct block_cache *cache, bool read_only, int *error);
	void (*unmount)(struct super *sb);
} kinds[] = {
	{ "ext2", 0xef53, ext2_mount, ext2_unmount },
	{ "erofs", 0xe0f5e1e2, erofs_mount, erofs_unmount },
};

bool disk_fs_is_type(const char *type)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strcmp(type, kinds[i].type) == 0)
			return true;
	return false;
}

static u32 taken; /* disks that are mounted, or about to be */
_Static_assert(BLK_DISKS <= 32, "a bit for each");

static struct super *mount_any(struct block_cache *cache, const char *type, bool read_only,
			       int *error)
{
	struct super *sb = NULL;

	*error = -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(kinds) && sb == NULL && *error == -EINVAL; i++)
		if (type == NULL || strcmp(type, kinds[i].type) == 0)
			sb = kinds[i].mount(cache, read_only, error);
	return sb;
}

struct super *disk_fs_mount(unsigned n, const char *type, bool read_only, int *error)
{
	struct blk_disk *disk = blk_disk(n, error);
	struct block_cache *cache;
	struct super *sb = NULL;

	if (disk == NULL)
		return NULL;
	if (taken & 1u << n) {
		*error = -EBUSY;
		return NULL;
	}
	taken |= 1u << n;
	cache = block_cache_of(disk);
	*error = -ENOMEM;
	if (cache != NULL)
		sb = mount_any(cache, type, read_only, error);
	if (sb == NULL)
		taken &= ~(1u << n);
	return sb;
}

void disk_fs_unmount(struct super *sb)
{
	unsigned n = DEV_MINOR(sb->dev) / 16;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (sb->magic == kinds[i].magic)
			kinds[i].unmount(sb);
	taken &= ~(1u << n);
}

void disk_fs_sync(bool end)
{
	ext2_sync_all(end);
	block_sync_all();
}
