/* The values of --share and --root, apart from the device so that the options need
 * nothing else of it. */
#include <limits.h>
#include <string.h>
#include "fs.h"

void share_parse(const char *value, struct share *share)
{
	static const char ro[] = ",ro";
	size_t len = strlen(value);
	const char *colon;

	share->read_only = len >= sizeof(ro) - 1 && !strcmp(value + len - (sizeof(ro) - 1), ro);
	if (share->read_only)
		len -= sizeof(ro) - 1;
	colon = memrchr(value, ':', len);
	share->option = "--share";
	share->dir = value;
	share->dir_len = colon ? (size_t)(colon - value) : len;
	share->path = colon ? colon + 1 : value + len;
	share->path_len = (size_t)(value + len - share->path);
}

static bool has_dots(const char *path, size_t len)
{
	for (size_t at = 0; at < len;) {
		const size_t part = strcspn(path + at, "/,"); /* ",ro" follows */

		if (part == 2 && path[at] == '.' && path[at + 1] == '.')
			return true;
		at += part + 1;
	}
	return false;
}

const char *share_check(const char *value)
{
	struct share share;

	share_parse(value, &share);
	if (share.dir_len == 0 || share.path_len == 0)
		return "give DIR:PATH or DIR:PATH,ro, such as ./data:/srv/data";
	if (share.dir_len >= PATH_MAX || share.path_len >= PATH_MAX)
		return "too long for a path";
	if (share.path[0] != '/')
		return "PATH must begin with \"/\": it is where the directory appears in the VM";
	if (memchr(share.path, ',', share.path_len))
		return "after PATH comes \",ro\" or nothing; without it the program may write";
	if (has_dots(share.path, share.path_len))
		return "PATH may not have \"..\" in it";
	if (strspn(share.path, "/") >= share.path_len)
		return "PATH cannot be the root directory; give one below it";
	return NULL;
}

void root_parse(const char *value, struct share *share)
{
	static const char rw[] = ",rw";
	const size_t len = strlen(value);
	const bool writes = len >= sizeof(rw) - 1 && !strcmp(value + len - (sizeof(rw) - 1), rw);

	*share = (struct share){
		.option = "--root",
		.dir = value,
		.dir_len = writes ? len - (sizeof(rw) - 1) : len,
		.path = "/",
		.path_len = 1,
		.read_only = !writes,
	};
}

const char *root_check(const char *value)
{
	struct share share;

	root_parse(value, &share);
	if (share.dir_len == 0)
		return "give DIR or DIR,rw, such as / or ./debian, or an image";
	return share.dir_len < PATH_MAX ? NULL : "too long for a path";
}
