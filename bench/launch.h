/*
 * Starting programs and timing them from the outside: from just before vfork()
 * until waitpid() has returned. Every child dies with the benchmark, however
 * that ends (PR_SET_PDEATHSIG), and every run has a time limit.
 */
#ifndef BENCH_LAUNCH_H
#define BENCH_LAUNCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RUN_SECONDS 20 /* time limit of one run */
#define RUN_OUTPUT  32768 /* what is kept of each stream; a pipe holds 65536 */

struct child {
	pid_t pid;
	int out, err; /* read ends, non-blocking; -1: not wanted */
	uint64_t started; /* CLOCK_MONOTONIC, ns, just before vfork() */
};

struct run {
	int status; /* exit status, or 128 + number of the signal */
	bool timed_out;
	double us; /* whole process */
	char out[RUN_OUTPUT], err[RUN_OUTPUT];
};

/* Peak and make-up of the memory of one process, KiB; of its last moment. */
struct memory {
	long peak, rss, pss, anonymous;
};

uint64_t now_ns(void);
void sleep_ns(uint64_t ns);

/* Standard input is /dev/null. 0 or -errno. A program that cannot be executed
 * ends with status 127. */
int launch(struct child *c, char *const argv[], bool with_err);
void child_close(struct child *c);
int exit_status(int wait_status);

/* Both return 0, or -errno if there was no run. */
int run_timed(char *const argv[], struct run *r);
/* Stops the process at its exit to look at its memory, so the time is no sample. */
int run_inspected(char *const argv[], struct run *r, struct memory *m);

int read_smaps(pid_t pid, struct memory *m);
#endif
