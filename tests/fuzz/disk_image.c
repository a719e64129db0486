/* See disk_image.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "disk_image.h"
#include "../../guest/libos/path.h"
#include "../../guest/libos/sys.h"

static struct mount mount;
static void (*unmount)(struct super *sb);

void image_setup(u8 *contents, u64 size)
{
	static bool again;

	fake_disk_begin(contents, size / BLK_SECTOR, 4);
	fake_begin_files();
	fake_frames_max = 1000;
	fake_lasting = !again; /* the cache is made once */
	again = true;
	assert_int_equal(sys_mkdir("/mnt", 0755), 0);
}

bool image_mount_as(struct super *(*mount_it)(struct block_cache *cache, bool read_only,
					      int *error),
		    void (*unmount_it)(struct super *sb), bool read_only)
{
	struct path at;
	int error;
	struct super *sb = mount_it(block_cache_of(&fake_disk.disk), read_only, &error);

	if (sb == NULL)
		return false;
	memset(&mount, 0, sizeof(mount));
	unmount = unmount_it;
	mount.read_only = sb->read_only;
	if (path_lookup(AT_FDCWD, "/mnt", 0, &at) < 0 || mount_add(&mount, sb, &at) < 0)
		panic("/mnt is gone");
	path_put(&at);
	return true;
}

void image_unmount(void)
{
	fake_allocations_left = -1;
	if (mount_remove(&mount) < 0)
		panic("something refers to it");
	unmount(mount.sb);
	mount.sb = NULL;
	block_cache_drop(block_cache_of(&fake_disk.disk), 0, UINT64_MAX);
}

void image_end(void)
{
	struct block_cache *cache = block_cache_of(&fake_disk.disk);

	if (mount.sb != NULL)
		image_unmount();
	block_cache_drop(cache, 0, UINT64_MAX);
	BUG_ON(fake_disk.pending || cache->ndirty + cache->reading + cache->writing ||
	       block_cached_frames());
	fake_end_files();
}
