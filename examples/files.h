/*
 * The files that httpd serves: those below one folder.
 */
#ifndef EXAMPLES_FILES_H
#define EXAMPLES_FILES_H

#include <stdint.h>

struct served_file {
	int fd;
	uint64_t size;
	const char *type;
};

/* Opens the file of a decoded path, or index.html of a folder: 200; 301 when a
 * folder's path lacks its last slash; 403, 404, 500 or 503. */
int files_open(int folder, const char *path, struct served_file *file);

#endif
