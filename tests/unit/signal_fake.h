/*
 * One process with one thread for the files about signals, and the rest of the
 * library OS that they need: GS points to a vCPU area of the test's, the
 * "program's" memory is the test's.
 */
#ifndef TESTS_SIGNAL_FAKE_H
#define TESTS_SIGNAL_FAKE_H

#include <setjmp.h>
#include "../../guest/libos/process.h"
#include "../../guest/libos/sigstate.h"
#include "../../guest/libos/sys.h"

extern struct vcpu_area area;
extern struct process process; /* number 7, at most 4 queued signals */
extern struct thread thread; /* its first, and current */

/* Where process_exit() leads, and what it was given. */
extern jmp_buf ended;
extern int end_status;
extern int alarms_taken;
extern struct thread *kicked; /* the last that was told to look */

extern u8 code[16]; /* where the program is */
extern u8 stack[65536];

/* For cmocka. */
int signal_setup(void **state);
int signal_teardown(void **state);

/* The program's handler at 0x402000, restorer at 0x403000. */
void handle(int sig, unsigned long flags);
/* sigqueue(3) to ourselves. */
long queue(int sig, int value);

#endif
