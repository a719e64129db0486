/*
 * Terminal modes. The state is one word, because term_restore() runs in
 * signal handlers and in whichever thread ends the process:
 *
 *   UNUSED --setup--> COOKED <--restore/resume--> RAW
 *
 * CHANGING keeps two threads from changing the terminal at the same time. The
 * thread that changes it has its signals blocked, so that a handler never
 * waits for the thread that it interrupted.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <termios.h>
#include <unistd.h>
#include "console.h"
#include "term.h"

enum { UNUSED, COOKED, RAW, CHANGING };

static atomic_int state = UNUSED;
static struct termios saved;

/* Setting modes from the background would stop the job (SIGTTOU), and spoil
 * the foreground job's settings if it did not. */
static bool foreground(void)
{
	pid_t owner = tcgetpgrp(STDIN_FILENO);

	return owner >= 0 && owner == getpgrp();
}

/* SIGTTOU is held back by the caller: if the job loses the foreground just
 * now, the process must not stop half-way. */
static bool apply(const struct termios *t)
{
	int r;

	do {
		r = tcsetattr(STDIN_FILENO, TCSANOW, t);
	} while (r < 0 && errno == EINTR);
	return r == 0;
}

/* From state `from` to CHANGING with all signals blocked. False, and nothing
 * has changed, in any other state. */
static bool begin_change(int from, sigset_t *old)
{
	sigset_t all;
	int now;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, old);
	do {
		now = from;
	} while (!atomic_compare_exchange_weak(&state, &now, CHANGING) &&
		 (now == CHANGING || now == from));
	if (now == from)
		return true;
	pthread_sigmask(SIG_SETMASK, old, NULL);
	return false;
}

static void end_change(int to, const sigset_t *old)
{
	atomic_store(&state, to);
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* Bytes go through as they are: no line editing, echo, signals, flow control
 * or translation of line ends, in or out. */
static void make_raw(struct termios *t)
{
	t->c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	t->c_oflag &= ~OPOST;
	t->c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t->c_cflag = (t->c_cflag & ~(CSIZE | PARENB)) | CS8;
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
}

void term_resume(void)
{
	int saved_errno = errno, to = COOKED;
	struct termios raw;
	sigset_t old;

	if (atomic_load(&state) == UNUSED || !begin_change(COOKED, &old))
		return;
	if (foreground() && tcgetattr(STDIN_FILENO, &saved) == 0) {
		raw = saved;
		make_raw(&raw);
		if (apply(&raw))
			to = RAW;
	}
	end_change(to, &old);
	errno = saved_errno;
}

void term_setup(void)
{
	struct termios probe;

	if (tcgetattr(STDIN_FILENO, &probe))
		return;
	atomic_store(&state, COOKED);
	term_resume();
}

void term_restore(void)
{
	int saved_errno = errno;
	sigset_t old;

	if (atomic_load(&state) == UNUSED || !begin_change(RAW, &old))
		return;
	if (foreground())
		apply(&saved);
	end_change(COOKED, &old);
	errno = saved_errno;
}

void term_winch(struct vm *vm)
{
	console_update_size(vm);
}
