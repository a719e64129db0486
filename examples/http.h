/*
 * HTTP/1.1 as httpd speaks it (RFC 9110, RFC 9112): requests from bytes, and
 * the head of an answer. Knows no sockets and no files.
 */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_REQUEST_MOST 8192 /* bytes of a request; more is 431 */
#define HTTP_PATH_MOST    1024 /* of its path, decoded */
#define HTTP_HEAD_MOST    4096 /* of an answer's head, with a path in it */

struct http_request {
	int status; /* 200, or what is wrong with the request */
	bool head; /* HEAD: the answer has no body */
	bool keep_alive;
	char path[HTTP_PATH_MOST + 1]; /* decoded, without the query */
	enum { RANGE_NONE, RANGE_FROM, RANGE_LAST } range;
	uint64_t first, last; /* RANGE_FROM: both included; RANGE_LAST: `last` bytes */
};

/* The length of the request at the beginning of text, or 0 while its end has
 * not come. */
size_t http_parse(struct http_request *request, const char *text, size_t len);

/* The part of a file of `size` bytes that is asked for, from *first on: 200,
 * 206, or 416 when there is no such part. */
int http_range(const struct http_request *request, uint64_t size, uint64_t *first,
	       uint64_t *length);

struct http_answer {
	int status;
	bool keep_alive;
	const char *type; /* NULL: no body */
	uint64_t length;
	uint64_t first, size; /* 206 and 416: where the part begins, the size of the whole */
	const char *location; /* 301 */
	const char *date;
};

/* The length of the head, written to text[HTTP_HEAD_MOST]. */
size_t http_head(const struct http_answer *answer, char *text);
const char *http_reason(int status);

#endif
