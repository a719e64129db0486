/*
 * virtio-console (virtio 1.2, 5.3) between the guest and two host
 * descriptors, with the conventions of shared/abi.h.
 */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <stdbool.h>
#include "virtio.h"

#define CONSOLE_RX 0 /* 5.3.2: receiveq(port0) */
#define CONSOLE_TX 1 /* transmitq(port0) */

/*
 * Adds a console that reads from in_fd and writes to out_fd; -1: closed, which
 * reads as end of file and refuses writes with EBADF. The descriptors stay
 * the caller's and must stay open. VIRTIO_CONSOLE_F_SIZE is offered when one
 * of them is a terminal. `eof`: end of file completes a buffer with length 0
 * (abi.h); without it, for drivers that would ask again for ever, end of file
 * is silence. Before the first KVM_RUN; the device lives as long as the VM.
 */
struct virtio_dev *console_add(struct vm *vm, int in_fd, int out_fd, bool eof);

/*
 * Writes all that the guest has handed over for output, waiting for slow
 * readers as long as they take; returns at once, without a system call, when
 * there is nothing. For vm_exit(): further output may stay behind. To give
 * up early, end the process.
 */
void console_drain(struct vm *vm);

/* Reads the size of the terminals again and tells the guest if it changed. */
void console_update_size(struct vm *vm);

/* For tests, after io_stop(): gives the memory back. A VM just exits. */
void console_free(struct virtio_dev *dev);

#endif
