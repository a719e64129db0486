/*
 * How much memory there is, by /proc: for programs that look for what they lost.
 */
#ifndef VM_MEMORY_H
#define VM_MEMORY_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The number behind WORD in the file at PATH, which has one. */
static inline long number_in(const char *path, const char *word)
{
	char text[4096] = "";
	int file = open(path, O_RDONLY);
	const char *at;

	if (file < 0 || read(file, text, sizeof(text) - 1) <= 0 || !(at = strstr(text, word))) {
		fprintf(stderr, "no %s in %s\n", word, path);
		exit(2);
	}
	close(file);
	return strtol(at + strlen(word), NULL, 10);
}

static inline long free_kib(void)
{
	return number_in("/proc/meminfo", "MemFree:");
}

/* What the system does not have for itself: what is free, and the program's. */
static inline long not_the_systems_kib(void)
{
	return free_kib() + number_in("/proc/self/status", "VmRSS:");
}

#endif
