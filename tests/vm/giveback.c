/*
 * giveback MIB: uses so much memory, frees it, uses it again; each step after a
 * line of input, and each says so.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void *use(size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	for (size_t at = 0; at < size; at += 64)
		if (p[at])
			exit(3); /* memory is zero, whoever had it before */
	for (size_t at = 0; at < size; at += 4096)
		p[at] = 1;
	return p;
}

static void step(const char *what)
{
	char line[10];

	puts(what);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(4);
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 20;
	void *p = use(size);

	step("used");
	munmap(p, size);
	step("freed");
	use(size);
	step("used again");
	return 0;
}
