/*
 * The user's terminal: raw while a guest reads from it, since the line
 * discipline is the guest's, and given back as it was on every way out.
 */
#ifndef VMM_TERM_H
#define VMM_TERM_H

struct vm;

/* Makes the terminal at descriptor 0 raw. Does nothing when descriptor 0 is
 * no terminal, or when another job has it (then term_resume() does it later).
 * Only for guests that read from descriptor 0. */
void term_setup(void);

/* Gives the terminal back. Idempotent; any thread; async-signal-safe. */
void term_restore(void);

/*
 * Around a stop: a SIGTSTP handler calls term_restore() and stops the
 * process; a SIGCONT handler calls term_resume(), which makes the terminal raw
 * again if term_setup() was called and the job is in the foreground. The
 * settings that term_restore() gives back are then those found at that moment.
 * Async-signal-safe.
 */
void term_resume(void);

/* After SIGWINCH, not in its handler: tells the guest the new size. */
void term_winch(struct vm *vm);

#endif
