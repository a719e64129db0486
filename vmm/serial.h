/*
 * A 16550A UART at ports SERIAL_PORT..SERIAL_PORT + 7, for kernels without a
 * virtio console driver and for messages of last resort.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include "io.h"
#include "stream.h"

#define SERIAL_FIFO 16

struct vm;

struct serial {
	struct io_op op; /* first: done() gets its address */
	pthread_mutex_t lock; /* guards all below */
	struct vm *vm;
	void (*irq)(struct vm *vm, bool level);
	int out_fd;
	struct stream in;
	bool waiting; /* op is with the I/O loop */
	bool in_ended; /* end of file */
	bool irq_level;
	bool thr_pending; /* THR empty interrupt not yet seen */
	uint8_t ier, lcr, mcr, fcr, scr, lsr, dll, dlm;
	uint8_t fifo[SERIAL_FIFO]; /* received bytes [rx_next, rx_len) */
	unsigned rx_next, rx_len;
};

/*
 * Prepares *s. What the guest sends goes to out_fd at once, waiting for slow
 * readers. Input is read from in_fd (-1: never) only once the guest enables
 * the receive interrupt. `irq` is called when the level of the interrupt line
 * changes, from any thread; NULL: no interrupts. Costs no system call.
 */
void serial_init(struct serial *s, struct vm *vm, int in_fd, int out_fd,
		 void (*irq)(struct vm *vm, bool level));

/* Register access, reg 0..7, of one byte. Any vCPU thread. */
uint8_t serial_read(struct serial *s, unsigned reg);
void serial_write(struct serial *s, unsigned reg, uint8_t value);

#endif
