// link: vmm/options.c vmm/config.c vmm/help.c vmm/blk_option.c vmm/net_options.c vmm/copy_value.c vmm/fs_option.c
// libs: -ljansson
/*
 * The command line of `vmm run`. fail() ends a process, so each bad input
 * runs in a fork of its own, and its status and line are compared.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/config.h"
#include "../../vmm/fail.h"
#include "../../vmm/fs.h"
#include "../../vmm/help.h"

#define give_up(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

_Noreturn void fail(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	dprintf(STDERR_FILENO, "vmm: ");
	vdprintf(STDERR_FILENO, format, args);
	dprintf(STDERR_FILENO, "\n");
	va_end(args);
	_exit(status);
}

/* Words of a command line, as an argv. */
#define WORDS(...) ((char *[]){ __VA_ARGS__, NULL })

static struct options parse(char **argv)
{
	struct options opt;
	int argc = 0;

	while (argv[argc])
		argc++;
	options_parse(&opt, argc, argv);
	return opt;
}

/* Runs the words in a child; returns its status, its output in text. */
static int run(char **argv, char *text, size_t size)
{
	int out[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(out), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		parse(argv);
		_exit(0);
	}
	close(out[1]);
	while ((n = read(out[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* One line, "vmm: ...", with `part` in it, and status 125. */
static void rejects(char **argv, const char *part)
{
	char text[8192];
	int status = run(argv, text, sizeof(text));

	if (status != EXIT_VMM || strncmp(text, "vmm: ", 5) != 0 || !strstr(text, part) ||
	    strchr(text, '\n') != text + strlen(text) - 1)
		give_up("wanted 125 and one line with '%s', got %d and: %s", part, status, text);
}

static void defaults(void **state)
{
	struct options opt = parse(WORDS("prog"));

	(void)state;
	assert_string_equal(opt.image, "prog");
	assert_int_equal(opt.nargs, 0);
	assert_null(opt.args[0]);
	assert_int_equal(opt.cpus, 1);
	assert_int_equal(opt.mem, 128 << 20);
	assert_int_equal(opt.env.count, 0);
	assert_null(opt.env.item[0]);
	assert_string_equal(opt.cwd, "/");
	assert_string_equal(opt.hostname, "mayfly");
	assert_null(opt.kernel);
	assert_null(opt.append);
	assert_int_equal(opt.timeout_ms, 0);
	assert_false(opt.stats || opt.verbose);
	options_free(&opt);
}

static void all_options(void **state)
{
	struct options opt = parse(WORDS("--cpus", "64", "--mem=64G", "--env", "A=b=c", "prog",
					 "--env=D=", "--cwd", "/tmp", "--hostname", "h-1.x",
					 "--kernel", "k", "--append=", "--timeout", "1.5",
					 "--stats", "--verbose", "--", "x", "--cpus", "--", ""));

	(void)state;
	assert_string_equal(opt.image, "prog");
	assert_int_equal(opt.cpus, 64);
	assert_true(opt.mem == 64ull << 30);
	assert_int_equal(opt.env.count, 2);
	assert_string_equal(opt.env.item[0], "A=b=c");
	assert_string_equal(opt.env.item[1], "D=");
	assert_null(opt.env.item[2]);
	assert_string_equal(opt.cwd, "/tmp");
	assert_string_equal(opt.hostname, "h-1.x");
	assert_string_equal(opt.kernel, "k");
	assert_string_equal(opt.append, "");
	assert_int_equal(opt.timeout_ms, 1500);
	assert_true(opt.stats && opt.verbose);
	assert_int_equal(opt.nargs, 4);
	assert_string_equal(opt.args[0], "x");
	assert_string_equal(opt.args[2], "--");
	assert_string_equal(opt.args[3], "");
	assert_null(opt.args[4]);
	options_free(&opt);
}

static void last_one_wins(void **state)
{
	struct options opt = parse(WORDS("--cpus", "2", "p", "--cpus=3", "--env", "A=1", "--env",
					 "AB=2", "--env", "A=3", "--timeout", "5", "--timeout=0"));

	(void)state;
	assert_int_equal(opt.cpus, 3);
	assert_int_equal(opt.timeout_ms, 0);
	assert_int_equal(opt.env.count, 2);
	assert_string_equal(opt.env.item[0], "A=3");
	assert_string_equal(opt.env.item[1], "AB=2");
	options_free(&opt);
}

static void many_variables(void **state)
{
	enum { COUNT = 1000 };
	static char text[COUNT][16];
	char *argv[2 * COUNT + 2];
	struct options opt;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		snprintf(text[i], sizeof(text[i]), "V%u=%u", i, i);
		argv[2 * i] = "--env";
		argv[2 * i + 1] = text[i];
	}
	argv[2 * COUNT] = "prog";
	argv[2 * COUNT + 1] = NULL;
	opt = parse(argv);
	assert_int_equal(opt.env.count, COUNT);
	for (unsigned i = 0; i < COUNT; i++)
		assert_ptr_equal(opt.env.item[i], text[i]);
	assert_null(opt.env.item[COUNT]);
	options_free(&opt);
}

static void bad_cpus(void **state)
{
	char *values[] = { "0",          "-1",  "65",  "99999999999999999999999",
			   "4294967297", "two", "1.5", "2x",
			   "",           " 1",  "1 ",  "+1",
			   "0x2" };

	(void)state;
	for (unsigned i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char joined[64];

		snprintf(joined, sizeof(joined), "--cpus=%s", values[i]);
		rejects(WORDS("p", "--cpus", values[i]), "from 1 to 64");
		rejects(WORDS("p", joined), "from 1 to 64");
	}
	rejects(WORDS("p", "--cpus"), "--cpus needs a value");
}

static void bad_mem(void **state)
{
	char *malformed[] = { "12X",
			      "1.5G",
			      "-1",
			      "0x10",
			      "",
			      "M",
			      "64MB",
			      "64 M",
			      " 64M",
			      "18446744073709551616",
			      "17179869184G",
			      "99999999999999999999K" };

	(void)state;
	for (unsigned i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		rejects(WORDS("p", "--mem", malformed[i]), "give a size from 2M to 64G");
	rejects(WORDS("p", "--mem", "0"), "at least 2M");
	rejects(WORDS("p", "--mem", "2047K"), "at least 2M");
	rejects(WORDS("p", "--mem", "64"), "at least 2M");
	rejects(WORDS("p", "--mem", "65G"), "at most 64G");
	rejects(WORDS("p", "--mem", "67108865K"), "at most 64G");
	rejects(WORDS("p", "--mem", "2097153"), "multiple of 4K");
}

static void bad_values(void **state)
{
	char *seconds[] = { "", ".", "-1", "1s", "1.5.5", "1e3", "inf", "nan", "1000000001" };

	(void)state;
	for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		rejects(WORDS("p", "--timeout", seconds[i]), "give seconds");
	rejects(WORDS("p", "--env", "A"), "give NAME=VALUE");
	rejects(WORDS("p", "--env", "=x"), "give NAME=VALUE");
	rejects(WORDS("p", "--env", ""), "give NAME=VALUE");
	rejects(WORDS("p", "--cwd", "tmp"), "absolute path");
	rejects(WORDS("p", "--cwd", ""), "absolute path");
	rejects(WORDS("p", "--hostname", ""), "letters");
	rejects(WORDS("p", "--hostname", "a b"), "letters");
	rejects(WORDS("p", "--hostname", "-a"), "letters");
	rejects(WORDS("p", "--hostname",
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"1 to 64 letters");
	rejects(WORDS("p", "--kernel", ""), "path of a guest image");
	rejects(WORDS("p", "--config", ""), "path of a JSON file");
	rejects(WORDS("p", "--stats=1"), "takes no value");
}

static void networks(void **state)
{
	struct options opt =
		parse(WORDS("p", "--net", "tap=t0,ip=192.0.2.2/24", "--net=user", "--publish",
			    "80:80", "--publish=[::1]:53:53/udp", "--pcap", "f"));

	(void)state;
	assert_int_equal(opt.net.count, 2);
	assert_string_equal(opt.net.item[0], "tap=t0,ip=192.0.2.2/24");
	assert_string_equal(opt.net.item[1], "user");
	assert_null(opt.net.item[2]);
	assert_int_equal(opt.publish.count, 2);
	assert_string_equal(opt.publish.item[1], "[::1]:53:53/udp");
	assert_string_equal(opt.pcap, "f");
	options_free(&opt);
	opt = parse(WORDS("p", "--publish", "80:80", "--pcap", "f"));
	assert_int_equal(opt.net.count, 0);
	options_free(&opt);
	rejects(WORDS("p", "--net", "eth0"), "--net \"eth0\": give tap=NAME");
	rejects(WORDS("p", "--net"), "--net needs a value");
	opt = parse(WORDS("p", "--disk", "a", "--disk=/dev/b,ro"));
	assert_int_equal(opt.disk.count, 2);
	assert_string_equal(opt.disk.item[0], "a");
	assert_string_equal(opt.disk.item[1], "/dev/b,ro");
	options_free(&opt);
	opt = parse(WORDS("p", "--copy", "a", "--copy=b:c:/d"));
	assert_int_equal(opt.copy.count, 2);
	assert_string_equal(opt.copy.item[1], "b:c:/d");
	options_free(&opt);
	rejects(WORDS("p", "--copy", ""), "--copy \"\": give PATH or PATH:DEST");
	rejects(WORDS("p", "--copy", "a:b"), "DEST must begin with");
	rejects(WORDS("p", "--copy", "a:/b/../c"), "DEST may not have \"..\"");
	opt = parse(WORDS("p", "--share", "a:/b", "--share=c:d:/e,ro"));
	assert_int_equal(opt.share.count, 2);
	assert_string_equal(opt.share.item[1], "c:d:/e,ro");
	options_free(&opt);
	rejects(WORDS("p", "--share", "a"), "--share \"a\": give DIR:PATH");
	rejects(WORDS("p", "--share", "a:,ro"), "give DIR:PATH");
	rejects(WORDS("p", "--share", ":/a"), "give DIR:PATH");
	rejects(WORDS("p", "--share", "a:b"), "PATH must begin");
	rejects(WORDS("p", "--share", "a:/b/../c"), "PATH may not have");
	rejects(WORDS("p", "--share", "a:/b/..,ro"), "PATH may not have");
	rejects(WORDS("p", "--share", "a:/b,rw"), "after PATH comes");
	rejects(WORDS("p", "--share", "a://"), "PATH cannot be the root");
	rejects(WORDS("p", "--disk", ""), "--disk \"\": give FILE or FILE,ro");
	rejects(WORDS("p", "--disk", ",ro"), "--disk \",ro\": give FILE or FILE,ro");
	rejects(WORDS("p", "--publish", "80"), "--publish \"80\": give [ADDRESS:]HOSTPORT");
	rejects(WORDS("p", "--net", "user", "--pcap", ""), "path of the file");
	rejects(WORDS("p", "--pcap", "f"), "no network to record; give --net");
}

static void root_directory(void **state)
{
	struct options opt;
	struct share share;

	(void)state;
	opt = parse(WORDS("p", "--root", "/srv/a,b,rw"));
	assert_string_equal(opt.root, "/srv/a,b,rw");
	root_parse(opt.root, &share);
	assert_int_equal(share.dir_len, 8);
	assert_false(share.read_only);
	root_parse("/a,ro", &share); /* no option, a name */
	assert_int_equal(share.dir_len, 5);
	assert_true(share.read_only);
	options_free(&opt);
	rejects(WORDS("p", "--root", ",rw"), "--root \",rw\": give DIR");
}

static void timeouts(void **state)
{
	static const struct {
		char *text;
		uint64_t ms;
	} cases[] = { { "0", 0 },
		      { "1", 1000 },
		      { "0.25", 250 },
		      { ".5", 500 },
		      { "2.", 2000 },
		      { "0.0", 0 },
		      { "0.0001", 1 },
		      { "1.0009", 1001 },
		      { "1.000", 1000 },
		      { "7.010", 7010 },
		      { "1000000000", 1000000000000 } };

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct options opt = parse(WORDS("p", "--timeout", cases[i].text));

		assert_int_equal(opt.timeout_ms, cases[i].ms);
		options_free(&opt);
	}
}

static void sizes(void **state)
{
	uint64_t bytes = 7;

	(void)state;
	assert_true(parse_size("4096", &bytes) && bytes == 4096);
	assert_true(parse_size("0", &bytes) && bytes == 0);
	assert_true(parse_size("3K", &bytes) && bytes == 3072);
	assert_true(parse_size("64m", &bytes) && bytes == 64 << 20);
	assert_true(parse_size("18446744073709551615", &bytes) && bytes == UINT64_MAX);
	assert_true(parse_size("17179869183G", &bytes) && bytes == 17179869183ull << 30);
	bytes = 7;
	assert_false(parse_size("17179869184G", &bytes));
	assert_false(parse_size("1KK", &bytes));
	assert_int_equal(bytes, 7);
}

static void unknown_options(void **state)
{
	(void)state;
	rejects(WORDS("p", "--cpu", "2"), "unknown option --cpu: the nearest is --cpus;");
	rejects(WORDS("p", "--memory=2M"), "unknown option --memory: the nearest is --mem;");
	rejects(WORDS("p", "--hsotname", "x"), "the nearest is --hostname;");
	rejects(WORDS("p", "--verb"), "the nearest is --verbose;");
	rejects(WORDS("p", "-v"), "unknown option -v: the nearest is --verbose;");
	rejects(WORDS("p", "--hlep"), "the nearest is --help;");
	rejects(WORDS("p", "-"), "unknown option -:");
	rejects(WORDS("p", "--=x"), "unknown option --:");
	rejects(WORDS("p", "--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		"unknown option --aaa");
}

static void bad_images(void **state)
{
	char *nothing[] = { NULL };

	(void)state;
	rejects(nothing, "no IMAGE");
	rejects(WORDS("--cpus", "2"), "no IMAGE");
	rejects(WORDS("--", "p"), "no IMAGE");
	rejects(WORDS(""), "IMAGE is empty");
	rejects(WORDS("p", "q"), "unexpected word \"q\" after IMAGE");
	rejects(WORDS("p", "q"), "vmm run p -- q");
	rejects(WORDS("p", ""), "unexpected word");
}

static void read_file(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	text[fread(text, 1, size - 1, f)] = 0;
	fclose(f);
}

/* Whether the man page has a paragraph that begins with this option. */
static bool documented(const char *man, const char *name, bool flag)
{
	char start[64];

	snprintf(start, sizeof(start), flag ? "\n.TP\n.B \\-\\-%s\n" : "\n.TP\n.BR \\-\\-%s ",
		 name);
	return strstr(man, start) != NULL;
}

/* Every option is in the help text and in the man page (tests run at the top
 * of the tree), and nothing else looks like one in the help text. */
static void help(void **state)
{
	char text[8192], option[32], man[32768];

	(void)state;
	assert_int_equal(run(WORDS("p", "--help"), text, sizeof(text)), 0);
	assert_string_equal(text, help_run);
	assert_int_equal(run(WORDS("-h"), text, sizeof(text)), 0);
	read_file("docs/vmm.1", man, sizeof(man));
	for (const struct option_def *def = option_table; def->name; def++) {
		snprintf(option, sizeof(option), "\n  --%s ", def->name);
		assert_non_null(strstr(help_run, option));
		assert_true(documented(man, def->name, def->kind == OPTION_FLAG));
	}
	for (const char *p = help_run; (p = strstr(p, "\n  --")); p += 5) {
		size_t len = strcspn(p + 5, " ");

		assert_true(option_find(p + 5, len) || !strncmp(p + 5, "help", len));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),        cmocka_unit_test(all_options),
		cmocka_unit_test(last_one_wins),   cmocka_unit_test(many_variables),
		cmocka_unit_test(bad_cpus),        cmocka_unit_test(bad_mem),
		cmocka_unit_test(bad_values),      cmocka_unit_test(timeouts),
		cmocka_unit_test(networks),        cmocka_unit_test(sizes),
		cmocka_unit_test(unknown_options), cmocka_unit_test(bad_images),
		cmocka_unit_test(root_directory),  cmocka_unit_test(help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
