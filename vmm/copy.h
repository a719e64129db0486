/*
 * --copy: files of the host that appear in the guest's first tmpfs.
 *
 * Their contents lie in guest-physical memory above all RAM, each on a page of
 * its own, in one reservation over which the files are mapped: nothing is read
 * before the guest asks for it, none of it counts as the guest's memory, and
 * VMs share the host's page cache. The guest may only read there, so it can't
 * make the host hold copies beyond --mem; what it writes to such a file goes to
 * its own memory. The list of the files (shared/abi.h) comes last in the region.
 */
#ifndef VMM_COPY_H
#define VMM_COPY_H

#include "mem.h"
#include "options.h"

/* The value of --copy, PATH[:DEST]: NULL, or what is wrong and what to give
 * instead. */
const char *copy_check(const char *value);

/* Where PATH ends; DEST, if any, begins behind the colon that is there. */
const char *copy_path_end(const char *value);

/* Whether that value of --copy is, or contains, an absolute path of the guest. */
bool copy_may_bring(const char *value, const char *path);

/* Where the list is; all of it is in mem->contents. */
struct copied {
	uint64_t files_gpa, files_size;
};

/*
 * Places all that the values name and sets mem->contents. Ends the process
 * with a line that names the file when that cannot be. Before vm_create().
 */
struct copied copy_load(struct guest_mem *mem, const struct string_list *values);

#endif
