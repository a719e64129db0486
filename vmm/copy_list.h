/*
 * What --copy collects: the entries, and the region with their contents.
 */
#ifndef VMM_COPY_LIST_H
#define VMM_COPY_LIST_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../shared/abi.h"
#include "mem.h"

struct copy_entry {
	char *path; /* in the guest, without the leading slash */
	char *link; /* a symbolic link's target, or NULL */
	const char *from; /* the value of --copy, for messages */
	struct copied_file file;
};

struct copy_list {
	struct copy_entry *entry;
	size_t count, room;
	const char *from; /* the value that is being worked on */
	/* the region: [0, used) is taken, of `limit` bytes at `base` */
	uint8_t *base;
	uint64_t gpa, used, limit;
	uint64_t writable; /* memory that may be written ends here */
	unsigned mappings;
};

/* Reserves the region above all RAM. */
void copy_list_init(struct copy_list *list, const struct guest_mem *mem);

/* Adds an entry: path and link (may be NULL) are copied. Returns its index. */
size_t copy_list_add(struct copy_list *list, const char *path, const char *link,
		     const struct copied_file *file);

/* Maps a file's `size` bytes, or reads them where mapping is impossible; returns their
 * guest-physical address. `name` is for messages. */
uint64_t copy_list_map(struct copy_list *list, int fd, uint64_t size, const char *name);

/* Takes pages for `size` bytes, zero and writable. */
uint8_t *copy_list_take(struct copy_list *list, uint64_t size, uint64_t *gpa);

/* Reads exactly size bytes, or ends the process. */
void copy_read(int fd, void *to, uint64_t size, uint64_t offset, const char *name);

/* Sorts, refuses what collides, and lays the records out in the region. */
void copy_list_finish(struct copy_list *list, const struct guest_mem *mem, uint64_t *gpa,
		      uint64_t *size);

/* copy_tree.c: a file or a directory with all below it; `path` as above, ""
 * for the root. */
void copy_tree(struct copy_list *list, int fd, const char *name, const char *path);

/* copy_cpio.c: whether the file is a cpio image; and its entries, below `path`. */
bool copy_is_cpio(int fd);
void copy_cpio(struct copy_list *list, int fd, const char *name, const char *path);

/* Joins a directory's path and what lies below it, without empty and "."
 * parts, to `out`. False: it is too long, or has a part "..". */
bool copy_join(char out[PATH_MAX], const char *dir, const char *below);

#endif
