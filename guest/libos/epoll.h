/*
 * epoll: sets of watched files. epoll.c has the sets, sys_epoll.c the system
 * calls.
 */
#ifndef LIBOS_EPOLL_H
#define LIBOS_EPOLL_H

#include <linux/eventpoll.h>
#include "poll.h"

struct epoll;
struct epoll_item;

struct file *epoll_file(void); /* a new, empty set; NULL: no memory */
struct epoll *epoll_of(struct file *file); /* NULL: not an epoll */

struct epoll_item *epoll_find(struct epoll *ep, const struct file *file, int fd);
/* 0, -ENOMEM, -ELOOP (would contain itself, or nest too deeply). */
int epoll_add(struct epoll *ep, struct file *file, int fd, const struct epoll_event *event);
void epoll_modify(struct epoll_item *item, const struct epoll_event *event);
void epoll_remove(struct epoll_item *item);
bool epoll_is_exclusive(const struct epoll_item *item);

/* Up to `most` events to the program: how many, 0, or -EFAULT. */
long epoll_collect(struct epoll *ep, struct epoll_event *user, int most);
/* Until something may be ready: 0, -ETIMEDOUT or -EINTR. */
int epoll_sleep(struct epoll *ep, u64 deadline);

#endif
