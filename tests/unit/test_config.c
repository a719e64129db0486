// link: vmm/options.c vmm/config.c vmm/help.c vmm/blk_option.c vmm/net_options.c vmm/copy_value.c vmm/fs_option.c
// libs: -ljansson
/* The JSON file of --config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/config.h"
#include "../../vmm/fail.h"

static jmp_buf failed;
static char fail_text[8192];
static int fail_status;

#define give_up(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

_Noreturn void fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(fail_text, sizeof(fail_text), format, args);
	va_end(args);
	fail_status = status;
	longjmp(failed, 1);
}

static bool apply(struct options *opt, const char *text, char *error, size_t size)
{
	error[0] = 0;
	return config_apply(opt, "f", text, strlen(text), error, size);
}

/* A text that is fine by itself; the caller frees. */
static struct options accepts(const char *text)
{
	struct options opt;
	char error[600];

	options_init(&opt);
	if (!apply(&opt, text, error, sizeof(error)))
		give_up("%s", error);
	return opt;
}

/* `line` is the start of the message. */
static void rejects(const char *text, const char *line)
{
	struct options opt;
	char error[600];

	options_init(&opt);
	if (apply(&opt, text, error, sizeof(error)) || strncmp(error, line, strlen(line)) != 0)
		give_up("wanted '%s', got '%s'", line, error);
	options_free(&opt);
}

static void everything(void **state)
{
	struct options opt = accepts(
		"{\"image\": \"/bin/p\", \"args\": [\"a\", \"\", \"--\"], \"cpus\": 4,\n"
		"\"mem\": \"64M\", \"env\": {\"A\": \"1\", \"B\": \"x=y\"}, \"cwd\": \"/t\",\n"
		"\"hostname\": \"h\", \"kernel\": \"k\", \"append\": \"z\",\n"
		"\"timeout\": 2.5, \"stats\": true, \"verbose\": false}");

	(void)state;
	assert_string_equal(opt.image, "/bin/p");
	assert_int_equal(opt.nargs, 3);
	assert_string_equal(opt.args[2], "--");
	assert_null(opt.args[3]);
	assert_int_equal(opt.cpus, 4);
	assert_int_equal(opt.mem, 64 << 20);
	assert_int_equal(opt.env.count, 2);
	assert_string_equal(opt.env.item[1], "B=x=y");
	assert_string_equal(opt.cwd, "/t");
	assert_string_equal(opt.hostname, "h");
	assert_string_equal(opt.kernel, "k");
	assert_string_equal(opt.append, "z");
	assert_int_equal(opt.timeout_ms, 2500);
	assert_true(opt.stats);
	assert_false(opt.verbose);
	options_free(&opt);
}

static void other_forms(void **state)
{
	struct options opt = accepts(" { \"mem\" : 4194304 , \"timeout\":3,"
				     "\"env\":[\"A=1\",\"B=\"],\"args\":[] } ");

	(void)state;
	assert_int_equal(opt.mem, 4 << 20);
	assert_int_equal(opt.timeout_ms, 3000);
	assert_int_equal(opt.env.count, 2);
	assert_int_equal(opt.nargs, 0);
	assert_null(opt.args[0]);
	options_free(&opt);
	opt = accepts("{}");
	assert_int_equal(opt.cpus, 1);
	options_free(&opt);
	opt = accepts("{\"timeout\": 1e-9}");
	assert_int_equal(opt.timeout_ms, 1);
	options_free(&opt);
}

static void lists(void **state)
{
	struct options opt = accepts("{\"net\": [\"tap=a\", \"user\"], \"publish\": \"80:80\", "
				     "\"pcap\": \"f\"}");
	char error[600];

	(void)state;
	assert_int_equal(opt.net.count, 2);
	assert_string_equal(opt.net.item[0], "tap=a");
	assert_string_equal(opt.net.item[1], "user");
	assert_int_equal(opt.publish.count, 1);
	assert_string_equal(opt.publish.item[0], "80:80");
	assert_string_equal(opt.pcap, "f");
	/* all of the command line's win over all of the file's */
	opt.given = 1u << (option_find("net", 3) - option_table);
	assert_true(apply(&opt, "{\"net\": \"tap=b\"}", error, sizeof(error)));
	assert_int_equal(opt.net.count, 2);
	options_free(&opt);
	rejects("{\"net\": 1}", "f:1:9: \"net\" must be a string or an array of strings");
	rejects("{\"net\": [\"user\", 1]}", "f:1:18: \"net\" must be a string or an array");
	rejects("{\"net\": [\"user\", \"x\"]}", "f:1:18: \"net\": give tap=NAME");
	opt = accepts("{\"disk\": [\"a\", \"b,ro\"]}");
	assert_int_equal(opt.disk.count, 2);
	assert_string_equal(opt.disk.item[1], "b,ro");
	options_free(&opt);
	opt = accepts("{\"copy\": [\"a\", \"b:/c/\"]}");
	assert_int_equal(opt.copy.count, 2);
	assert_string_equal(opt.copy.item[1], "b:/c/");
	options_free(&opt);
	rejects("{\"copy\": \":/a\"}", "f:1:10: \"copy\": give PATH or PATH:DEST");
	rejects("{\"share\": [\"a:/b\", \"a\"]}", "f:1:20: \"share\": give DIR:PATH");
	rejects("{\"disk\": [\"a\", \"\"]}", "f:1:16: \"disk\": give FILE");
	rejects("{\"publish\": \"80\"}", "f:1:13: \"publish\": give [ADDRESS:]");
}

static void wrong_types(void **state)
{
	(void)state;
	rejects("{\"cpus\": \"2\"}", "f:1:10: \"cpus\" must be an integer");
	rejects("{\"cpus\": 2.0}", "f:1:10: \"cpus\" must be an integer");
	rejects("{\n\"cpus\": null}", "f:2:9: \"cpus\" must be an integer");
	rejects("{\"mem\": 1.5}", "f:1:9: \"mem\" must be a string such as \"64M\"");
	rejects("{\"mem\": true}", "f:1:9: \"mem\" must be");
	rejects("{\"timeout\": \"1\"}", "f:1:13: \"timeout\" must be a number");
	rejects("{\"stats\": 1}", "f:1:11: \"stats\" must be true or false");
	rejects("{\"cwd\": 1}", "f:1:9: \"cwd\" must be a string");
	rejects("{\"image\": [\"x\"]}", "f:1:11: \"image\" must be a string");
	rejects("{\"image\": \"\"}", "f:1:11: \"image\" must be a string");
	rejects("{\"args\": \"x\"}", "f:1:10: \"args\" must be an array");
	rejects("{\"args\": [\"}\", \"\\\"]\", [{\"a\":[1]}, 2], 3]}", "f:1:23: each of \"args\"");
	rejects("{\"env\": 1}", "f:1:9: \"env\" must be an object");
	rejects("{\"env\": [\"A=1\", 2]}", "f:1:17: each of \"env\"");
	rejects("{\"env\": {\"A\": \"1\", \"B\": 2}}", "f:1:20: env \"B\" must be a string");
	rejects("[1]", "f:1:1: a configuration must be an object");
}

static void bad_values(void **state)
{
	(void)state;
	rejects("{\"cpus\": 0}", "f:1:10: \"cpus\": give a number");
	rejects("{\"cpus\": -1}", "f:1:10: \"cpus\": give a number");
	rejects("{\"cpus\": 65}", "f:1:10: \"cpus\": give a number");
	rejects("{\"mem\": \"1M\"}", "f:1:9: \"mem\": too little memory");
	rejects("{\"mem\": -4096}", "f:1:9: \"mem\": give a size");
	rejects("{\"timeout\": -0.5}", "f:1:13: \"timeout\": give seconds");
	rejects("{\"timeout\": 1e300}", "f:1:13: \"timeout\": give seconds");
	rejects("{\"hostname\": \"a b\"}", "f:1:14: \"hostname\": give 1 to 64");
	rejects("{\"env\": [\"A\"]}", "f:1:10: env \"A\": give NAME=VALUE");
	rejects("{\"env\": {\"\": \"1\"}}", "f:1:10: env \"=1\": give NAME=VALUE");
	rejects("{\"env\": {\"A=B\": \"1\"}}", "f:1:10: env \"A=B\": no \"=\"");
}

static void unknown_and_double_keys(void **state)
{
	(void)state;
	rejects("{\"cpu\": 2}", "f:1:2: unknown key \"cpu\": the nearest is \"cpus\"");
	rejects("{\"cpus\": 2,\n \"imgae\": \"x\"}",
		"f:2:2: unknown key \"imgae\": the nearest is \"image\"");
	rejects("{\"arg\": []}", "f:1:2: unknown key \"arg\": the nearest is \"args\"");
	rejects("{\"--cpus\": 2}", "f:1:2: unknown key \"--cpus\": the nearest is \"cpus\"");
	rejects("{\"config\": \"f\"}",
		"f:1:2: unknown key \"config\": it goes on the command line");
	rejects("{\"\": 1}", "f:1:2: unknown key \"\"");
	rejects("{\"\xc3\xa9\": 1, \"x\": 2}", "f:1:2: unknown key");
	rejects("{\"append\": \"\xc3\xa9\", \"stat\": 2}", "f:1:17: unknown key \"stat\"");
	rejects("{\"cpus\": 1, \"cpus\": 2}", "f:1:");
	rejects("{\"env\": {\"A\": \"1\", \"A\": \"2\"}}", "f:1:");
	rejects("{\"env\": [\"A=1\", \"A=2\"]}",
		"f:1:17: env \"A=2\": this variable is there twice");
	rejects("{\"a\\nb\": 1}", "f:1:2: unknown key \"a\nb\"");
}

static void bad_syntax(void **state)
{
	(void)state;
	rejects("", "f:1:");
	rejects("   ", "f:1:");
	rejects("{", "f:1:1: ");
	rejects("{\"cpus\": 2\n\"mem\": 3}", "f:2:5: ");
	rejects("{\"cpus\": 2,}", "f:1:");
	rejects("{\"cpus\": 02}", "f:1:");
	rejects("{\"cpus\": 99999999999999999999}", "f:1:");
	rejects("{\"timeout\": 1e999}", "f:1:");
	rejects("{} x", "f:1:");
	rejects("{\"append\": \"\\u0000\"}", "f:1:");
	rejects("{\"append\": \"\xff\"}", "f:1:");
	rejects("{\"append\": \"a\nb\"}", "f:1:");
}

static void deep_nesting(void **state)
{
	enum { DEPTH = 100000 };
	char *text = malloc(DEPTH + 10);

	(void)state;
	memcpy(text, "{\"args\":", 8);
	memset(text + 8, '[', DEPTH);
	text[8 + DEPTH] = 0;
	rejects(text, "f:1:");
	free(text);
}

static const char *write_file(const char *text)
{
	static char path[] = "/tmp/test_config.XXXXXX";
	int fd;

	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	return path;
}

static void command_line_wins(void **state)
{
	const char *path =
		write_file("{\"image\": \"i\", \"args\": [\"x\"], \"cpus\": 2, \"mem\": \"8M\","
			   "\"env\": [\"A=1\", \"B=2\"], \"stats\": false,"
			   "\"timeout\": 5, \"cwd\": \"/a\"}");
	char *argv[] = { "--stats",     "--cpus", "1",  "--config", (char *)path, "--env", "A=9",
			 "--timeout=0", "other",  "--", "y",        "z",          NULL };
	struct options opt;

	(void)state;
	options_parse(&opt, 12, argv);
	assert_string_equal(opt.image, "other");
	assert_int_equal(opt.nargs, 2);
	assert_string_equal(opt.args[0], "y");
	assert_int_equal(opt.cpus, 1);
	assert_int_equal(opt.mem, 8 << 20);
	assert_int_equal(opt.env.count, 2);
	assert_string_equal(opt.env.item[0], "A=9");
	assert_string_equal(opt.env.item[1], "B=2");
	assert_true(opt.stats);
	assert_int_equal(opt.timeout_ms, 0);
	assert_string_equal(opt.cwd, "/a");
	options_free(&opt);
	unlink(path);
}

static void empty_arguments_win(void **state)
{
	const char *path = write_file("{\"image\": \"i\", \"args\": [\"x\"]}");
	char *argv[] = { "--config", (char *)path, "--", NULL };
	struct options opt;

	(void)state;
	options_parse(&opt, 3, argv);
	assert_string_equal(opt.image, "i");
	assert_int_equal(opt.nargs, 0);
	options_free(&opt);
	unlink(path);
}

static void check_load_fails(const char *path, const char *part)
{
	struct options opt;

	options_init(&opt);
	if (setjmp(failed) == 0) {
		config_load(&opt, path);
		give_up("accepted %s", path);
	}
	assert_int_equal(fail_status, EXIT_VMM);
	assert_non_null(strstr(fail_text, path));
	assert_non_null(strstr(fail_text, part));
}

static void unreadable_files(void **state)
{
	(void)state;
	check_load_fails("/nonexistent/file", "No such file or directory");
	check_load_fails("/tmp", "Is a directory");
	check_load_fails("/dev/zero", "larger than");
}

static void decided_values_are_still_checked(void **state)
{
	struct options opt;
	char error[600];

	(void)state;
	options_init(&opt);
	opt.given = ~0u;
	assert_true(apply(&opt, "{\"cpus\": 3}", error, sizeof(error)));
	assert_int_equal(opt.cpus, 1);
	assert_false(apply(&opt, "{\"cpus\": 0}", error, sizeof(error)));
	options_free(&opt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything),
		cmocka_unit_test(other_forms),
		cmocka_unit_test(lists),
		cmocka_unit_test(wrong_types),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(unknown_and_double_keys),
		cmocka_unit_test(bad_syntax),
		cmocka_unit_test(deep_nesting),
		cmocka_unit_test(command_line_wins),
		cmocka_unit_test(empty_arguments_win),
		cmocka_unit_test(unreadable_files),
		cmocka_unit_test(decided_values_are_still_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
