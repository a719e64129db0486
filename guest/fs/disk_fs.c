/*
 * File systems on disks: which one a disk holds.
 */
#include "disk_fs.h"
#include "blockdev.h"

static const struct kind {
	const char *type;
	u32 magic;
	u32 magic_at, magic_len; /* bytes of the disk */
	struct super *(*mount)(struct block_cache *cache, bool read_only, int *error);
	void (*unmount)(struct super *sb);
} kinds[] = {
	{ "ext2", 0xef53, 1024 + 56, 2, ext2_mount, ext2_unmount },
	{ "erofs", 0xe0f5e1e2, 1024, 4, erofs_mount, erofs_unmount },
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

static bool has_magic(struct block_cache *cache, const struct kind *kind, int *error)
{
	struct block_page *page;
	bool has;

	*error = block_page_read(cache, 0, &page);
	if (*error < 0)
		return false;
	has = memcmp((u8 *)block_page_data(page) + kind->magic_at, &kind->magic, kind->magic_len) ==
	      0;
	block_page_put(page);
	return has;
}

static struct super *mount_kind(struct block_cache *cache, const char *type, bool read_only,
				int *error)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (type != NULL ? strcmp(type, kinds[i].type) == 0 :
				   has_magic(cache, &kinds[i], error))
			return kinds[i].mount(cache, read_only, error);
	*error = type == NULL && *error < 0 ? *error : -ENODEV;
	return NULL;
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
		sb = mount_kind(cache, type, read_only, error);
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
