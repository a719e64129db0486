/*
 * What httpd.c (connections) and answer.c (what they get) share.
 */
#ifndef EXAMPLES_HTTPD_H
#define EXAMPLES_HTTPD_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include "http.h"

#define SMALL_FILE 16384 /* up to here in one send with the head */

struct connection {
	int fd;
	enum { READING, WRITING, DRAINING } state;
	bool keep_alive;
	char *in; /* HTTP_REQUEST_MOST bytes, or NULL while empty */
	size_t in_len;
	char *out; /* what is left of an answer, or NULL */
	size_t out_from, out_to;
	int file; /* what is sent after `out`, or -1 */
	off_t file_from, file_to;
	time_t progress;
	struct connection *newer, *older;
};

/* Of the whole server; /status shows it. */
struct server {
	int folder;
	char date[32]; /* now, as HTTP has it */
	struct timespec start;
	uint64_t requests, errors, connections, bytes;
	unsigned open;
};
extern struct server server;

/* Begins to answer the request: it is WRITING then. */
void answer(struct connection *c, const struct http_request *request);

/* Frees what is left of an answer. */
void forget_answer(struct connection *c);

#endif
