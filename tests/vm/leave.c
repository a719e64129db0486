/*
 * leave ADDRESS PORT COUNT tcp|udp: sends COUNT bytes, or for UDP COUNT datagrams
 * of 100 bytes, and exits at once, as programs do that trust their kernel to go
 * on. With "fault" behind it, ends by a signal instead.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char bytes[4000000];

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *kind = argc > 4 ? argv[4] : "";
	int udp = !strcmp(kind, "udp");
	size_t count = argc > 4 ? strtoul(argv[3], NULL, 10) : 0;
	int size = sizeof(bytes), fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);

	if (!count || count > sizeof(bytes) || fd < 0)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	inet_pton(AF_INET, argv[1], &to.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	/* On a busy host the first one may come before the tap is up again. */
	for (int tries = 5; connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0; sleep(1)) {
		perror("connect");
		if (--tries == 0)
			return 3;
	}
	if (!udp && send(fd, bytes, count, 0) != (ssize_t)count)
		return 4;
	for (size_t i = 0; udp && i < count; i++)
		send(fd, bytes, 100, 0);
	if (argc > 5)
		abort();
	return 0;
}
