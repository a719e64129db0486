/*
 * The one way in which set-up failures end the process: one line on stderr,
 * "vmm: " and what happened, on which object, and what to do about it.
 */
#ifndef VMM_FAIL_H
#define VMM_FAIL_H

/* Prints "vmm: MESSAGE\n" to stderr, restores the terminal, _exit(status). */
_Noreturn void fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same without ending the process. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Called by fail() before it prints; main() puts the terminal's restoration
 * here, so that fail.c depends on nothing. */
extern void (*fail_hook)(void);

#endif
