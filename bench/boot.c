/*
 * bench/boot: how long does a program take from its start to its end, as a
 * process, as a Mayfly VM, under QEMU and in a container? METHOD.md says what
 * is measured how. Ends with status 1 if any run failed.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "contender.h"
#include "host.h"
#include "picture.h"

#define MAX_TIMELINES 101
#define MAX_PEERS     8

struct settings {
	struct wishes wishes;
	double seconds;
	const char *json, *svg, *counts;
	const char *peer[MAX_PEERS];
};

/* The step names of vmm/vcpu.c and vmm/main.c that the budgets refer to. */
#define FIRST_RUN "first KVM_RUN"

static struct run run;

/* ---- rounds */

static bool sample(struct contender *c)
{
	int rc = run_timed(c->argv, &run);

	if (rc) {
		snprintf(c->failed, sizeof(c->failed), "cannot start: %s", strerror(-rc));
		return false;
	}
	return contender_accept(c, &run);
}

/* What one contender leaves behind (teardown that the host does later) must not
 * always hit the same next one: each round has an order of its own. */
static void shuffle(struct contender **of, size_t n)
{
	static uint64_t x = 88172645463325252;

	for (size_t i = n; i > 1; i--) {
		size_t j;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		j = x % i;
		struct contender *swap = of[j];
		of[j] = of[i - 1];
		of[i - 1] = swap;
	}
}

/* A first run of each warms the page cache and is no sample. */
static void rounds(struct contenders *all, double seconds)
{
	struct contender *order[MAX_CONTENDERS];
	uint64_t end;
	size_t done = 0;

	memcpy(order, all->of, all->n * sizeof(*order));
	for (size_t i = 0; i < all->n; i++)
		sample(order[i]);
	end = now_ns() + (uint64_t)(seconds * 1e9);
	for (; done < MAX_SAMPLES && (now_ns() < end || done < 5); done++) {
		shuffle(order, all->n);
		for (size_t i = 0; i < all->n; i++) {
			struct contender *c = order[i];

			if (done % c->every == 0 && !c->failed[0] && sample(c))
				c->us[c->n++] = run.us;
		}
	}
	for (size_t i = 0; i < all->n; i++)
		all->of[i]->time = figures_of(all->of[i]->us, all->of[i]->n);
}

/* ---- single runs of their own, which are no samples */

static char **with_option(struct contender *c, const char *option)
{
	static char *argv[MAX_ARGS + 2];
	size_t n = 0;

	/* vmm run OPTION ... */
	argv[n++] = c->argv[0];
	argv[n++] = c->argv[1];
	argv[n++] = (char *)option;
	for (size_t i = 2; c->argv[i]; i++)
		argv[n++] = c->argv[i];
	argv[n] = NULL;
	return argv;
}

static void inspect(struct contender *c)
{
	if (c->failed[0] || run_inspected(c->argv, &run, &c->memory) ||
	    !contender_accept(c, &run) || !c->mayfly)
		return;
	if (run_timed(with_option(c, "--stats"), &run) || !contender_accept(c, &run))
		return;
	c->has_exits = report_exits(run.err, &c->exits);
	c->has_resident = report_resident(run.err, &c->resident);
	if (!c->has_exits || !c->has_resident)
		snprintf(c->failed, sizeof(c->failed), "cannot read its --stats: %.150s", run.err);
}

static int by_whole(const void *a, const void *b)
{
	const double x = ((const struct timeline *)a)->whole;
	const double y = ((const struct timeline *)b)->whole;

	return (x > y) - (x < y);
}

/* The run with the median time of `wanted` runs with --verbose, and the median
 * over all of them of the time until the guest runs. */
static bool median_timeline(struct contender *c, size_t wanted, struct timeline *result,
			    double *first_run, const char **flavour)
{
	static struct timeline line[MAX_TIMELINES];
	double until_run[MAX_TIMELINES];
	size_t n = 0;

	for (; n < wanted && !c->failed[0]; n++) {
		if (run_timed(with_option(c, "--verbose"), &run) || !contender_accept(c, &run))
			return false;
		if (!report_timeline(run.err, &line[n])) {
			snprintf(c->failed, sizeof(c->failed), "--verbose shows no timeline");
			return false;
		}
		line[n].whole = run.us;
		until_run[n] = timeline_at(&line[n], FIRST_RUN);
		*flavour = report_flavour(run.err);
	}
	if (n == 0)
		return false;
	qsort(line, n, sizeof(*line), by_whole);
	*result = line[n / 2];
	*first_run = figures_of(until_run, n).median;
	return true;
}

/* ---- results */

static json_t *timeline_json(const struct timeline *t)
{
	json_t *steps = json_array();

	for (size_t i = 0; i < t->marks; i++)
		json_array_append_new(steps, json_pack("{s:s, s:o}", "step", t->mark[i].name,
						       "us_after_main", json_us(t->mark[i].at)));
	return json_pack("{s:o, s:o, s:o}", "us_before_main", json_us(t->before), "us_whole",
			 json_us(t->whole), "steps", steps);
}

static void budget(json_t *list, const char *what, double limit, double measured)
{
	const bool met = measured >= 0 && measured <= limit;

	if (measured < 0)
		return;
	printf("  %-46s %9.1f of %9.1f  %s\n", what, measured, limit, met ? "" : "OVER");
	json_array_append_new(list,
			      json_pack("{s:s, s:o, s:o, s:b}", "what", what, "limit",
					json_us(limit), "measured", json_us(measured), "met", met));
}

/* The lines "NAME NUMBER" that tests/lab/count.sh printed. */
static json_t *read_counts(const char *path)
{
	json_t *counts = json_object();
	FILE *f = path ? fopen(path, "re") : NULL;
	char line[256], name[128];
	long long n;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%127s %lld", name, &n) == 2)
			json_object_set_new(counts, name, json_integer(n));
	if (f)
		fclose(f);
	return counts;
}

static double count_of(const json_t *counts, const char *name)
{
	const json_t *n = json_object_get(counts, name);

	return n ? (double)json_integer_value(n) : -1;
}

/* The budgets of the design that this benchmark can see. */
static json_t *budgets(const struct contenders *all, double first_run, const json_t *counts,
		       bool soft)
{
	const struct contender *m = contender_find(all, "mayfly");
	const struct contender *least = contender_find(all, "mayfly-2M");
	json_t *list = json_array();

	printf("\nbudgets (the static hello, 1 vCPU, 128M)\n");
	if (m->n > 0)
		budget(list, "whole process, us", 2500, m->time.median);
	budget(list, "VMM before the first KVM_RUN, us", 600, first_run);
	if (m->has_exits)
		budget(list, "exits to user space", 6, (double)m->exits.total);
	budget(list, "peak resident memory, KiB", 4096, (double)m->memory.peak);
	if (m->has_resident)
		budget(list, "of it the VMM's own at the end, KiB", 1536,
		       (double)(m->resident.process - m->resident.guest));
	budget(list, "instructions at CPL0 until CPL3", 800, count_of(counts, "cpl0-to-cpl3"));
	if (soft && m->has_exits && m->exits.emulated >= 0)
		budget(list, "instructions at CPL0, boot to exit", 1500, (double)m->exits.emulated);
	budget(list, "smallest --mem that runs it, MiB", 2, least->failed[0] ? 1e6 : 2);
	return list;
}

static void print_table(const struct contenders *all, double base)
{
	printf("%-36s %6s %9s %9s %9s %7s %8s %6s\n", "whole process, us", "runs", "median", "p10",
	       "p90", "x true", "peak KiB", "exits");
	for (size_t i = 0; i < all->n; i++) {
		const struct contender *c = all->of[i];

		if (c->failed[0]) {
			printf("%-36s FAILED: %.*s\n", c->what, (int)strcspn(c->failed, "\n"),
			       c->failed);
			continue;
		}
		printf("%-36s %6zu %9.0f %9.0f %9.0f %7.1f %8ld", c->what, c->n, c->time.median,
		       c->time.p10, c->time.p90, c->time.median / base, c->memory.peak);
		if (c->has_exits)
			printf(" %6ld", c->exits.total);
		printf("\n");
	}
}

static bool write_results(const struct settings *s, const struct contenders *all, json_t *root,
			  const struct timeline *t, double first_run)
{
	const double base = contender_find(all, "true")->time.median;
	const bool soft = !strcmp(json_string_value(json_object_get(root, "kvm_flavour")), "soft");
	json_t *results = json_object(), *counts = read_counts(s->counts);
	bool ok = true;

	print_table(all, base);
	for (size_t i = 0; i < all->n; i++) {
		json_object_set_new(results, all->of[i]->name, contender_json(all->of[i], base));
		ok = ok && !all->of[i]->failed[0];
	}
	json_object_set_new(root, "contenders", results);
	json_object_set_new(root, "left_out", json_incref(all->left_out));
	json_object_set_new(root, "instructions", counts);
	json_object_set_new(root, "budgets", budgets(all, first_run, counts, soft));
	json_object_set_new(root, "timeline", timeline_json(t));
	json_object_set_new(root, "load_after", json_us(host_load()));
	return json_save(root, s->json) && ok;
}

/* ---- main */

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: boot [--quick] [--seconds N] [--build DIR] [--json FILE] [--svg FILE]\n"
		"            [--bundle DIR | --no-bundle WHY] [--counts FILE] "
		"[--peer 'NAME=/PATH ARG...']...\n");
	exit(2);
}

static const struct option known[] = {
	{ "quick", no_argument, NULL, 'q' },           { "seconds", required_argument, NULL, 's' },
	{ "build", required_argument, NULL, 'b' },     { "json", required_argument, NULL, 'j' },
	{ "svg", required_argument, NULL, 'v' },       { "bundle", required_argument, NULL, 'o' },
	{ "no-bundle", required_argument, NULL, 'n' }, { "counts", required_argument, NULL, 'c' },
	{ "peer", required_argument, NULL, 'p' },      { 0 },
};

static void parse(struct settings *s, int argc, char **argv)
{
	struct wishes *w = &s->wishes;

	for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (o) {
		case 'q':
			w->quick = true, s->seconds = 1;
			break;
		case 's':
			s->seconds = atof(optarg);
			break;
		case 'b':
			w->build = optarg;
			break;
		case 'j':
			s->json = optarg;
			break;
		case 'v':
			s->svg = optarg;
			break;
		case 'o':
			w->bundle = optarg;
			break;
		case 'n':
			w->no_bundle = optarg;
			break;
		case 'c':
			s->counts = optarg;
			break;
		case 'p':
			if (w->peers == MAX_PEERS)
				usage();
			s->peer[w->peers++] = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
}

int main(int argc, char **argv)
{
	static struct settings s = {
		.wishes = { .build = "build", .no_bundle = "no --bundle given" },
		.seconds = 75,
		.json = "build/bench/boot.json",
		.svg = "build/bench/boot.svg",
	};
	struct timeline line = { 0 };
	struct contenders all;
	const char *flavour = "unknown";
	double first_run = -1;
	json_t *root;
	bool ok;

	s.wishes.peer = s.peer;
	parse(&s, argc, argv);
	host_warn_if_busy();
	root = json_pack("{s:o, s:o}", "host", host_describe(), "load_before",
			 json_us(host_load()));
	contenders_make(&all, &s.wishes);
	rounds(&all, s.seconds);
	for (size_t i = 0; i < all.n; i++)
		inspect(all.of[i]);
	ok = median_timeline(contender_find(&all, "mayfly"), s.wishes.quick ? 5 : MAX_TIMELINES,
			     &line, &first_run, &flavour);
	json_object_set_new(root, "kvm_flavour", json_string(flavour));
	json_object_set_new(root, "seconds", json_real(s.seconds));
	if (ok)
		ok = picture_write(s.svg, &line, &all, json_object_get(root, "host"));
	ok = write_results(&s, &all, root, &line, first_run) && ok;
	return ok ? 0 : 1;
}
