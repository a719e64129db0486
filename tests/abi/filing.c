/* For the programs about files, see filing.h. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi.h"
#include "filing.h"

#define PAGE 4096ul

void show_type(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		say("%s: %s", path, errno_name(errno));
		return;
	}
	say("%s: type %#o mode %#o links %lu", path, st.st_mode & S_IFMT, st.st_mode & 07777,
	    (unsigned long)st.st_nlink);
}

int digits(void)
{
	make_file("digits", "0123456789");
	return (int)NEED(open("digits", O_RDWR));
}

long size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -1 : (long)st.st_size;
}

void find_by_id(const char *path, int id, char *line, size_t size)
{
	FILE *f = fopen(path, "r");

	if (f && fgets(line, (int)size, f))
		say("%s", line);
	while (f && fgets(line, (int)size, f))
		if (strtol(line + 11, NULL, 10) == id)
			break;
	if (!f || feof(f))
		say("not in %s", path);
	if (f)
		fclose(f);
}

char *map_pages(size_t n, int prot, int flags, int fd)
{
	char *p = mmap(NULL, n * PAGE, prot, flags, fd, 0);

	NEED(p == MAP_FAILED ? -1 : 0);
	return p;
}

int file_of_pages(const char *path, size_t n, int flags)
{
	int fd = NEED(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644));

	NEED(ftruncate(fd, (off_t)(n * PAGE)));
	for (size_t i = 0; i < n; i++)
		NEED(pwrite(fd, &"abcdefghijklmnopqrstuvwxyz"[i % 26], 1, (off_t)(i * PAGE)));
	close(fd);
	return (int)NEED(open(path, flags));
}
