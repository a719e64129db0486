/*
 * Paths to files, see files.h.
 *
 * A path is walked name by name, each opened in the folder before it, without
 * following symbolic links and without "..": nothing outside the served
 * folder can be reached, whatever its contents are.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "files.h"

#define INDEX "index.html"

static const char *type_of(const char *name)
{
	static const struct {
		const char *suffix, *type;
	} known[] = {
		{ ".html", "text/html; charset=utf-8" },
		{ ".htm", "text/html; charset=utf-8" },
		{ ".txt", "text/plain; charset=utf-8" },
		{ ".md", "text/markdown; charset=utf-8" },
		{ ".css", "text/css" },
		{ ".js", "text/javascript" },
		{ ".json", "application/json" },
		{ ".svg", "image/svg+xml" },
		{ ".png", "image/png" },
		{ ".jpg", "image/jpeg" },
		{ ".jpeg", "image/jpeg" },
		{ ".gif", "image/gif" },
		{ ".webp", "image/webp" },
		{ ".ico", "image/x-icon" },
		{ ".woff2", "font/woff2" },
		{ ".pdf", "application/pdf" },
		{ ".wasm", "application/wasm" },
		{ ".xml", "application/xml" },
		{ ".gz", "application/gzip" },
		{ ".mp4", "video/mp4" },
	};
	const char *suffix = strrchr(name, '.');

	for (unsigned i = 0; suffix && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcasecmp(suffix, known[i].suffix))
			return known[i].type;
	return "application/octet-stream";
}

static int status_of(int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG:
	case EINVAL:
		return 404;
	case EACCES:
	case EPERM:
	case ELOOP: /* a symbolic link */
	case ENXIO: /* a socket, a device without its driver */
		return 403;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return 503;
	default:
		return 500;
	}
}

/* Opens one name in the folder at *fd, which it replaces, and looks at it. */
static int step(int *fd, const char *name, struct stat *st)
{
	/* O_NONBLOCK: a FIFO without a writer would block */
	int next = openat(*fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	int error = errno;

	close(*fd);
	*fd = next;
	if (next < 0)
		return status_of(error);
	if (fstat(next, st) < 0)
		return status_of(errno);
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) ? 200 : 403;
}

/* Takes the next name off the path; false when there is none. A name that is
 * too long for any file is cut, but not to one that could exist. */
static bool next_name(const char **path, char name[NAME_MAX + 2])
{
	size_t len;

	*path += strspn(*path, "/");
	len = strcspn(*path, "/");
	if (len == 0)
		return false;
	memcpy(name, *path, len <= NAME_MAX ? len : NAME_MAX + 1);
	name[len <= NAME_MAX ? len : NAME_MAX + 1] = 0;
	*path += len;
	return true;
}

static int walk(int *fd, const char *path, char name[NAME_MAX + 2], struct stat *st)
{
	const size_t len = strlen(path);
	const bool slash = len > 0 && path[len - 1] == '/';
	int status = fstat(*fd, st) < 0 ? 500 : 200;

	while (status == 200 && next_name(&path, name)) {
		if (!strcmp(name, ".."))
			return 403;
		if (strcmp(name, ".") != 0)
			status = step(fd, name, st);
	}
	if (status == 200 && S_ISDIR(st->st_mode)) {
		if (!slash)
			return 301;
		strcpy(name, INDEX);
		status = step(fd, INDEX, st);
	} else if (status == 200 && slash) {
		status = 404;
	}
	return status == 200 && S_ISDIR(st->st_mode) ? 403 : status;
}

int files_open(int folder, const char *path, struct served_file *file)
{
	char name[NAME_MAX + 2];
	int fd = fcntl(folder, F_DUPFD_CLOEXEC, 0);
	struct stat st;
	int status;

	if (fd < 0)
		return status_of(errno);
	status = walk(&fd, path, name, &st);
	if (status != 200) {
		if (fd >= 0)
			close(fd);
		return status;
	}
	*file = (struct served_file){ fd, (uint64_t)st.st_size, type_of(name) };
	return 200;
}
