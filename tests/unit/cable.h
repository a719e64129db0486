/*
 * A cable from a stack that is tested on the host to a tap device of the
 * host's kernel: a good one, or one that loses, reorders, doubles and corrupts.
 */
#ifndef TESTS_CABLE_H
#define TESTS_CABLE_H

#include <stdbool.h>
#include <stdint.h>

#define CABLE_FRAME 2048

/* In percent, each way. */
struct cable_faults {
	unsigned loss, reorder, duplicate, corrupt;
};
extern struct cable_faults cable_faults;
extern uint64_t cable_mangled; /* frames to which something was done */

/* Attaches to the tap device; ends the program with a message if that fails. */
void cable_open(const char *tap);
void cable_send(const void *frame, unsigned len);
/* The next frame, waiting for one until the deadline (cable_now()): its length,
 * or 0: there is none. */
unsigned cable_receive(uint8_t frame[CABLE_FRAME], uint64_t deadline_ns);
uint64_t cable_now(void); /* CLOCK_MONOTONIC */
extern bool cable_stopped; /* SIGTERM or SIGINT came */

#endif
