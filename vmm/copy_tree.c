/*
 * Files and directories of the host for --copy. Symbolic links below a
 * directory are copied, not followed. A hard link is mapped once more.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "copy_list.h"
#include "fail.h"
#include "options.h"

struct walk {
	struct copy_list *list;
	char name[PATH_MAX]; /* on the host */
	char path[PATH_MAX]; /* in the guest */
	unsigned sockets; /* that were left out */
};

static void walk_dir(struct walk *w, int fd);

static _Noreturn void fail_file(const struct walk *w, const char *what)
{
	fail(EXIT_VMM, "--copy %s: %s: %s", w->name, what, strerror(errno));
}

static struct copied_file describe(const struct stat *st)
{
	return (struct copied_file){
		.mtime_ns = st->st_mtim.tv_sec * 1000000000ll + st->st_mtim.tv_nsec,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		/* as userland sees it: the low 32 bits are the guest's own form */
		.rdev = (uint32_t)st->st_rdev,
	};
}

static void add_open(struct walk *w, int fd)
{
	struct copied_file file;
	struct stat st;

	if (fstat(fd, &st) < 0)
		fail_file(w, "cannot be read");
	file = describe(&st);
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		file.size = (uint64_t)st.st_size;
		file.gpa = copy_list_map(w->list, fd, file.size, w->name);
	}
	if (w->path[0]) /* the root directory keeps its own attributes */
		copy_list_add(w->list, w->path, NULL, &file);
	if (S_ISDIR(st.st_mode))
		walk_dir(w, fd);
}

static void add_link(struct walk *w, int dir, const char *name, const struct stat *st)
{
	struct copied_file file = describe(st);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target) - 1);

	if (n < 0)
		fail_file(w, "cannot be read");
	target[n] = 0;
	copy_list_add(w->list, w->path, target, &file);
}

static void add_entry(struct walk *w, int dir, const char *name)
{
	struct copied_file file;
	struct stat st;
	int fd;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		fail_file(w, "cannot be read");
	if (S_ISSOCK(st.st_mode)) {
		if (w->sockets++ == 0)
			warn("--copy %s: is a socket: it and any others are left out", w->name);
		return;
	}
	if (S_ISLNK(st.st_mode)) {
		add_link(w, dir, name, &st);
		return;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		file = describe(&st);
		copy_list_add(w->list, w->path, NULL, &file);
		return;
	}
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW);
	if (fd < 0)
		fail_file(w, "cannot be opened");
	add_open(w, fd);
	close(fd);
}

/* One part more; false: no room for it. */
static bool append(char path[PATH_MAX], const char *name)
{
	size_t n = strlen(path);
	int len =
		snprintf(path + n, PATH_MAX - n, "%s%s", n && path[n - 1] != '/' ? "/" : "", name);

	return len >= 0 && (size_t)len < PATH_MAX - n - 1;
}

static void walk_dir(struct walk *w, int fd)
{
	const size_t name_len = strlen(w->name), path_len = strlen(w->path);
	DIR *dir = fdopendir(dup(fd));
	struct dirent *d;

	if (!dir)
		fail_file(w, "cannot be read");
	while (errno = 0, (d = readdir(dir)) != NULL) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		if (!append(w->name, d->d_name) || !append(w->path, d->d_name)) {
			errno = ENAMETOOLONG;
			fail_file(w, "cannot be copied");
		}
		add_entry(w, fd, d->d_name);
		w->name[name_len] = w->path[path_len] = 0;
	}
	if (errno)
		fail_file(w, "cannot be read");
	closedir(dir);
}

void copy_tree(struct copy_list *list, int fd, const char *name, const char *path)
{
	struct walk w = { .list = list };

	strcpy(w.name, name);
	strcpy(w.path, path);
	add_open(&w, fd);
}
