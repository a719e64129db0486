// link: net/pcap.c
// libs: -pthread
/* --pcap: the file, and files that do not take it. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../net/pcap.h"
#include "../../vmm/fail.h"

static unsigned warnings;

_Noreturn void fail(int status, const char *format, ...)
{
	(void)format;
	_exit(status);
}

void warn(const char *format, ...)
{
	(void)format;
	__atomic_add_fetch(&warnings, 1, __ATOMIC_SEQ_CST);
}

static char path[] = "/tmp/test_pcap.XXXXXX";

/* Each test in a process of its own: a VM opens one record, once. */
static void in_child(void (*body)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		alarm(20);
		body();
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(x)                                                   \
	do {                                                       \
		if (!(x)) {                                        \
			fprintf(stderr, "%d: %s\n", __LINE__, #x); \
			_exit(1);                                  \
		}                                                  \
	} while (0)

static void record(const char *data, uint32_t skip, uint32_t len)
{
	const struct iovec iov[] = { { (char *)data, 3 }, { (char *)data + 3, 1000 } };

	pcap_frame(iov, 2, skip, len);
}

static void some_frames(void)
{
	static char data[2000];

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)i;
	pcap_open(path);
	record(data, 0, 3);
	record(data, 2, 100);
	record(data, 12, 0);
	pcap_finish();
	CHECK(!warnings);
	record(data, 0, 3); /* too late, and harmless */
}

static void file_is_right(void **state)
{
	uint32_t got[100];
	time_t now;
	FILE *f;
	size_t n;

	(void)state;
	in_child(some_frames);
	now = time(NULL);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(got, 1, sizeof(got), f);
	fclose(f);
	assert_int_equal(n, 24 + 16 + 3 + 16 + 100 + 16);
	assert_int_equal(got[0], 0xa1b23c4d);
	assert_int_equal(got[1], 4 << 16 | 2);
	assert_int_equal(got[5], 1); /* Ethernet */
	assert_true((time_t)got[6] <= now && (time_t)got[6] > now - 10);
	assert_true(got[7] < 1000000000);
	assert_int_equal(got[8], 3);
	assert_int_equal(got[9], 3);
	assert_memory_equal((char *)got + 40, "\0\1\2", 3);
	assert_memory_equal((char *)got + 43 + 8, "\144\0\0\0\144\0\0\0\2\3\4", 11);
}

/* What fits into the ring: no frame is lost, however late the writer begins. */
static void full_disk(void)
{
	static char data[2000];

	pcap_open("/dev/full");
	for (int i = 0; i < 1000; i++)
		record(data, 0, 1000);
	pcap_finish();
	CHECK(warnings == 1);
}

/* A pipe that nobody reads: frames are left out, nobody waits. */
static void nobody_reads(void)
{
	static char data[2000];
	int keep;

	CHECK(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	keep = open(path, O_RDONLY | O_NONBLOCK);
	CHECK(keep >= 0);
	pcap_open(path);
	for (int i = 0; i < 100000; i++)
		record(data, 0, 1000);
	pcap_finish(); /* two seconds */
	CHECK(warnings == 2); /* the end is missing, and frames before it */
}

static void full(void **state)
{
	(void)state;
	in_child(full_disk);
}

static void pipes(void **state)
{
	(void)state;
	in_child(nobody_reads);
}

/* More than the ring holds, to a file that keeps up. */
static void many_frames(void)
{
	static char data[2000];

	pcap_open(path);
	for (int i = 0; i < 30000; i++) {
		record(data, 0, 1000);
		if (i % 1000 == 0)
			usleep(20000);
	}
	pcap_finish();
	CHECK(!warnings);
}

static void wraps_around(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(unlink(path), 0);
	in_child(many_frames);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 24 + 30000 * 1016);
}

static void bad_path(void)
{
	pcap_open("/no/such/directory/file");
}

static void cannot_open(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		bad_path();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 125);
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_right), cmocka_unit_test(full),
		cmocka_unit_test(pipes),         cmocka_unit_test(wraps_around),
		cmocka_unit_test(cannot_open),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
