/*
 * --config: the JSON file. jansson checks the syntax and gives the values;
 * it does not say where a value stood in the text, so locate() finds the
 * place again, for messages only, by walking the text that jansson accepted.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "config.h"
#include "fail.h"

struct parser {
	struct options *opt;
	const char *name; /* of the file */
	const char *text, *end;
	char *error;
	size_t error_size;
	uint32_t given; /* the command line's, frozen before the file is applied */
	unsigned env_before; /* how many entries of opt->env are the command line's */
};

/* ---- places in the text */

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* Behind the string that starts at p. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++) {
		if (*p == '\\')
			p++;
	}
	return p < end ? p + 1 : end;
}

/* Behind the value that starts at p. */
static const char *skip_value(const char *p, const char *end)
{
	unsigned depth = 0;

	do {
		if (p >= end)
			return end;
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		if (*p == '{' || *p == '[')
			depth++;
		else if (*p == '}' || *p == ']')
			depth--;
		else if (depth == 0 && (*p == ',' || *p == ':'))
			return p;
		p++;
	} while (depth > 0 || (p < end && !strchr(",:]} \t\r\n", *p)));
	return p;
}

/* Entry `index` of the object or array at p: of an object its key, or its
 * value when asked for. */
static const char *entry(const char *p, const char *end, size_t index, bool value)
{
	bool object = p < end && *p == '{';

	for (p = skip_space(p + 1, end);; p = skip_space(p + 1, end)) {
		if (index == 0 && !(object && value))
			return p;
		if (object) {
			p = skip_space(skip_string(p, end), end);
			p = skip_space(p + 1, end); /* behind the colon */
		}
		if (index-- == 0 || p >= end)
			return p;
		p = skip_space(skip_value(p, end), end);
	}
}

#define WHOLE ((size_t)-1)

/* Value `member` of the top object, or its entry `index`. */
static const char *locate(const struct parser *in, size_t member, size_t index)
{
	const char *p = entry(skip_space(in->text, in->end), in->end, member, true);

	return index == WHOLE ? p : entry(p, in->end, index, false);
}

/* Writes "FILE:LINE:COLUMN: message"; columns count characters from 1. */
static bool __attribute__((format(printf, 3, 4)))
bad(struct parser *in, const char *place, const char *format, ...)
{
	unsigned line = 1, column = 1;
	char message[512];
	va_list args;

	for (const char *p = in->text; p < place && p < in->end; p++) {
		if (*p == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*p & 0xc0) != 0x80) {
			column++;
		}
	}
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	snprintf(in->error, in->error_size, "%s:%u:%u: %s", in->name, line, column, message);
	return false;
}

/* ---- values */

static const char *wanted(enum option_kind kind)
{
	switch (kind) {
	case OPTION_FLAG:
		return "true or false";
	case OPTION_COUNT:
		return "an integer";
	case OPTION_SIZE:
		return "a string such as \"64M\", or bytes as an integer";
	case OPTION_SECONDS:
		return "a number of seconds";
	case OPTION_LIST:
		return "a string or an array of strings";
	case OPTION_ENV:
		return "an object {\"NAME\": \"VALUE\"} or an array [\"NAME=VALUE\"]";
	default:
		return "a string";
	}
}

/* 0 means no limit: what is more than 0 must not become it by rounding. */
static double at_least_1us(double seconds)
{
	return seconds > 0 && seconds < 1e-6 ? 1e-6 : seconds;
}

/* A word as it would stand on the command line, or NULL for a wrong type. */
static const char *value_text(struct options *opt, enum option_kind kind, const json_t *value)
{
	char number[400]; /* %.6f of the largest double has 316 characters */

	if (json_is_string(value) &&
	    (kind == OPTION_TEXT || kind == OPTION_SIZE || kind == OPTION_LIST))
		return options_own(opt, json_string_value(value), NULL);
	if (json_is_integer(value) &&
	    (kind == OPTION_COUNT || kind == OPTION_SIZE || kind == OPTION_SECONDS))
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
			 json_integer_value(value));
	else if (json_is_real(value) && kind == OPTION_SECONDS)
		snprintf(number, sizeof(number), "%.6f", at_least_1us(json_real_value(value)));
	else
		return NULL;
	return options_own(opt, number, NULL);
}

/* One variable; `own` is NAME=VALUE on the heap. */
static bool apply_variable(struct parser *in, char *own, size_t member, size_t index)
{
	struct string_list all = in->opt->env;
	const struct option_def *def = option_find("env", 3);
	const char *why;
	bool decided, twice;

	in->opt->env.count = in->env_before;
	decided = options_has_env(in->opt, own);
	in->opt->env = all;
	if (decided)
		return true;
	twice = options_has_env(in->opt, own);
	why = def->set(in->opt, own);
	if (why)
		return bad(in, locate(in, member, index), "env \"%s\": %s", own, why);
	if (twice)
		return bad(in, locate(in, member, index),
			   "env \"%s\": this variable is there twice", own);
	return true;
}

static bool apply_env(struct parser *in, json_t *value, size_t member)
{
	size_t index = 0;
	const char *key;
	json_t *item;

	if (!json_is_object(value) && !json_is_array(value))
		return bad(in, locate(in, member, WHOLE), "\"env\" must be %s", wanted(OPTION_ENV));
	if (json_is_array(value)) {
		json_array_foreach (value, index, item) {
			if (!json_is_string(item))
				return bad(in, locate(in, member, index),
					   "each of \"env\" must be a string \"NAME=VALUE\"");
			if (!apply_variable(in, options_own(in->opt, json_string_value(item), NULL),
					    member, index))
				return false;
		}
		return true;
	}
	json_object_foreach (value, key, item) {
		if (!json_is_string(item))
			return bad(in, locate(in, member, index), "env \"%s\" must be a string",
				   key);
		if (strchr(key, '='))
			return bad(in, locate(in, member, index),
				   "env \"%s\": no \"=\" in the name of a variable", key);
		if (!apply_variable(in, options_own(in->opt, key, json_string_value(item)), member,
				    index))
			return false;
		index++;
	}
	return true;
}

static bool apply_args(struct parser *in, const json_t *value, size_t member)
{
	struct options *opt = in->opt;
	json_t *item;
	size_t index;

	if (!json_is_array(value))
		return bad(in, locate(in, member, WHOLE), "\"args\" must be an array of strings");
	json_array_foreach (value, index, item) {
		if (!json_is_string(item))
			return bad(in, locate(in, member, index),
				   "each of \"args\" must be a string");
		list_add(&opt->config_args, options_own(opt, json_string_value(item), NULL));
	}
	if (!opt->args_given && opt->config_args.count) {
		opt->args = opt->config_args.item;
		opt->nargs = opt->config_args.count;
	}
	return true;
}

static bool apply_image(struct parser *in, const json_t *value, size_t member)
{
	const char *image = json_string_value(value);

	if (!image || !*image)
		return bad(in, locate(in, member, WHOLE),
			   "\"image\" must be a string, the path of a program");
	if (!in->opt->image)
		in->opt->image = options_own(in->opt, image, NULL);
	return true;
}

/* One entry of a list: checked in any case, kept unless the command line
 * decided. */
static bool apply_entry(struct parser *in, const struct option_def *def, const json_t *value,
			size_t member, size_t index)
{
	const char *text = value_text(in->opt, def->kind, value), *why;
	struct options unused;
	bool decided = in->given & 1u << (def - option_table);

	if (!text)
		return bad(in, locate(in, member, index), "\"%s\" must be %s", def->name,
			   wanted(def->kind));
	options_init(&unused);
	why = def->set(decided ? &unused : in->opt, text);
	options_free(&unused);
	if (why)
		return bad(in, locate(in, member, index), "\"%s\": %s", def->name, why);
	return true;
}

static bool apply_list(struct parser *in, const struct option_def *def, json_t *value,
		       size_t member)
{
	json_t *item;
	size_t index;

	if (!json_is_array(value))
		return apply_entry(in, def, value, member, WHOLE);
	json_array_foreach (value, index, item) {
		if (!apply_entry(in, def, item, member, index))
			return false;
	}
	return true;
}

static bool apply_option(struct parser *in, const struct option_def *def, json_t *value,
			 size_t member)
{
	struct options *opt = in->opt;
	struct options before = *opt;
	const char *text, *why;

	if (def->kind == OPTION_FLAG && json_is_boolean(value)) {
		text = json_is_true(value) ? "" : NULL;
	} else {
		text = value_text(opt, def->kind, value);
		if (!text)
			return bad(in, locate(in, member, WHOLE), "\"%s\" must be %s", def->name,
				   wanted(def->kind));
	}
	before.owned = opt->owned;
	why = def->set(opt, text);
	if (why)
		return bad(in, locate(in, member, WHOLE), "\"%s\": %s", def->name, why);
	/* Checked in any case, but the command line wins. */
	if (in->given & 1u << (def - option_table))
		*opt = before;
	return true;
}

static bool unknown_key(struct parser *in, const char *key, size_t member)
{
	static const char *const more[] = { "image", "args", NULL };
	const char *place = entry(skip_space(in->text, in->end), in->end, member, false);

	if (!strcmp(key, "config"))
		return bad(in, place, "unknown key \"config\": it goes on the command line only");
	return bad(in, place, "unknown key \"%s\": the nearest is \"%s\"", key,
		   option_nearest(key, strlen(key), more));
}

static bool apply_member(struct parser *in, const char *key, json_t *value, size_t member)
{
	const struct option_def *def = option_find(key, strlen(key));

	if (!strcmp(key, "image"))
		return apply_image(in, value, member);
	if (!strcmp(key, "args"))
		return apply_args(in, value, member);
	if (!def || def->kind == OPTION_CONFIG)
		return unknown_key(in, key, member);
	if (def->kind == OPTION_ENV)
		return apply_env(in, value, member);
	if (def->kind == OPTION_LIST)
		return apply_list(in, def, value, member);
	return apply_option(in, def, value, member);
}

/* ---- the file */

bool config_apply(struct options *opt, const char *name, const char *text, size_t len, char *error,
		  size_t error_size)
{
	struct parser in = { opt,   name,       text,       text + len,
			     error, error_size, opt->given, opt->env.count };
	json_error_t problem;
	json_t *root, *value;
	const char *key;
	size_t member = 0;
	bool ok = true;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &problem);
	if (!root) {
		snprintf(error, error_size, "%s:%d:%d: %s", name,
			 problem.line > 0 ? problem.line : 1,
			 problem.column > 0 ? problem.column : 1, problem.text);
		ok = false;
	} else if (!json_is_object(root)) {
		ok = bad(&in, text, "a configuration must be an object, as in {\"cpus\": 2}");
	} else {
		json_object_foreach (root, key, value) {
			ok = apply_member(&in, key, value, member++);
			if (!ok)
				break;
		}
	}
	json_decref(root);
	return ok;
}

/* Reads the whole file; returns its length, always less than `room`. */
static size_t read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;

	while (fd >= 0 && len < room) {
		ssize_t n = read(fd, text + len, room - len);

		if (n == 0) {
			close(fd);
			return len;
		}
		if (n > 0)
			len += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	if (len == room)
		fail(EXIT_VMM, "--config \"%s\": larger than %d bytes, no configuration is", path,
		     CONFIG_MAX);
	fail(EXIT_VMM, "--config \"%s\": cannot read it: %s", path, strerror(errno));
}

void config_load(struct options *opt, const char *path)
{
	static char text[CONFIG_MAX + 1];
	char error[PATH_MAX + 600];
	size_t len = read_file(path, text, sizeof(text));

	if (!config_apply(opt, path, text, len, error, sizeof(error)))
		fail(EXIT_VMM, "%s", error);
}
