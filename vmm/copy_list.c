/* The entries of --copy and the region of their contents, see copy_list.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../shared/x86.h"
#include "copy_list.h"
#include "fail.h"
#include "options.h"

/* The guest reaches physical memory through a window of this size
 * (guest/kernel/kcall.h, DIRECT_MAP). */
#define REACH (512ull << 30)

/* Of the 65,530 mappings that Linux gives a process; files beyond are read. */
#define MAPPINGS_MAX 32768

#define TAKE_STEP  (1ull << 20) /* memory is made writable in such pieces */
#define ENTRY_COST 512 /* of the guest's memory for a name and its inode */

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & -unit;
}

/* ---- the region */

void copy_list_init(struct copy_list *list, const struct guest_mem *mem)
{
	const uint64_t top =
		mem->size > mem->low ? RAM_HOLE_END + mem->size - mem->low : RAM_HOLE_END;
	void *p;

	*list = (struct copy_list){ .gpa = round_up(top, 1ull << 30) };
	list->limit = REACH - list->gpa;
	p = mmap(NULL, list->limit + BLOCK_SIZE, PROT_NONE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		fail(EXIT_VMM, "--copy: cannot reserve address space: %s; raise \"ulimit -v\"",
		     strerror(errno));
	/* aligned as in the guest, so that both can use large pages */
	list->base = (uint8_t *)round_up((uint64_t)p, BLOCK_SIZE);
}

static uint64_t reserve(struct copy_list *list, uint64_t size)
{
	const uint64_t at = list->used;

	if (size > list->limit - at)
		fail(EXIT_VMM, "--copy %s: more than %llu GiB in all; give such data as a --disk",
		     list->from, (unsigned long long)list->limit >> 30);
	list->used = at + round_up(size, PAGE_SIZE);
	return at;
}

uint8_t *copy_list_take(struct copy_list *list, uint64_t size, uint64_t *gpa)
{
	const uint64_t at = reserve(list, size);
	uint64_t from = list->writable > at ? list->writable : at, end = list->used;

	if (end > from) {
		end = round_up(end, TAKE_STEP) < list->limit ? round_up(end, TAKE_STEP) : end;
		if (mprotect(list->base + from, end - from, PROT_READ | PROT_WRITE) < 0)
			fail(EXIT_VMM, "--copy %s: no memory: %s", list->from, strerror(errno));
		list->writable = end;
	}
	*gpa = list->gpa + at;
	return list->base + at;
}

void copy_read(int fd, void *to, uint64_t size, uint64_t offset, const char *name)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(EXIT_VMM, "--copy %s: cannot be read: %s", name, strerror(errno));
		if (n == 0)
			fail(EXIT_VMM, "--copy %s: ends too early; was it being written?", name);
		to = (uint8_t *)to + n;
		offset += (uint64_t)n;
		size -= (uint64_t)n;
	}
}

uint64_t copy_list_map(struct copy_list *list, int fd, uint64_t size, const char *name)
{
	const uint64_t at = reserve(list, size);
	uint8_t *to = list->base + at;

	if (list->mappings < MAPPINGS_MAX &&
	    mmap(to, size, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) != MAP_FAILED) {
		list->mappings++;
		return list->gpa + at;
	}
	/* what failed may have taken away what was there */
	if (mmap(to, size, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
		fail(EXIT_VMM, "--copy %s: no memory: %s", name, strerror(errno));
	copy_read(fd, to, size, 0, name);
	return list->gpa + at;
}

/* ---- the entries */

static void *allocated(void *p)
{
	if (!p)
		fail(EXIT_VMM, "--copy: out of memory");
	return p;
}

bool copy_join(char out[PATH_MAX], const char *dir, const char *below)
{
	const char *part[] = { dir, below };
	size_t n = 0;

	for (unsigned i = 0; i < 2; i++) {
		const char *p = part[i];

		for (size_t len; *p; p += len) {
			p += strspn(p, "/");
			len = strcspn(p, "/");
			if (len == 0 || (len == 1 && p[0] == '.'))
				continue;
			if ((len == 2 && p[0] == '.' && p[1] == '.') || len > NAME_MAX ||
			    n + 1 + len >= PATH_MAX - 1) /* the guest adds a slash */
				return false;
			if (n > 0)
				out[n++] = '/';
			memcpy(out + n, p, len);
			n += len;
		}
	}
	out[n] = 0;
	return true;
}

size_t copy_list_add(struct copy_list *list, const char *path, const char *link,
		     const struct copied_file *file)
{
	struct copy_entry *e;

	if (list->count == list->room) {
		list->room = list->room ? 2 * list->room : 16;
		list->entry = allocated(realloc(list->entry, list->room * sizeof(*list->entry)));
	}
	e = &list->entry[list->count];
	*e = (struct copy_entry){ .from = list->from, .file = *file };
	e->path = allocated(strdup(path));
	e->link = link ? allocated(strdup(link)) : NULL;
	e->file.name_len = (uint32_t)strlen(path);
	e->file.link_len = link ? (uint32_t)strlen(link) : 0;
	return list->count++;
}

static bool is_dir(const struct copy_entry *e)
{
	return (e->file.mode & 0170000) == 0040000;
}

static int compare(const void *a, const void *b)
{
	const struct copy_entry *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static void check_doubles(const struct copy_list *list)
{
	for (size_t i = 1; i < list->count; i++) {
		const struct copy_entry *e = &list->entry[i];

		if (!strcmp(e[-1].path, e->path) && !(is_dir(e) && is_dir(e - 1)))
			fail(EXIT_VMM,
			     "--copy %s: /%s comes from --copy %s already; leave one out, or give "
			     "another DEST",
			     e->from, e->path, e[-1].from);
	}
}

/* Of directories that come twice one stays. */
static void drop_doubles(struct copy_list *list)
{
	size_t n = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct copy_entry e = list->entry[i];

		if (i > 0 && !strcmp(list->entry[n - 1].path, e.path))
			free(e.path);
		else
			list->entry[n++] = e;
	}
	list->count = n;
}

static const struct copy_entry *find(const struct copy_list *list, char *path)
{
	const struct copy_entry key = { .path = path };

	return bsearch(&key, list->entry, list->count, sizeof(key), compare);
}

/* Nothing may lie below what is no directory. */
static void check_parents(const struct copy_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct copy_entry *e = &list->entry[i], *above;
		char path[PATH_MAX];

		strcpy(path, e->path);
		for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
			*slash = 0;
			above = find(list, path);
			if (above && !is_dir(above))
				fail(EXIT_VMM,
				     "--copy %s: /%s cannot be made, as /%s (--copy %s) is no "
				     "directory; give another DEST",
				     e->from, e->path, above->path, above->from);
			if (above)
				break; /* whose own parents are looked at too */
		}
	}
}

static uint64_t record_size(const struct copy_entry *e)
{
	return round_up(sizeof(e->file) + e->file.name_len + e->file.link_len, 8);
}

void copy_list_finish(struct copy_list *list, const struct guest_mem *mem, uint64_t *gpa,
		      uint64_t *size)
{
	uint8_t *to;

	if (list->count == 0)
		return;
	/* strcmp() order has parents first: "a" before "a/b" */
	qsort(list->entry, list->count, sizeof(*list->entry), compare);
	check_doubles(list);
	drop_doubles(list);
	check_parents(list);
	if (list->count * ENTRY_COST > mem->size / 2)
		fail(EXIT_VMM,
		     "--copy: %zu files are too many for the memory of the VM; give it --mem %lluM",
		     list->count, (unsigned long long)(list->count * 2 * ENTRY_COST >> 20) + 1);
	*size = 0;
	for (size_t i = 0; i < list->count; i++)
		*size += record_size(&list->entry[i]);
	to = copy_list_take(list, *size, gpa);
	for (size_t i = 0; i < list->count; i++) {
		struct copy_entry *e = &list->entry[i];
		uint8_t *p = mempcpy(to, &e->file, sizeof(e->file));

		p = mempcpy(p, e->path, e->file.name_len);
		if (e->link)
			memcpy(p, e->link, e->file.link_len);
		to += record_size(e);
		free(e->path);
		free(e->link);
	}
	free(list->entry);
	list->entry = NULL;
}
