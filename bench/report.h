/* Reads what `vmm run --verbose --stats` prints on standard error. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_MARKS 40

struct mark {
	char name[64]; /* the step that ends here */
	double at; /* microseconds since main() */
};

struct timeline {
	double before; /* microseconds from process start to main() */
	struct mark mark[MAX_MARKS];
	size_t marks;
	double whole; /* the process as seen from outside; 0: not known */
};

struct exits {
	long total, mmio, ports, signals, other; /* to user space, all vCPUs */
	/* That KVM emulated; on the soft flavour all that ran at CPL0. -1: unknown */
	long emulated;
};

struct resident {
	long process, guest; /* KiB; the second is part of the first */
};

/* Each is false if the text has no such lines. */
bool report_timeline(const char *text, struct timeline *t);
bool report_exits(const char *text, struct exits *e);
bool report_resident(const char *text, struct resident *r);
/* "soft", "hard" or "unknown" */
const char *report_flavour(const char *text);
/* When the step of that name ended; -1: there is none. */
double timeline_at(const struct timeline *t, const char *name);
#endif
