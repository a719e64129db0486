/*
 * What the programs about sockets have in common.
 */
#ifndef ABI_SOCKETS_H
#define ABI_SOCKETS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct sockaddr_in in4(const char *addr, int port);
struct sockaddr_in6 in6(const char *addr, int port);
struct sockaddr_un named(const char *path);

#define BIND(fd, name)      bind(fd, (struct sockaddr *)&(name), sizeof(name))
#define CONNECT(fd, name)   connect(fd, (struct sockaddr *)&(name), sizeof(name))
#define SENDTO(fd, s, name) sendto(fd, s, strlen(s), 0, (struct sockaddr *)&(name), sizeof(name))

/* Names of AF_UNIX, and what calls that got them returned. */
void show_unix_name(const char *what, int r, const struct sockaddr_un *un, socklen_t len);
void show_unix_local(int fd);
void show_unix_peer(int fd);

/* A socketpair() of AF_UNIX. */
extern int pair[2];
void open_pair(int type);
void close_pair(void);

/* What poll() says, of reading, writing and the other side's end. */
void show_events(const char *what, int fd);
/* A recv() of up to 99 bytes of text. */
void show_recv(int fd, int flags);

/* Sets an option that is a number, and gets it. */
void set_get(int fd, const char *what, int level, int name, int value);
#define SET_GET(fd, level, name, value) set_get(fd, #name, level, name, value)

#endif
