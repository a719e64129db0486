/* One line on stderr, see fail.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "fail.h"

#define PREFIX         "vmm: "
#define LINE_MAX_BYTES 2048

void (*fail_hook)(void);

/*
 * One write(2), so that lines of several VMs on one terminal do not mix. File
 * names and guest data may hold anything: control characters become '?', or
 * they could rewrite what the user sees.
 */
static void __attribute__((format(printf, 1, 0))) say(const char *format, va_list args)
{
	char line[LINE_MAX_BYTES] = PREFIX;
	const size_t prefix = sizeof(PREFIX) - 1;
	int n = vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, args);
	size_t len = prefix + (n > 0 ? (size_t)n : 0);
	ssize_t done;

	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = prefix; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	do
		done = write(STDERR_FILENO, line, len);
	while (done < 0 && errno == EINTR);
}

void fail(int status, const char *format, ...)
{
	va_list args;

	if (fail_hook)
		fail_hook();
	va_start(args, format);
	say(format, args);
	va_end(args);
	_exit(status);
}

void warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(format, args);
	va_end(args);
}
