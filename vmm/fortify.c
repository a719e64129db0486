/*
 * The VMM is linked with musl, whose start-up takes 0.3 ms less than glibc's
 * (bench/METHOD.md). Debian's libjansson.a was compiled against glibc and
 * calls some of its checked functions; these are they.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int __snprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
int __vsnprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, va_list args)
	__attribute__((format(printf, 5, 0)));
char *__strncpy_chk(char *to, const char *from, size_t n, size_t room);

int __vsnprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, va_list args)
{
	(void)flag;
	if (room < n)
		abort();
	return vsnprintf(buf, n, format, args);
}

int __snprintf_chk(char *buf, size_t n, int flag, size_t room, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = __vsnprintf_chk(buf, n, flag, room, format, args);
	va_end(args);
	return len;
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t room)
{
	if (room < n)
		abort();
	return strncpy(to, from, n);
}
