/*
 * ops OP ARG... [, OP ARG...]...: operations on files, one after the other in
 * one process, as the guest has no other. What they find is printed, and why one
 * failed; so the outputs of two systems can be compared.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "attributes.h"

static void dump(int fd)
{
	unsigned long long sum = 14695981039346656037ull, size = 0;
	unsigned char buf[3000];
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (size == 0 && n < 100)
			printf("%.*s", (int)n, (char *)buf);
		for (ssize_t i = 0; i < n; i++)
			sum = (sum ^ buf[i]) * 1099511628211ull;
		size += (unsigned long long)n;
	}
	printf("%s: %llu bytes, %llx\n", n < 0 ? strerror(errno) : "content", size, sum);
}

static int cat(char **arg)
{
	int fd = open(arg[0], O_RDONLY);

	if (fd < 0)
		return -1;
	dump(fd);
	return close(fd);
}

static int kept = -1;

static int keep(char **arg)
{
	kept = open(arg[0], O_RDONLY);
	return kept < 0 ? -1 : 0;
}

static int again(char **arg)
{
	(void)arg;
	dump(kept);
	return close(kept);
}

static int put(const char *path, int flags, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | flags, 0644);
	ssize_t n = fd < 0           ? -1 :
		    flags & O_APPEND ? write(fd, text, strlen(text)) :
				       pwrite(fd, text, strlen(text), at);

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

static int make(char **arg)
{
	return put(arg[0], O_CREAT | O_TRUNC, 0, arg[1]);
}

static int append(char **arg)
{
	return put(arg[0], O_APPEND, 0, arg[1]);
}

static int poke(char **arg)
{
	return put(arg[0], 0, atol(arg[1]), arg[2]);
}

static int do_stat(char **arg)
{
	struct stat st;

	if (lstat(arg[0], &st) < 0)
		return -1;
	printf("mode %o, owner %u:%u, modified %lld", st.st_mode, st.st_uid, st.st_gid,
	       S_ISREG(st.st_mode) ? (long long)st.st_mtime / 100000 : 0ll);
	if (!S_ISDIR(st.st_mode))
		printf(", size %lld, links %lu", (long long)st.st_size, (unsigned long)st.st_nlink);
	printf("\n");
	return 0;
}

static int list(char **arg)
{
	struct dirent **entry;
	int n = scandir(arg[0], &entry, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		printf(" %s/%d", entry[i]->d_name, entry[i]->d_type);
		free(entry[i]);
	}
	if (n < 0)
		return -1;
	free(entry);
	printf("\n");
	return 0;
}

static int do_link(char **arg)
{
	char target[200];
	ssize_t n = readlink(arg[0], target, sizeof(target));

	if (n < 0)
		return -1;
	printf("-> %.*s\n", (int)n, target);
	return 0;
}

static int do_mkdir(char **arg)
{
	return mkdir(arg[0], 0755);
}

static int do_rename(char **arg)
{
	return rename(arg[0], arg[1]);
}

static int swap(char **arg)
{
	return renameat2(AT_FDCWD, arg[0], AT_FDCWD, arg[1], RENAME_EXCHANGE);
}

static int hard(char **arg)
{
	return link(arg[0], arg[1]);
}

static int soft(char **arg)
{
	return symlink(arg[0], arg[1]);
}

static int do_chmod(char **arg)
{
	return chmod(arg[0], (mode_t)strtol(arg[1], NULL, 8));
}

static int own(char **arg)
{
	return chown(arg[0], 7, 8);
}

static int cut(char **arg)
{
	return truncate(arg[0], atol(arg[1]));
}

static int rm(char **arg)
{
	return unlink(arg[0]);
}

static int do_rmdir(char **arg)
{
	return rmdir(arg[0]);
}

/* "@N": so many bytes. */
static int label(char **arg)
{
	static char many[65537];
	const bool letters = arg[2][0] == '@';
	const size_t n = letters ? strtoul(arg[2] + 1, NULL, 10) : strlen(arg[2]);

	memset(many, 'm', sizeof(many));
	return lsetxattr(arg[0], arg[1], letters ? many : arg[2], n, 0);
}

static int relabel(char **arg)
{
	return lsetxattr(arg[0], arg[1], arg[2], strlen(arg[2]), XATTR_REPLACE);
}

static int unlabel(char **arg)
{
	return lremovexattr(arg[0], arg[1]);
}

static int labels(char **arg)
{
	char *name[ATTRIBUTES], value[65536];
	int n = attribute_names(arg[0], name);

	for (int i = 0; i < n; i++) {
		ssize_t len = lgetxattr(arg[0], name[i], value, sizeof(value));

		if (len < 0 || lgetxattr(arg[0], name[i], NULL, 0) != len)
			return -1;
		printf(" %s=%.*s/%zd", name[i], (int)(len < 20 ? len : 20), value, len);
	}
	printf("\n");
	return n < 0 ? -1 : 0;
}

static const struct {
	const char *name;
	int args;
	int (*run)(char **arg);
} op[] = {
	{ "cat", 1, cat },        { "keep", 1, keep },       { "again", 0, again },
	{ "make", 2, make },      { "append", 2, append },   { "poke", 3, poke },
	{ "stat", 1, do_stat },   { "ls", 1, list },         { "link", 1, do_link },
	{ "mkdir", 1, do_mkdir }, { "mv", 2, do_rename },    { "swap", 2, swap },
	{ "hard", 2, hard },      { "soft", 2, soft },       { "chmod", 2, do_chmod },
	{ "own", 1, own },        { "truncate", 2, cut },    { "rm", 1, rm },
	{ "rmdir", 1, do_rmdir }, { "label", 3, label },     { "relabel", 3, relabel },
	{ "labels", 1, labels },  { "unlabel", 2, unlabel },
};

static void run(int n, char **word)
{
	for (unsigned i = 0; i < sizeof(op) / sizeof(op[0]); i++) {
		if (strcmp(op[i].name, word[0]) || n != op[i].args + 1)
			continue;
		for (int j = 0; j < n; j++)
			printf("%s ", word[j]);
		printf(": ");
		printf("%s\n", op[i].run(word + 1) < 0 ? strerror(errno) : "done");
		return;
	}
	fprintf(stderr, "ops: %s: no such operation\n", word[0]);
	exit(2);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc;) {
		int n = 0;

		while (i + n < argc && strcmp(argv[i + n], ",") != 0)
			n++;
		if (n > 0)
			run(n, argv + i);
		i += n + 1;
	}
	return 0;
}
