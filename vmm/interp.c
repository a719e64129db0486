/*
 * See interp.h. The guest loads the interpreter from its own file system, so
 * it must be there; whether a directory that is brought in really has it, only
 * the guest finds out.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "copy.h"
#include "fail.h"
#include "fs.h"
#include "interp.h"

#define GLIBC_LOADER "ld-linux"

/* Options for one error line; what doesn't fit is cut off. */
struct line {
	char text[1024];
	size_t len;
};

static void add(struct line *line, const char *path, const char *dir, size_t dir_len)
{
	size_t room = sizeof(line->text) - line->len;
	int n = snprintf(line->text + line->len, room, " --copy %s:%.*s/", path, (int)dir_len, dir);

	if (n > 0 && (size_t)n < room)
		line->len += (size_t)n;
	line->text[line->len] = 0;
}

/* A file, to the directory that it is in. */
static void add_file(struct line *line, const char *path)
{
	add(line, path, path, (size_t)(strrchr(path, '/') - path));
}

/* The interpreter of a program on the host, "" if it has none. */
static void interpreter_of(const char *path, char name[ELF_NAME])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	static struct elf elf;
	struct stat st;
	void *bytes = MAP_FAILED;

	name[0] = 0;
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
		bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (fd >= 0)
		close(fd);
	if (bytes == MAP_FAILED)
		return;
	if (!elf_parse(&elf, bytes, (size_t)st.st_size) && elf.interpreter[0] == '/')
		strcpy(name, elf.interpreter);
	munmap(bytes, (size_t)st.st_size);
}

/* A loader, and where the libraries are that it looks for; musl's loader is
 * its C library, too. */
static void add_loader(struct line *line, const char *loader)
{
	static const char debian[] = "/lib/x86_64-linux-gnu";
	const char *lib = access(debian, F_OK) == 0 ? debian : "/usr/lib64";

	add_file(line, loader);
	if (strstr(loader, GLIBC_LOADER))
		add(line, lib, lib, (size_t)(strrchr(lib, '/') - lib));
}

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
	struct line line = { .len = 0 };
	char loader[ELF_NAME];

	if (image->elf.pvh || !name[0] || may_be_there(options, name))
		return;
	if (!image->elf.script) {
		add_loader(&line, name);
		fail(EXIT_CANNOT_RUN,
		     "%s: is dynamically linked and needs %s inside the VM; run: vmm run %s%s",
		     options->image, name, options->image, line.text);
	}
	add_file(&line, name);
	interpreter_of(name, loader);
	if (loader[0])
		add_loader(&line, loader);
	fail(EXIT_CANNOT_RUN, "%s: is a script and needs %s inside the VM; run: vmm run %s%s",
	     options->image, name, options->image, line.text);
}
