/* The machine, see host.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "host.h"

/* First value of a key in a file of "key : value" lines. */
static void find_value(const char *path, const char *key, char *value, size_t size)
{
	FILE *f = fopen(path, "re");
	char line[512];

	snprintf(value, size, "unknown");
	while (f && fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, key, strlen(key)) != 0 || !colon)
			continue;
		colon += 1 + strspn(colon + 1, " \t");
		colon[strcspn(colon, "\n")] = 0;
		snprintf(value, size, "%s", colon);
		break;
	}
	if (f)
		fclose(f);
}

long host_memory(const char *key)
{
	char value[64];

	find_value("/proc/meminfo", key, value, sizeof(value));
	return atol(value);
}

json_t *host_describe(void)
{
	char date[32], cpu[128];
	struct utsname name;
	time_t now = time(NULL);
	struct tm tm;

	strftime(date, sizeof(date), "%Y-%m-%d %H:%M", localtime_r(&now, &tm));
	find_value("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	uname(&name);
	return json_pack("{s:s, s:s, s:i, s:s, s:i}", "date", date, "cpu", cpu, "cpus",
			 (int)sysconf(_SC_NPROCESSORS_ONLN), "kernel", name.release, "memory_kib",
			 (int)host_memory("MemTotal"));
}

double host_load(void)
{
	double load = 0;

	return getloadavg(&load, 1) == 1 ? load : 0;
}

void host_warn_if_busy(void)
{
	const double load = host_load();

	if (load > 0.5)
		fprintf(stderr,
			"bench: other work runs here (load %.1f), so the times are too "
			"long and vary; ratios suffer less\n",
			load);
}

char *host_find(const char *name)
{
	const char *path = getenv("PATH");
	char *copy = path ? strdup(path) : NULL, *found = NULL, *save = NULL;

	for (char *dir = copy ? strtok_r(copy, ":", &save) : NULL; dir && !found;
	     dir = strtok_r(NULL, ":", &save)) {
		if (asprintf(&found, "%s/%s", dir, name) < 0)
			found = NULL;
		if (found && access(found, X_OK) != 0) {
			free(found);
			found = NULL;
		}
	}
	free(copy);
	return found;
}

json_t *json_us(double value)
{
	return json_real(round(value * 100) / 100);
}

bool json_save(json_t *root, const char *path)
{
	const int rc = json_dump_file(root, path, JSON_INDENT(2) | JSON_REAL_PRECISION(10));

	json_decref(root);
	if (rc)
		fprintf(stderr, "bench: cannot write %s\n", path);
	return rc == 0;
}
