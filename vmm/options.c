/*
 * The command line of `vmm run`. Every VM start comes through here, so there
 * is one pass over the words, a table of a dozen names, and nothing on the
 * heap unless --env or --config ask for it.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../shared/abi.h"
#include "blk.h"
#include "config.h"
#include "copy.h"
#include "fail.h"
#include "fs.h"
#include "help.h"
#include "net_options.h"
#include "options.h"

#define STRINGIFY(x) #x
#define TO_STRING(x) STRINGIFY(x)

/* ---- values */

/* Reads decimal digits up to the first other character; false: none, or more
 * than 64 bits. strtoull() would let spaces, signs and 0x pass. */
static bool parse_digits(const char **text, uint64_t *value)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			return false;
	}
	*text = p;
	*value = n;
	return true;
}

bool parse_size(const char *text, uint64_t *bytes)
{
	uint64_t n, unit = 1;

	if (!parse_digits(&text, &n))
		return false;
	switch (*text) {
	case 'G':
	case 'g':
		unit <<= 10;
		/* fall through */
	case 'M':
	case 'm':
		unit <<= 10;
		/* fall through */
	case 'K':
	case 'k':
		unit <<= 10;
		text++;
	}
	if (*text || __builtin_mul_overflow(n, unit, &n))
		return false;
	*bytes = n;
	return true;
}

static const char *set_cpus(struct options *opt, const char *value)
{
	uint64_t n;

	if (!parse_digits(&value, &n) || *value || n < 1 || n > MAX_CPUS)
		return "give a number of vCPUs from 1 to " TO_STRING(MAX_CPUS);
	opt->cpus = (unsigned)n;
	return NULL;
}

static const char *set_mem(struct options *opt, const char *value)
{
	uint64_t n;

	if (!parse_size(value, &n))
		return "give a size from 2M to 64G, such as 64M: a number and K, M or G";
	if (n < MEM_MIN)
		return "too little memory, give at least 2M";
	if (n > MEM_MAX)
		return "too much memory, give at most 64G";
	if (n % 4096)
		return "give a multiple of 4K";
	opt->mem = n;
	return NULL;
}

/* Seconds with decimals, in whole milliseconds; what is not 0 stays not 0. */
static const char *set_timeout(struct options *opt, const char *value)
{
	static const char bad[] =
		"give seconds, such as 10 or 0.5, at most 1000000000; 0: no limit";
	uint64_t seconds = 0, ms = 0, unit = 100;
	bool digits = parse_digits(&value, &seconds), rest = false;

	if (*value == '.') {
		for (value++; *value >= '0' && *value <= '9'; value++, unit /= 10) {
			ms += unit * (uint64_t)(*value - '0');
			rest |= unit == 0 && *value != '0';
			digits = true;
		}
	}
	if (!digits || *value || seconds > 1000000000)
		return bad;
	opt->timeout_ms = seconds * 1000 + ms + rest;
	return NULL;
}

static const char *set_cwd(struct options *opt, const char *value)
{
	if (value[0] != '/')
		return "give an absolute path inside the VM, such as /tmp";
	opt->cwd = value;
	return NULL;
}

/* Names as in RFC 1123, 2.1; the length is what sethostname() takes. */
static const char *set_hostname(struct options *opt, const char *value)
{
	size_t len = strlen(value);

	if (len < 1 || len > 64 || value[0] == '-' ||
	    strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.") !=
		    len)
		return "give 1 to 64 letters, digits, \"-\" or \".\", not \"-\" first";
	opt->hostname = value;
	return NULL;
}

static const char *set_kernel(struct options *opt, const char *value)
{
	if (!*value)
		return "give the path of a guest image";
	opt->kernel = value;
	return NULL;
}

static const char *set_append(struct options *opt, const char *value)
{
	opt->append = value;
	return NULL;
}

static const char *set_copy(struct options *opt, const char *value)
{
	const char *why = copy_check(value);

	if (!why)
		list_add(&opt->copy, (char *)value);
	return why;
}

static const char *set_config(struct options *opt, const char *value)
{
	if (!*value)
		return "give the path of a JSON file";
	opt->config = value;
	return NULL;
}

static const char *set_pcap(struct options *opt, const char *value)
{
	if (!*value)
		return "give the path of the file to write";
	opt->pcap = value;
	return NULL;
}

static const char *set_stats(struct options *opt, const char *value)
{
	opt->stats = value != NULL;
	return NULL;
}

static const char *set_verbose(struct options *opt, const char *value)
{
	opt->verbose = value != NULL;
	return NULL;
}

static const char *set_no_patch(struct options *opt, const char *value)
{
	opt->no_patch = value != NULL;
	return NULL;
}

/* ---- lists */

static char *none[1]; /* every empty list, so that item is never NULL */

void list_add(struct string_list *list, char *item)
{
	/* Room for a NULL at the end; sizes 2, 4, 8, ... as count reaches them. */
	if ((list->count & (list->count + 1)) == 0) {
		size_t room = 2 * ((size_t)list->count + 1);
		char **grown = realloc(list->count ? list->item : NULL, room * sizeof(*grown));

		if (!grown)
			fail(EXIT_VMM, "out of memory for options");
		list->item = grown;
	}
	list->item[list->count++] = item;
	list->item[list->count] = NULL;
}

/* Where opt->env has the variable that "K=V" names, or NULL. */
static char **find_env(const struct options *opt, const char *assignment)
{
	size_t len = (size_t)(strchrnul(assignment, '=') - assignment);

	for (unsigned i = 0; i < opt->env.count; i++) {
		const char *have = opt->env.item[i];

		if (!strncmp(have, assignment, len) && have[len] == '=')
			return &opt->env.item[i];
	}
	return NULL;
}

bool options_has_env(const struct options *opt, const char *assignment)
{
	return find_env(opt, assignment) != NULL;
}

/* The last value of a variable wins, and the list stays free of doubles: of
 * two, getenv() would find the first. */
static const char *set_env(struct options *opt, const char *value)
{
	char **have = find_env(opt, value);

	if (value[0] == '=' || !strchr(value, '='))
		return "give NAME=VALUE";
	if (have)
		*have = (char *)value;
	else
		list_add(&opt->env, (char *)value);
	return NULL;
}

static const char *set_net(struct options *opt, const char *value)
{
	list_add(&opt->net, (char *)value);
	return net_check(value);
}

static const char *set_publish(struct options *opt, const char *value)
{
	list_add(&opt->publish, (char *)value);
	return publish_check(value);
}

char *options_own(struct options *opt, const char *a, const char *b)
{
	char *copy = NULL;

	if ((b ? asprintf(&copy, "%s=%s", a, b) : asprintf(&copy, "%s", a)) < 0)
		fail(EXIT_VMM, "out of memory for options");
	list_add(&opt->owned, copy);
	return copy;
}

static const char *set_disk(struct options *opt, const char *value)
{
	const char *why = disk_check(value);

	if (!why)
		list_add(&opt->disk, (char *)value);
	return why;
}

static const char *set_share(struct options *opt, const char *value)
{
	const char *why = share_check(value);

	if (!why)
		list_add(&opt->share, (char *)value);
	return why;
}

static const char *set_root(struct options *opt, const char *value)
{
	opt->root = value;
	return root_check(value);
}

/* ---- the table */

const struct option_def option_table[] = {
	{ "cpus", OPTION_COUNT, set_cpus },
	{ "mem", OPTION_SIZE, set_mem },
	{ "env", OPTION_ENV, set_env },
	{ "cwd", OPTION_TEXT, set_cwd },
	{ "copy", OPTION_LIST, set_copy },
	{ "hostname", OPTION_TEXT, set_hostname },
	{ "kernel", OPTION_TEXT, set_kernel },
	{ "append", OPTION_TEXT, set_append },
	{ "disk", OPTION_LIST, set_disk },
	{ "share", OPTION_LIST, set_share },
	{ "root", OPTION_TEXT, set_root },
	{ "net", OPTION_LIST, set_net },
	{ "publish", OPTION_LIST, set_publish },
	{ "pcap", OPTION_TEXT, set_pcap },
	{ "timeout", OPTION_SECONDS, set_timeout },
	{ "stats", OPTION_FLAG, set_stats },
	{ "verbose", OPTION_FLAG, set_verbose },
	{ "config", OPTION_CONFIG, set_config },
	{ "no-patch", OPTION_FLAG, set_no_patch },
	{ NULL, OPTION_FLAG, NULL },
};

_Static_assert(sizeof(option_table) / sizeof(option_table[0]) <= OPTION_COUNT_MAX + 1,
	       "a bit of options.given for each");

const struct option_def *option_find(const char *name, size_t len)
{
	for (const struct option_def *def = option_table; def->name; def++) {
		if (!strncmp(def->name, name, len) && !def->name[len])
			return def;
	}
	return NULL;
}

/* Edit distance where a swap of two neighbours counts one (optimal string
 * alignment), three rows at a time. Long words are beyond any distance. */
static unsigned edit_distance(const char *a, size_t alen, const char *b, size_t blen)
{
	enum { MAX = 32 };
	unsigned row[3][MAX + 1] = { 0 };

	if (alen > MAX || blen > MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= blen; j++)
		row[0][j] = j;
	for (unsigned i = 1; i <= alen; i++) {
		unsigned *now = row[i % 3], *last = row[(i + 2) % 3], *older = row[(i + 1) % 3];

		now[0] = i;
		for (unsigned j = 1; j <= blen; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    older[j - 2] + 1 < best)
				best = older[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[alen % 3][blen];
}

const char *option_nearest(const char *word, size_t len, const char *const *more)
{
	const char *nearest = more[0];
	unsigned least = UINT_MAX;

	for (const struct option_def *def = option_table; def->name || *more;) {
		const char *name = def->name ? (def++)->name : *more++;
		unsigned distance = edit_distance(word, len, name, strlen(name));

		if (len > 0 && !strncmp(name, word, len))
			return name;
		if (distance < least) {
			least = distance;
			nearest = name;
		}
	}
	return nearest;
}

/* ---- the command line */

static _Noreturn void fail_unknown(const char *word)
{
	static const char *const more[] = { "help", NULL };
	const char *name = word + strspn(word, "-"), *end = strchrnul(name, '=');

	fail(EXIT_VMM, "unknown option %.*s: the nearest is --%s; \"vmm run --help\" lists all",
	     (int)(end - word), word, option_nearest(name, (size_t)(end - name), more));
}

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

/*
 * Handles the option at argv[0]: "--name=value", "--name value" or "--name".
 * The next word is the value whatever it looks like, so that "--cpus -1" is
 * an error about a number. Returns how many words it took.
 */
static int parse_option(struct options *opt, char **argv)
{
	const char *word = argv[0], *why;
	size_t len = strcspn(word, "=");
	const char *value = word[len] ? word + len + 1 : NULL;
	const struct option_def *def = NULL;
	int words = 1;

	if (word[1] == '-')
		def = option_find(word + 2, len - 2);
	if (!def)
		fail_unknown(word);
	if (def->kind == OPTION_FLAG) {
		if (value)
			fail(EXIT_VMM, "--%s takes no value: leave \"=%s\" out", def->name, value);
		value = "";
	} else if (!value) {
		value = argv[1];
		words = 2;
		if (!value)
			fail(EXIT_VMM, "--%s needs a value; \"vmm run --help\" says which",
			     def->name);
	}
	why = def->set(opt, value);
	if (why)
		fail(EXIT_VMM, "--%s \"%s\": %s", def->name, value, why);
	opt->given |= 1u << (def - option_table);
	return words;
}

static void parse_image(struct options *opt, const char *word)
{
	if (opt->image)
		fail(EXIT_VMM,
		     "unexpected word \"%s\" after IMAGE: the program's arguments follow "
		     "after \"--\", as in \"vmm run %s -- %s\"",
		     word, opt->image, word);
	if (!*word)
		fail(EXIT_VMM, "IMAGE is empty: give the path of a program");
	opt->image = word;
}

void options_init(struct options *opt)
{
	*opt = (struct options){
		.cpus = 1,
		.mem = MEM_DEFAULT,
		.cwd = "/",
		.hostname = "mayfly",
		.args = none,
		.env.item = none,
		.net.item = none,
		.publish.item = none,
		.disk.item = none,
		.copy.item = none,
		.share.item = none,
	};
}

void options_parse(struct options *opt, int argc, char **argv)
{
	options_init(opt);
	for (int i = 0; i < argc;) {
		if (is_help(argv[i]))
			help_print(help_run);
		if (!strcmp(argv[i], "--")) {
			opt->args = argv + i + 1;
			opt->nargs = (unsigned)(argc - i - 1);
			opt->args_given = true;
			break;
		}
		if (argv[i][0] == '-')
			i += parse_option(opt, argv + i);
		else
			parse_image(opt, argv[i++]);
	}
	if (opt->config)
		config_load(opt, opt->config);
	if (!opt->image)
		fail(EXIT_VMM, "no IMAGE: say what to run, as in \"vmm run IMAGE [-- ARG...]\"");
	if (opt->pcap && !opt->net.count && !opt->publish.count)
		fail(EXIT_VMM, "--pcap \"%s\": there is no network to record; give --net too",
		     opt->pcap);
}

void options_free(struct options *opt)
{
	const struct string_list *lists[] = { &opt->env,  &opt->net,  &opt->publish,
					      &opt->disk, &opt->copy, &opt->share };

	for (unsigned i = 0; i < opt->owned.count; i++)
		free(opt->owned.item[i]);
	free(opt->owned.item);
	for (unsigned i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		if (lists[i]->count)
			free(lists[i]->item);
	free(opt->config_args.item);
	*opt = (struct options){ .image = NULL };
}
