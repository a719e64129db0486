/*
 * Files of the host in the program's memory.
 *   sum FILE...   maps each whole file and compares it with what read() gives
 *   watch FILE    maps it, says "ready", and for each line of its input what is at
 *                 the beginning, in the middle and in the last page
 *   look FILE     the same, but for each line what stat() says of its size, and what the
 *                 mapping's last byte is: a number, or SIGBUS
 *   change FILE   writes to a private mapping: what it and the file have then
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *failed;

static char *map(const char *path, int prot, size_t *size, int *fd)
{
	struct stat st;
	char *p;

	*fd = open(path, O_RDONLY);
	if (*fd < 0 || fstat(*fd, &st) < 0)
		exit(2);
	*size = (size_t)st.st_size;
	p = mmap(NULL, *size, prot, MAP_PRIVATE, *fd, 0);
	if (p == MAP_FAILED)
		exit(3);
	return p;
}

static void sum(const char *path)
{
	static char buf[65536];
	size_t size, at = 0;
	ssize_t n;
	int fd;
	char *p = map(path, PROT_READ, &size, &fd);

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (at + (size_t)n > size || memcmp(p + at, buf, (size_t)n) != 0)
			failed = path;
		at += (size_t)n;
	}
	if (at != size || n < 0)
		failed = path;
	munmap(p, size);
	close(fd);
}

static void watch(const char *path)
{
	size_t size;
	char line[100];
	int fd;
	const volatile char *p = map(path, PROT_READ, &size, &fd);

	printf("ready %c\n", p[0]);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		printf("%d %d %d\n", p[0], p[size / 2], p[size - 1]);
		fflush(stdout);
	}
}

static sigjmp_buf back;

static void bus(int sig)
{
	siglongjmp(back, sig);
}

static void look(const char *path)
{
	size_t size;
	struct stat st;
	char line[100];
	int fd;
	const volatile char *p = map(path, PROT_READ, &size, &fd);

	signal(SIGBUS, bus);
	printf("ready %d\n", p[size - 1]);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && stat(path, &st) == 0) {
		printf("%ld ", (long)st.st_size);
		if (sigsetjmp(back, 1))
			printf("SIGBUS\n");
		else
			printf("%d\n", p[size - 1]);
		fflush(stdout);
	}
}

static void change(const char *path)
{
	size_t size;
	char byte;
	int fd;
	char *p = map(path, PROT_READ | PROT_WRITE, &size, &fd);

	p[0] = '!';
	if (pread(fd, &byte, 1, 0) != 1)
		exit(4);
	printf("%c %c %c\n", p[0], p[1], byte);
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 1;
	for (int i = 2; i < argc; i++)
		if (!strcmp(argv[1], "sum"))
			sum(argv[i]);
		else if (!strcmp(argv[1], "watch"))
			watch(argv[i]);
		else if (!strcmp(argv[1], "look"))
			look(argv[i]);
		else
			change(argv[i]);
	if (failed)
		printf("%s: read() and its mapping differ\n", failed);
	return failed != NULL;
}
