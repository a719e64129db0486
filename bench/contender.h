/* The programs that bench/boot compares, and what is known of each. */
#ifndef BENCH_CONTENDER_H
#define BENCH_CONTENDER_H

#include <jansson.h>
#include <stdbool.h>
#include "figures.h"
#include "launch.h"
#include "report.h"

#define MAX_CONTENDERS 40
#define MAX_ARGS       40
#define MAX_SAMPLES    4000

struct contender {
	/* what it is */
	const char *name; /* short, a key in the JSON file */
	const char *what; /* for people */
	const char *command; /* split at blanks into argv */
	char *argv[MAX_ARGS + 1];
	int status; /* with which it must end */
	const char *output; /* and what it must print, exactly; NULL: nothing is known */
	bool mayfly; /* understands --stats and --verbose */
	unsigned every; /* takes part in one round of so many: slow ones in fewer */
	/* what was measured */
	double us[MAX_SAMPLES];
	size_t n;
	struct figures time;
	struct memory memory;
	struct exits exits;
	struct resident resident;
	bool has_exits, has_resident;
	char failed[256]; /* why it is out; empty: it is not */
};

struct contenders {
	struct contender *of[MAX_CONTENDERS];
	size_t n;
	json_t *left_out; /* {name: reason} */
};

/* Where things are, and what to leave out. */
struct wishes {
	bool quick;
	const char *build; /* usually "build" */
	const char *bundle; /* an OCI bundle of hello; NULL: none */
	const char *no_bundle; /* why not */
	const char **peer; /* "NAME=COMMAND", more to compare with */
	size_t peers;
};

struct contender *contender_add(struct contenders *c, const char *name, const char *what,
				const char *format, ...) __attribute__((format(printf, 4, 5)));
void contenders_make(struct contenders *c, const struct wishes *w);
struct contender *contender_find(const struct contenders *c, const char *name);

/* Is this run what it must be? If not, the contender is out, with the reason. */
bool contender_accept(struct contender *c, const struct run *r);
json_t *contender_json(const struct contender *c, double base_us);
#endif
