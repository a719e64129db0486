/* What --copy names, see copy.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "copy.h"
#include "copy_list.h"
#include "fail.h"
#include "timeline.h"

/*
 * As cp -r has it: without DEST the last part of PATH below the root; DEST/
 * means into that directory; so "dir/." is what is in dir.
 */
static bool destination(const char *path, const char *dest, char out[PATH_MAX])
{
	size_t len = strlen(path);
	const char *name = "";
	char part[PATH_MAX];

	if (!dest)
		dest = "/";
	if (dest[strlen(dest) - 1] == '/') {
		while (len > 0 && path[len - 1] == '/')
			len--;
		memcpy(part, path, len);
		part[len] = 0;
		name = strrchr(part, '/');
		name = name ? name + 1 : part;
	}
	return copy_join(out, dest, name);
}

/* PATH alone; DEST or NULL. */
static const char *split(const char *value, char path[PATH_MAX])
{
	const char *end = copy_path_end(value);

	memcpy(path, value, (size_t)(end - value));
	path[end - value] = 0;
	return *end ? end + 1 : NULL;
}

bool copy_may_bring(const char *value, const char *path)
{
	char from[PATH_MAX], to[PATH_MAX], wanted[PATH_MAX];
	const char *dest = split(value, from);
	int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool image = fd >= 0 && copy_is_cpio(fd);
	size_t len;

	if (fd >= 0)
		close(fd);
	if (!copy_join(wanted, path, "") ||
	    !(image ? copy_join(to, dest ? dest : "", "") : destination(from, dest, to)))
		return false;
	len = strlen(to);
	return !len || (!strncmp(to, wanted, len) && (!wanted[len] || wanted[len] == '/'));
}

static void load_one(struct copy_list *list, const char *value)
{
	char path[PATH_MAX], to[PATH_MAX];
	const char *dest = split(value, path);
	struct stat st;
	int fd;

	list->from = value;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		fail(EXIT_VMM, "--copy %s: not found; give the path of a file or directory", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		fail(EXIT_VMM, "--copy %s: cannot be opened: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		fail(EXIT_VMM,
		     "--copy %s: is neither a file nor a directory; copy what it has to "
		     "a file first",
		     path);
	if (S_ISREG(st.st_mode) && copy_is_cpio(fd)) {
		if (!copy_join(to, dest ? dest : "", ""))
			fail(EXIT_VMM, "--copy %s: DEST is too long", value);
		copy_cpio(list, fd, path, to);
	} else {
		if (!destination(path, dest, to))
			fail(EXIT_VMM, "--copy %s: say where to, as in %s:/DEST", value, path);
		if (!to[0] && S_ISREG(st.st_mode))
			fail(EXIT_VMM, "--copy %s: a file cannot be the root directory", value);
		copy_tree(list, fd, path, to);
	}
	close(fd);
}

struct copied copy_load(struct guest_mem *mem, const struct string_list *values)
{
	struct copied copied = { .files_size = 0 };
	struct copy_list list;

	if (values->count == 0)
		return copied;
	copy_list_init(&list, mem);
	for (unsigned i = 0; i < values->count; i++)
		load_one(&list, values->item[i]);
	copy_list_finish(&list, mem, &copied.files_gpa, &copied.files_size);
	mem->contents.base = list.base;
	mem->contents.gpa = list.gpa;
	mem->contents.size = list.used;
	return copied;
}
