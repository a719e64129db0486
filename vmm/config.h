/*
 * The file of --config: a JSON object whose keys are the long options, plus
 * "image" and "args". Also what options.c and config.c share: the table of
 * options, so that both check a value with the same code.
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "options.h"

/* Which JSON values an option takes; on the command line all are words. */
enum option_kind {
	OPTION_FLAG, /* true or false */
	OPTION_COUNT, /* integer */
	OPTION_SIZE, /* string such as "64M", or integer: bytes */
	OPTION_SECONDS, /* number */
	OPTION_TEXT, /* string */
	OPTION_LIST, /* string, or array of strings; repeatable on the command line */
	OPTION_ENV, /* object {"K": "V"} or array ["K=V"] */
	OPTION_CONFIG, /* on the command line only */
};

struct option_def {
	const char *name; /* without the dashes */
	enum option_kind kind;
	/* Checks and stores a value, which must live as long as opt. NULL, or
	 * what is wrong and what to give instead. A flag's value is "" (on) or
	 * NULL (off). */
	const char *(*set)(struct options *opt, const char *value);
};

#define OPTION_COUNT_MAX 32 /* bits of options.given */
extern const struct option_def option_table[]; /* ends with a NULL name */

/* The table's entry of this name (not NUL-terminated), or NULL. */
const struct option_def *option_find(const char *name, size_t len);

/* The name most like the word, of the table and of `more` (NULL at its end, not
 * empty): one that the word is the start of, or else the least edit distance. */
const char *option_nearest(const char *word, size_t len, const char *const *more);

/* Copies "a" or "a=b" (b may be NULL) to the heap; options_free() frees it. */
char *options_own(struct options *opt, const char *a, const char *b);

/* Appends to a list and ends it with NULL. */
void list_add(struct string_list *list, char *item);

/* Whether opt->env has a variable of the same name as this "K=V". */
bool options_has_env(const struct options *opt, const char *assignment);

/*
 * Applies a JSON text to opt, except where the command line already decided.
 * `name` is the file's, for messages. Returns false with one line in `error`
 * (without "vmm: ") when the text is bad; opt is then half changed.
 */
bool config_apply(struct options *opt, const char *name, const char *text, size_t len, char *error,
		  size_t error_size);

/* Reads the file and applies it; bad input ends the process (EXIT_VMM). */
void config_load(struct options *opt, const char *path);

#define CONFIG_MAX (1 << 20) /* bytes of a file: far more than any real one */

#endif
