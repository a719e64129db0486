/*
 * Files of a share in guest-physical memory (virtio 1.2, 5.11.6.4; DAX, "direct
 * access"): the guest has the host map a file somewhere in the share's region,
 * and reads the host's page cache from then on, without a request and without a
 * copy. Of all shares together the regions are one memory slot, above all RAM; where
 * no file is mapped there are zeroes. If all shares are read-only, the slot is; else
 * what a file was opened for to write can be mapped to be written, and writes where no
 * such file is come to nothing, but memory for zeroes, at most as large as the region,
 * or end the VM.
 *
 * A file may become shorter while it is mapped. Then the host gives SIGBUS or
 * EFAULT for what was behind its end; zeroes are put there, and who met that
 * tries again.
 */
#ifndef VMM_FS_DAX_H
#define VMM_FS_DAX_H

#include <stdbool.h>
#include <linux/fuse.h>
#include "mem.h"

#define DAX_SIZE   (256ull << 20) /* of a share: 0.3 us a MiB when the VM is made */
#define DAX_SHIFT  21 /* FUSE_MAP_ALIGNMENT: files begin at multiples of this */
#define DAX_CHUNKS (DAX_SIZE >> DAX_SHIFT)

struct fs_dax {
	uint8_t *base;
	uint64_t gpa, size; /* size 0: none */
	uint32_t mapped[DAX_CHUNKS]; /* bytes of a file at the chunk's beginning */
};

/* Reserves the regions of that many shares in mem->dax; `writable`: not all of them
 * are read-only. Before vm_create(). */
void dax_reserve(struct guest_mem *mem, unsigned shares, bool writable);
/* The n-th share's region; size 0 when there is none. */
void dax_init(struct fs_dax *dax, const struct guest_mem *mem, unsigned n);

/* 0 or -errno. `fd` is the file of the handle. */
int dax_map(struct fs_dax *dax, int fd, const struct fuse_setupmapping_in *in);
int dax_unmap(struct fs_dax *dax, const struct fuse_removemapping_one *one);
void dax_clear(struct fs_dax *dax); /* unmaps all */
uint64_t dax_mapped(const struct fs_dax *dax); /* bytes */

/* Puts zeroes where files have become shorter: whether any had. */
bool dax_mend(struct fs_dax *dax);
/* From the handler of SIGBUS: the same at an address, if it is in a region. */
bool dax_mend_at(const void *address);

#endif
