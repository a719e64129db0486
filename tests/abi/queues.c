/* For the programs about message queues, see queues.h. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi.h"
#include "queues.h"

char queue_name[32];

const char *name_queue(void)
{
	snprintf(queue_name, sizeof(queue_name), "/abi.%d", getpid());
	return queue_name;
}

mqd_t make_queue(int flags, long most, long size)
{
	struct mq_attr attr = { .mq_maxmsg = most, .mq_msgsize = size };
	mqd_t q = (mqd_t)NEED(mq_open(name_queue(), flags | O_CREAT | O_EXCL, 0600, &attr));

	NEED(mq_unlink(queue_name));
	return q;
}

void show_attr(mqd_t q)
{
	struct mq_attr a;

	memset(&a, 0x55, sizeof(a));
	if (mq_getattr(q, &a) < 0)
		say("no attributes: %s", errno_name(errno));
	else
		say("flags %lo most %ld size %ld now %ld", a.mq_flags, a.mq_maxmsg, a.mq_msgsize,
		    a.mq_curmsgs);
}

void show_receive(mqd_t q)
{
	char text[8193] = "";
	unsigned priority = 77;
	ssize_t n = mq_receive(q, text, sizeof(text) - 1, &priority);

	if (n < 0)
		say("receive: %s", errno_name(errno));
	else
		say("receive: %zd \"%.20s\" %u", n, text, priority);
}

void show_state(mqd_t q)
{
	char text[200] = "", *pid;
	ssize_t n = pread(q, text, sizeof(text) - 1, 0);

	pid = strstr(text, "NOTIFY_PID:");
	if (pid && strtol(pid + 11, NULL, 10) == getpid())
		strcpy(pid + 11, "own");
	for (char *end; (end = strchr(text, '\n'));)
		*end = '$';
	say("%zd [%s]", n, text);
}

short ready(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM };

	NEED(poll(&p, 1, 0));
	return p.revents;
}
