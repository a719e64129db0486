// link: vmm/term.c vmm/stream.c
/*
 * Terminal modes and job control. Each test forks a session leader on a new
 * terminal, as a shell would be, and that forks a job, as vmm would be. The
 * job's exit status says what it found.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "../../vmm/console.h"
#include "../../vmm/stream.h"
#include "../../vmm/term.h"

void console_update_size(struct vm *vm)
{
	(void)vm;
}

static int master;

/* Runs shell() as a session leader with a terminal at 0; its exit status. */
static int in_session(int (*shell)(void))
{
	int status;
	pid_t pid;

	master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(master);
	unlockpt(master);
	pid = fork();
	if (pid == 0) {
		alarm(10);
		setsid();
		close(0);
		if (open(ptsname(master), O_RDWR) != 0)
			_exit(100);
		_exit(shell());
	}
	waitpid(pid, &status, 0);
	close(master);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* Starts job() in a process group of its own, in the foreground or not. */
static pid_t start_job(int (*job)(void), bool foreground)
{
	int go[2];
	char c;
	pid_t pid;

	if (pipe(go))
		_exit(101);
	signal(SIGTTOU, SIG_IGN);
	pid = fork();
	if (pid == 0) {
		alarm(10);
		signal(SIGTTOU, SIG_DFL);
		if (read(go[0], &c, 1) != 1)
			_exit(102);
		_exit(job());
	}
	setpgid(pid, pid);
	if (foreground)
		tcsetpgrp(0, pid);
	if (write(go[1], "x", 1) != 1)
		_exit(103);
	close(go[0]);
	close(go[1]);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 200;
}

static bool is_raw(void)
{
	struct termios t;

	tcgetattr(0, &t);
	return !(t.c_lflag & (ICANON | ECHO | ISIG)) && !(t.c_iflag & (IXON | ICRNL)) &&
	       !(t.c_oflag & OPOST);
}

static bool is_cooked(void)
{
	struct termios t;

	tcgetattr(0, &t);
	return (t.c_lflag & ICANON) && (t.c_lflag & ECHO) && (t.c_oflag & OPOST);
}

/* ---- modes */

static int job_modes(void)
{
	term_restore(); /* before anything: nothing */
	term_resume();
	if (!is_cooked())
		return 1;
	term_setup();
	if (!is_raw())
		return 2;
	term_restore();
	term_restore();
	if (!is_cooked())
		return 3;
	term_resume();
	term_resume();
	if (!is_raw())
		return 4;
	term_restore();
	return is_cooked() ? 0 : 5;
}

static int shell_modes(void)
{
	return end_of(start_job(job_modes, true));
}

static void modes(void **state)
{
	(void)state;
	assert_int_equal(in_session(shell_modes), 0);
}

/* In the background the terminal is somebody else's. */
static int job_background(void)
{
	term_setup();
	if (!is_cooked())
		return 1;
	kill(getpid(), SIGSTOP);
	term_resume(); /* now in the foreground */
	if (!is_raw())
		return 2;
	term_restore();
	return is_cooked() ? 0 : 3;
}

static int shell_background(void)
{
	pid_t pid = start_job(job_background, false);
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return 50;
	tcsetpgrp(0, pid);
	kill(pid, SIGCONT);
	return end_of(pid);
}

static void background(void **state)
{
	(void)state;
	assert_int_equal(in_session(shell_background), 0);
}

static int job_lost_foreground(void)
{
	struct termios t;

	term_setup();
	tcgetattr(0, &t);
	kill(getpid(), SIGSTOP);
	term_restore(); /* must neither stop nor change the terminal */
	return is_raw() ? 0 : 1;
}

static int shell_lost_foreground(void)
{
	pid_t pid = start_job(job_lost_foreground, true);
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
		return 50;
	tcsetpgrp(0, getpgrp());
	kill(pid, SIGCONT);
	return end_of(pid);
}

static void lost_foreground(void **state)
{
	(void)state;
	assert_int_equal(in_session(shell_lost_foreground), 0);
}

static void no_terminal(void **state)
{
	int saved = dup(0), null = open("/dev/null", O_RDONLY);

	(void)state;
	dup2(null, 0);
	term_setup();
	term_resume();
	term_restore();
	dup2(saved, 0);
	close(saved);
	close(null);
}

/* ---- reading in the background */

static int read_word(void)
{
	char got[16] = "";
	struct iovec iov = { got, sizeof(got) - 1 };
	struct pollfd p = { .events = POLLIN };
	struct stream s;
	ssize_t n;

	stream_init(&s, 0, false);
	while ((n = stream_read(&s, &iov, 1)) == -EAGAIN) {
		p.fd = s.use;
		poll(&p, 1, 1000);
	}
	if (n < 0)
		return -n;
	return strcmp(got, "word\n") ? 1 : 0;
}

/* As in the I/O thread. */
static int read_word_blocked(void)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGALRM);
	sigprocmask(SIG_SETMASK, &all, NULL);
	return read_word();
}

static int stop_then_continue(int (*job)(void))
{
	pid_t pid = start_job(job, false);
	int status;

	if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status) ||
	    WSTOPSIG(status) != SIGTTIN)
		return 50;
	tcsetpgrp(0, pid);
	kill(pid, SIGCONT);
	if (write(master, "word\n", 5) != 5)
		return 51;
	return end_of(pid);
}

static int shell_reads(void)
{
	return stop_then_continue(read_word);
}

static int shell_reads_blocked(void)
{
	return stop_then_continue(read_word_blocked);
}

static void background_read_stops_the_job(void **state)
{
	(void)state;
	assert_int_equal(in_session(shell_reads), 0);
	assert_int_equal(in_session(shell_reads_blocked), 0);
}

static int job_ignores(void)
{
	signal(SIGTTIN, SIG_IGN);
	return read_word();
}

static int shell_ignores(void)
{
	return end_of(start_job(job_ignores, false));
}

static void background_read_with_sigttin_ignored(void **state)
{
	(void)state;
	assert_int_equal(in_session(shell_ignores), EIO);
}

/* Nobody would continue an orphaned job, so it gets an error. */
static int orphan_pipe[2];
static pid_t parent;

static int job_orphan(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };
	char found;

	while (getppid() == parent)
		nanosleep(&ms, NULL);
	found = read_word();
	return write(orphan_pipe[1], &found, 1) != 1;
}

static int subshell_orphan(void)
{
	parent = getpid();
	start_job(job_orphan, false);
	return 0;
}

static int shell_orphan(void)
{
	char found = 0;

	if (pipe(orphan_pipe))
		return 60;
	end_of(start_job(subshell_orphan, false));
	return read(orphan_pipe[0], &found, 1) == 1 ? found : 61;
}

static void background_read_of_an_orphan(void **state)
{
	(void)state;
	assert_int_equal(in_session(shell_orphan), EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modes),
		cmocka_unit_test(background),
		cmocka_unit_test(lost_foreground),
		cmocka_unit_test(no_terminal),
		cmocka_unit_test(background_read_stops_the_job),
		cmocka_unit_test(background_read_with_sigttin_ignored),
		cmocka_unit_test(background_read_of_an_orphan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
