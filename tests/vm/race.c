/*
 * Names that change under who opens them. Run by share.sh, on both sides of a share.
 *
 *   race swap DIR N SECONDS   on the host: of each pair DIR/a0, DIR/b0 to DIR/aN-1,
 *                             DIR/bN-1 one takes the other's place, all the time
 *   race open DIR N SECONDS   in the VM: opens and reads DIR/aI/file all the time, for
 *                             longer where it has read none that begins with 'i'; says
 *                             whether it did, and how often anything else
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void swap(unsigned i)
{
	char a[32], b[32];

	snprintf(a, sizeof(a), "a%u", i);
	snprintf(b, sizeof(b), "b%u", i);
	if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE)) {
		perror("renameat2");
		exit(1);
	}
}

#define LONGER 20 /* s */

static unsigned counts[256];

static void read_one(unsigned i)
{
	char path[64];
	unsigned char c;
	int fd;

	snprintf(path, sizeof(path), "a%u/file", i);
	fd = open(path, O_RDONLY);
	if (fd >= 0 && read(fd, &c, 1) == 1)
		counts[c]++;
	close(fd);
}

int main(int argc, char **argv)
{
	const unsigned n = argc > 4 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	const double end = now() + (argc > 4 ? strtod(argv[4], NULL) : 0);
	const int swaps = argc > 1 && !strcmp(argv[1], "swap");

	if (n == 0 || chdir(argv[2]))
		return 2;
	for (unsigned i = 0; now() < end || (!swaps && !counts['i'] && now() < end + LONGER); i++) {
		if (swaps)
			swap(i % n);
		else
			read_one(i * 7919 % n);
	}
	if (swaps)
		return 0;
	if (counts['i'])
		printf("inside\n");
	for (unsigned c = 0; c < 256; c++)
		if (counts[c] && c != 'i')
			printf("outside: %u times %c\n", counts[c], c);
	return 0;
}
