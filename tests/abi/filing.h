/*
 * What the programs about files, of /proc too, have in common.
 */
#ifndef ABI_FILING_H
#define ABI_FILING_H

/* Type, mode and links of what a name is. */
void show_type(const char *path);
/* A file "0123456789" opened read-write. */
int digits(void);
long size_of(int fd);

/* Prints the title of a table of /proc/sysvipc, and finds a line by its id. */
void find_by_id(const char *path, int id, char *line, size_t size);

#endif
