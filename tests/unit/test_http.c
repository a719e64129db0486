// link: examples/http.c
/*
 * httpd's requests and answers: what is understood, what is refused, and where
 * one request ends and the next begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../examples/http.h"

static struct http_request request;

/* The text in memory of just its size, so that a byte read behind it is found. */
static size_t parse(const char *text)
{
	const size_t len = strlen(text);
	char *exact = malloc(len);
	size_t n;

	assert_non_null(exact);
	memcpy(exact, text, len);
	n = http_parse(&request, exact, len);
	free(exact);
	return n;
}

static void assert_status(const char *text, int status)
{
	assert_int_not_equal(parse(text), 0);
	assert_int_equal(request.status, status);
}

static void simple_requests(void **state)
{
	(void)state;
	assert_status("GET /a/b%20c?query HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	assert_string_equal(request.path, "/a/b c");
	assert_true(request.keep_alive);
	assert_false(request.head);
	assert_status("HEAD / HTTP/1.0\n\n", 200);
	assert_true(request.head);
	assert_false(request.keep_alive);
	assert_status("GET / HTTP/1.0\r\nConnection: x, Keep-Alive\r\n\r\n", 200);
	assert_true(request.keep_alive);
	assert_status("GET / HTTP/1.1\r\nhost:x\r\nConnection: close\r\n\r\n", 200);
	assert_false(request.keep_alive);
	assert_status("GET http://x.y:80/z HTTP/1.1\r\nHost: x\r\n\r\n", 200);
	assert_string_equal(request.path, "/z");
}

static void refused_requests(void **state)
{
	static const struct {
		const char *text;
		int status;
	} bad[] = {
		{ "x\r\n\r\n", 400 },
		{ "GET /\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\n\r\n", 400 }, /* no Host */
		{ "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", 400 },
		{ "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400 },
		{ "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%0 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%0g HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ "GET / HTXP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "POST / HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
		{ "get / HTTP/1.1\r\nHost: a\r\n\r\n", 405 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_status(bad[i].text, bad[i].status);
		assert_false(request.keep_alive);
	}
}

static void sizes_are_limited(void **state)
{
	static char text[HTTP_REQUEST_MOST + 1];

	(void)state;
	memset(text, 'a', HTTP_REQUEST_MOST - 1);
	memcpy(text, "GET /", 5);
	assert_int_equal(parse(text), 0); /* its end may still come */
	text[HTTP_REQUEST_MOST - 1] = 'a';
	assert_int_equal(parse(text), HTTP_REQUEST_MOST);
	assert_int_equal(request.status, 431);
	strcpy(text + 5 + HTTP_PATH_MOST, " HTTP/1.0\r\n\r\n");
	assert_status(text, 414);
	strcpy(text + 4 + HTTP_PATH_MOST, " HTTP/1.0\r\n\r\n");
	assert_status(text, 200);
}

/* Each request ends where its empty line does; those with a body are the last. */
static void requests_in_a_row(void **state)
{
	static const char first[] = "\r\nGET /1 HTTP/1.0\r\n\r\n", second[] = "GET /2 HTTP/1.0\n\n";
	char both[64];

	(void)state;
	strcpy(both, first);
	strcat(both, second);
	assert_int_equal(parse(both), strlen(first));
	assert_string_equal(request.path, "/1");
	assert_int_equal(parse(both + strlen(first)), strlen(second));
	assert_string_equal(request.path, "/2");
	for (size_t n = 0; n < strlen(first); n++) {
		strcpy(both, first);
		both[n] = 0;
		assert_int_equal(parse(both), 0);
	}
	assert_status("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /", 200);
	assert_false(request.keep_alive);
	assert_status("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 200);
	assert_false(request.keep_alive);
}

static void assert_range(const char *range, uint64_t size, int status, uint64_t from, uint64_t len)
{
	char text[128] = "GET / HTTP/1.0\r\nRange: ";
	uint64_t first, length;

	strcat(strcat(text, range), "\r\n\r\n");
	assert_status(text, 200);
	assert_int_equal(http_range(&request, size, &first, &length), status);
	if (status == 416)
		return;
	assert_int_equal(first, from);
	assert_int_equal(length, len);
}

/* RFC 9110, 14.1.2 */
static void ranges(void **state)
{
	(void)state;
	assert_range("bytes=0-9", 100, 206, 0, 10);
	assert_range("bytes=90-", 100, 206, 90, 10);
	assert_range("bytes=90-1000", 100, 206, 90, 10);
	assert_range("bytes=-10", 100, 206, 90, 10);
	assert_range("bytes=-1000", 100, 206, 0, 100);
	assert_range("bytes=99-99", 100, 206, 99, 1);
	assert_range("bytes=100-", 100, 416, 0, 0);
	assert_range("bytes=-0", 100, 416, 0, 0);
	assert_range("bytes=0-", 0, 416, 0, 0);
	/* of two, the last */
	assert_range("bytes=5-9\r\nRange: bytes=70-79", 100, 206, 70, 10);
	assert_range("bytes=5-9\r\nRange: bytes=70-1", 100, 200, 0, 100);
	/* no range of bytes: all of it */
	assert_range("bytes=9-0", 100, 200, 0, 100);
	assert_range("bytes=0-1,3-4", 100, 200, 0, 100);
	assert_range("bytes=-", 100, 200, 0, 100);
	assert_range("lines=1-2", 100, 200, 0, 100);
	assert_range("bytes=99999999999999999999-", 100, 200, 0, 100);
}

static void heads(void **state)
{
	static char text[HTTP_HEAD_MOST];
	struct http_answer answer = { .status = 206,
				      .keep_alive = true,
				      .type = "text/plain",
				      .length = 10,
				      .first = 5,
				      .size = 100,
				      .date = "now" };

	size_t len = http_head(&answer, text);

	(void)state;
	assert_int_equal(len, strlen(text));
	assert_string_equal(text, "HTTP/1.1 206 Partial Content\r\nServer: httpd\r\nDate: now\r\n"
				  "Content-Length: 10\r\nContent-Type: text/plain\r\n"
				  "Content-Range: bytes 5-14/100\r\n"
				  "Connection: keep-alive\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(simple_requests),
		cmocka_unit_test(refused_requests),
		cmocka_unit_test(sizes_are_limited),
		cmocka_unit_test(requests_in_a_row),
		cmocka_unit_test(ranges),
		cmocka_unit_test(heads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
