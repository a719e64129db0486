/*
 * The first serial port (16550), where a VMM offers no virtio console.
 */
#ifndef DRV_SERIAL_H
#define DRV_SERIAL_H

#include "../libos/lib.h"

void serial_start(void);
long serial_write(const void *buf, size_t n);
long serial_read(void *buf, size_t n, bool nonblock); /* like console_read() */
bool serial_poll_in(void);

#endif
