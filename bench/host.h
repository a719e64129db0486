/* What the figures were taken on, and the files that they go to. */
#ifndef BENCH_HOST_H
#define BENCH_HOST_H

#include <jansson.h>
#include <stdbool.h>

/* Date, CPU, number of CPUs, kernel, memory. */
json_t *host_describe(void);
/* Load average of the last minute: how much else runs here. */
double host_load(void);
/* Says on standard error if so much else runs that the figures suffer. */
void host_warn_if_busy(void);
/* A key's number of KiB in /proc/meminfo. */
long host_memory(const char *key);
/* Path of a program that is in PATH, or NULL. */
char *host_find(const char *name);
/* Two decimals are more than the clock's noise. */
json_t *json_us(double value);
/* Writes and frees; false, with a line on standard error, if it cannot. */
bool json_save(json_t *root, const char *path);
#endif
