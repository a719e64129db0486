/*
 * Sockets as open files, for the system calls about them.
 */
#ifndef LIBOS_SOCK_H
#define LIBOS_SOCK_H

#include "../net/socket.h"

#define SOCK_TYPE_MASK 0xf
#define SOCK_FLAGS     (02000000 | 04000) /* SOCK_CLOEXEC, SOCK_NONBLOCK: O_* of the same name */

/* The socket behind a descriptor and, through *file, its open file with a
 * reference. NULL: *error is -EBADF or -ENOTSOCK. */
struct socket *socket_get(int fd, struct file **file, int *error);
struct socket *socket_of(struct file *file); /* NULL: not a socket */

/* An open file for a socket that has none; takes over the socket, also when it
 * fails (NULL: no memory). */
struct file *socket_file(struct socket *s, u32 flags);

/* Before and after a call into a protocol. */
void socket_enter(const struct socket *s);
void socket_leave(const struct socket *s);
void socket_release(struct socket *s);

/* send and recv, with SIGPIPE and EINTR as Linux has them. */
long socket_send(struct socket *s, struct sockmsg *msg);
long socket_recv(struct socket *s, struct sockmsg *msg);

/* move_addr_to_kernel() and move_addr_to_user() of Linux. */
int sockname_from_user(struct sockname *name, const void *user, int len);
int sockname_to_user(const struct sockname *name, void *user, int *user_len);

/* struct file_ops' sendfile: sock_sendfile.c */
long socket_sendfile(struct file *out, struct file *in, u64 *from, size_t n);

/* Device questions, on any socket: sock_ioctl.c. -ENOTTY for what it doesn't
 * know. */
long netif_ioctl(unsigned int cmd, unsigned long arg);

#endif
