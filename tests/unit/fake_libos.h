/*
 * Stand-ins for the rest of the library OS, so that its files' side can be
 * tested on the host: memory from malloc, "user" pointers that are the test's
 * own, one process, waiting that calls the test back.
 */
#ifndef TESTS_FAKE_LIBOS_H
#define TESTS_FAKE_LIBOS_H

#include "../../guest/libos/process.h"

/* A fresh process; and its end, which fails the test if memory is in use. */
void fake_begin(void);
void fake_end(void);
/* The same with a tmpfs as the root and no open files: fake_files.c. */
void fake_begin_files(void);
void fake_end_files(void);
/* For cmocka. */
int fake_setup_files(void **state);
int fake_teardown_files(void **state);

extern struct process fake_process;
extern unsigned fake_frames, fake_objects; /* in use */
extern unsigned fake_lasting; /* objects that may stay: the VFS's table of names */
extern u64 fake_frames_max; /* how many there are */
extern paddr_t fake_contents; /* memory of --copy, as frames_are_contents() says */
extern u64 fake_contents_size;
/* The allocation after so many more fails (each kalloc and frame), and all
 * after it; < 0: none does. */
extern long fake_allocations_left;
/* Has the first allocation of the scenario fail, then the second, until it needs
 * no more, each time between a teardown and a setup of the test, which find what
 * was not undone. Returns how many it needs. */
long fake_each_allocation_fails(void **state, int (*setup)(void **), void (*scenario)(void),
				int (*teardown)(void **));

/* User memory from here up to the end cannot be accessed, nor can page 0. */
extern const void *fake_fault_start, *fake_fault_end;

/* Waiting: the test's function does what somebody else would meanwhile, and
 * says how the sleep ended. Without one, a sleep fails the test. */
extern int (*fake_wait)(u64 deadline);
extern unsigned fake_wakes;
extern bool fake_signal_pending;
extern unsigned fake_klogs; /* lines logged */

extern u64 fake_clock; /* ns, of both clocks */
/* Moves the clock on and has the timers expire, each at its time. */
void fake_advance(u64 ns);
u64 fake_next_timer(void); /* when the first one will; NEVER: none is armed */

/* Signals sent, by number. */
extern unsigned fake_signals[65];

/* The console: what was written, and the kinds of 0, 1, 2. */
extern char fake_output[65536];
extern unsigned fake_output_len;
extern long fake_output_error; /* returned instead of writing, if not 0 */
extern unsigned fake_kind[3];

#endif
