/*
 * The network, served by the thread of a vCPU whose guest waits for it.
 *
 * A frame that the I/O thread moves costs two wake-ups and an interrupt, and a third
 * thread wants a processor where there may be two. A guest that has nothing to do but
 * wait for packets, and expects them soon, says so (ATTEND_GPA): then the vCPU's own
 * thread sends what there is to send, waits for frames, and comes back with them. While
 * the guest works on them, the I/O thread leaves the network alone and nobody has to
 * ring; a guest that does not come back soon gets the I/O thread back.
 */
#ifndef VMM_ATTEND_H
#define VMM_ATTEND_H

#include "vm.h"

/* The guest wrote `value` to ATTEND_GPA (abi.h). In the vCPU's thread; returns when that
 * is to go on. */
void attend(const struct vcpu *vcpu, uint32_t value);

/* An interrupt was raised: the vCPU whose thread attends is to take it. Any thread, with
 * any lock. */
void attend_interrupted(void);

#endif
