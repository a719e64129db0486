/*
 * Memory and descriptors of many kinds, good and bad, at known places: for the
 * programs that call with wrong arguments.
 */
#ifndef ABI_PLACES_H
#define ABI_PLACES_H

#include <stddef.h>
#include <sys/syscall.h>

/* Newer than Debian 12's headers. */
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

/* ---- addresses; the first page at GOOD is zero but for what is named */

#define BAD    0x1000 /* nothing is mapped there */
#define KERNEL (long)0xffff900000000000
#define WILD   0x4000000000000000
#define GOOD   0x7e0000000000
#define ZERO   (GOOD + 0x3800) /* stays so */
#define EDGE   (GOOD + 0x3ffc) /* four bytes, then nothing */
#define RDONLY (GOOD + 0x10000) /* cannot be written */
#define PATH   (GOOD + 0x1000) /* "file" */
#define NONE   (GOOD + 0x1100) /* "none" */
#define EMPTY  (GOOD + 0x1200) /* "" */
#define UNDER  (GOOD + 0x1300) /* "file/x" */
#define LONG   (GOOD + 0x1400) /* a name of 300 bytes */
#define DOT    (GOOD + 0x1600) /* "." */
#define TIME   (GOOD + 0x2000) /* a struct timespec or timeval with -1 ns */
#define ITIMER (GOOD + 0x2100) /* two of them */
#define IOV    (GOOD + 0x2200) /* one struct iovec at BAD */
#define IOVOK  (GOOD + 0x2900) /* one of 4 bytes at GOOD */
#define IOVNEG (GOOD + 0x2300) /* one of negative length */
#define MSG    (GOOD + 0x2400) /* struct msghdr with iovecs at BAD */
#define LENGTH (GOOD + 0x2600) /* int 4 */
#define SHORT  (GOOD + 0x2700) /* int -1 */
#define ONE    (GOOD + 0x2800) /* u64 1 */

/* ---- descriptors */

enum {
	FILE_FD = 20,
	READ_FD,
	WRITE_FD,
	DIR_FD,
	PIPE_READ,
	PIPE_WRITE,
	SOCKET,
	UDP,
	EPOLL,
	EVENT,
	TIMER,
	NULL_FD,
	PATH_FD,
	NO_FD = 99
};

/* Makes all of them, in the current directory. */
void make_places(void);
/* What is in memory, once more: calls may have written there. */
void fill_places(void);

void put(long address, const void *bytes, size_t n);
void map_fixed(long address, size_t size, int prot);
void place(int fd, int at);

#endif
