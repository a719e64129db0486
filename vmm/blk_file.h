/*
 * The host's file or block device behind a disk.
 */
#ifndef VMM_BLK_FILE_H
#define VMM_BLK_FILE_H

#include <stdbool.h>
#include <stdint.h>

struct blk_file {
	int fd;
	bool read_only;
	bool device; /* a block device, not a regular file */
	uint64_t size; /* bytes */
	uint32_t logical, physical; /* block sizes, powers of two >= 512 */
};

/* An option that names a disk's file, in the words of messages. */
struct disk_option {
	const char *name; /* "--disk" */
	const char *to_read; /* what to do for the file only to be read */
	const char *all_read; /* and for several VMs to read it */
};
extern const struct disk_option disk_of_root; /* --root IMG. blk_option.c */

/* What such an option says; `path` is len bytes of its value. */
struct disk {
	const struct disk_option *option;
	const char *path;
	unsigned long len;
	bool read_only;
};

/* FILE[,ro] of --disk. blk_option.c */
void disk_parse(const char *value, struct disk *disk);

/* Opens and locks it; ends the process with a line that names the remedy when that
 * cannot be. */
void blk_file_open(struct blk_file *file, const struct disk *disk);

#endif
