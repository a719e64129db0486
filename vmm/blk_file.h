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

/* FILE[,ro], taken apart: the length of FILE. blk_option.c */
unsigned long disk_parse(const char *value, bool *read_only);

/* Opens and locks what `value` of --disk names; ends the process with a line
 * that names the remedy when that cannot be. */
void blk_file_open(struct blk_file *file, const char *value);

#endif
