/*
 * HTTP/1.1 requests and answers, see http.h.
 *
 * A request is taken apart only when its empty line has come. Each line ends
 * with CR LF, or LF alone (RFC 9112, 2.2). What could be read in two ways is
 * refused: whitespace before a colon, folded lines, two Host fields, control
 * characters. A request with a body is answered, and then the connection ends,
 * so that a body is never taken for a request.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "http.h"

/* A piece of the request. */
struct text {
	const char *at;
	size_t len;
};

static bool is(struct text t, const char *word)
{
	return t.len == strlen(word) && !strncasecmp(t.at, word, t.len);
}

/* Cuts off what is in front of the separator; all, when there is none. */
static struct text cut(struct text *t, char separator)
{
	const char *end = memchr(t->at, separator, t->len);
	struct text front = { t->at, end ? (size_t)(end - t->at) : t->len };
	size_t skip = front.len + (end != NULL);

	t->at += skip;
	t->len -= skip;
	return front;
}

static struct text cut_line(struct text *t)
{
	struct text line = cut(t, '\n');

	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

static struct text trim(struct text t)
{
	while (t.len > 0 && (*t.at == ' ' || *t.at == '\t')) {
		t.at++;
		t.len--;
	}
	while (t.len > 0 && (t.at[t.len - 1] == ' ' || t.at[t.len - 1] == '\t'))
		t.len--;
	return t;
}

/* ---- the request line */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986, 2.1: %XX. A status. */
static int decode_path(struct text target, char *path)
{
	size_t n = 0;

	for (size_t i = 0; i < target.len; i++) {
		int c = (unsigned char)target.at[i];

		if (c <= ' ' || c == 0x7f)
			return 400;
		if (c == '%') {
			if (target.len - i < 3 || hex(target.at[i + 1]) < 0 ||
			    hex(target.at[i + 2]) < 0)
				return 400;
			c = hex(target.at[i + 1]) << 4 | hex(target.at[i + 2]);
			i += 2;
		}
		if (c == 0)
			return 400;
		if (n == HTTP_PATH_MOST)
			return 414;
		path[n++] = (char)c;
	}
	path[n] = 0;
	return 200;
}

static int parse_target(struct http_request *request, struct text target)
{
	static const char scheme[] = "http://";

	/* absolute-form, RFC 9112, 3.2.2 */
	if (target.len >= sizeof(scheme) - 1 &&
	    !strncasecmp(target.at, scheme, sizeof(scheme) - 1)) {
		target.at += sizeof(scheme) - 1;
		target.len -= sizeof(scheme) - 1;
		while (target.len > 0 && *target.at != '/') {
			target.at++;
			target.len--;
		}
	}
	target = cut(&target, '?');
	if (target.len == 0 || *target.at != '/')
		return 400;
	return decode_path(target, request->path);
}

static int parse_version(struct text version, bool *is_1_1)
{
	*is_1_1 = is(version, "HTTP/1.1");
	if (*is_1_1 || is(version, "HTTP/1.0"))
		return 200;
	return version.len == 8 && !strncmp(version.at, "HTTP/", 5) ? 505 : 400;
}

static int parse_request_line(struct http_request *request, struct text line, bool *is_1_1)
{
	struct text method = cut(&line, ' ');
	struct text target = cut(&line, ' ');
	int status = parse_version(line, is_1_1);

	request->keep_alive = *is_1_1;
	if (status == 200)
		status = parse_target(request, target);
	if (status != 200)
		return status;
	request->head = method.len == 4 && !memcmp(method.at, "HEAD", 4);
	if (!request->head && (method.len != 3 || memcmp(method.at, "GET", 3) != 0))
		return method.len == 0 ? 400 : 405;
	return 200;
}

/* ---- fields */

static bool parse_decimal(struct text t, uint64_t *n)
{
	*n = 0;
	for (size_t i = 0; i < t.len; i++) {
		if (t.at[i] < '0' || t.at[i] > '9' || *n > UINT64_MAX / 10 - 1)
			return false;
		*n = *n * 10 + (uint64_t)(t.at[i] - '0');
	}
	return t.len > 0;
}

/* One range of bytes (RFC 9110, 14.1.2); what is no such thing is ignored, as
 * 14.2 says. Of several fields the last counts. */
static void parse_range(struct http_request *request, struct text value)
{
	struct text unit = cut(&value, '=');
	struct text first = cut(&value, '-');

	request->range = RANGE_NONE;
	if (!is(unit, "bytes"))
		return;
	request->last = UINT64_MAX;
	if (first.len == 0) {
		if (parse_decimal(value, &request->last))
			request->range = RANGE_LAST;
		return;
	}
	if (!parse_decimal(first, &request->first))
		return;
	if (value.len == 0 ||
	    (parse_decimal(value, &request->last) && request->last >= request->first))
		request->range = RANGE_FROM;
}

static void parse_connection(struct http_request *request, struct text value, bool *close)
{
	while (value.len > 0) {
		struct text option = trim(cut(&value, ','));

		if (is(option, "close"))
			*close = true;
		else if (is(option, "keep-alive"))
			request->keep_alive = true;
	}
}

static int parse_fields(struct http_request *request, struct text fields, bool need_host)
{
	unsigned hosts = 0;
	bool close = false;

	while (fields.len > 0) {
		struct text value = cut_line(&fields), name;

		if (value.len == 0)
			break; /* the empty line */
		name = cut(&value, ':');
		if (name.len == 0 || memchr(name.at, ' ', name.len) ||
		    memchr(name.at, '\t', name.len) || name.at[name.len] != ':')
			return 400;
		value = trim(value);
		if (is(name, "Host"))
			hosts++;
		else if (is(name, "Connection"))
			parse_connection(request, value, &close);
		else if (is(name, "Range"))
			parse_range(request, value);
		else if (is(name, "Transfer-Encoding") ||
			 (is(name, "Content-Length") && !is(value, "0")))
			close = true; /* the body is not read */
	}
	if (close)
		request->keep_alive = false;
	return hosts > 1 || (need_host && hosts == 0) ? 400 : 200;
}

/* ---- the whole */

/* The length up to and with the empty line; 0: it has not come. */
static size_t find_end(const char *text, size_t len)
{
	const char *at = text, *end = text + len;

	while ((at = memchr(at, '\n', (size_t)(end - at)))) {
		at++;
		if (at < end && *at == '\n')
			return (size_t)(at + 1 - text);
		if (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
			return (size_t)(at + 2 - text);
	}
	return 0;
}

size_t http_parse(struct http_request *request, const char *text, size_t len)
{
	size_t blank = 0, n;
	bool is_1_1 = false;
	struct text rest;

	while (blank < len && (text[blank] == '\r' || text[blank] == '\n'))
		blank++; /* RFC 9112, 2.2 */
	*request = (struct http_request){ .status = 431 };
	n = find_end(text + blank, len - blank);
	if (n == 0)
		return len < HTTP_REQUEST_MOST ? 0 : len;
	rest = (struct text){ text + blank, n };
	request->status = 400;
	if (memchr(rest.at, 0, n))
		return len;
	request->status = parse_request_line(request, cut_line(&rest), &is_1_1);
	if (request->status == 200 || request->status == 405) {
		int status = parse_fields(request, rest, is_1_1);

		if (status != 200)
			request->status = status;
	}
	if (request->status != 200)
		request->keep_alive = false;
	return blank + n;
}

int http_range(const struct http_request *request, uint64_t size, uint64_t *first, uint64_t *length)
{
	uint64_t last = size - 1;

	*first = 0;
	*length = size;
	if (request->range == RANGE_NONE)
		return 200;
	if (request->range == RANGE_LAST) {
		if (request->last == 0 || size == 0)
			return 416;
		*first = request->last < size ? size - request->last : 0;
	} else {
		if (request->first >= size)
			return 416;
		*first = request->first;
		if (request->last < last)
			last = request->last;
	}
	*length = last - *first + 1;
	return 206;
}

/* ---- answers */

const char *http_reason(int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 206:
		return "Partial Content";
	case 301:
		return "Moved Permanently";
	case 400:
		return "Bad Request";
	case 403:
		return "Forbidden";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	case 414:
		return "URI Too Long";
	case 416:
		return "Range Not Satisfiable";
	case 431:
		return "Request Header Fields Too Large";
	case 503:
		return "Service Unavailable";
	case 505:
		return "HTTP Version Not Supported";
	default:
		return "Internal Server Error";
	}
}

size_t http_head(const struct http_answer *a, char *text)
{
	const unsigned long long first = a->first, length = a->length, size = a->size;
	int n = snprintf(text, HTTP_HEAD_MOST,
			 "HTTP/1.1 %d %s\r\nServer: httpd\r\nDate: %s\r\nContent-Length: %llu\r\n",
			 a->status, http_reason(a->status), a->date, length);

#define ADD(...) n += snprintf(text + n, HTTP_HEAD_MOST - (size_t)n, __VA_ARGS__)
	if (a->type)
		ADD("Content-Type: %s\r\n", a->type);
	if (a->status == 200)
		ADD("Accept-Ranges: bytes\r\n");
	if (a->status == 206)
		ADD("Content-Range: bytes %llu-%llu/%llu\r\n", first, first + length - 1, size);
	if (a->status == 416)
		ADD("Content-Range: bytes */%llu\r\n", size);
	if (a->status == 405)
		ADD("Allow: GET, HEAD\r\n");
	if (a->location)
		ADD("Location: %s\r\n", a->location);
	ADD("%s\r\n", a->keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n");
#undef ADD
	return (size_t)n;
}
