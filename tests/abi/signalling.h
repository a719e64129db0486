/*
 * What the programs about signals have in common.
 */
#ifndef ABI_SIGNALLING_H
#define ABI_SIGNALLING_H

#include <signal.h>
#include <stdbool.h>

/* Counts the signals that it listens to. */
void listen_to(int sig, int flags);
void counting(int sig, siginfo_t *info, void *context); /* its handler */
extern volatile sig_atomic_t count;
extern volatile sig_atomic_t last_signal;

/* sigprocmask() of one */
void block(int how, int sig);
bool is_pending(int sig);
bool is_blocked(int sig);
/* A SIGALRM every so many milliseconds, or none for 0. */
void tick(int ms);

#endif
