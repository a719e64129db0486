/* Files into guest memory, see load.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "../shared/abi.h"
#include "../shared/x86.h"
#include "fail.h"
#include "load.h"
#include "options.h"

#define ROOM_WANTED   (256u << 10) /* left for the guest above 1 MiB, where possible */
#define PIE_STEPS     (1u << 19)
#define LARGE_PROGRAM (1u << 20) /* from here on, on a 2 MiB boundary */

static uint64_t round_up(uint64_t n, uint64_t unit)
{
	return (n + unit - 1) & -unit;
}

/* ---- finding and opening */

/* What it is not is said before what is wrong in it. */
void load_opened(struct image *image, const char *name, const char *what)
{
	struct stat st;
	const char *why;

	if (image->fd == -ENOENT || image->fd == -ENOTDIR)
		fail(EXIT_NOT_FOUND, "%s: not found; give the path of a %s", name, what);
	if (image->fd < 0)
		fail(EXIT_CANNOT_RUN, "%s: cannot be opened: %s", name, strerror(-image->fd));
	if (fstat(image->fd, &st) < 0)
		fail(EXIT_VMM, "%s: fstat: %s", name, strerror(errno));
	if (S_ISDIR(st.st_mode))
		fail(EXIT_CANNOT_RUN, "%s: is a directory; give the path of a %s", name, what);
	if (!S_ISREG(st.st_mode))
		fail(EXIT_CANNOT_RUN, "%s: is not a regular file; give the path of a %s", name,
		     what);
	image->size = (uint64_t)st.st_size;
	image->bytes = (const uint8_t *)"";
	if (image->size > 0)
		image->bytes = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, image->fd, 0);
	if (image->bytes == MAP_FAILED)
		fail(EXIT_CANNOT_RUN, "%s: cannot be mapped: %s; copy it to another file system",
		     name, strerror(errno));
	why = elf_parse(&image->elf, image->bytes, image->size);
	if (why)
		fail(EXIT_CANNOT_RUN, "%s: %s", name, why);
}

static void open_image(struct image *image, const char *name, const char *what)
{
	image->fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (image->fd < 0)
		image->fd = -errno;
	load_opened(image, name, what);
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

const char *load_path(const char *value)
{
	if (!value)
		value = getenv("PATH");
	return value ? value : "/bin:/usr/bin";
}

bool load_next_in_path(const char **dirs, const char *name, char path[PATH_MAX])
{
	while (**dirs) {
		const char *dir = *dirs, *end = strchrnul(dir, ':');
		int n = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - dir), dir,
				 end == dir ? "" : "/", name);

		*dirs = *end ? end + 1 : end;
		if (n > 0 && n < PATH_MAX)
			return true;
	}
	return false;
}

/* As execvp() does it, but a file in the current directory comes last. */
static void find_in_path(struct image *image, const char *name)
{
	const char *dirs = load_path(NULL);

	while (load_next_in_path(&dirs, name, image->path))
		if (is_program(image->path))
			return;
	if (access(name, F_OK) < 0)
		fail(EXIT_NOT_FOUND, "%s: not found in PATH nor here; give its path", name);
	strcpy(image->path, name);
}

void load_image(struct image *image, const char *name)
{
	if (strlen(name) >= sizeof(image->path))
		fail(EXIT_NOT_FOUND, "the name of the program is too long for a path");
	if (strchr(name, '/'))
		strcpy(image->path, name);
	else
		find_in_path(image, name);
	open_image(image, name, "program");
	if (image->elf.pvh)
		return;
	if (access(image->path, X_OK) < 0)
		fail(EXIT_CANNOT_RUN, "%s: may not be executed; chmod +x it", name);
}

/* A part of Mayfly: where the environment says, or beside this program, or
 * where `make install` puts it from there. */
static bool find_part(char *path, size_t size, const char *variable, const char *const place[2])
{
	const char *env = getenv(variable);
	ssize_t n;

	if (env && *env) {
		snprintf(path, size, "%s", env);
		return access(path, F_OK) == 0;
	}
	n = readlink("/proc/self/exe", path, size - strlen(place[1]) - 1);
	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n < 0)
		n = 0; /* no /proc: the current directory is the best guess */
	for (unsigned i = 0; i < 2; i++) {
		strcpy(path + n, place[i]);
		if (access(path, F_OK) == 0)
			return true;
	}
	return false;
}

bool load_find_guest_image(char *path, size_t size)
{
	static const char *const place[] = { "guest.elf", "../share/mayfly/guest.elf" };

	return find_part(path, size, "MAYFLY_GUEST", place);
}

bool load_find_slirp(char *path, size_t size)
{
	static const char *const place[] = { "vmm-slirp", "../libexec/mayfly/vmm-slirp" };

	return find_part(path, size, "MAYFLY_SLIRP", place);
}

void load_guest_image(struct image *image, const char *path)
{
	if (path)
		snprintf(image->path, sizeof(image->path), "%s", path);
	else if (!load_find_guest_image(image->path, sizeof(image->path)))
		fail(EXIT_VMM,
		     "the guest image is not beside this program, nor at %s; build it with "
		     "\"make\", "
		     "or set MAYFLY_GUEST to its path",
		     image->path);
	open_image(image, image->path, "guest image");
	if (!image->elf.pvh)
		fail(EXIT_CANNOT_RUN,
		     "%s: is no guest image, it has no PVH entry; programs are run without "
		     "--kernel",
		     image->path);
}

/* ---- placing */

/* Bytes of the file into guest memory, by copy. */
static void read_part(const struct image *image, uint8_t *to, uint64_t offset, uint64_t len)
{
	while (len > 0) {
		ssize_t n = pread(image->fd, to, len, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(EXIT_CANNOT_RUN, "%s: cannot be read: %s", image->path,
			     strerror(errno));
		if (n == 0)
			fail(EXIT_CANNOT_RUN, "%s: became shorter while it was read; run it again",
			     image->path);
		to += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
}

/* Whole pages of the file over guest memory; by copy where that's impossible. */
static void map_part(const struct image *image, uint8_t *to, uint64_t offset, uint64_t len)
{
	if (mmap(to, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, image->fd,
		 (off_t)offset) == MAP_FAILED)
		read_part(image, to, offset, len);
}

/*
 * Pages that belong to the segment alone are mapped; the partial ones at its
 * ends are copied, since another segment may share them, and since the file's
 * bytes behind the segment must not appear in its zeroes.
 */
static void place_segment(const struct guest_mem *mem, const struct image *image,
			  const struct elf_segment *seg)
{
	uint8_t *to = mem_at(mem, seg->paddr, seg->memsz);
	uint64_t offset = seg->offset, left = seg->filesz, part;

	if ((seg->paddr ^ offset) % PAGE_SIZE) {
		read_part(image, to, offset, left);
		return;
	}
	part = -offset % PAGE_SIZE;
	if (part > left)
		part = left;
	read_part(image, to, offset, part);
	to += part;
	offset += part;
	left -= part;
	part = left & -(uint64_t)PAGE_SIZE;
	if (part > 0)
		map_part(image, to, offset, part);
	read_part(image, to + part, offset + part, left - part);
}

static _Noreturn void fail_memory(const char *path, uint64_t need)
{
	fail(EXIT_CANNOT_RUN, "%s: does not fit into the memory of the VM; give it --mem %lluM",
	     path, (unsigned long long)round_up(need, 1 << 20) >> 20);
}

uint64_t load_kernel(const struct guest_mem *mem, const struct image *image)
{
	const struct elf *elf = &image->elf;

	for (unsigned i = 0; i < elf->nsegments; i++) {
		const struct elf_segment *seg = &elf->segment[i];

		if (seg->paddr < LOW_FREE_GPA)
			fail(EXIT_CANNOT_RUN,
			     "%s: has a segment at physical address %#llx, below %#x, which the "
			     "VMM uses; link it higher",
			     image->path, (unsigned long long)seg->paddr, LOW_FREE_GPA);
		if (!mem_at(mem, seg->paddr, seg->memsz)) {
			if (elf->paddr_end > RAM_HOLE_START)
				fail(EXIT_CANNOT_RUN,
				     "%s: has a segment above 3 GiB; link it lower", image->path);
			fail_memory(image->path, elf->paddr_end);
		}
		place_segment(mem, image, seg);
	}
	return round_up(elf->paddr_end, PAGE_SIZE);
}

static bool fits(const struct guest_mem *mem, uint64_t gpa, uint64_t size, uint64_t room)
{
	return gpa <= mem->low && size <= mem->low - gpa && mem->low - gpa - size >= room;
}

uint64_t load_place(const struct guest_mem *mem, uint64_t free, uint64_t size)
{
	uint64_t large = round_up(free, BLOCK_SIZE);

	size = round_up(size, PAGE_SIZE);
	if (size >= LARGE_PROGRAM && fits(mem, large, size, ROOM_WANTED))
		return large;
	if (fits(mem, free, size, ROOM_WANTED))
		return free;
	if (size <= GUEST_IMAGE_GPA - FDT_GPA - PAGE_SIZE)
		return GUEST_IMAGE_GPA - size;
	return fits(mem, free, size, 0) ? free : 0;
}

/* Linux's range, 1 TiB, in steps that let large programs be mapped in blocks. */
static uint64_t choose_base(uint64_t gpa)
{
	uint32_t random;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		fail(EXIT_VMM, "getrandom does not work; use Linux 3.17 or later");
	return PIE_BASE + random % PIE_STEPS * (uint64_t)BLOCK_SIZE + gpa % BLOCK_SIZE;
}

uint64_t load_program(const struct guest_mem *mem, struct image *image, uint64_t free)
{
	uint64_t gpa = load_place(mem, free, image->size);

	if (gpa == 0)
		fail_memory(image->path, free + image->size + ROOM_WANTED);
	map_part(image, mem_at(mem, gpa, image->size), 0, round_up(image->size, PAGE_SIZE));
	if (image->elf.anywhere)
		image->base = choose_base(gpa);
	return gpa;
}
