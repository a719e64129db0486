/* Starting and timing programs, see launch.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "launch.h"

static volatile pid_t watched; /* whom the time limit ends */
static volatile sig_atomic_t expired;

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

void sleep_ns(uint64_t ns)
{
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	nanosleep(&t, NULL);
}

static int make_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	/* A grandchild may keep the write end open: never wait for it. */
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	return 0;
}

static int null_file(void)
{
	static int fd = -1;

	if (fd < 0)
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return fd;
}

/* In the child, which shares our memory until execv: system calls only. */
static _Noreturn void become(char *const argv[], int in, int out, int err, bool traced)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	if (traced)
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	execv(argv[0], argv);
	_exit(127);
}

static int start(struct child *c, char *const argv[], bool with_err, bool traced)
{
	const int in = null_file();
	int out[2], err[2] = { -1, in }, rc;
	pid_t pid;

	if (in < 0)
		return -errno;
	rc = make_pipe(out);
	if (rc)
		return rc;
	if (with_err && (rc = make_pipe(err)) < 0) {
		close(out[0]);
		close(out[1]);
		return rc;
	}
	c->out = out[0];
	c->err = err[0];
	c->started = now_ns();
	pid = vfork();
	if (pid == 0)
		become(argv, in, out[1], err[1], traced);
	rc = pid < 0 ? -errno : 0;
	c->pid = pid;
	close(out[1]);
	if (with_err)
		close(err[1]);
	if (rc)
		child_close(c);
	return rc;
}

int launch(struct child *c, char *const argv[], bool with_err)
{
	return start(c, argv, with_err, false);
}

void child_close(struct child *c)
{
	if (c->out >= 0)
		close(c->out);
	if (c->err >= 0)
		close(c->err);
	c->out = c->err = -1;
}

int exit_status(int wait_status)
{
	return WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128 + WTERMSIG(wait_status);
}

static void on_alarm(int signal_number)
{
	(void)signal_number;
	expired = 1;
	if (watched > 0)
		kill(watched, SIGKILL);
}

/* From now on `pid` may run for `seconds`; 0: no limit any more. */
static void watch(pid_t pid, int seconds)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval limit = { .it_value.tv_sec = seconds };

	watched = pid;
	if (seconds) {
		expired = 0;
		sigaction(SIGALRM, &action, NULL);
	}
	setitimer(ITIMER_REAL, &limit, NULL);
}

static void drain(int fd, char *text)
{
	size_t have = 0;
	ssize_t n;

	while (have < RUN_OUTPUT - 1 && (n = read(fd, text + have, RUN_OUTPUT - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = 0;
}

static void collect(struct child *c, int wait_status, uint64_t ended, struct run *r)
{
	watch(0, 0);
	r->status = exit_status(wait_status);
	r->timed_out = expired;
	r->us = (double)(ended - c->started) / 1e3;
	drain(c->out, r->out);
	drain(c->err, r->err);
	child_close(c);
}

int run_timed(char *const argv[], struct run *r)
{
	struct child c;
	uint64_t ended;
	int rc = start(&c, argv, true, false), status;

	if (rc)
		return rc;
	watch(c.pid, RUN_SECONDS);
	while (waitpid(c.pid, &status, 0) < 0 && errno == EINTR)
		;
	ended = now_ns();
	collect(&c, status, ended, r);
	return 0;
}

/* ---- memory */

/* One number of KiB out of a file in /proc/PID, which has a name a line. */
static long proc_kib(pid_t pid, const char *file, const char *key)
{
	char path[64], line[256];
	long kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	f = fopen(path, "re");
	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			sscanf(line + strlen(key), ": %ld", &kib);
	if (f)
		fclose(f);
	return kib;
}

int read_smaps(pid_t pid, struct memory *m)
{
	m->peak = proc_kib(pid, "status", "VmHWM");
	m->rss = proc_kib(pid, "smaps_rollup", "Rss");
	m->pss = proc_kib(pid, "smaps_rollup", "Pss");
	m->anonymous = proc_kib(pid, "smaps_rollup", "Anonymous");
	return m->rss < 0 || m->pss < 0 ? -ESRCH : 0;
}

/*
 * ru_maxrss would not do: a process inherits the peak of whoever it was before
 * its execve, which is us. So the process stops at its exit (ptrace(2),
 * PTRACE_O_TRACEEXIT), when its memory is still there.
 */
static int follow(pid_t pid, struct memory *m, int *status)
{
	long options = PTRACE_O_TRACEEXIT | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL;
	bool first = true;

	for (;;) {
		long pass = 0;

		if (waitpid(pid, status, 0) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!WIFSTOPPED(*status))
			return 0;
		if (first)
			ptrace(PTRACE_SETOPTIONS, pid, NULL, options);
		else if (*status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8))
			read_smaps(pid, m);
		else if (*status >> 16 == 0) /* no event of ours: a signal */
			pass = WSTOPSIG(*status);
		first = false;
		ptrace(PTRACE_CONT, pid, NULL, pass);
	}
}

int run_inspected(char *const argv[], struct run *r, struct memory *m)
{
	struct child c;
	int rc = start(&c, argv, true, true), status = 0;

	*m = (struct memory){ -1, -1, -1, -1 };
	if (rc)
		return rc;
	watch(c.pid, RUN_SECONDS);
	rc = follow(c.pid, m, &status);
	collect(&c, status, now_ns(), r);
	return rc;
}
