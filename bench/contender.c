/* Who takes part, see contender.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "contender.h"
#include "host.h"

#define HELLO "hello from main\n"

static void split(struct contender *c)
{
	char *save = NULL, *copy = strdup(c->command);
	size_t n = 0;

	for (char *word = copy ? strtok_r(copy, " ", &save) : NULL; word && n < MAX_ARGS;
	     word = strtok_r(NULL, " ", &save))
		c->argv[n++] = word;
	c->argv[n] = NULL;
}

struct contender *contender_add(struct contenders *c, const char *name, const char *what,
				const char *format, ...)
{
	struct contender *new = calloc(1, sizeof(*new));
	char *command = NULL;
	va_list args;

	va_start(args, format);
	if (!new || vasprintf(&command, format, args) < 0 || c->n == MAX_CONTENDERS) {
		fprintf(stderr, "bench: no room for another contender\n");
		exit(1);
	}
	va_end(args);
	new->name = name;
	new->what = what;
	new->command = command;
	new->output = HELLO;
	new->every = 1;
	split(new);
	c->of[c->n++] = new;
	return new;
}

struct contender *contender_find(const struct contenders *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++)
		if (strcmp(c->of[i]->name, name) == 0)
			return c->of[i];
	return NULL;
}

static void leave_out(struct contenders *c, const char *name, const char *why)
{
	fprintf(stderr, "bench: left out: %s: %s\n", name, why);
	json_object_set_new(c->left_out, name, json_string(why));
}

/* One row a contender; PROGRAM is relative to the build folder. */
struct row {
	const char *name, *what, *program;
	unsigned cpus;
	const char *mem, *output;
	bool large; /* not in a quick run */
};

static const struct row mayfly_rows[] = {
	{ "mayfly", "Mayfly, 1 vCPU, 128M", "hello", 1, "128M", HELLO, false },
	{ "mayfly-4cpu", "Mayfly, 4 vCPUs, 128M", "hello", 4, "128M", HELLO, false },
	{ "mayfly-2M", "Mayfly, 1 vCPU, 2M", "hello", 1, "2M", HELLO, false },
	{ "mayfly-16M", "Mayfly, 1 vCPU, 16M", "hello", 1, "16M", HELLO, false },
	{ "mayfly-1G", "Mayfly, 1 vCPU, 1G", "hello", 1, "1G", HELLO, false },
	{ "mayfly-8G", "Mayfly, 1 vCPU, 8G", "hello", 1, "8G", HELLO, false },
	{ "mayfly-tiny", "Mayfly, 1G, program of 16 KiB", "bench/tiny", 1, "1G", HELLO, false },
	{ "mayfly-16MiB", "Mayfly, 1G, program of 16 MiB", "bench/big-16", 1, "1G", "16 MiB read\n",
	  false },
	{ "mayfly-256MiB", "Mayfly, 1G, program of 256 MiB", "bench/big-256", 1, "1G",
	  "256 MiB read\n", true },
};

static const struct row qemu_rows[] = {
	{ "qemu", "QEMU microvm, 1 vCPU, 128M", "hello", 1, "128M", HELLO, false },
	{ "qemu-4cpu", "QEMU microvm, 4 vCPUs, 128M", "hello", 4, "128M", HELLO, false },
	{ "qemu-16MiB", "QEMU microvm, 1G, program of 16 MiB", "bench/big-16", 1, "1G",
	  "16 MiB read\n", false },
	{ "qemu-256MiB", "QEMU microvm, 1G, program of 256 MiB", "bench/big-256", 1, "1G",
	  "256 MiB read\n", true },
};

static void add_native(struct contenders *c, const struct wishes *w)
{
	contender_add(c, "true", "/bin/true", "/bin/true")->output = "";
	contender_add(c, "native", "hello on the host", "%s/hello", w->build);
	if (w->quick)
		return;
	contender_add(c, "native-256MiB", "program of 256 MiB on the host", "%s/bench/big-256",
		      w->build)
		->output = "256 MiB read\n";
}

static void add_mayfly(struct contenders *c, const struct wishes *w)
{
	for (size_t i = 0; i < sizeof(mayfly_rows) / sizeof(*mayfly_rows); i++) {
		const struct row *r = &mayfly_rows[i];
		struct contender *new;

		if (w->quick && r->large)
			continue;
		new = contender_add(c, r->name, r->what, "%s/vmm run --cpus %u --mem %s %s/%s",
				    w->build, r->cpus, r->mem, w->build, r->program);
		new->output = r->output;
		new->mayfly = true;
	}
}

/* The same guest image and program under the same KVM. isa-debug-exit makes
 * status 0 of the guest into (0 << 1) | 1 of QEMU. */
static void add_qemu(struct contenders *c, const struct wishes *w)
{
	const char *qemu = host_find("qemu-system-x86_64"), *guest = getenv("MAYFLY_GUEST");

	if (!qemu) {
		leave_out(c, "qemu", "qemu-system-x86_64 is not installed");
		return;
	}
	for (size_t i = 0; i < sizeof(qemu_rows) / sizeof(*qemu_rows); i++) {
		const struct row *r = &qemu_rows[i];
		struct contender *new;

		if (w->quick && r->large)
			continue;
		new = contender_add(
			c, r->name, r->what,
			"%s -M microvm -accel kvm -cpu host,-arch-capabilities -smp %u -m %s "
			"-kernel %s%s -initrd %s/%s -append %s -device "
			"isa-debug-exit,iobase=0xf4,iosize=4 -nodefaults -display none -no-reboot "
			"-serial stdio",
			qemu, r->cpus, r->mem, guest ? guest : w->build, guest ? "" : "/guest.elf",
			w->build, r->program, r->program);
		new->output = r->output;
		new->status = 1;
		new->every = r->large ? 8 : 2;
	}
}

static void add_container(struct contenders *c, const struct wishes *w)
{
	const char *crun = host_find("crun");

	if (!crun || !w->bundle) {
		leave_out(c, "crun", crun ? w->no_bundle : "crun is not installed");
		return;
	}
	contender_add(c, "crun", "container of hello (crun run)",
		      "%s --root %s/state run --bundle %s mayfly-bench", crun, w->bundle,
		      w->bundle);
}

/* NAME=COMMAND: the command must end with status 0. */
static void add_peer(struct contenders *c, const char *peer)
{
	const char *equals = strchr(peer, '=');
	char *name = equals ? strndup(peer, (size_t)(equals - peer)) : NULL;

	if (!name || equals[1] != '/') {
		fprintf(stderr, "bench: --peer wants NAME=/PATH ARG...\n");
		exit(1);
	}
	contender_add(c, name, name, "%s", equals + 1)->output = NULL;
}

void contenders_make(struct contenders *c, const struct wishes *w)
{
	c->n = 0;
	c->left_out = json_object();
	add_native(c, w);
	add_mayfly(c, w);
	add_qemu(c, w);
	add_container(c, w);
	for (size_t i = 0; i < w->peers; i++)
		add_peer(c, w->peer[i]);
}

/* ---- results */

bool contender_accept(struct contender *c, const struct run *r)
{
	const char *said = r->err[0] ? r->err : r->out;

	if (r->timed_out)
		snprintf(c->failed, sizeof(c->failed), "not at its end after %d s", RUN_SECONDS);
	else if (r->status != c->status)
		snprintf(c->failed, sizeof(c->failed), "ended with status %d instead of %d: %.150s",
			 r->status, c->status, said);
	else if (c->output && strcmp(r->out, c->output) != 0)
		snprintf(c->failed, sizeof(c->failed), "printed something else: %.150s", r->out);
	return !c->failed[0];
}

static json_t *time_json(const struct figures *t)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "median", json_us(t->median), "p10",
			 json_us(t->p10), "p90", json_us(t->p90), "min", json_us(t->min), "max",
			 json_us(t->max));
}

json_t *contender_json(const struct contender *c, double base_us)
{
	json_t *j = json_pack("{s:s, s:s, s:i}", "what", c->what, "command", c->command, "samples",
			      (int)c->n);

	if (c->failed[0])
		json_object_set_new(j, "failed", json_string(c->failed));
	if (c->n > 0) {
		json_object_set_new(j, "us", time_json(&c->time));
		json_object_set_new(j, "times_true", json_us(c->time.median / base_us));
	}
	if (c->memory.peak > 0)
		json_object_set_new(j, "memory_kib",
				    json_pack("{s:I, s:I, s:I, s:I}", "peak_resident",
					      (json_int_t)c->memory.peak, "resident_at_exit",
					      (json_int_t)c->memory.rss, "anonymous_at_exit",
					      (json_int_t)c->memory.anonymous, "pss_at_exit",
					      (json_int_t)c->memory.pss));
	if (c->has_resident)
		json_object_set_new(j, "vmm_says_kib",
				    json_pack("{s:I, s:I}", "vmm",
					      (json_int_t)(c->resident.process - c->resident.guest),
					      "guest", (json_int_t)c->resident.guest));
	if (c->has_exits)
		json_object_set_new(j, "exits",
				    json_pack("{s:I, s:I, s:I, s:I, s:I}", "all",
					      (json_int_t)c->exits.total, "device_registers",
					      (json_int_t)c->exits.mmio, "ports",
					      (json_int_t)c->exits.ports, "signals",
					      (json_int_t)c->exits.signals, "other",
					      (json_int_t)c->exits.other));
	return j;
}
