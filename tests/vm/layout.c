/* layout: where the program, its stack and a mapping are. */
#include <stdio.h>
#include <sys/mman.h>

int main(int argc, char **argv)
{
	void *map = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)argv;
	printf("%p\n%p\n%p\n", (void *)main, (void *)&argc, map);
	return 0;
}
