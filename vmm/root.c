/* See root.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/openat2.h>
#include "fail.h"
#include "fs.h"
#include "root.h"

/* The directory; opened once. */
static int root_fd(const struct options *options)
{
	static int fd = -1;
	struct share share;

	if (fd < 0) {
		root_parse(options->root, &share);
		fd = share_open(&share);
	}
	return fd;
}

int root_open(const struct options *options, const char *path)
{
	const struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	do
		fd = syscall(SYS_openat2, root_fd(options), path, &how, sizeof(how));
	while (fd < 0 && errno == EAGAIN); /* a rename was in the way */
	return fd < 0 ? -errno : (int)fd;
}

bool root_is_image(const struct options *options)
{
	struct share share;
	struct stat st;
	char path[PATH_MAX];

	if (!options->root)
		return false;
	root_parse(options->root, &share);
	snprintf(path, sizeof(path), "%.*s", (int)share.dir_len, share.dir);
	return stat(path, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

static bool may_execute(int fd)
{
	char name[32];

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	return access(name, X_OK) == 0;
}

/* Relative paths count from --cwd. False: too long. */
static bool from_root(char full[PATH_MAX], const struct options *options, const char *path)
{
	const char *cwd = path[0] == '/' ? "" : options->cwd;
	const size_t len = strlen(cwd);
	int n = snprintf(full, PATH_MAX, "%s%s%s", cwd, len > 0 && cwd[len - 1] != '/' ? "/" : "",
			 path);

	return n > 0 && n < PATH_MAX;
}

static void open_inside(struct image *image, const struct options *options, const char *path)
{
	image->fd = -ENAMETOOLONG;
	if (from_root(image->path, options, path))
		image->fd = root_open(options, image->path);
}

static bool is_program(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && may_execute(fd);
}

static const char *path_variable(const struct options *options)
{
	for (unsigned i = 0; i < options->env.count; i++)
		if (!strncmp(options->env.item[i], "PATH=", 5))
			return load_path(options->env.item[i] + 5);
	return load_path(NULL);
}

static void find_in_path(struct image *image, const struct options *options)
{
	const char *name = options->image, *dirs = path_variable(options);
	char path[PATH_MAX];

	while (load_next_in_path(&dirs, name, path)) {
		open_inside(image, options, path);
		if (is_program(image->fd))
			return;
		if (image->fd >= 0)
			close(image->fd);
	}
	fail(EXIT_NOT_FOUND, "%s: not found in PATH inside of --root %s; give its path there", name,
	     options->root);
}

const char *root_places(const struct options *options, size_t *len)
{
	const char *name = options->image, *dirs = path_variable(options);
	char path[PATH_MAX], full[PATH_MAX], *list = NULL;
	FILE *out = open_memstream(&list, len);

	if (!out)
		fail(EXIT_VMM, "no memory for the paths of %s", name);
	if (strchr(name, '/')) {
		if (!from_root(full, options, name))
			fail(EXIT_NOT_FOUND, "the name of the program is too long for a path");
		fwrite(full, 1, strlen(full) + 1, out);
	} else {
		while (load_next_in_path(&dirs, name, path))
			if (from_root(full, options, path))
				fwrite(full, 1, strlen(full) + 1, out);
	}
	if (fclose(out) || *len == 0)
		fail(EXIT_NOT_FOUND, "%s: PATH names no directory to look in; give its path", name);
	return list;
}

void root_load_image(struct image *image, const struct options *options)
{
	const char *name = options->image;

	if (strchr(name, '/'))
		open_inside(image, options, name);
	else
		find_in_path(image, options);
	load_opened(image, name, "program inside of --root");
	if (!may_execute(image->fd))
		fail(EXIT_CANNOT_RUN, "%s: may not be executed; chmod +x it", name);
}
