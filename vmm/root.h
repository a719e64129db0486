/*
 * Files in the directory of --root, as the guest will see them: "/" and links
 * lead nowhere out of it.
 */
#ifndef VMM_ROOT_H
#define VMM_ROOT_H

#include "load.h"
#include "options.h"

/*
 * Finds the program as `chroot DIR PROGRAM` does: a path counts from the root or
 * from --cwd, a name is looked up in PATH (that of --env, else ours). Opens and
 * checks it as load_image(); image->path is its path inside.
 */
void root_load_image(struct image *image, const struct options *options);

/* Opens a file by its path inside, for reading: a descriptor or -errno. */
int root_open(const struct options *options, const char *path);

#endif
