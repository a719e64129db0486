/*
 * For programs that judge for themselves: what went wrong, and how often.
 */
#ifndef VM_EXPECT_H
#define VM_EXPECT_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static unsigned wrong;

/* Says what was not as it should be, with errno's text. */
__attribute__((format(printf, 2, 3))) static void expect(int ok, const char *format, ...)
{
	va_list args;

	if (ok)
		return;
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(": %s\n", strerror(errno));
	wrong++;
}

#endif
