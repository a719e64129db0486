/*
 * A disk in memory in place of guest/drv/blk.c: requests are carried out when
 * somebody waits, in an order that the test chooses, or fail.
 */
#ifndef TESTS_FAKE_DISK_H
#define TESTS_FAKE_DISK_H

#include "../../guest/drv/blk.h"

struct fake_disk {
	struct blk_disk disk;
	u8 *contents;
	struct blk_request *queue[512];
	unsigned pending, kicks, requests, flushes, waits;
	u64 written; /* bytes */
	bool last_first; /* the youngest request ends first */
	unsigned fail_reads, fail_writes; /* so many fail */
};
extern struct fake_disk fake_disk;

/* Everything as at the beginning, with other contents. */
void fake_disk_begin(u8 *contents, u64 sectors, unsigned segments);

#endif
