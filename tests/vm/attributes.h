/*
 * For programs that look at extended attributes.
 */
#ifndef VM_ATTRIBUTES_H
#define VM_ATTRIBUTES_H

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/xattr.h>

#define ATTRIBUTES 200

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a file's, in order, as that in which they are stored is the file
 * system's affair: how many, or -1. */
static int attribute_names(const char *path, char *name[ATTRIBUTES])
{
	static char names[65536];
	ssize_t len = llistxattr(path, names, sizeof(names));
	int count = 0;

	if (len < 0)
		return -1;
	for (ssize_t at = 0; at < len && count < ATTRIBUTES; at += (ssize_t)strlen(names + at) + 1)
		name[count++] = names + at;
	qsort(name, (size_t)count, sizeof(name[0]), by_name);
	return llistxattr(path, NULL, 0) == len ? count : -1;
}

#endif
