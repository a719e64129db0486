/* Reading the VMM's own words, see report.h. The lines are those of
 * vmm/timeline.c and vmm/stats.c. */
#include <stdio.h>
#include <string.h>
#include "report.h"

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');

	return end ? end + 1 : line + strlen(line);
}

bool report_timeline(const char *text, struct timeline *t)
{
	const char *line = strstr(text, "vmm: timeline,"), *number;

	t->marks = 0;
	if (!line)
		return false;
	/* The only number in the first line: CPU time from fork until main(). */
	number = strpbrk(line, "0123456789\n");
	if (!number || sscanf(number, "%lf", &t->before) != 1)
		return false;
	for (line = next_line(line); *line && t->marks < MAX_MARKS; line = next_line(line)) {
		struct mark *m = &t->mark[t->marks];
		double took;

		if (sscanf(line, "vmm: %lf %lf %63[^\n]", &m->at, &took, m->name) != 3)
			break;
		t->marks++;
	}
	return t->marks > 0;
}

bool report_exits(const char *text, struct exits *e)
{
	bool found = false;

	*e = (struct exits){ .emulated = -1 };
	for (const char *line = text; *line; line = next_line(line)) {
		struct exits v;

		if (sscanf(line, "vmm: vCPU %*u, KVM's counters: %*d exits, %ld instructions",
			   &v.emulated) == 1)
			e->emulated = v.emulated + (e->emulated < 0 ? 0 : e->emulated);
		if (sscanf(line,
			   "vmm: vCPU %*u: %ld exits to the VMM: %ld device registers, "
			   "%*d waits for frames, %ld ports, "
			   "%ld signals, %ld other",
			   &v.total, &v.mmio, &v.ports, &v.signals, &v.other) != 5)
			continue;
		e->total += v.total;
		e->mmio += v.mmio;
		e->ports += v.ports;
		e->signals += v.signals;
		e->other += v.other;
		found = true;
	}
	return found;
}

bool report_resident(const char *text, struct resident *r)
{
	const char *line = strstr(text, "vmm: resident memory: ");

	return line && sscanf(line, "vmm: resident memory: %ld KiB, of it guest memory %ld KiB",
			      &r->process, &r->guest) == 2;
}

const char *report_flavour(const char *text)
{
	if (strstr(text, "on the soft flavour"))
		return "soft";
	return strstr(text, "on the hard flavour") ? "hard" : "unknown";
}

double timeline_at(const struct timeline *t, const char *name)
{
	for (size_t i = 0; i < t->marks; i++)
		if (strcmp(t->mark[i].name, name) == 0)
			return t->mark[i].at;
	return -1;
}
