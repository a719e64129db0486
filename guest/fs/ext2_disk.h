/*
 * The second extended file system as it lies on a disk (Linux's
 * Documentation/filesystems/ext2.rst, and ext4's for the fields that came
 * later). All numbers are little-endian, as the machine's.
 */
#ifndef FS_EXT2_DISK_H
#define FS_EXT2_DISK_H

#include "../libos/lib.h"

#define EXT2_MAGIC      0xef53
#define EXT2_SUPER_AT   1024 /* byte offset of the superblock */
#define EXT2_SUPER_SIZE 1024

#define EXT2_STATE_VALID  1 /* unmounted cleanly */
#define EXT2_STATE_ERRORS 2

#define EXT2_COMPAT_JOURNAL      0x4
#define EXT2_COMPAT_XATTR        0x8
#define EXT2_INCOMPAT_FILETYPE   0x2
#define EXT2_INCOMPAT_RECOVER    0x4
#define EXT2_INCOMPAT_JOURNAL    0x8
#define EXT2_RO_COMPAT_SPARSE    0x1
#define EXT2_RO_COMPAT_LARGE     0x2
#define EXT2_INCOMPAT_SUPPORTED  EXT2_INCOMPAT_FILETYPE
#define EXT2_RO_COMPAT_SUPPORTED (EXT2_RO_COMPAT_SPARSE | EXT2_RO_COMPAT_LARGE)

#define EXT2_ROOT_INO 2
#define EXT2_LINK_MAX 32000

struct ext2_disk_super {
	u32 inodes, blocks, reserved_blocks, free_blocks, free_inodes, first_block;
	u32 log_block_size, log_fragment_size, blocks_per_group, fragments_per_group;
	u32 inodes_per_group, mount_time, write_time;
	u16 mount_count, max_mount_count, magic, state, on_error, minor_revision;
	u32 check_time, check_interval, creator, revision;
	u16 reserved_uid, reserved_gid;
	u32 first_ino; /* from here on: revision 1 */
	u16 inode_size, block_group;
	u32 compat, incompat, ro_compat;
	u8 uuid[16];
	char volume[16], last_mounted[64];
	u32 compression;
	u8 unused[EXT2_SUPER_SIZE - 204];
};
_Static_assert(sizeof(struct ext2_disk_super) == EXT2_SUPER_SIZE, "the superblock");

struct ext2_disk_group {
	u32 block_bitmap, inode_bitmap, inode_table;
	u16 free_blocks, free_inodes, directories, pad;
	u32 unused[3];
};

#define EXT2_DIRECT 12 /* then one block of each degree of indirection */
#define EXT2_SLOTS  15

#define EXT2_INDEXED 0x1000 /* flag of a directory: has a hashed index */

/* The first part is there always; the second one as far as extra_size says. */
struct ext2_disk_inode {
	u16 mode, uid;
	u32 size, atime, ctime, mtime, dtime;
	u16 gid, links;
	u32 sectors, flags, version;
	u32 block[EXT2_SLOTS];
	u32 generation, attributes, size_high, fragment;
	u16 fragment_number, pad, uid_high, gid_high;
	u32 unused;
};
struct ext2_disk_times {
	u16 extra_size, checksum_high;
	u32 ctime, mtime, atime; /* ns << 2 | two more bits of the seconds */
	u32 btime_seconds, btime;
};
#define EXT2_INODE_SIZE 128
#define EXT2_EXTRA_SIZE 32 /* what mkfs gives to the extra part of an inode */
_Static_assert(sizeof(struct ext2_disk_inode) == EXT2_INODE_SIZE, "an inode");

struct ext2_dirent {
	u32 ino; /* 0: unused */
	u16 len; /* of the record */
	u8 name_len, type;
	char name[];
};
#define EXT2_DIRENT_LEN(name_len) ALIGN_UP(8u + (name_len), 4u)

/* Extended attributes: the head of their block, or behind an inode the number alone, and
 * an entry, which a multiple of 4 bytes follows. */
#define EXT2_XATTR_MAGIC 0xea020000
struct ext2_disk_xattr {
	u32 magic, refs, blocks, hash, unused[4];
};
struct ext2_disk_attribute {
	u8 name_len, kind;
	u16 value; /* where it is */
	u32 value_block, size, hash;
	char name[];
};

#endif
