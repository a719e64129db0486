/*
 * cpio images for --copy: the "new ASCII" format, magic 070701, or 070702 with
 * a checksum (Linux, Documentation/driver-api/early-userspace/
 * buffer-format.rst). A header is 6 characters of magic and 13 fields of 8
 * hexadecimal digits; the name follows, then the contents, each padded to a
 * multiple of 4. Names of one inode (hard links) stand together; only the last
 * has the contents. The image is untrusted.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "copy_list.h"
#include "fail.h"
#include "options.h"

#define HEADER_SIZE 110

enum field {
	INO,
	MODE,
	UID,
	GID,
	NLINK,
	MTIME,
	FILESIZE,
	DEV_MAJOR,
	DEV_MINOR,
	RDEV_MAJOR,
	RDEV_MINOR,
	NAMESIZE,
	CHECK,
	FIELDS
};

struct cpio {
	struct copy_list *list;
	int fd;
	const char *name; /* of the image */
	uint64_t at, size;
	uint32_t field[FIELDS];
	/* entries [first_link, end of list) are names of one inode, whose
	 * contents are still to come */
	size_t links;
	uint32_t link_id[3];
};

static _Noreturn void fail_image(const struct cpio *c, const char *why)
{
	fail(EXIT_VMM,
	     "--copy %s: %s at byte %llu of the cpio image; make it again with "
	     "\"cpio -o -H newc\"",
	     c->name, why, (unsigned long long)c->at);
}

static void read_image(struct cpio *c, void *to, uint64_t size)
{
	if (size > c->size - c->at)
		fail_image(c, "it ends too early");
	copy_read(c->fd, to, size, c->at, c->name);
	c->at += size;
}

static void skip_padding(struct cpio *c)
{
	const uint64_t pad = -c->at % 4;

	c->at += pad < c->size - c->at ? pad : c->size - c->at;
}

static bool hex(const char *digits, uint32_t *value)
{
	*value = 0;
	for (unsigned i = 0; i < 8; i++) {
		const char c = digits[i];
		const int digit = c >= '0' && c <= '9' ? c - '0' :
				  c >= 'a' && c <= 'f' ? c - 'a' + 10 :
				  c >= 'A' && c <= 'F' ? c - 'A' + 10 :
							 -1;

		if (digit < 0)
			return false;
		*value = *value << 4 | (uint32_t)digit;
	}
	return true;
}

static void end_links(struct cpio *c)
{
	c->links = 0;
}

static bool is_magic(const char *p)
{
	return !strncmp(p, "07070", 5) && (p[5] == '1' || p[5] == '2');
}

bool copy_is_cpio(int fd)
{
	char magic[6];

	return pread(fd, magic, sizeof(magic), 0) == sizeof(magic) && is_magic(magic);
}

/* Images may stand one behind the other, with zeroes between. */
static void skip_zeroes(struct cpio *c)
{
	char block[512];

	while (c->at < c->size) {
		const uint64_t n =
			c->size - c->at < sizeof(block) ? c->size - c->at : sizeof(block);
		uint64_t zeroes = 0;

		copy_read(c->fd, block, n, c->at, c->name);
		while (zeroes < n && !block[zeroes])
			zeroes++;
		c->at += zeroes;
		if (zeroes < n)
			return;
	}
}

/* The header and the name; false: there is no further one. */
static bool next_header(struct cpio *c, char name[PATH_MAX])
{
	char header[HEADER_SIZE];

	read_image(c, header, sizeof(header));
	if (!is_magic(header))
		fail_image(c, "no header");
	for (unsigned i = 0; i < FIELDS; i++)
		if (!hex(header + 6 + 8 * i, &c->field[i]))
			fail_image(c, "a bad header");
	if (c->field[NAMESIZE] == 0 || c->field[NAMESIZE] > PATH_MAX)
		fail_image(c, "a bad name");
	read_image(c, name, c->field[NAMESIZE]);
	if (name[c->field[NAMESIZE] - 1] != 0 || strlen(name) + 1 != c->field[NAMESIZE])
		fail_image(c, "a bad name");
	skip_padding(c);
	if (strcmp(name, "TRAILER!!!") != 0)
		return true;
	end_links(c);
	skip_zeroes(c);
	return c->at < c->size && next_header(c, name);
}

/* Several names of one inode: the contents are those of the last. */
static void add_regular(struct cpio *c, const char *path, struct copied_file *file)
{
	const uint32_t id[3] = { c->field[INO], c->field[DEV_MAJOR], c->field[DEV_MINOR] };

	if (c->links > 0 && memcmp(id, c->link_id, sizeof(id)) != 0)
		end_links(c);
	memcpy(c->link_id, id, sizeof(id));
	file->size = c->field[FILESIZE];
	if (file->size > 0) {
		if (file->size > c->size - c->at)
			fail_image(c, "it ends too early");
		read_image(c, copy_list_take(c->list, file->size, &file->gpa), file->size);
		skip_padding(c);
	}
	copy_list_add(c->list, path, NULL, file);
	if (c->field[NLINK] < 2)
		return;
	for (size_t i = c->list->count - 1 - c->links; i < c->list->count && file->size; i++) {
		c->list->entry[i].file.size = file->size;
		c->list->entry[i].file.gpa = file->gpa;
	}
	c->links = file->size ? 0 : c->links + 1;
}

static void add_symlink(struct cpio *c, const char *path, const struct copied_file *file)
{
	char target[PATH_MAX];

	if (c->field[FILESIZE] == 0 || c->field[FILESIZE] >= PATH_MAX)
		fail_image(c, "a bad symbolic link");
	read_image(c, target, c->field[FILESIZE]);
	target[c->field[FILESIZE]] = 0;
	if (strlen(target) != c->field[FILESIZE])
		fail_image(c, "a bad symbolic link");
	skip_padding(c);
	copy_list_add(c->list, path, target, file);
}

static void add_entry(struct cpio *c, const char *path)
{
	struct copied_file file = {
		.mtime_ns = c->field[MTIME] * 1000000000ll,
		.mode = c->field[MODE],
		.uid = c->field[UID],
		.gid = c->field[GID],
		.rdev = (uint32_t)makedev(c->field[RDEV_MAJOR] & 0xfff, c->field[RDEV_MINOR]),
	};
	const uint32_t type = c->field[MODE] & S_IFMT;

	if (type == S_IFREG) {
		add_regular(c, path, &file);
		return;
	}
	end_links(c);
	if (type == S_IFLNK) {
		add_symlink(c, path, &file);
		return;
	}
	if (type != S_IFDIR && type != S_IFCHR && type != S_IFBLK && type != S_IFIFO &&
	    type != S_IFSOCK)
		fail_image(c, "a bad type");
	if (type == S_IFSOCK)
		warn("--copy %s: /%s is a socket: it is left out", c->name, path);
	else if (path[0])
		copy_list_add(c->list, path, NULL, &file);
	if (c->field[FILESIZE] > c->size - c->at)
		fail_image(c, "it ends too early");
	c->at += c->field[FILESIZE];
	skip_padding(c);
}

void copy_cpio(struct copy_list *list, int fd, const char *name, const char *path)
{
	struct cpio c = { .list = list, .fd = fd, .name = name };
	char entry[PATH_MAX], to[PATH_MAX];
	struct stat st;

	if (fstat(fd, &st) < 0)
		fail(EXIT_VMM, "--copy %s: cannot be read: %s", name, strerror(errno));
	c.size = (uint64_t)st.st_size;
	while (next_header(&c, entry)) {
		if (!copy_join(to, path, entry))
			fail_image(&c, "a name with \"..\" or too long");
		if (!to[0] && (c.field[MODE] & S_IFMT) != S_IFDIR)
			fail_image(&c, "a bad name");
		add_entry(&c, to);
	}
}
