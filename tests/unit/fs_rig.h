/*
 * A share of a directory of the test's, with the real I/O loop, and a driver that asks
 * one thing after the other.
 */
#ifndef TESTS_FS_RIG_H
#define TESTS_FS_RIG_H

#include "driver.h"
#include "../../shared/fuse.h"
#include "../../vmm/fs_dax.h"

#define IN    0x200000 /* the request */
#define OUT   0x210000 /* header of the reply, then the reply */
#define ROOM  0x8000
#define OTHER 0x220000

/* The directory, which has "file" in it, and its parent, which has "outside". */
extern char base[64], shared[80];
extern struct virtio_dev *dev;
extern uint16_t used; /* replies that came */

int set_up(void **state);
int set_up_ro(void **state);
int tear_down(void **state);
void put_file(const char *name, const char *text); /* by path from `base` */

struct fuse_out_header *out_header(void);
void *reply(void);
/* A request of two parts; waits for the reply: its error. */
int ask2(uint32_t opcode, uint64_t node, const void *a, size_t alen, const void *b, size_t blen);
int ask(uint32_t opcode, uint64_t node, const void *a, size_t alen);
uint64_t lookup(uint64_t dir, const char *name);
uint64_t open_file(uint64_t node, uint32_t flags);

#endif
