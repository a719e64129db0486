/*
 * EROFS as it lies on a disk (Linux's Documentation/filesystems/erofs.rst and
 * fs/erofs/erofs_fs.h). All numbers are little-endian, as the machine's.
 */
#ifndef FS_EROFS_DISK_H
#define FS_EROFS_DISK_H

#include "../libos/lib.h"

#define EROFS_MAGIC    0xe0f5e1e2
#define EROFS_SUPER_AT 1024 /* byte offset of the superblock */
#define EROFS_SLOT     32 /* a node's number counts these from the metadata's start */

#define EROFS_COMPAT_CHECKSUM 0x1

#define EROFS_INCOMPAT_PADDED     0x1 /* the first of those that compression brings */
#define EROFS_INCOMPAT_CHUNKED    0x4
#define EROFS_INCOMPAT_COMPRESSED 0x33 /* PADDED, configurations, tails, fragments */
#define EROFS_INCOMPAT_SUPPORTED  EROFS_INCOMPAT_CHUNKED

struct erofs_disk_super {
	u32 magic, checksum, compat;
	u8 block_bits, extra_slots;
	u16 root;
	u64 inodes, build_time;
	u32 build_ns, blocks, meta_block, xattr_block;
	u8 uuid[16], name[16];
	u32 incompat;
	u8 rest[44];
};
_Static_assert(sizeof(struct erofs_disk_super) == 128, "128 bytes");

enum erofs_layout {
	EROFS_PLAIN, /* blocks in a row */
	EROFS_COMPRESSED_FULL,
	EROFS_INLINE, /* the same, and the last block's bytes behind the inode */
	EROFS_COMPRESSED,
	EROFS_CHUNKED, /* a table of blocks in a row */
};
#define EROFS_EXTENDED       1 /* in format: the larger form */
#define EROFS_LAYOUT(format) ((format) >> 1 & 7)
#define EROFS_UNKNOWN_FORMAT 0xfff0
#define EROFS_CHUNK_BITS     0x1f /* of a chunk, above a block's */
#define EROFS_CHUNK_INDEXES  0x20 /* entries of 8 bytes, else of 4 */
#define EROFS_HOLE           0xffffffff

struct erofs_disk_inode { /* compact */
	u16 format, xattr_count, mode, links;
	u32 size, reserved, place, ino;
	u16 uid, gid;
	u32 reserved2;
};
_Static_assert(sizeof(struct erofs_disk_inode) == 32, "32 bytes");

struct erofs_disk_extended {
	u16 format, xattr_count, mode, reserved;
	u64 size;
	u32 place, ino, uid, gid;
	u64 mtime;
	u32 mtime_ns, links;
	u8 reserved2[16];
};
_Static_assert(sizeof(struct erofs_disk_extended) == 64, "64 bytes");

struct erofs_disk_index { /* of a chunk, with EROFS_CHUNK_INDEXES */
	u16 advice, device;
	u32 block;
};

/* In front of the names of a directory's block. */
struct erofs_disk_dirent {
	u64 nid;
	u16 name; /* where it is in the block */
	u8 type, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct erofs_disk_dirent) == 12, "12 bytes");

/* What extended attributes take behind an inode. */
#define EROFS_XATTR_UNIT        4
#define EROFS_XATTR_SIZE(count) ((count) != 0 ? 12 + ((count)-1) * 4u : 0u)

struct erofs_disk_xattrs { /* what that begins with; a u32 for each shared one follows */
	u32 filter; /* by which most that are not there could be told */
	u8 shared, reserved[7];
};
_Static_assert(sizeof(struct erofs_disk_xattrs) == 12, "12 bytes");

struct erofs_disk_xattr { /* and then the name and the value */
	u8 name_len, kind;
	u16 value_size;
};
_Static_assert(sizeof(struct erofs_disk_xattr) == EROFS_XATTR_UNIT, "4 bytes");

#endif
