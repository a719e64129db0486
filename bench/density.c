/*
 * bench/density: many VMs at once. Each runs a program that prints one line and
 * sleeps. As many are started at a time as the host has CPUs: the next one when
 * one has said that it is up. Then they are left alone for some seconds, in which
 * they should use no CPU time at all; then their memory is looked at, and they
 * are ended. The same with plain processes and with QEMU. METHOD.md has the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "figures.h"
#include "host.h"
#include "launch.h"

#define MAX_VMS       1000
#define START_SECONDS 10 /* until the first line of one */
#define END_SECONDS   5 /* from SIGTERM to SIGKILL */

struct vm {
	struct child child; /* pid 0: there is none (any more) */
	double up_us; /* from its start to its first line */
	bool up;
	char said[8]; /* so far; a serial port sends byte by byte */
};

struct kind {
	const char *name, *what;
	char *argv[40];
	unsigned most; /* not more of it at once; 0 after a failure */
};

struct idle {
	double seconds, cpu_us;
	long wakeups; /* voluntary context switches, all threads */
	long pss_kib, pss_max_kib;
	long host_kib; /* how much less memory was available than before */
};

static struct vm vm[MAX_VMS];
static unsigned started;
static volatile sig_atomic_t interrupted;
static unsigned in_flight;
/* What a start leaves to be done a second later is not idleness. */
static double rest_seconds = 2, idle_seconds = 5;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- ending them */

static void reap(int options)
{
	for (unsigned i = 0; i < started; i++)
		if (vm[i].child.pid > 0 && waitpid(vm[i].child.pid, NULL, options) > 0) {
			vm[i].child.pid = 0;
			child_close(&vm[i].child);
		}
}

static unsigned alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < started; i++)
		n += vm[i].child.pid > 0;
	return n;
}

static void signal_all(int number)
{
	for (unsigned i = 0; i < started; i++)
		if (vm[i].child.pid > 0)
			kill(vm[i].child.pid, number);
}

/* Ends and reaps all. How many did not end by SIGTERM. */
static unsigned end_all(void)
{
	const uint64_t limit = now_ns() + END_SECONDS * 1000000000ull;
	unsigned stubborn;

	signal_all(SIGTERM);
	for (reap(WNOHANG); alive() > 0 && now_ns() < limit; reap(WNOHANG))
		sleep_ns(2000000);
	stubborn = alive();
	signal_all(SIGKILL);
	reap(0);
	started = 0;
	return stubborn;
}

/* ---- starting them */

static int complain(unsigned i, const char *what)
{
	if (!interrupted)
		fprintf(stderr, "bench: number %u %s\n", i + 1, what);
	return -1;
}

static int start_one(const struct kind *k)
{
	struct vm *v = &vm[started];
	int rc = launch(&v->child, k->argv, false);

	if (rc)
		return complain(started, strerror(-rc));
	v->up = false;
	v->said[0] = 0;
	started++;
	return 0;
}

/* 1: it has just come up, 0: not yet, -1: it failed. */
static int first_line(unsigned i, uint64_t now)
{
	struct vm *v = &vm[i];
	const size_t have = strlen(v->said);
	const ssize_t n = read(v->child.out, v->said + have, sizeof(v->said) - 1 - have);

	if (n == 0)
		return complain(i, "ended at its start");
	if (n > 0)
		v->said[have + (size_t)n] = 0;
	if (strncmp(v->said, "up\n", strlen(v->said)) != 0)
		return complain(i, "printed something else");
	v->up = strcmp(v->said, "up\n") == 0;
	v->up_us = (double)(now - v->child.started) / 1e3;
	if (!v->up && now - v->child.started > START_SECONDS * 1000000000ull)
		return complain(i, "did not come up in time");
	return v->up;
}

/* Waits until at least one of those that are not up yet is. Its number or -1. */
static int wait_for_some(unsigned *pending)
{
	struct pollfd fds[MAX_VMS];
	unsigned which[MAX_VMS], n = 0;
	uint64_t now;

	for (unsigned i = 0; i < started; i++)
		if (!vm[i].up) {
			fds[n] = (struct pollfd){ .fd = vm[i].child.out, .events = POLLIN };
			which[n++] = i;
		}
	if (poll(fds, n, 1000) < 0 && errno != EINTR)
		return complain(0, strerror(errno));
	now = now_ns();
	for (unsigned i = 0; i < n; i++) {
		int up = first_line(which[i], now);

		if (up < 0)
			return -1;
		*pending -= (unsigned)up;
	}
	return interrupted ? -1 : 0;
}

static int start_all(const struct kind *k, unsigned wanted)
{
	unsigned pending = 0;

	while (started < wanted || pending > 0) {
		while (started < wanted && pending < in_flight && !interrupted) {
			if (start_one(k))
				return -1;
			pending++;
		}
		if (wait_for_some(&pending))
			return -1;
	}
	return 0;
}

/* ---- watching them */

/* CPU time of a process with all its threads, to the nanosecond. */
static double cpu_us(pid_t pid)
{
	struct timespec t = { 0 };
	clockid_t id;

	if (clock_getcpuclockid(pid, &id) || clock_gettime(id, &t))
		return 0;
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long thread_wakeups(const char *path)
{
	static const char key[] = "voluntary_ctxt_switches:";
	FILE *f = fopen(path, "re");
	char line[256];
	long n = 0;

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, sizeof(key) - 1) == 0)
			n = atol(line + sizeof(key) - 1);
	if (f)
		fclose(f);
	return n;
}

/* Threads have ids of their own in /proc/PID/task. */
static long wakeups(pid_t pid)
{
	char path[400];
	struct dirent *entry;
	long n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		n += thread_wakeups(path);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void sum_use(double *cpu, long *switches)
{
	*cpu = 0;
	*switches = 0;
	for (unsigned i = 0; i < started; i++) {
		*cpu += cpu_us(vm[i].child.pid);
		*switches += wakeups(vm[i].child.pid);
	}
}

/* sleep, but a signal ends it */
static void pause_for(double seconds)
{
	const uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);

	while (!interrupted && now_ns() < end)
		sleep_ns(end - now_ns() < 100000000 ? end - now_ns() : 100000000);
}

static int watch_idle(struct idle *idle, long available_before)
{
	double cpu0, cpu1;
	long wake0, wake1;

	pause_for(rest_seconds);
	sum_use(&cpu0, &wake0);
	pause_for(idle_seconds);
	sum_use(&cpu1, &wake1);
	*idle = (struct idle){ .seconds = idle_seconds,
			       .cpu_us = cpu1 - cpu0,
			       .wakeups = wake1 - wake0,
			       .host_kib = available_before - host_memory("MemAvailable") };
	for (unsigned i = 0; i < started; i++) {
		struct memory m;

		if (read_smaps(vm[i].child.pid, &m))
			return complain(i, "ended while it should have been idle");
		idle->pss_kib += m.pss;
		if (m.pss > idle->pss_max_kib)
			idle->pss_max_kib = m.pss;
	}
	return interrupted ? -1 : 0;
}

/* ---- one measurement and its results */

static json_t *result_json(const struct kind *k, unsigned n, double total_us,
			   const struct figures *f, const struct idle *idle)
{
	json_t *up = json_pack("{s:o, s:o, s:o, s:o}", "median", json_us(f->median), "p10",
			       json_us(f->p10), "p90", json_us(f->p90), "max", json_us(f->max));
	json_t *at_rest = json_pack("{s:o, s:o, s:I}", "seconds", json_us(idle->seconds), "cpu_us",
				    json_us(idle->cpu_us), "wakeups", (json_int_t)idle->wakeups);
	json_t *memory = json_pack("{s:I, s:o, s:I, s:I}", "pss_sum", (json_int_t)idle->pss_kib,
				   "pss_each", json_us((double)idle->pss_kib / n), "pss_largest",
				   (json_int_t)idle->pss_max_kib, "host_less_available",
				   (json_int_t)idle->host_kib);

	return json_pack("{s:s, s:i, s:o, s:o, s:o, s:o}", "kind", k->name, "at_once", (int)n,
			 "all_up_us", json_us(total_us), "to_first_line_us", up, "memory_kib",
			 memory, "idle", at_rest);
}

static json_t *measure(const struct kind *k, unsigned n)
{
	const long available = host_memory("MemAvailable");
	const uint64_t begin = now_ns();
	double up[MAX_VMS], total_us;
	struct figures f;
	struct idle idle;
	json_t *result;

	if (start_all(k, n))
		return NULL;
	total_us = (double)(now_ns() - begin) / 1e3;
	for (unsigned i = 0; i < n; i++)
		up[i] = vm[i].up_us;
	f = figures_of(up, n);
	if (watch_idle(&idle, available))
		return NULL;
	result = result_json(k, n, total_us, &f, &idle);
	printf("%-24s %5u %9.1f %9.2f %9.2f %9.0f %9.0f %9.2f %8ld\n", k->what, n, total_us / 1e3,
	       f.median / 1e3, f.p90 / 1e3, (double)idle.pss_kib / n, (double)idle.host_kib / n,
	       idle.cpu_us / 1e3, idle.wakeups);
	fflush(stdout);
	return result;
}

/* False: failed or interrupted. Nothing is alive afterwards, in any case. */
static bool add_result(json_t *results, const struct kind *k, unsigned n)
{
	json_t *result = measure(k, n);
	const uint64_t begin = now_ns();
	const unsigned stubborn = end_all();

	if (!result) {
		if (!interrupted)
			json_array_append_new(results, json_pack("{s:s, s:i, s:b}", "kind", k->name,
								 "at_once", (int)n, "failed", 1));
		return false;
	}
	json_object_set_new(result, "ended_us", json_us((double)(now_ns() - begin) / 1e3));
	json_object_set_new(result, "ended_only_by_sigkill", json_integer(stubborn));
	json_array_append_new(results, result);
	if (stubborn)
		fprintf(stderr, "bench: %u of %u %s did not end by SIGTERM\n", stubborn, n,
			k->what);
	return stubborn == 0;
}

/* ---- main */

static char *join(const char *dir, const char *name)
{
	char *path = NULL;

	return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

static unsigned make_kinds(struct kind *kind, const char *build, unsigned most, unsigned most_qemu)
{
	char *idle = join(build, "bench/idle"), *qemu = host_find("qemu-system-x86_64");
	char *guest = getenv("MAYFLY_GUEST");
	unsigned n = 0;

	kind[n++] = (struct kind){ "process", "process", { idle }, most };
	kind[n++] = (struct kind){
		"mayfly", "Mayfly, 1 vCPU, 128M", { join(build, "vmm"), "run", idle }, most
	};
	if (qemu)
		kind[n++] = (struct kind){ "qemu",
					   "QEMU microvm, 128M",
					   { qemu,
					     "-M",
					     "microvm",
					     "-accel",
					     "kvm",
					     "-cpu",
					     "host,-arch-capabilities",
					     "-m",
					     "128M",
					     "-kernel",
					     guest ? guest : join(build, "guest.elf"),
					     "-initrd",
					     idle,
					     "-append",
					     "idle",
					     "-device",
					     "isa-debug-exit,iobase=0xf4,iosize=4",
					     "-nodefaults",
					     "-display",
					     "none",
					     "-no-reboot",
					     "-serial",
					     "stdio" },
					   most < most_qemu ? most : most_qemu };
	return n;
}

static bool measure_all(json_t *results, const char *build, bool quick, unsigned most)
{
	static const unsigned counts[] = { 1, 10, 50, 100, 200 };
	struct kind kind[3];
	const unsigned kinds = make_kinds(kind, build, most, quick ? 1 : 10);
	bool ok = true;

	printf("%-24s %5s %9s %9s %9s %9s %9s %9s %8s\n", "at once", "N", "all up ms", "median ms",
	       "p90 ms", "PSS KiB", "host KiB", "idle ms", "wake-ups");
	for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		for (unsigned k = 0; k < kinds && !interrupted; k++) {
			if (counts[i] > kind[k].most || (quick && counts[i] > 10))
				continue;
			if (!add_result(results, &kind[k], counts[i])) {
				kind[k].most = 0;
				ok = false;
			}
		}
	return ok && !interrupted;
}

static void catch_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: density [--quick] [--most N] [--in-flight N] [--build DIR] "
			"[--json FILE]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "most", required_argument, NULL, 'm' },
		{ "in-flight", required_argument, NULL, 'f' },
		{ "build", required_argument, NULL, 'b' },
		{ "json", required_argument, NULL, 'j' },
		{ 0 },
	};
	const char *build = "build", *json = "build/bench/density.json";
	unsigned most = 200;
	json_t *root, *results = json_array();
	bool quick = false, ok;

	in_flight = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	for (int o; (o = getopt_long(argc, argv, "", known, NULL)) != -1;) {
		switch (o) {
		case 'q':
			quick = true, rest_seconds = idle_seconds = 0.5;
			break;
		case 'm':
			most = (unsigned)atoi(optarg);
			break;
		case 'f':
			in_flight = (unsigned)atoi(optarg);
			break;
		case 'b':
			build = optarg;
			break;
		case 'j':
			json = optarg;
			break;
		default:
			usage();
		}
	}
	if (optind != argc || most < 1 || most > MAX_VMS || in_flight < 1)
		usage();
	catch_signals();
	host_warn_if_busy();
	root = json_pack("{s:o, s:o, s:i}", "host", host_describe(), "load_before",
			 json_us(host_load()), "starting_at_a_time", (int)in_flight);
	ok = measure_all(results, build, quick, most);
	json_object_set_new(root, "results", results);
	return json_save(root, json) && ok ? 0 : 1;
}
