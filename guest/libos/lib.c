/*
 * Strings, formatting, the log and panic.
 */
#include <stdarg.h>
#include "entry.h"
#include "lib.h"

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;
	if (d <= s || d >= s + n)
		return memcpy(dst, src, n);
	while (n--)
		d[n] = s[n];
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const u8 *p = s; n; n--, p++)
		if (*p == (u8)c)
			return (void *)p;
	return NULL;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;
	while (n < max && s[n])
		n++;
	return n;
}

size_t strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n && *a && *a == *b; n--)
		a++, b++;
	return n ? (u8)*a - (u8)*b : 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

char *strrchr(const char *s, int c)
{
	char *last = NULL;
	for (; (s = strchr(s, c)); s++) {
		last = (char *)s;
		if (!c)
			break;
	}
	return last;
}

struct output {
	char *buf;
	size_t size, length;
	bool upper; /* hexadecimal digits */
};

static void put(struct output *o, char c)
{
	if (o->length + 1 < o->size)
		o->buf[o->length] = c;
	o->length++;
}

static void put_padded(struct output *o, const char *s, size_t n, int width, char pad, bool left)
{
	int fill = width - (int)n;
	while (!left && fill-- > 0)
		put(o, pad);
	for (size_t i = 0; i < n; i++)
		put(o, s[i]);
	while (left && fill-- > 0)
		put(o, ' ');
}

static void put_number(struct output *o, u64 value, unsigned base, bool negative, int width,
		       char pad)
{
	char digits[24];
	size_t n = sizeof(digits);
	do
		digits[--n] = (o->upper ? "0123456789ABCDEF" : "0123456789abcdef")[value % base];
	while (value /= base);
	if (negative && pad == '0') {
		put(o, '-');
		width--;
	} else if (negative) {
		digits[--n] = '-';
	}
	put_padded(o, digits + n, sizeof(digits) - n, width, pad, false);
}

static int format_text(char *buf, size_t size, const char *f, va_list args)
{
	struct output o = { buf, size, 0, false };
	for (; *f; f++) {
		if (*f != '%') {
			put(&o, *f);
			continue;
		}
		bool left = *++f == '-';
		f += left;
		char pad = *f == '0' ? '0' : ' ';
		int width = 0, precision = -1, longs = 0;
		for (; *f >= '0' && *f <= '9'; f++)
			width = width * 10 + *f - '0';
		if (*f == '.')
			for (precision = 0, f++; *f >= '0' && *f <= '9'; f++)
				precision = precision * 10 + *f - '0';
		for (; *f == 'l' || *f == 'z'; f++)
			longs++;
		if (*f == 's') {
			const char *s = va_arg(args, const char *);
			put_padded(&o, s, strnlen(s, precision < 0 ? SIZE_MAX : (size_t)precision),
				   width, ' ', left);
		} else if (*f == 'd') {
			i64 v = longs ? va_arg(args, long) : va_arg(args, int);
			put_number(&o, v < 0 ? -(u64)v : (u64)v, 10, v < 0, width, pad);
		} else if (*f == 'u' || *f == 'x' || *f == 'X') {
			u64 v = longs ? va_arg(args, unsigned long) : va_arg(args, unsigned int);
			o.upper = *f == 'X';
			put_number(&o, v, *f == 'u' ? 10 : 16, false, width, pad);
		} else if (*f == 'o') {
			u64 v = longs ? va_arg(args, unsigned long) : va_arg(args, unsigned int);
			put_number(&o, v, 8, false, width, pad);
		} else if (*f == 'p') {
			o.upper = false;
			put_number(&o, (u64)va_arg(args, void *), 16, false, width, pad);
		} else {
			put(&o, *f == 'c' ? (char)va_arg(args, int) : *f);
		}
	}
	if (size)
		buf[MIN(o.length, size - 1)] = 0;
	return o.length;
}

int snprintf(char *buf, size_t size, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = format_text(buf, size, format, args);
	va_end(args);
	return n;
}

static void serial_line(const char *s)
{
	for (; *s; s++)
		kcall(KCALL_PORT, SERIAL_PORT | 1 << 16 | 1 << 24, (u8)*s, 0);
	kcall(KCALL_PORT, SERIAL_PORT | 1 << 16 | 1 << 24, '\n', 0);
}

void klog(const char *format, ...)
{
	char line[200];
	va_list args;
	va_start(args, format);
	format_text(line, sizeof(line), format, args);
	va_end(args);
	serial_line(line);
}

/* Return addresses up the frame-pointer chain of this library-OS stack. */
static void backtrace(void)
{
	const u64 *frame = __builtin_frame_address(0);
	for (int depth = 0; depth < 16 && (u64)frame > IMAGE_BASE && frame[0]; depth++) {
		klog("  from %lx", frame[1]);
		if (frame[0] <= (u64)frame)
			break;
		frame = (const u64 *)frame[0];
	}
}

void panic(const char *format, ...)
{
	static bool again;
	char line[200];
	va_list args;
	if (!again) {
		again = true;
		va_start(args, format);
		format_text(line, sizeof(line), format, args);
		va_end(args);
		klog("mayfly library OS: %s", line);
		backtrace();
	}
	for (;;)
		kcall(KCALL_PORT, EXIT_PORT | 4 << 16 | 1 << 24, EXIT_PANIC | 125, 0);
}
