/*
 * Files in the directory of --root, as the guest will see them: "/" and links
 * lead nowhere out of it.
 */
#ifndef VMM_ROOT_H
#define VMM_ROOT_H

#include <stdbool.h>
#include <stddef.h>
#include "load.h"
#include "options.h"

/*
 * Finds the program as `chroot DIR PROGRAM` does: a path counts from the root or
 * from --cwd, a name is looked up in PATH (that of --env, else ours). Opens and
 * checks it as load_image(); image->path is its path inside.
 */
void root_load_image(struct image *image, const struct options *options);

/*
 * Whether --root names an image, a regular file or block device, whose file system
 * only the guest can read: then the guest looks for the program there.
 */
bool root_is_image(const struct options *options);
/* The paths inside where the program may be, each with its NUL: by the same rules.
 * Their length all together in *len. */
const char *root_places(const struct options *options, size_t *len);

/* Opens a file by its path inside, for reading: a descriptor or -errno. */
int root_open(const struct options *options, const char *path);

#endif
