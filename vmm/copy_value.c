/* The text of --copy, see copy.h. */
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include "copy.h"

const char *copy_path_end(const char *value)
{
	const char *colon = strrchr(value, ':');

	return colon ? colon : value + strlen(value);
}

static bool has_dots(const char *path)
{
	for (;;) {
		size_t len = strcspn(path, "/");

		if (len == 2 && path[0] == '.' && path[1] == '.')
			return true;
		if (!path[len])
			return false;
		path += len + 1;
	}
}

const char *copy_check(const char *value)
{
	const char *end = copy_path_end(value);

	if (end == value)
		return "give PATH or PATH:DEST, such as ./data or ./data:/srv/data";
	if (end - value >= PATH_MAX)
		return "PATH is too long for a path";
	if (!*end)
		return NULL;
	if (end[1] != '/')
		return "DEST must begin with \"/\"; a PATH with a colon in it needs a DEST too, as "
		       "in a:b:/a:b";
	if (has_dots(end + 1))
		return "DEST may not have \"..\" in it";
	if (strlen(end + 1) >= PATH_MAX)
		return "DEST is too long for a path";
	return NULL;
}
