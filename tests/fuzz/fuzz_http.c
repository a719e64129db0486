// link: examples/http.c
/*
 * httpd's requests: whatever comes, the parser stays within it, takes no more
 * than there is, and gives a path that ends and a part that is in the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../../examples/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct http_request request;
	uint64_t first, length;
	int status;

	if (size > HTTP_REQUEST_MOST)
		size = HTTP_REQUEST_MOST;
	while (size > 0) {
		size_t n = http_parse(&request, (const char *)data, size);

		if (n == 0)
			break;
		require(n <= size);
		require(request.status == 200 || !request.keep_alive);
		require(request.status != 200 || request.path[0] == '/');
		require(memchr(request.path, 0, sizeof(request.path)));
		status = http_range(&request, size, &first, &length);
		require(status == 416 || (first <= size && length <= size - first));
		data += n;
		size -= n;
	}
	return 0;
}
