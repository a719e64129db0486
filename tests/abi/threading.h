/*
 * What the programs about threads have in common.
 */
#ifndef ABI_THREADING_H
#define ABI_THREADING_H

#include <pthread.h>
#include <time.h>

#define MS 1000000

/* A thread that must come to be; and its end. */
void start(pthread_t *t, void *(*f)(void *), void *arg);
void finish(pthread_t t);
void nap(long ms);
/* Until a thread has said its tid, and waits. */
void until_it_waits(const volatile int *tid);
/* Until all other threads wait for something: no nap is long enough on a busy host. */
void until_all_wait(void);
/* The clock's time in so many milliseconds. */
struct timespec after(int clock, long ms);

/* Of calls that return their error. */
void show_error(const char *label, int error);
#define ERROR(expr) show_error(#expr, (expr))

#endif
