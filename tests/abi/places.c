/* For the programs that call with wrong arguments, see places.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"
#include "places.h"

void put(long address, const void *bytes, size_t n)
{
	memcpy(launder((void *)address), bytes, n);
}

void map_fixed(long address, size_t size, int prot)
{
	void *p = mmap((void *)address, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	need("mmap", p == MAP_FAILED ? -1 : 0);
}

void fill_places(void)
{
	const long time[] = { 0, -1, 0, -1 }, iov[] = { BAD, 8 }, negative[] = { GOOD, -1 };
	const long good[] = { GOOD, 4 };
	const long msg[] = { 0, 0, IOV, 1, 0, 0, 0 }, one = 1;
	const int length = 4, less = -1;
	char name[300];

	memset(name, 'a', sizeof(name));
	name[299] = 0;
	put(PATH, "file", 5);
	put(NONE, "none", 5);
	put(UNDER, "file/x", 7);
	put(LONG, name, sizeof(name));
	put(DOT, ".", 2);
	put(TIME, time, sizeof(time) / 2);
	put(ITIMER, time, sizeof(time));
	put(IOV, iov, sizeof(iov));
	put(IOVOK, good, sizeof(good));
	put(IOVNEG, negative, sizeof(negative));
	put(MSG, msg, sizeof(msg));
	put(LENGTH, &length, sizeof(length));
	put(SHORT, &less, sizeof(less));
	put(ONE, &one, sizeof(one));
}

void place(int fd, int at)
{
	NEED(fd);
	NEED(dup2(fd, at));
	close(fd);
}

static void descriptors(void)
{
	int p[2];

	make_file("file", "content");
	place(open("file", O_RDWR), FILE_FD);
	place(open("file", O_RDONLY), READ_FD);
	place(open("file", O_WRONLY), WRITE_FD);
	place(open(".", O_RDONLY | O_DIRECTORY), DIR_FD);
	NEED(pipe2(p, O_NONBLOCK));
	place(p[0], PIPE_READ);
	place(p[1], PIPE_WRITE);
	place(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), SOCKET);
	place(socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), UDP);
	place(epoll_create1(0), EPOLL);
	place(eventfd(0, EFD_NONBLOCK), EVENT);
	place(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), TIMER);
	place(open("/dev/null", O_RDWR), NULL_FD);
	place(open("file", O_PATH), PATH_FD);
}

void make_places(void)
{
	map_fixed(GOOD, 0x4000, PROT_READ | PROT_WRITE);
	map_fixed(RDONLY, 0x1000, PROT_READ);
	fill_places();
	descriptors();
}
