/*
 * --stats: what the VM cost.
 */
#ifndef VMM_STATS_H
#define VMM_STATS_H

struct vm;

/* Prints the counters and the memory in use to stderr. */
void stats_print(struct vm *vm);

#endif
