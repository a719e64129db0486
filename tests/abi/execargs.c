/*
 * How much execve(2) takes to the new program: a quarter of the stack's limit, with
 * a pointer for each string and the program's name, but at least 128 KiB and at most
 * 6 MiB; 128 KiB a string.
 *
 * The program "tiny" ends with the number of its arguments.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "abi.h"
#include "tiny.h"

#define STRING_MAX 131072ul /* with its NUL */
#define WORDS_MAX  800000

static char *word[WORDS_MAX + 1];

static size_t limit(size_t stack)
{
	size_t n = stack / 4;

	return n < 131072 ? 131072 : n > 6ul << 20 ? 6ul << 20 : n;
}

/* Strings that are, with all that counts, so many bytes. */
static void fill(long bytes)
{
	static char longest[STRING_MAX], last[STRING_MAX];
	unsigned n = 0;

	memset(longest, 'x', sizeof(longest) - 1);
	memset(last, 'y', sizeof(last) - 1);
	bytes -= sizeof("tiny");
	/* the last one has at least one byte, and its NUL */
	for (; bytes > (long)(STRING_MAX + 8); bytes -= STRING_MAX + 8)
		word[n++] = longest;
	if (bytes < 10) /* so short: of the one before */
		word[n - 1] = longest + 10;
	word[n++] = last + (STRING_MAX - (size_t)(bytes - 8 + (bytes < 10 ? 10 : 0)));
	word[n] = NULL;
}

static void set_stack(size_t size)
{
	struct rlimit r;

	NEED(getrlimit(RLIMIT_STACK, &r));
	r.rlim_cur = size;
	NEED(setrlimit(RLIMIT_STACK, &r));
}

/* One byte too much, and then just enough. */
static void at_the_limit(size_t stack, int as_env)
{
	make_tiny("tiny", NULL, EM_X86_64);
	set_stack(stack);
	for (long more = 1; more >= 0; more--) {
		/* there is always one argument, with a pointer and a NUL */
		fill((long)limit(stack) + more - (as_env ? 9 : 0));
		SHOW(execve("tiny", as_env ? no_words : word, as_env ? word : no_words));
	}
}

CASE(usual_stack, ALONE, IN_DIR)
{
	at_the_limit(8ul << 20, 0);
}

CASE(usual_stack_by_environment, ALONE, IN_DIR)
{
	at_the_limit(8ul << 20, 1);
}

CASE(odd_stack, ALONE, IN_DIR)
{
	at_the_limit((3ul << 20) + 4096, 0);
}

CASE(small_stack, ALONE, IN_DIR)
{
	at_the_limit(256ul << 10, 0);
}

CASE(large_stack, ALONE, IN_DIR)
{
	at_the_limit(64ul << 20, 0);
}

CASE(large_stack_by_environment, ALONE, IN_DIR)
{
	at_the_limit(64ul << 20, 1);
}

/* As many as can be, with nothing in them. */
CASE(most_strings, ALONE, IN_DIR)
{
	size_t n = ((6ul << 20) - sizeof("tiny")) / 9;

	make_tiny("tiny", NULL, EM_X86_64);
	set_stack(64ul << 20);
	for (size_t i = 0; i <= n; i++)
		word[i] = "";
	SHOW(execve("tiny", word, no_words));
	word[n] = NULL;
	SHOW(execve("tiny", word, no_words));
}

/* ---- all of it arrives */

#define MANY 700

static unsigned sum_of(char **strings, unsigned *n)
{
	unsigned sum = 2166136261u;

	for (*n = 0; strings[*n]; ++*n)
		for (const char *c = strings[*n]; c == strings[*n] || c[-1]; c++)
			sum = (sum ^ (unsigned char)*c) * 16777619u;
	return sum;
}

/* argv is below the environment; its size below that. */
static char **arguments(void)
{
	char **end = environ - 1;
	long n = 0;

	while ((long)end[-1 - n] != n)
		n++;
	return end - n;
}

__attribute__((constructor)) static void begin(void)
{
	unsigned n, sum;

	if (!getenv("EXEC_SUM"))
		return;
	sum = sum_of(arguments(), &n);
	say("%u arguments, sum %08x", n, sum);
	sum = sum_of(environ, &n);
	say("%u of the environment, sum %08x", n, sum);
	_exit(7);
}

CASE(all_arrive, ALONE)
{
	char **env = word + MANY + 1;

	set_stack(64ul << 20);
	for (unsigned i = 0; i < MANY; i++) {
		size_t size = i * 37 % 5000 + (i % 100 == 50 ? 120000 : 0);

		word[i] = (char *)NEED(malloc(size + 1));
		memset(word[i], 'a' + i % 26, size);
		word[i][size] = 0;
	}
	for (unsigned i = 0; i < MANY; i++)
		env[i] = word[MANY - 1 - i];
	env[0] = "EXEC_SUM=1";
	SHOW(execve("/proc/self/exe", word, env));
}
