/*
 * What the programs about files have in common.
 */
#ifndef ABI_FILING_H
#define ABI_FILING_H

/* Type, mode and links of what a name is. */
void show_type(const char *path);
/* A file "0123456789" opened read-write. */
int digits(void);
long size_of(int fd);

#endif
