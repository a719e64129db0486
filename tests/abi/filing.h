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

/* n pages, of the beginning of a file, or, with MAP_ANONYMOUS, of none. */
char *map_pages(size_t n, int prot, int flags, int fd);
/* A new file of n pages, each beginning with a letter, opened with these flags. */
int file_of_pages(const char *path, size_t n, int flags);

#endif
