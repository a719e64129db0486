/*
 * What the programs about POSIX message queues have in common. Names are made of the
 * process number, and every queue is unlinked, as Linux keeps them beyond the process.
 */
#ifndef ABI_QUEUES_H
#define ABI_QUEUES_H

#include <mqueue.h>

extern char queue_name[32];
const char *name_queue(void); /* fills it in */
/* An open queue without a name. */
mqd_t make_queue(int flags, long most, long size);

void show_attr(mqd_t q);
void show_receive(mqd_t q);
/* What reading the descriptor says, without the process's number. */
void show_state(mqd_t q);
short ready(int fd); /* poll(2)'s revents */

#endif
