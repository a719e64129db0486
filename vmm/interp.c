/*
 * See interp.h. The guest loads the interpreter from its own file system, so
 * it must be there; whether a directory that is brought in really has it, only
 * the guest finds out.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "copy.h"
#include "fail.h"
#include "fs.h"
#include "interp.h"
#include "root.h"

/* Whether the directory of a --share contains the path; not with slashes
 * doubled, which then counts as a yes. */
static bool share_may_bring(const char *value, const char *path)
{
	struct share share;
	size_t len;

	share_parse(value, &share);
	len = share.path_len;
	while (len > 0 && share.path[len - 1] == '/')
		len--;
	return memmem(share.path, len, "//", 2) ||
	       (!strncmp(share.path, path, len) && path[len] == '/');
}

static bool may_be_there(const struct options *options, const char *path)
{
	if (path[0] != '/') /* from the working directory */
		return true;
	if (options->root) {
		int fd = root_open(options, path);

		if (fd >= 0)
			close(fd);
		if (fd >= 0 || fd == -EACCES)
			return true; /* the guest says what is wrong with it */
	}
	for (unsigned i = 0; i < options->copy.count; i++)
		if (copy_may_bring(options->copy.item[i], path))
			return true;
	for (unsigned i = 0; i < options->share.count; i++)
		if (share_may_bring(options->share.item[i], path))
			return true;
	return false;
}

void interp_check(const struct image *image, const struct options *options)
{
	const char *name = image->elf.interpreter;
	const char *is = image->elf.script ? "a script" : "dynamically linked";
	char path[PATH_MAX];

	if (image->elf.pvh || !name[0] || may_be_there(options, name))
		return;
	if (options->root)
		fail(EXIT_CANNOT_RUN, "%s: is %s and needs %s, which is not in --root %s",
		     options->image, is, name, options->root);
	fail(EXIT_CANNOT_RUN, "%s: is %s and needs %s inside the VM; run: vmm run --root / %s",
	     options->image, is, name, realpath(image->path, path) ? path : image->path);
}
