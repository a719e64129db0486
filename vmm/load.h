/*
 * From file names to guest memory: finds, checks and opens the files, and
 * maps them over guest memory without copying.
 */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include <limits.h>
#include "elf.h"
#include "mem.h"

struct image {
	char path[PATH_MAX]; /* where it was found */
	int fd;
	const uint8_t *bytes; /* the whole file, read-only */
	uint64_t size;
	struct elf elf;
	uint64_t base; /* added to the addresses of a program linked to run anywhere */
};

/*
 * Finds IMAGE: a path if there is a slash in it, else a name in PATH or, last,
 * in the current directory. Opens and checks it as Linux's execve() would.
 * Ends the process when it cannot be run: EXIT_NOT_FOUND, EXIT_CANNOT_RUN.
 */
void load_image(struct image *image, const char *name);

/* Maps and checks the file behind image->fd, which may be -errno of opening it;
 * ends the process likewise. `what` it should be: "program". */
void load_opened(struct image *image, const char *name, const char *what);

/* The value of PATH, if there is one, else that of ours, else what execvp() takes. */
const char *load_path(const char *value);
/* The next place of a program with that name, and *dirs behind it; false: no more. */
bool load_next_in_path(const char **dirs, const char *name, char path[PATH_MAX]);

/* Where our guest image is: $MAYFLY_GUEST, guest.elf beside this program, or
 * in ../share/mayfly. Writes the path; false, with the last place that was
 * tried, when it is in none. size >= PATH_MAX. */
bool load_find_guest_image(char *path, size_t size);

/* The same for the process of the user network: $MAYFLY_SLIRP, vmm-slirp
 * beside this program, or in ../libexec/mayfly. */
bool load_find_slirp(char *path, size_t size);

/* Opens the guest image: `path` if not NULL (--kernel), else the one found. */
void load_guest_image(struct image *image, const char *path);

/* Puts a PVH kernel's segments at their physical addresses. Returns the first
 * free address behind it, page-aligned. */
uint64_t load_kernel(const struct guest_mem *mem, const struct image *image);

/*
 * Chooses where a program of `size` bytes goes when the guest image ends at
 * `free`: behind the image, on a 2 MiB boundary when it is large, with some
 * memory left for the guest, else right below 1 MiB. 0: it has no room.
 */
uint64_t load_place(const struct guest_mem *mem, uint64_t free, uint64_t size);

/* Maps the whole program file into guest memory and returns where; chooses
 * image->base. Fails with the memory that it needs when there is too little. */
uint64_t load_program(const struct guest_mem *mem, struct image *image, uint64_t free);

#endif
