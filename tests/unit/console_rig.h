/*
 * A console device with its driver, for its tests.
 */
#ifndef TESTS_CONSOLE_RIG_H
#define TESTS_CONSOLE_RIG_H

#include <stdint.h>
#include <linux/virtio_ring.h>
#include "../../vmm/virtio.h"

#define SIZE 16 /* of its queues */
#define BIG  (1u << 20)

extern struct virtio_dev *dev;

void start(int in, int out);
int set_up(void **state);
int set_up_poll(void **state);
int tear_down(void **state);
/* Each with io_uring and with poll(2). */
#define TEST(f)                                               \
	{ #f, f, set_up, tear_down, NULL },                   \
	{                                                     \
#f " (poll)", f, set_up_poll, tear_down, NULL \
	}

void write_text(unsigned head, const char *text);
void post(unsigned head, uint32_t len);
char *buffer(unsigned head);
struct vring_used_elem used(unsigned q, unsigned i);
int open_terminal(int *master);

#endif
