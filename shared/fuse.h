/*
 * What our file systems have beyond FUSE (<linux/fuse.h>, version 7) and its parts of
 * virtio 1.2, section 5.11. Other drivers do not use it. Depends on <linux/fuse.h>.
 *
 * FUSE_WALK: from the node on along a path, names with a '/' between them, none of
 * them "." or "..". For each in turn the reply has a struct fuse_walked, until the
 * last one, the first that is not there (nodeid 0) or no directory, or until there
 * is no room. An error is one of the first name, and another than ENOENT; where a
 * later one fails, the reply just ends.
 *
 * The handle 0 stands for the node itself, opened to read for this request: in READ,
 * SETUPMAPPING and READDIR. Such a READDIR fills the reply: if FUSE_READDIR_REST
 * bytes are left of it, the directory is at its end.
 */
#ifndef MAYFLY_FUSE_H
#define MAYFLY_FUSE_H

#include <linux/fuse.h>

#define FUSE_WALK 0x4d01 /* far from those of FUSE */

/* At a multiple of 8; VMM writes. */
struct fuse_walked {
	struct fuse_entry_out entry;
	uint32_t target_len; /* of a symbolic link's text, which follows; 0: not said */
	uint32_t size; /* of all this: where the next one is */
};

#define FUSE_READDIR_REST 512

#endif
