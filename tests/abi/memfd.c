/*
 * memfd_create(2) and the seals of its files.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi.h"

#undef F_SEAL_EXEC
#define F_SEAL_EXEC     0x20
#define SEALABLE        2
#define WITHOUT_EXECUTE 8
#define WITH_EXECUTE    16

static int make(unsigned flags)
{
	int fd = syscall(SYS_memfd_create, "m", flags);

	return NEED(fd);
}

static void *map(int fd, int prot, int flags)
{
	return mmap(NULL, 4096, prot, flags, fd, 0);
}

/* What can still be done to a file of 8192 bytes. */
static void try_all(int fd)
{
	char path[32];
	void *p;

	SHOW(pwrite(fd, "x", 1, 0));
	SHOW(pwrite(fd, "xy", 2, 8191));
	SHOW(pwrite(fd, "x", 1, 9000));
	SHOW(pwrite(fd, "", 0, 0));
	SHOW(ftruncate(fd, 8192));
	SHOW(ftruncate(fd, 4096));
	SHOW(ftruncate(fd, 12288));
	SHOW(fallocate(fd, 0, 0, 100));
	SHOW(fallocate(fd, 0, 0, 20000));
	SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 16384, 20000));
	SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	SHOW_MAP(p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED));
	if (p != MAP_FAILED)
		munmap(p, 4096);
	SHOW_MAP(p = map(fd, PROT_READ, MAP_SHARED));
	if (p != MAP_FAILED) {
		SHOW(mprotect(p, 4096, PROT_READ | PROT_WRITE));
		munmap(p, 4096);
	}
	SHOW_MAP(p = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	if (p != MAP_FAILED)
		say("private: %s", try_write(p));
	SHOW(fchmod(fd, 0600));
	SHOW(fchmod(fd, 0700));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_RDWR | O_TRUNC);
	show_ok("open with O_TRUNC", again);
	if (again >= 0)
		close(again);
	struct stat st;
	NEED(fstat(fd, &st));
	say("size %ld mode %o seals %x", (long)st.st_size, st.st_mode, fcntl(fd, F_GET_SEALS));
}

static void sealed(int seals)
{
	int fd = make(SEALABLE);

	NEED(ftruncate(fd, 8192));
	SHOW(fcntl(fd, F_ADD_SEALS, seals));
	try_all(fd);
	close(fd);
}

CASE(seal_none)
{
	sealed(0);
}

CASE(seal_shrink)
{
	sealed(F_SEAL_SHRINK);
}

CASE(seal_grow)
{
	sealed(F_SEAL_GROW);
}

CASE(seal_write)
{
	sealed(F_SEAL_WRITE);
}

CASE(seal_future_write)
{
	sealed(F_SEAL_FUTURE_WRITE);
}

CASE(seal_exec, SINCE(6, 3))
{
	sealed(F_SEAL_EXEC);
}

CASE(seal_all)
{
	sealed(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
}

CASE(seals_in_creation, SINCE(6, 3))
{
	static const unsigned flags[] = { 0,
					  SEALABLE,
					  WITHOUT_EXECUTE,
					  SEALABLE | WITHOUT_EXECUTE,
					  WITH_EXECUTE,
					  SEALABLE | WITH_EXECUTE };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		int fd = make(flags[i]);
		struct stat st;

		NEED(fstat(fd, &st));
		say("%u: mode %o seals %x", flags[i], st.st_mode, fcntl(fd, F_GET_SEALS));
		SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
		SHOW(fchmod(fd, 0755));
		close(fd);
	}
	SHOW(syscall(SYS_memfd_create, "m", WITH_EXECUTE | WITHOUT_EXECUTE));
	SHOW(syscall(SYS_memfd_create, "m", 0x40));
}

CASE(seals_added_in_turn)
{
	int fd = make(SEALABLE);

	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(fd, F_GET_SEALS));
	SHOW(fcntl(fd, F_ADD_SEALS, 0x1000));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(fd, F_ADD_SEALS, 0));
	SHOW(fcntl(fd, F_GET_SEALS));
	close(fd);
}

CASE(seal_what_is_mapped)
{
	int fd = make(SEALABLE);
	char path[32], *p;

	NEED(ftruncate(fd, 4096));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int reader = NEED(open(path, O_RDONLY));
	p = map(reader, PROT_READ, MAP_SHARED);
	SHOW(fcntl(reader, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(fcntl(reader, F_GET_SEALS));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	munmap(p, 4096);
	p = map(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	say("what is mapped already: %s", try_write(p));
	SHOW(mprotect(p, 4096, PROT_READ));
	SHOW(mprotect(p, 4096, PROT_READ | PROT_WRITE));
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	munmap(p, 4096);
	p = map(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	SHOW(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	say("private: %s", try_write(p));
	munmap(p, 4096);
	close(reader);
	close(fd);
}

CASE(seal_partly_written)
{
	int fd = make(SEALABLE);
	static char text[10000];

	NEED(ftruncate(fd, 6000));
	NEED(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	SHOW(pwrite(fd, text, 6000, 0));
	SHOW(pwrite(fd, text, 1000, 5001));
	CHECK(lseek(fd, 0, SEEK_END) == 6000);
	close(fd);
}

CASE(seal_of_others)
{
	int ends[2], dir = NEED(open("/", O_RDONLY));

	NEED(pipe(ends));
	SHOW(fcntl(ends[0], F_GET_SEALS));
	SHOW(fcntl(ends[0], F_ADD_SEALS, 1));
	SHOW(fcntl(ends[1], F_ADD_SEALS, 1));
	SHOW(fcntl(dir, F_GET_SEALS));
	SHOW(fcntl(dir, F_ADD_SEALS, 1));
	SHOW(fcntl(-1, F_GET_SEALS));
	close(dir);
	close(ends[0]);
	close(ends[1]);
}
