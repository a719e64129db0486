/*
 * The picture of a boot, see picture.h. Top: one bar a step, on one axis of
 * microseconds since the process was started; the colour says who worked.
 * Below: whole processes side by side, with p10 and p90 as whiskers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "picture.h"

#define WIDTH    1040
#define LEFT     290 /* where bars begin; labels end before */
#define RIGHT    110 /* free at the right, for the number after a bar */
#define ROW      20
#define TOP      96
#define MAX_ROWS (MAX_MARKS + 2)

enum who { HOST, VMM, KERNEL, LIBOS, PROGRAM, WHOS };

static const struct {
	const char *colour, *name;
} who_is[WHOS] = {
	[HOST] = { "#8d99ae", "host kernel: fork, exec, exit" },
	[VMM] = { "#2a6f97", "VMM and KVM set-up" },
	[KERNEL] = { "#c1121f", "guest kernel (CPL0)" },
	[LIBOS] = { "#e09f3e", "library OS (CPL3)" },
	[PROGRAM] = { "#588157", "program (CPL3)" },
};

struct bar {
	const char *name;
	enum who who;
	double from, to; /* us since the process was started */
};

/* Names of steps end with the mark of vmm/timeline.c that the step leads to. */
static struct bar bar_of(const struct mark *m, double from, double to)
{
	static const struct {
		const char *mark, *name;
		enum who who;
	} known[] = {
		{ "first KVM_RUN", "guest entry (first KVM_RUN)", VMM },
		{ "create VM", "VM made (KVM_CREATE_VM)", VMM },
		{ "guest: library OS entered", "guest kernel, until library OS entry", KERNEL },
		{ "guest: program entered", "library OS, until program entry", LIBOS },
		{ "guest: program's exit call", "program: libc start, main, exit", PROGRAM },
		{ "guest ended", "library OS ends the VM", LIBOS },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(m->name, known[i].mark) == 0)
			return (struct bar){ known[i].name, known[i].who, from, to };
	return (struct bar){ m->name, VMM, from, to };
}

static size_t make_bars(const struct timeline *t, struct bar *bar)
{
	double at = t->before;
	size_t n = 0;

	bar[n++] = (struct bar){ "fork, exec, until main() (its CPU time)", HOST, 0, at };
	for (size_t i = 0; i < t->marks; i++) {
		const double to = t->before + t->mark[i].at;

		bar[n++] = bar_of(&t->mark[i], at, to);
		at = to;
	}
	if (t->whole > at)
		bar[n++] = (struct bar){ "print this timeline, process exit", HOST, at, t->whole };
	return n;
}

/* ---- SVG */

static void text(FILE *f, double x, double y, const char *style, const char *s)
{
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
	for (; *s; s++) {
		if (*s == '<')
			fputs("&lt;", f);
		else if (*s == '&')
			fputs("&amp;", f);
		else
			fputc(*s, f);
	}
	fputs("</text>\n", f);
}

static void rect(FILE *f, double x, double y, double w, double h, const char *colour)
{
	fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
		y, w < 0.8 ? 0.8 : w, h, colour);
}

static void line(FILE *f, double x1, double y1, double x2, double y2, const char *colour)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", x1,
		y1, x2, y2, colour);
}

static void duration(char *s, size_t size, double us)
{
	if (us >= 9999.5)
		snprintf(s, size, "%.1f ms", us / 1000);
	else if (us >= 999.5)
		snprintf(s, size, "%.2f ms", us / 1000);
	else if (us >= 99.5)
		snprintf(s, size, "%.0f us", us);
	else
		snprintf(s, size, "%.1f us", us);
}

/* 1, 2 or 5 times a power of ten, so that there are five to twelve ticks. */
static double tick_of(double range)
{
	const double power = pow(10, floor(log10(range)) - 1);
	const double n = range / power;

	return power * (n > 50 ? 10 : n > 20 ? 5 : 2);
}

static double scale(double range)
{
	return (WIDTH - LEFT - RIGHT) / range;
}

static void axis(FILE *f, double range, double top, double bottom)
{
	const double tick = tick_of(range), k = scale(range);
	char label[32];

	for (double at = 0; at <= range * 1.0001; at += tick) {
		line(f, LEFT + at * k, top, LEFT + at * k, bottom, at == 0 ? "#555" : "#ddd");
		snprintf(label, sizeof(label), "%g", range > 20000 ? at / 1000 : at);
		text(f, LEFT + at * k, bottom + 15, "text-anchor=\"middle\" class=\"s\"", label);
	}
	text(f, LEFT, bottom + 30, "class=\"s\"",
	     range > 20000 ? "milliseconds since the process was started" :
			     "microseconds since the process was started");
}

static void legend(FILE *f)
{
	double x = 20;

	for (int w = 0; w < WHOS; w++) {
		rect(f, x, 62, 12, 12, who_is[w].colour);
		text(f, x + 17, 72, "class=\"s\"", who_is[w].name);
		x += 34 + 6.3 * (double)strlen(who_is[w].name);
	}
}

static void draw_bars(FILE *f, const struct bar *bar, size_t n)
{
	const double range = bar[n - 1].to, k = scale(range);
	char label[32];

	axis(f, range, TOP - 6, TOP + ROW * (double)n);
	for (size_t i = 0; i < n; i++) {
		const double y = TOP + ROW * (double)i;

		text(f, LEFT - 8, y + 11, "text-anchor=\"end\"", bar[i].name);
		rect(f, LEFT + bar[i].from * k, y, (bar[i].to - bar[i].from) * k, ROW - 6,
		     who_is[bar[i].who].colour);
		duration(label, sizeof(label), bar[i].to - bar[i].from);
		text(f, LEFT + bar[i].to * k + 5, y + 11, "class=\"s\"", label);
	}
}

/* ---- side by side */

static const char *const beside[] = { "true", "native", "mayfly", "mayfly-4cpu", "crun", "qemu" };
#define BESIDES (sizeof(beside) / sizeof(*beside))

static void draw_contender(FILE *f, const struct contender *c, double y, double k)
{
	const struct figures *t = &c->time;
	const double middle = y + (ROW - 6) / 2.0;
	char label[32];

	text(f, LEFT - 8, y + 11, "text-anchor=\"end\"", c->what);
	rect(f, LEFT, y, t->median * k, ROW - 6,
	     who_is[c->mayfly                      ? VMM :
		    strcmp(c->name, "native") == 0 ? PROGRAM :
						     HOST]
		     .colour);
	line(f, LEFT + t->p10 * k, middle, LEFT + t->p90 * k, middle, "#000");
	line(f, LEFT + t->p10 * k, middle - 3, LEFT + t->p10 * k, middle + 3, "#000");
	line(f, LEFT + t->p90 * k, middle - 3, LEFT + t->p90 * k, middle + 3, "#000");
	duration(label, sizeof(label), t->median);
	text(f, LEFT + t->p90 * k + 5, y + 11, "class=\"s\"", label);
}

static void draw_beside(FILE *f, const struct contenders *all, double top)
{
	const struct contender *drawn[BESIDES];
	double range = 1;
	size_t n = 0;

	for (size_t i = 0; i < BESIDES; i++) {
		const struct contender *c = contender_find(all, beside[i]);

		if (!c || c->n == 0)
			continue;
		drawn[n++] = c;
		range = fmax(range, c->time.p90);
	}
	text(f, 20, top, "class=\"h\"",
	     "Whole process from start to end, side by side: median, p10 to p90");
	axis(f, range, top + 12, top + 20 + ROW * (double)n);
	for (size_t i = 0; i < n; i++)
		draw_contender(f, drawn[i], top + 20 + ROW * (double)i, scale(range));
}

static void head(FILE *f, double height, const struct timeline *t, const json_t *host)
{
	char s[256];

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%.0f\" "
		"viewBox=\"0 0 %d %.0f\" font-family=\"sans-serif\" font-size=\"12\">\n"
		"<style>.h{font-size:15px;font-weight:bold}.s{font-size:11px;fill:#444}</style>\n",
		WIDTH, height, WIDTH, height);
	rect(f, 0, 0, WIDTH, height, "#fff");
	snprintf(s, sizeof(s), "vmm run hello, 1 vCPU, 128M: %.2f ms from process start to exit",
		 t->whole / 1e3);
	text(f, 20, 26, "class=\"h\"", s);
	snprintf(s, sizeof(s), "The median run with --verbose. %s, Linux %s, %d CPUs, %s",
		 json_string_value(json_object_get(host, "date")),
		 json_string_value(json_object_get(host, "kernel")),
		 (int)json_integer_value(json_object_get(host, "cpus")),
		 json_string_value(json_object_get(host, "cpu")));
	text(f, 20, 46, "class=\"s\"", s);
	legend(f);
}

bool picture_write(const char *path, const struct timeline *t, const struct contenders *all,
		   const json_t *host)
{
	struct bar bar[MAX_ROWS];
	const size_t n = make_bars(t, bar);
	const double second = TOP + ROW * (double)n + 70;
	FILE *f = fopen(path, "we");
	bool ok;

	if (f) {
		head(f, second + 20 + ROW * BESIDES + 45, t, host);
		draw_bars(f, bar, n);
		draw_beside(f, all, second);
		fputs("</svg>\n", f);
	}
	ok = f && !ferror(f);
	if ((f && fclose(f) != 0) || !ok) {
		fprintf(stderr, "bench: cannot write %s\n", path);
		return false;
	}
	return true;
}
