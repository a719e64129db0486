/*
 * Ordinary C programs: what the C libraries do with the system calls, with
 * memory and with the processor.
 */
#include <ctype.h>
#include <fcntl.h>
#include <float.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "abi.h"

/* ---- numbers in text ---- */

CASE(printf_integers)
{
	say("%d %i %u %x %X %o %#x %#o", -1, 42, 4000000000u, 0xbeef, 0xbeef, 0755, 255, 8);
	say("[%5d] [%-5d] [%05d] [%+d] [% d] [%.3d]", 42, 42, 42, 42, 42, 7);
	say("%ld %lld %zu %jd", -5L, 1LL << 62, (size_t)-1, INTMAX_MIN);
	say("%hhd %hd %c [%s] [%.2s] [%10s] [%-10s]", 300, 70000, 'x', "str", "cut", "right",
	    "left");
}

CASE(printf_floats)
{
	say("%f %e %g %a", 3.14159265358979, 12345.678, 0.0001, 1.0);
	say("%.0f %.1f %.10f %.20f", 2.5, 0.05, 1.0 / 3, 0.1);
	say("%g %g %g %g", 1e10, 1e-10, 100000.0, 1000000.0);
	say("%f %f %F %e", INFINITY, -INFINITY, (double)NAN, 0.0);
	say("%f %g", -0.0, -0.0);
	say("%.17g %.17g", DBL_MAX, DBL_MIN);
	say("%Lf %.20Lg", 1.5L, 1.0L / 3);
	say("[%10.3f] [%-10.3f] [%+.2e]", 3.14159, 3.14159, 31415.9);
}

CASE(scanf_and_strtod)
{
	int i = 0;
	double d = 0;
	char word[16] = "", *end;

	SHOW(sscanf("42 3.5 word", "%d %lf %15s", &i, &d, word));
	say("%d %g %s", i, d, word);
	say("%.17g", strtod("0.1", NULL));
	say("%.17g", strtod("1e-320", NULL));
	errno = 0;
	d = strtod("1e400", &end);
	say("%g %s, all read: %d", d, errno_name(errno), *end == 0);
	say("%ld", strtol("0x7fff", NULL, 0));
	errno = 0;
	long most = strtol("99999999999999999999", NULL, 10);
	say("%ld %s", most, errno_name(errno));
	say("%lu", strtoul("-1", NULL, 10));
}

CASE(float_arithmetic)
{
	volatile double a = 0.1, b = 0.2, big = 1e308;
	volatile float f = 16777216.0f;

	say("%.17g", a + b);
	say("%g", big * 10);
	say("%g", (double)(f + 1.0f));
	say("%.15g %.15g %.15g", sqrt(2), sin(1), exp(1));
	say("%.15g %.15g", log(10), pow(2, 0.5));
	say("%d %d", (int)lrint(2.5), (int)lround(2.5));
	say("%.6Lf", sqrtl(2.0L));
}

CASE(integer_arithmetic)
{
	volatile uint64_t a = 0x123456789abcdef, b = 0xfedcba987654321;
	unsigned __int128 wide = (unsigned __int128)a * b;

	say("%016" PRIx64 "%016" PRIx64, (uint64_t)(wide >> 64), (uint64_t)wide);
	say("%" PRIu64, (uint64_t)(wide / 12345));
	say("%d %d %d", __builtin_popcountll(a), __builtin_clzll(a), __builtin_ctzll(b));
}

/* ---- memory ---- */

CASE(malloc_sizes)
{
	bool good = true;

	for (size_t n = 1; n <= 4 << 20; n = n * 3 / 2 + 1) {
		char *p = malloc(n);

		good &= p != NULL && (uintptr_t)p % 16 == 0;
		memset(p, 0x5a, n);
		good &= p[n - 1] == 0x5a;
		free(p);
	}
	CHECK(good);
}

CASE(malloc_churn)
{
	static unsigned char *slot[256];
	static size_t size[256];
	unsigned seed = 1;
	bool good = true;

	for (int i = 0; i < 20000; i++) {
		seed = seed * 1103515245 + 12345;
		unsigned k = seed >> 16 & 255;

		if (slot[k] != NULL) {
			good &= slot[k][0] == (unsigned char)k;
			good &= slot[k][size[k] - 1] == (unsigned char)k;
			free(slot[k]);
			slot[k] = NULL;
			continue;
		}
		size[k] = 1 + (seed >> 8) % 3000;
		slot[k] = malloc(size[k]);
		memset(slot[k], (int)k, size[k]);
	}
	for (int k = 0; k < 256; k++) {
		free(slot[k]);
		slot[k] = NULL;
	}
	CHECK(good);
}

CASE(calloc_zeroes)
{
	bool good = true;

	for (int round = 0; round < 5; round++) {
		unsigned char *p = calloc(1000, 300);

		for (size_t i = 0; i < 300000; i += 100)
			good &= p[i] == 0;
		memset(p, 0xff, 300000);
		free(p);
	}
	CHECK(good);
	CHECK(calloc((size_t)launder((void *)(1ul << 40)), 1ul << 40) == NULL);
}

CASE(realloc_grows)
{
	size_t n = 16;
	char *p = malloc(n);
	bool good = true;

	strcpy(p, "kept over moves");
	while (n < 8 << 20) {
		n *= 2;
		p = realloc(p, n);
		good &= strcmp(p, "kept over moves") == 0;
		p[n - 1] = 1;
	}
	p = realloc(p, 20);
	CHECK(good && strcmp(p, "kept over moves") == 0);
	free(p);
}

CASE(malloc_too_much)
{
	errno = 0;
	CHECK(malloc((size_t)launder((void *)(PTRDIFF_MAX - 4096l))) == NULL);
	say("%s", errno_name(errno));
	CHECK(realloc(NULL, (size_t)launder((void *)(1l << 62))) == NULL);
	free(NULL);
}

CASE(malloc_aligned)
{
	void *p = NULL, *q;

	SHOW(posix_memalign(&p, 4096, 100));
	CHECK((uintptr_t)p % 4096 == 0);
	q = aligned_alloc(65536, 65536);
	CHECK((uintptr_t)q % 65536 == 0);
	SHOW(posix_memalign(&p, 3, 100) == EINVAL);
	free(p);
	free(q);
}

CASE(string_functions)
{
	static char a[5000], b[5000];
	bool good = true;

	/* each alignment and length meets another variant of the loop */
	for (size_t from = 0; from < 40; from++)
		for (size_t n = 0; n < 300; n += 7) {
			memset(a, 'a', sizeof(a));
			memset(b, 'b', sizeof(b));
			memcpy(b + from, a, n);
			good &= (n == 0 || b[from + n - 1] == 'a') && b[from + n] == 'b';
			a[n] = 0;
			good &= strlen(a + n / 2) == n - n / 2;
			good &= memchr(b, 'a', sizeof(b)) == (n == 0 ? NULL : b + from);
		}
	CHECK(good);
	memmove(a + 3, a, 1000);
	say("%d %d", strcmp("abc", "abd") < 0, memcmp("x", "x", 1));
	say("%s %s", strstr("haystack with needle", "needle"), strrchr("a/b/c", '/'));
}

CASE(string_at_page_end)
{
	char *p = pages(1);
	bool good = true;

	/* vector loops must not touch the page after */
	for (size_t n = 1; n < 200; n++) {
		char *s = p + 4096 - n;

		memset(s, 'x', n - 1);
		s[n - 1] = 0;
		good &= strlen(s) == n - 1;
		good &= strchr(s, 'y') == NULL;
		good &= memchr(s, 0, n) == s + n - 1;
		good &= strcmp(s, s) == 0;
	}
	CHECK(good);
}

/* ---- algorithms ---- */

static int compare_ints(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

CASE(qsort_and_bsearch)
{
	static int v[10000];
	unsigned seed = 7;
	bool sorted = true;

	for (int i = 0; i < 10000; i++) {
		seed = seed * 1664525 + 1013904223;
		v[i] = (int)(seed >> 8);
	}
	int wanted = v[1234];
	qsort(v, 10000, sizeof(v[0]), compare_ints);
	for (int i = 1; i < 10000; i++)
		sorted &= v[i - 1] <= v[i];
	CHECK(sorted);
	int *found = bsearch(&wanted, v, 10000, sizeof(v[0]), compare_ints);
	CHECK(found != NULL && *found == wanted);
	say("%d %d", v[0], v[9999]);
}

CASE(sieve_of_primes)
{
	enum { N = 200000 };
	char *composite = calloc(N, 1);
	int count = 0;

	for (int i = 2; i < N; i++) {
		if (composite[i])
			continue;
		count++;
		for (long j = (long)i * i; j < N; j += i)
			composite[j] = 1;
	}
	SHOW(count);
	free(composite);
}

static jmp_buf point;

static void __attribute__((noreturn, noinline)) jump_from(int depth)
{
	if (depth == 0)
		longjmp(point, 5);
	jump_from(depth - 1);
}

CASE(setjmp_longjmp)
{
	volatile int kept = 1;
	int got = setjmp(point);

	say("setjmp gave %d, kept %d", got, kept);
	if (got == 0) {
		kept = 2;
		jump_from(50);
	}
	got = setjmp(point);
	if (got == 0)
		longjmp(point, 0);
	say("longjmp of 0 gives %d", got);
}

static int sum_of(int n, ...)
{
	va_list ap;
	double sum = 0;

	va_start(ap, n);
	for (int i = 0; i < n; i++)
		sum += i % 2 ? va_arg(ap, double) : va_arg(ap, int);
	va_end(ap);
	return (int)sum;
}

CASE(variable_arguments)
{
	SHOW(sum_of(12, 1, 2.0, 3, 4.0, 5, 6.0, 7, 8.0, 9, 10.0, 11, 12.0));
}

CASE(random_sequence)
{
	/* the same seed, the same numbers */
	unsigned state = 5;

	srand48(42);
	say("%.6f %.6f", drand48(), drand48());
	int a = rand_r(&state);
	state = 5;
	CHECK(rand_r(&state) == a);
}

/* ---- stdio ---- */

CASE(stdio_tmpfile)
{
	FILE *f = tmpfile();
	char text[32] = "";

	CHECK(f != NULL);
	if (f == NULL)
		return;
	fprintf(f, "%s %d\n", "temporary", 1);
	rewind(f);
	SHOW(fread(text, 1, sizeof(text) - 1, f));
	say("%s", text);
	SHOW(fclose(f));
}

CASE(stdio_buffering, IN_DIR)
{
	FILE *f = fopen("f", "w");

	setvbuf(f, NULL, _IOFBF, 4096);
	fputs("buffered", f);
	show_file("f");
	SHOW(fflush(f));
	show_file("f");
	setvbuf(f, NULL, _IONBF, 0);
	fclose(f);
	f = fopen("f", "a");
	setvbuf(f, NULL, _IONBF, 0);
	fputs("+direct", f);
	show_file("f");
	fclose(f);
}

CASE(stdio_getline, IN_DIR)
{
	char *line = NULL;
	size_t room = 0;
	long n;

	make_file("f", "one\n\na longer line without an end");
	FILE *f = fopen("f", "r");
	while ((n = getline(&line, &room, f)) >= 0)
		SHOW(n);
	SHOW(feof(f) != 0);
	free(line);
	fclose(f);
}

CASE(stdio_errors, IN_DIR)
{
	FILE *f = fopen("f", "w");

	CHECK(fgetc(f) == EOF);
	SHOW(ferror(f) != 0);
	clearerr(f);
	SHOW(fputc('x', f));
	close(fileno(f));
	SHOW(fflush(f));
	CHECK(fopen("f", "nonsense") == NULL);
	CHECK(freopen("none/none", "r", f) == NULL);
}

CASE(stdio_memory_stream)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	for (int i = 0; i < 1000; i++)
		fprintf(f, "%d,", i);
	fclose(f);
	SHOW(size);
	say("%.12s", text);
	free(text);
}

CASE(stdio_dprintf)
{
	SHOW(dprintf(STDOUT_FILENO, "by %s\n", "dprintf"));
	SHOW(dprintf(-1, "x"));
}

CASE(perror_text, ALONE)
{
	errno = ENOENT;
	perror("prefix");
	errno = EACCES;
	perror(NULL);
	fprintf(stderr, "%s\n", strerror(EMFILE));
}

/* ---- time and places ---- */

CASE(calendar)
{
	time_t t = 1700000000;
	struct tm tm;
	char text[64];

	gmtime_r(&t, &tm);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %j %a %b", &tm);
	say("%s", text);
	tm.tm_mday += 40;
	say("%lld", (long long)timegm(&tm));
	setenv("TZ", "UTC0", 1);
	tzset();
	say("%lld", (long long)mktime(&tm));
	say("%s", asctime(&tm));
}

CASE(locale_and_wide)
{
	wchar_t w[8];

	CHECK(setlocale(LC_ALL, "C") != NULL);
	SHOW(mbstowcs(w, "abc", 8));
	SHOW(wcslen(L"wide"));
	say("%d %d", toupper('a'), isalpha('1') != 0);
}

CASE(environment_many)
{
	char name[32], value[64];
	bool good = true;

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "ABI_VAR_%d", i);
		snprintf(value, sizeof(value), "value of %d", i);
		good &= setenv(name, value, 1) == 0;
	}
	good &= strcmp(getenv("ABI_VAR_123"), "value of 123") == 0;
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "ABI_VAR_%d", i);
		good &= unsetenv(name) == 0;
	}
	good &= getenv("ABI_VAR_0") == NULL;
	CHECK(good);
}

CASE(getopt_options)
{
	char *args[] = { "prog", "-a", "-b", "value", "rest", NULL };
	int c;

	optind = 1;
	while ((c = getopt(5, args, "ab:")) != -1)
		say("%c %s", c, c == 'b' ? optarg : "");
	say("rest: %s", args[optind]);
}

CASE(isolated_assert_abort, ALONE)
{
	/* the message names no path: assert's own words differ by library */
	fputs("giving up\n", stderr);
	abort();
}
