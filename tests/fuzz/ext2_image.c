/* See ext2_image.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "ext2_image.h"
#include "../../guest/fs/ext2_disk.h"
#include "../../guest/libos/sys.h"

#define DISK_SIZE (256 << 10)
#define GROUPS    2

static const struct layout {
	u32 block_size, inode_size, blocks_per_group, inodes_per_group, revision;
} layouts[IMAGES] = {
	{ 1024, 128, 64, 16, 1 },
	{ 4096, 256, 28, 16, 1 },
	{ 1024, 128, 100, 24, 0 },
	{ 2048, 256, 60, 32, 1 },
};

static u8 contents[DISK_SIZE], good[IMAGES][DISK_SIZE];
static const struct layout *layout;
static u32 file, sharer, large; /* by number, the same in all of them */

void disk_fs_sync(bool end)
{
	ext2_sync_all(end);
	block_sync_all();
}

/* ---- mkfs */

static void *block(u32 n)
{
	return contents + (u64)n * layout->block_size;
}

static u32 inode_blocks(void)
{
	return layout->inodes_per_group * layout->inode_size / layout->block_size;
}

static void set_bits(u8 *bits, u32 from, u32 to)
{
	for (u32 i = from; i < to; i++)
		bits[i / 8] |= 1 << i % 8;
}

/* Bitmaps and descriptor of a group whose first `used` blocks are taken. */
static void make_group(u32 g, u32 first_block, u32 used)
{
	struct ext2_disk_group *d = (struct ext2_disk_group *)block(first_block + 1) + g;
	u32 start = first_block + g * layout->blocks_per_group, meta = g == 0 ? start + 2 : start;

	d->block_bitmap = meta;
	d->inode_bitmap = meta + 1;
	d->inode_table = meta + 2;
	d->free_blocks = layout->blocks_per_group - used;
	d->free_inodes = layout->inodes_per_group - (g == 0 ? 10 : 0);
	d->directories = g == 0;
	memset(block(d->block_bitmap), 0xff, layout->block_size);
	memset(block(d->block_bitmap), 0, layout->blocks_per_group / 8 + 1);
	set_bits(block(d->block_bitmap), 0, used);
	set_bits(block(d->block_bitmap), layout->blocks_per_group, layout->block_size * 8);
	set_bits(block(d->inode_bitmap), 0, g == 0 ? 10 : 0);
	set_bits(block(d->inode_bitmap), layout->inodes_per_group, layout->block_size * 8);
}

static void make_root(u32 table, u32 at)
{
	struct ext2_disk_inode *root = (void *)((u8 *)block(table) + layout->inode_size);
	struct ext2_dirent *d = block(at);

	*root = (struct ext2_disk_inode){ .mode = S_IFDIR | 0755,
					  .size = layout->block_size,
					  .links = 2,
					  .sectors = layout->block_size / 512,
					  .block = { at } };
	*d = (struct ext2_dirent){ EXT2_ROOT_INO, 12, 1, layout->revision ? 2 : 0 };
	d->name[0] = '.';
	d = (struct ext2_dirent *)((u8 *)d + 12);
	*d = (struct ext2_dirent){ EXT2_ROOT_INO, layout->block_size - 12, 2,
				   layout->revision ? 2 : 0 };
	memcpy(d->name, "..", 2);
}

static void mkfs(void)
{
	struct ext2_disk_super *s = (struct ext2_disk_super *)(contents + EXT2_SUPER_AT);
	u32 first = layout->block_size == 1024, used = 4 + inode_blocks();

	memset(contents, 0, sizeof(contents));
	*s = (struct ext2_disk_super){
		.inodes = GROUPS * layout->inodes_per_group,
		.blocks = first + GROUPS * layout->blocks_per_group,
		.free_blocks = GROUPS * layout->blocks_per_group - used - 1 - (used - 2),
		.free_inodes = GROUPS * layout->inodes_per_group - 10,
		.first_block = first,
		.log_block_size = (u32)__builtin_ctz(layout->block_size / 1024),
		.log_fragment_size = (u32)__builtin_ctz(layout->block_size / 1024),
		.blocks_per_group = layout->blocks_per_group,
		.fragments_per_group = layout->blocks_per_group,
		.inodes_per_group = layout->inodes_per_group,
		.magic = EXT2_MAGIC,
		.state = EXT2_STATE_VALID,
		.revision = layout->revision,
		.first_ino = layout->revision ? 11 : 0,
		.inode_size = layout->revision ? layout->inode_size : 0,
		.incompat = layout->revision ? EXT2_INCOMPAT_FILETYPE : 0,
		.ro_compat = layout->revision ? EXT2_RO_COMPAT_SPARSE : 0,
	};
	make_group(0, first, used + 1);
	make_group(1, first, used - 2);
	make_root(first + 4, first + used);
}

/* ---- what is in it, made by the file system itself */

static void put_file(const char *path, size_t size)
{
	static u8 bytes[30000];
	int fd = sys_open(path, O_WRONLY | O_CREAT, 0644);

	memset(bytes, 'x', sizeof(bytes));
	assert_true(fd >= 0 && size <= sizeof(bytes));
	assert_int_equal(sys_write(fd, bytes, size), size);
	sys_close(fd);
}

static u32 ino_of(const char *path)
{
	struct stat st;

	assert_int_equal(sys_lstat(path, &st), 0);
	return st.st_ino;
}

static void label(const char *path, const char *name, size_t size)
{
	static const u8 value[4096] = "value";

	assert_int_equal(sys_setxattr(path, name, value, size, 0), 0);
}

/* /mnt/file and /mnt/dir have some, /mnt/dir/b is to share the former's. */
static void fill_attributes(void)
{
	label("/mnt/file", "user.a", 5);
	label("/mnt/file", "user.b", 0);
	label("/mnt/file", "trusted.c", 100);
	label("/mnt/dir", "user.dir", layout->block_size / 2);
	file = ino_of("/mnt/file");
	sharer = ino_of("/mnt/dir/b");
	large = ino_of("/mnt/large");
}

static void fill(void)
{
	char longest[200];

	memset(longest, 'l', sizeof(longest));
	longest[sizeof(longest) - 1] = 0;
	assert_true(image_mount(false));
	put_file("/mnt/file", 100);
	put_file("/mnt/large", 20000);
	assert_int_equal(sys_mkdir("/mnt/dir", 0755), 0);
	assert_int_equal(sys_mkdir("/mnt/dir/sub", 0700), 0);
	put_file("/mnt/dir/a", 3000);
	put_file("/mnt/dir/b", 0);
	assert_int_equal(sys_link("/mnt/dir/a", "/mnt/hard"), 0);
	assert_int_equal(sys_symlink("dir/a", "/mnt/link"), 0);
	assert_int_equal(sys_symlink(longest, "/mnt/long"), 0);
	assert_int_equal(sys_mknod("/mnt/fifo", S_IFIFO | 0600, 0), 0);
	if (layout->revision > 0)
		fill_attributes();
	image_unmount();
}

/* ---- attributes that only others make */

static struct ext2_disk_inode *inode_at(u32 ino)
{
	u32 g = (ino - 1) / layout->inodes_per_group, at = (ino - 1) % layout->inodes_per_group;
	struct ext2_disk_group *d = block((layout->block_size == 1024) + 1);

	return (void *)((u8 *)block(d[g].inode_table) + at * layout->inode_size);
}

/* user.in, "behind": behind the inode, as Linux's ext4 puts it. */
static void put_behind(struct ext2_disk_inode *inode)
{
	struct ext2_disk_times *times = (void *)(inode + 1);
	u32 *magic = (void *)((u8 *)times + EXT2_EXTRA_SIZE);
	u32 room = layout->inode_size - EXT2_INODE_SIZE;
	struct ext2_disk_attribute *e = (void *)(magic + 1);

	times->extra_size = EXT2_EXTRA_SIZE;
	*magic = EXT2_XATTR_MAGIC;
	*e = (struct ext2_disk_attribute){ 2, 1, room - EXT2_EXTRA_SIZE - 12, 0, 6, 0 };
	memcpy(e->name, "in", 2);
	memcpy((u8 *)e + e->value, "behind", 6);
}

static void add_attributes(void)
{
	struct ext2_disk_inode *from = inode_at(file), *to = inode_at(sharer);

	to->attributes = from->attributes;
	to->sectors += layout->block_size / 512;
	((struct ext2_disk_xattr *)block(from->attributes))->refs = 2;
	if (layout->inode_size > EXT2_INODE_SIZE)
		put_behind(inode_at(large));
}

u8 *image_attributes(void)
{
	return block(inode_at(file)->attributes);
}

/* ---- for each input */

static void make_good(unsigned n)
{
	layout = &layouts[n];
	image_setup(contents, DISK_SIZE);
	mkfs();
	fill();
	if (layout->revision > 0)
		add_attributes();
	memcpy(good[n], contents, sizeof(contents));
	image_end();
}

void image_begin(unsigned n)
{
	if (good[n][EXT2_SUPER_AT] == 0)
		make_good(n);
	layout = &layouts[n];
	image_setup(contents, DISK_SIZE);
	memcpy(contents, good[n], sizeof(contents));
}

void image_change(unsigned where, unsigned offset, u64 value, unsigned width)
{
	u32 first = layout->block_size == 1024, table = first + 4;
	u64 start = EXT2_SUPER_AT;

	if (where < 16) {
		offset %= 204;
	} else if (where < 32) {
		start = (u64)(first + 1) * layout->block_size;
		offset %= GROUPS * sizeof(struct ext2_disk_group);
	} else if (where < 96) {
		start = (u64)table * layout->block_size + where % 32 * layout->inode_size;
		offset %= layout->inode_size;
	} else {
		start = (u64)(where - 96) * layout->block_size;
		offset %= layout->block_size;
	}
	for (unsigned i = 0; i < width && start + offset + i < DISK_SIZE; i++)
		contents[start + offset + i] = value >> 8 * i;
}

bool image_mount(bool read_only)
{
	return image_mount_as(ext2_mount, ext2_unmount, read_only);
}
