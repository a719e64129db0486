/* httpd: what a request gets, see httpd.h. */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <unistd.h>
#include "files.h"
#include "httpd.h"
#include "server.h"

void forget_answer(struct connection *c)
{
	free(c->out);
	c->out = NULL;
	c->out_from = c->out_to = 0;
	if (c->file >= 0)
		close(c->file);
	c->file = -1;
}

/* Puts head and body on their way; what does not go at once stays in c->out. */
static void send_answer(struct connection *c, const struct http_answer *answer, bool head_only,
			const char *body, size_t len)
{
	static char text[HTTP_HEAD_MOST + SMALL_FILE];
	size_t n = http_head(answer, text), done = 0;
	ssize_t sent;

	c->keep_alive = answer->keep_alive;
	c->state = WRITING;
	if (!head_only) {
		memcpy(text + n, body, len);
		n += len;
	}
	sent = send(c->fd, text, n, MSG_NOSIGNAL | (c->file >= 0 ? MSG_MORE : 0));
	if (sent > 0)
		done = (size_t)sent;
	server.bytes += done;
	if (done == n)
		return;
	c->out = malloc(n - done);
	if (!c->out) { /* then the client sees an answer cut short */
		c->keep_alive = false;
		return;
	}
	memcpy(c->out, text + done, n - done);
	c->out_to = n - done;
}

static void answer_text(struct connection *c, const struct http_request *request, int status,
			const char *type, const char *text)
{
	struct http_answer answer = {
		.status = status,
		.keep_alive = request->keep_alive && !stopping,
		.type = type,
		.length = strlen(text),
		.date = server.date,
	};

	send_answer(c, &answer, request->head, text, answer.length);
}

static void answer_error(struct connection *c, const struct http_request *request, int status)
{
	char text[64];

	server.errors++;
	snprintf(text, sizeof(text), "%d %s\n", status, http_reason(status));
	answer_text(c, request, status, "text/plain; charset=utf-8", text);
}

static void answer_status(struct connection *c, const struct http_request *request)
{
	const double mib = 1 << 20;
	struct timespec t;
	struct rusage usage;
	struct sysinfo info;
	char text[512];

	clock_gettime(CLOCK_MONOTONIC, &t);
	getrusage(RUSAGE_SELF, &usage);
	sysinfo(&info);
	snprintf(text, sizeof(text),
		 "uptime       %.3f s\n"
		 "requests     %" PRIu64 ", %" PRIu64 " of them in error\n"
		 "connections  %u open, %" PRIu64 " in all\n"
		 "sent         %" PRIu64 " bytes\n"
		 "memory       %.1f MiB resident at most; of the system's %.1f MiB, %.1f free\n",
		 (double)(t.tv_sec - server.start.tv_sec) +
			 (double)(t.tv_nsec - server.start.tv_nsec) / 1e9,
		 server.requests, server.errors, server.open, server.connections, server.bytes,
		 (double)usage.ru_maxrss * 1024 / mib, (double)info.totalram * info.mem_unit / mib,
		 (double)info.freeram * info.mem_unit / mib);
	answer_text(c, request, 200, "text/plain; charset=utf-8", text);
}

/* A folder's address ends with a slash, so that links in its page work. One
 * slash in front: two would name another host. */
static void answer_moved(struct connection *c, const struct http_request *request)
{
	static char location[3 * HTTP_PATH_MOST + 3];
	const char *path = request->path + strspn(request->path, "/");
	struct http_answer answer = {
		.status = 301,
		.keep_alive = request->keep_alive && !stopping,
		.location = location,
		.date = server.date,
	};
	char *to = location;

	*to++ = '/';
	for (; *path; path++) {
		const unsigned char ch = (unsigned char)*path;

		if (isalnum(ch) || strchr("/-._~", ch)) /* C locale */
			*to++ = *path;
		else
			to += sprintf(to, "%%%02X", ch);
	}
	strcpy(to, "/");
	send_answer(c, &answer, request->head, "", 0);
}

static void answer_file(struct connection *c, const struct http_request *request,
			const struct served_file *file)
{
	static char body[SMALL_FILE];
	struct http_answer answer = {
		.keep_alive = request->keep_alive && !stopping,
		.type = file->type,
		.size = file->size,
		.date = server.date,
	};

	answer.status = http_range(request, file->size, &answer.first, &answer.length);
	c->file = file->fd;
	c->file_from = c->file_to = 0;
	if (answer.status == 416) {
		answer.type = NULL;
		answer.length = 0;
	} else if (!request->head && answer.length > SMALL_FILE) {
		c->file_from = (off_t)answer.first;
		c->file_to = (off_t)(answer.first + answer.length);
	}
	if (c->file_to == 0) { /* all in one piece */
		ssize_t n = request->head ?
				    0 :
				    pread(c->file, body, answer.length, (off_t)answer.first);

		forget_answer(c);
		if (n < 0 || (!request->head && (uint64_t)n < answer.length)) {
			answer_error(c, request, 500); /* it became shorter meanwhile */
			return;
		}
	}
	send_answer(c, &answer, request->head, body, c->file_to == 0 ? answer.length : 0);
}

void answer(struct connection *c, const struct http_request *request)
{
	struct served_file file;
	int status = request->status;

	server.requests++;
	if (status == 200 && !strcmp(request->path, "/status")) {
		answer_status(c, request);
		return;
	}
	if (status == 200)
		status = files_open(server.folder, request->path, &file);
	if (status == 200)
		answer_file(c, request, &file);
	else if (status == 301)
		answer_moved(c, request);
	else if (status == 404 && !strcmp(request->path, "/")) /* no index.html there */
		answer_status(c, request);
	else
		answer_error(c, request, status);
}
