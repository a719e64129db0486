/*
 * bench/compare: two vmm binaries against each other, in pairs of runs right
 * after one another, so that both see the same noise. Which one goes first
 * alternates. Says the median of the paired differences and how sure it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "figures.h"
#include "host.h"
#include "launch.h"

#define MAX_PAIRS 20000

struct side {
	char *vmm, *guest; /* guest: NULL for the one that the VMM finds */
	char **argv;
	double us[MAX_PAIRS];
};

static struct side side[2];
static double difference[MAX_PAIRS];
static struct run run;

/* VMM or VMM,GUEST: the guest image makes a difference, too. */
static void make_side(struct side *s, char *spec, char **rest, int n)
{
	char *comma = strchr(spec, ',');

	if (comma)
		*comma++ = 0;
	s->vmm = spec;
	s->guest = comma;
	s->argv = calloc((size_t)n + 3, sizeof(char *));
	if (!s->argv)
		exit(1);
	s->argv[0] = spec;
	s->argv[1] = "run";
	memcpy(s->argv + 2, rest, (size_t)n * sizeof(char *));
}

static double sample(const struct side *s, const char *guest)
{
	int rc;

	if (s->guest)
		setenv("MAYFLY_GUEST", s->guest, 1);
	else if (guest)
		setenv("MAYFLY_GUEST", guest, 1);
	else
		unsetenv("MAYFLY_GUEST");
	rc = run_timed(s->argv, &run);
	if (rc || run.timed_out || run.status != 0) {
		fprintf(stderr, "compare: %s failed, status %d: %s%s\n", s->vmm,
			rc ? rc : run.status, run.out, run.err);
		exit(1);
	}
	return run.us;
}

static size_t measure(double seconds)
{
	const char *inherited = getenv("MAYFLY_GUEST");
	char *guest = inherited ? strdup(inherited) : NULL;
	uint64_t end;
	size_t n = 0;

	sample(&side[0], guest);
	sample(&side[1], guest);
	end = now_ns() + (uint64_t)(seconds * 1e9);
	for (; n < MAX_PAIRS && (n < 10 || now_ns() < end); n++) {
		struct side *first = &side[n % 2], *second = &side[1 - n % 2];

		first->us[n] = sample(first, guest);
		second->us[n] = sample(second, guest);
		difference[n] = side[1].us[n] - side[0].us[n];
	}
	free(guest);
	return n;
}

static void print_side(const char *name, const struct figures *f)
{
	printf("%s  median %9.1f us   p10 %9.1f   p90 %9.1f\n", name, f->median, f->p10, f->p90);
}

int main(int argc, char **argv)
{
	struct figures a, b, d;
	double low, high;
	size_t n;

	if (argc < 5 || atof(argv[1]) <= 0) {
		fprintf(stderr, "usage: compare SECONDS A[,GUEST] B[,GUEST] ARGUMENTS-OF-RUN...\n");
		return 2;
	}
	host_warn_if_busy();
	make_side(&side[0], argv[2], argv + 4, argc - 4);
	make_side(&side[1], argv[3], argv + 4, argc - 4);
	n = measure(atof(argv[1]));
	a = figures_of(side[0].us, n);
	b = figures_of(side[1].us, n);
	d = figures_of(difference, n);
	median_interval(difference, n, &low, &high);
	print_side("A", &a);
	print_side("B", &b);
	printf("B - A in pairs: median %+.1f us (%+.1f%%), 95%% sure between %+.1f and %+.1f; "
	       "%zu pairs\n",
	       d.median, 100 * d.median / a.median, low, high, n);
	puts(low > 0 ? "B is slower" : high < 0 ? "B is faster" : "no difference seen");
	return 0;
}
