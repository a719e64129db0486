/*
 * fsrace DIR SECONDS [SEED]: threads that do to one small tree all that can be done
 * to files, at random and at once. What one wants may have gone by the work of
 * another: that is no error. Wrong is what nobody did: a block of a file that is
 * neither zeroes nor what is written to that place of that file, an errno that
 * Linux has no reason for, a thread that does not end. Prints "good" and, on
 * stderr if VERBOSE is set, how often each operation was done.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "random.h"

#define THREADS 6
#define NAMES   12 /* in each directory */
#define DIRS    3
#define BLOCK   512
#define BLOCKS  160 /* in a file */
#define OPEN    4 /* descriptors that a thread keeps */

struct worker {
	pthread_t thread;
	uint64_t random;
	int fd[OPEN];
	unsigned char buffer[16 * BLOCK];
};

static const char *top;
static time_t end;
static atomic_ulong done[32];
static atomic_int wrong;

static void complain(const char *what, const char *name, int error)
{
	if (wrong++ < 5)
		fprintf(stderr, "fsrace: %s %s: %s\n", what, name, error ? strerror(error) : "");
}

/* One of the few names, of a file or a directory. */
static const char *a_name(struct worker *w, char *to)
{
	unsigned dir = pick(&w->random, DIRS + 1);
	if (dir == DIRS)
		sprintf(to, "%s/n%u", top, pick(&w->random, NAMES));
	else
		sprintf(to, "%s/d%u/n%u", top, dir, pick(&w->random, NAMES));
	return to;
}

/* What others bring about: the name is gone, or another kind of thing by now. */
static void expect(int result, const char *what, const char *name)
{
	static const int usual[] = { ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY,
				     ELOOP,  EINVAL, ENOSPC,  EPERM,  EBUSY,
				     EACCES, EXDEV,  EMLINK,  ESTALE, ENXIO };
	int error = errno;
	if (result >= 0)
		return;
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (error == usual[i])
			return;
	complain(what, name, error);
}

/* ---- contents: a block says which file's it is, and which of it */

static void fill(unsigned char *block, ino_t ino, unsigned number)
{
	uint64_t word = (uint64_t)ino * 1000003 + number + 1;
	for (unsigned i = 0; i < BLOCK; i += 8)
		memcpy(block + i, &word, 8);
}

static void check(const unsigned char *at, size_t n, ino_t ino, unsigned first, const char *how)
{
	static const unsigned char zeroes[BLOCK];
	unsigned char right[BLOCK];
	for (size_t i = 0; i < n; i += BLOCK) {
		size_t some = n - i < BLOCK ? n - i : BLOCK;
		fill(right, ino, first + (unsigned)(i / BLOCK));
		if (memcmp(at + i, right, some) && memcmp(at + i, zeroes, some)) {
			/* halves: written while it was read, or cut within the block */
			size_t same = 0;
			while (same < some && (at[i + same] == right[same] || !at[i + same]))
				same++;
			if (same < some)
				complain(how, "what was never written there", 0);
		}
	}
}

static ino_t ino_of(int fd)
{
	struct stat st;
	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* ---- operations */

static int *a_slot(struct worker *w)
{
	return &w->fd[pick(&w->random, OPEN)];
}

static void do_open(struct worker *w)
{
	static const int flags[] = { O_RDWR | O_CREAT, O_RDWR, O_RDWR | O_CREAT | O_TRUNC,
				     O_RDWR | O_CREAT | O_EXCL, O_RDONLY };
	char name[256];
	int *slot = a_slot(w), fd;
	fd = open(a_name(w, name), flags[pick(&w->random, 5)] | O_NONBLOCK, 0644);
	expect(fd, "open", name);
	if (fd < 0)
		return;
	if (*slot >= 0)
		close(*slot);
	*slot = fd;
}

static void do_close(struct worker *w)
{
	int *slot = a_slot(w);
	if (*slot >= 0)
		close(*slot);
	*slot = -1;
}

static void do_write(struct worker *w)
{
	int fd = *a_slot(w);
	unsigned first = pick(&w->random, BLOCKS), n = 1 + pick(&w->random, 16);
	if (fd < 0)
		return;
	ino_t ino = ino_of(fd);
	for (unsigned i = 0; i < n; i++)
		fill(w->buffer + (size_t)i * BLOCK, ino, first + i);
	ssize_t r = pwrite(fd, w->buffer, (size_t)n * BLOCK, (off_t)first * BLOCK);
	if (r < 0 && errno != EBADF && errno != ENOSPC && errno != EISDIR)
		complain("write", "", errno);
}

static void do_read(struct worker *w)
{
	int fd = *a_slot(w);
	unsigned first = pick(&w->random, BLOCKS), n = 1 + pick(&w->random, 16);
	if (fd < 0)
		return;
	ssize_t r = pread(fd, w->buffer, (size_t)n * BLOCK, (off_t)first * BLOCK);
	if (r > 0)
		check(w->buffer, (size_t)r, ino_of(fd), first, "read");
	else if (r < 0 && errno != EISDIR && errno != EBADF)
		complain("read", "", errno);
}

/* The file may become shorter at any time, so what is mapped is asked for by
 * write(2), which answers EFAULT where a load would be SIGBUS. */
static void do_map(struct worker *w)
{
	int fd = *a_slot(w), to[2];
	unsigned first = pick(&w->random, BLOCKS / 8) * 8;
	if (fd < 0)
		return;
	ino_t ino = ino_of(fd);
	bool shared = pick(&w->random, 2);
	char *at = mmap(NULL, 8192, PROT_READ | PROT_WRITE, shared ? MAP_SHARED : MAP_PRIVATE, fd,
			(off_t)first * BLOCK);
	if (at == MAP_FAILED) {
		if (errno != EACCES && errno != ENODEV && errno != EBADF)
			complain("mmap", "", errno);
		return;
	}
	if (!pipe(to)) {
		ssize_t r = write(to[1], at, 8192);
		if (r > 0 && read(to[0], w->buffer, (size_t)r) == r)
			check(w->buffer, (size_t)r, ino, first, "mapping");
		if (shared) { /* into it */
			fill(w->buffer, ino, first);
			if (write(to[1], w->buffer, BLOCK) == BLOCK)
				(void)!read(to[0], at, BLOCK);
		}
		close(to[0]);
		close(to[1]);
	}
	munmap(at, 8192);
}

static void do_truncate(struct worker *w)
{
	int fd = *a_slot(w);
	if (fd >= 0 && ftruncate(fd, (off_t)pick(&w->random, BLOCKS) * BLOCK) && errno != EINVAL &&
	    errno != EBADF && errno != ENOSPC)
		complain("ftruncate", "", errno);
}

static void do_fsync(struct worker *w)
{
	int fd = *a_slot(w);
	if (fd >= 0 && fsync(fd))
		complain("fsync", "", errno);
}

static void do_stat(struct worker *w)
{
	char name[256];
	struct stat st;
	expect(stat(a_name(w, name), &st), "stat", name);
	expect(lstat(a_name(w, name), &st), "lstat", name);
}

static void do_unlink(struct worker *w)
{
	char name[256];
	expect(unlink(a_name(w, name)), "unlink", name);
}

static void do_rename(struct worker *w)
{
	char from[256], to[256];
	expect(rename(a_name(w, from), a_name(w, to)), "rename", from);
}

static void do_exchange(struct worker *w)
{
	char from[256], to[256];
	expect(renameat2(AT_FDCWD, a_name(w, from), AT_FDCWD, a_name(w, to),
			 pick(&w->random, 2) ? RENAME_EXCHANGE : RENAME_NOREPLACE),
	       "renameat2", from);
}

static void do_link(struct worker *w)
{
	char from[256], to[256];
	expect(link(a_name(w, from), a_name(w, to)), "link", from);
}

static void do_symlink(struct worker *w)
{
	char target[32], to[256];
	sprintf(target, "n%u", pick(&w->random, NAMES));
	expect(symlink(target, a_name(w, to)), "symlink", to);
}

static void do_mkdir(struct worker *w)
{
	char name[256];
	expect(mkdir(a_name(w, name), 0755), "mkdir", name);
}

static void do_rmdir(struct worker *w)
{
	char name[256];
	expect(rmdir(a_name(w, name)), "rmdir", name);
}

static void do_list(struct worker *w)
{
	char name[256];
	const struct dirent *e;
	unsigned n = 0;
	sprintf(name, "%s/d%u", top, pick(&w->random, DIRS));
	DIR *dir = opendir(pick(&w->random, 3) ? name : top);
	if (!dir)
		return;
	while ((e = readdir(dir)) && n++ < 1000)
		if (e->d_name[0] != 'n' && e->d_name[0] != 'd' && e->d_name[0] != '.' &&
		    strcmp(e->d_name, "lost+found"))
			complain("readdir", e->d_name, 0);
	if (n >= 1000)
		complain("readdir", "without an end", 0);
	closedir(dir);
}

static const struct {
	const char *name;
	void (*work)(struct worker *w);
	unsigned often;
} operations[] = {
	{ "open", do_open, 12 },        { "close", do_close, 3 },
	{ "write", do_write, 12 },      { "read", do_read, 12 },
	{ "map", do_map, 4 },           { "truncate", do_truncate, 3 },
	{ "fsync", do_fsync, 1 },       { "stat", do_stat, 6 },
	{ "unlink", do_unlink, 5 },     { "rename", do_rename, 6 },
	{ "exchange", do_exchange, 2 }, { "link", do_link, 3 },
	{ "symlink", do_symlink, 2 },   { "mkdir", do_mkdir, 3 },
	{ "rmdir", do_rmdir, 3 },       { "list", do_list, 3 },
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void *run(void *worker)
{
	struct worker *w = worker;
	while (time(NULL) < end && !wrong) {
		unsigned number = pick(&w->random, 80), i = 0;
		for (; number >= operations[i].often; i++)
			number -= operations[i].often;
		operations[i].work(w);
		done[i]++;
	}
	for (int i = 0; i < OPEN; i++)
		if (w->fd[i] >= 0)
			close(w->fd[i]);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	char name[256];

	if (argc < 3) {
		fprintf(stderr, "fsrace DIR SECONDS [SEED]\n");
		return 2;
	}
	top = argv[1];
	end = time(NULL) + atoi(argv[2]);
	for (int i = 0; i < DIRS; i++) {
		sprintf(name, "%s/d%d", top, i);
		if (mkdir(name, 0755) && errno != EEXIST) {
			perror(name);
			return 2;
		}
	}
	for (int i = 0; i < THREADS; i++) {
		workers[i].random = 88172645463325252ull + (uint64_t)i * 7919 +
				    (argc > 3 ? strtoull(argv[3], NULL, 0) << 20 : 0);
		memset(workers[i].fd, 0xff, sizeof(workers[i].fd));
		pthread_create(&workers[i].thread, NULL, run, &workers[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(workers[i].thread, NULL);
	sync();
	if (getenv("VERBOSE"))
		for (size_t i = 0; i < OPERATIONS; i++)
			fprintf(stderr, "%s %lu\n", operations[i].name, done[i]);
	printf(wrong ? "%d wrong\n" : "good\n", wrong);
	return wrong != 0;
}
