/*
 * See erofs_image.h. The inodes lie in slots of 256 bytes, alternately of both
 * forms, some with extended attributes, and what is inline behind them; blocks come
 * from 8 KiB on, those that attributes share in the first.
 */
#include <string.h>
#include "erofs_image.h"
#include "../../guest/fs/erofs_disk.h"

#define DISK_SIZE  (64 << 10)
#define INODES_AT  2048
#define INODE_ROOM 256
#define BLOCKS_AT  (8 << 10)

enum {
	ROOT,
	DIR,
	MANY, /* a directory of several blocks */
	SMALL, /* all inline */
	LARGE, /* blocks and a tail inline */
	PLAIN,
	CHUNKS, /* with indexes and a hole */
	TABLE, /* chunks by block numbers */
	LINK,
	NULL_DEVICE,
	FIFO,
	EMPTY,
	INODES
};

static const unsigned block_sizes[IMAGES] = { 4096, 1024, 512, 4096 };
static u8 contents[DISK_SIZE];
static unsigned block_size, next_block;

static u8 *inode_at(unsigned n)
{
	return contents + INODES_AT + n * INODE_ROOM;
}

static u64 nid(unsigned n)
{
	return (INODES_AT + n * INODE_ROOM) / EROFS_SLOT;
}

/* Room for n bytes: the number of its first block. */
static u32 take_blocks(unsigned n)
{
	u32 first = next_block;

	next_block += (n + block_size - 1) / block_size;
	return first;
}

/* ---- extended attributes */

/* What is behind it. */
static u8 *put_xattr(u8 *at, unsigned kind, const char *name, const void *value, unsigned size)
{
	unsigned len = 0;

	for (; name[len] != 0; len++) /* without its NUL */
		at[EROFS_XATTR_UNIT + len] = name[len];
	*(struct erofs_disk_xattr *)at =
		(struct erofs_disk_xattr){ .name_len = len, .kind = kind, .value_size = size };
	memcpy(at + EROFS_XATTR_UNIT + len, value, size);
	return at + ALIGN_UP(EROFS_XATTR_UNIT + len + size, (unsigned)EROFS_XATTR_UNIT);
}

#define SECOND_SHARED 4 /* in units, where it begins */

static void put_shared(void)
{
	u8 *at = contents + BLOCKS_AT, *second;

	take_blocks(block_size);
	second = put_xattr(at, 4, "shared", "first", 5);
	if (second != at + SECOND_SHARED * EROFS_XATTR_UNIT)
		__builtin_trap();
	put_xattr(second, 6, "shared", "second", 6);
}

/* Behind an inode: a few. What is behind them; *count as the inode has it. */
static u8 *put_own(u8 *at, u16 *count)
{
	static const u8 list[28] = "\2\0\0\0\1\0\6\0\377\377\377\377\4\0\4\0\377\377\377\377"
				   "\40\0\4\0\377\377\377";
	struct erofs_disk_xattrs *header = (void *)at;
	u32 *shared = (u32 *)(header + 1);
	u8 *end;

	header->shared = 2;
	shared[0] = 0;
	shared[1] = SECOND_SHARED;
	end = put_xattr((u8 *)(shared + 2), 1, "a", "one", 3);
	end = put_xattr(end, 9, "unknown", "kind", 4);
	end = put_xattr(end, 2, "", list, sizeof(list));
	end = put_xattr(end, 1, "empty", "", 0);
	*count = (end - at - sizeof(*header)) / EROFS_XATTR_UNIT + 1;
	return end;
}

static bool has_xattrs(unsigned inode)
{
	return inode == ROOT || inode == SMALL || inode == LINK || inode == FIFO;
}

/* What is behind the inode. */
static u8 *put_inode(unsigned n, u32 mode, enum erofs_layout layout, u64 size, u32 place)
{
	struct erofs_disk_inode *small = (void *)inode_at(n);
	struct erofs_disk_extended *large = (void *)inode_at(n);

	if (n % 2) {
		*small = (struct erofs_disk_inode){ .format = layout << 1,
						    .mode = mode,
						    .links = 1,
						    .size = size,
						    .place = place };
		return has_xattrs(n) ? put_own((u8 *)(small + 1), &small->xattr_count) :
				       (u8 *)(small + 1);
	}
	*large = (struct erofs_disk_extended){ .format = layout << 1 | EROFS_EXTENDED,
					       .mode = mode,
					       .links = 1,
					       .size = size,
					       .place = place };
	return has_xattrs(n) ? put_own((u8 *)(large + 1), &large->xattr_count) : (u8 *)(large + 1);
}

static u8 *fill(u8 *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		at[i] = 'a' + i % 26;
	return at;
}

struct name {
	const char *name;
	unsigned inode;
};

/* A directory's block. Its size. */
static unsigned put_names(u8 *at, const struct name *name, unsigned count)
{
	struct erofs_disk_dirent *d = (void *)at;
	unsigned used = count * sizeof(*d);

	for (unsigned i = 0; i < count; i++) {
		d[i] = (struct erofs_disk_dirent){ .nid = nid(name[i].inode), .name = used };
		memcpy(at + used, name[i].name, strlen(name[i].name));
		used += strlen(name[i].name);
	}
	return used;
}

static void put_directories(void)
{
	static const struct name root[] = { { ".", ROOT },        { "..", ROOT },
					    { "chunks", CHUNKS }, { "dir", DIR },
					    { "empty", EMPTY },   { "fifo", FIFO },
					    { "large", LARGE },   { "link", LINK },
					    { "many", MANY },     { "null", NULL_DEVICE },
					    { "plain", PLAIN },   { "small", SMALL },
					    { "table", TABLE } };
	static const struct name dir[] = { { ".", DIR }, { "..", ROOT }, { "hard", SMALL } };
	static const struct name many[3][3] = { { { ".", MANY }, { "..", ROOT }, { "a", SMALL } },
						{ { "b", SMALL }, { "c", PLAIN }, { "d", DIR } },
						{ { "e", LARGE }, { "f", TABLE }, { "g", LINK } } };
	u32 at = take_blocks(block_size), blocks = take_blocks(3 * block_size);
	unsigned size = put_names(contents + at * block_size, root, ARRAY_SIZE(root));

	put_inode(ROOT, S_IFDIR | 0755, EROFS_PLAIN, size, at);
	size = put_names(put_inode(DIR, S_IFDIR | 0755, EROFS_INLINE, 0, 0), dir, ARRAY_SIZE(dir));
	put_inode(DIR, S_IFDIR | 0755, EROFS_INLINE, size, 0);
	for (unsigned i = 0; i < 3; i++)
		size = put_names(contents + (blocks + i) * block_size, many[i], 3);
	put_inode(MANY, S_IFDIR | 0755, EROFS_PLAIN, 2 * block_size + size, blocks);
}

static void put_files(void)
{
	u32 at = take_blocks(5 * block_size);
	struct erofs_disk_index *index;
	u32 *table;

	fill(contents + at * block_size, 5 * block_size);
	fill(put_inode(SMALL, S_IFREG | 0644, EROFS_INLINE, 50, 0), 50);
	fill(put_inode(LARGE, S_IFREG | 0644, EROFS_INLINE, 3 * block_size + 100, at), 100);
	put_inode(PLAIN, S_IFREG | 0644, EROFS_PLAIN, 2 * block_size + 77, at);
	put_inode(EMPTY, S_IFREG | 0644, EROFS_PLAIN, 0, 0);
	index = (void *)put_inode(CHUNKS, S_IFREG | 0644, EROFS_CHUNKED, 3 * block_size - 9,
				  EROFS_CHUNK_INDEXES);
	index[0].block = at + 1;
	index[1].block = EROFS_HOLE;
	index[2].block = at;
	table = (void *)put_inode(TABLE, S_IFREG | 0644, EROFS_CHUNKED, 3 * block_size, 1);
	table[0] = at;
	table[1] = at + 2;
	memcpy(put_inode(LINK, S_IFLNK | 0777, EROFS_INLINE, 9, 0), "dir/../.", 9);
	put_inode(NULL_DEVICE, S_IFCHR | 0666, EROFS_PLAIN, 0, 0x103);
	put_inode(FIFO, S_IFIFO | 0600, EROFS_PLAIN, 0, 0);
}

/* CRC-32C, bit by bit, of the rest of the superblock's block. */
static u32 sum(void)
{
	u32 crc = ~0u;

	for (unsigned at = EROFS_SUPER_AT; at < 4096; at++) {
		crc ^= contents[at];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0x82f63b78 : crc >> 1;
	}
	return crc;
}

void image_begin(unsigned layout)
{
	struct erofs_disk_super *s = (void *)(contents + EROFS_SUPER_AT);

	memset(contents, 0, sizeof(contents));
	block_size = block_sizes[layout];
	next_block = BLOCKS_AT / block_size;
	*s = (struct erofs_disk_super){ .magic = EROFS_MAGIC,
					.block_bits = __builtin_ctz(block_size),
					.root = nid(ROOT),
					.inodes = INODES,
					.blocks = DISK_SIZE / block_size,
					.xattr_block = BLOCKS_AT / block_size,
					.incompat = EROFS_INCOMPAT_CHUNKED };
	put_shared();
	put_directories();
	put_files();
	if (layout == IMAGE_SUMMED) {
		s->compat = EROFS_COMPAT_CHECKSUM;
		s->checksum = sum();
	}
	image_setup(contents, DISK_SIZE);
}

void image_change(unsigned where, unsigned offset, u64 value, unsigned width)
{
	u64 at = EROFS_SUPER_AT + offset % sizeof(struct erofs_disk_super);

	if (where >= 128)
		at = BLOCKS_AT + (where - 128) * block_size + offset % block_size;
	else if (where >= 16)
		at = INODES_AT + where % INODES * INODE_ROOM + offset % INODE_ROOM;
	for (unsigned i = 0; i < width && at + i < DISK_SIZE; i++)
		contents[at + i] = value >> 8 * i;
}

bool image_mount(void)
{
	return image_mount_as(erofs_mount, erofs_unmount, true);
}
