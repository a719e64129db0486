/*
 * An I/O APIC (Intel 82093AA) for kernels other than ours, which has fixed
 * vectors and needs none. Each interrupt is sent as an edge, also where the
 * kernel programmed a level: our devices raise again for each new cause.
 */
#ifndef VMM_IOAPIC_H
#define VMM_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_GPA        0xfec00000
#define IOAPIC_SIZE       0x1000
#define IOAPIC_PINS       24
#define IOAPIC_PIN_SERIAL 4
#define IOAPIC_PIN_VIRTIO 5 /* window i has pin 5 + i */

struct ioapic;
struct vm;

/* Makes the one of the VM; all pins are masked. */
struct ioapic *ioapic_create(struct vm *vm);

/* Register access at offset in its page; bad ones read zeroes. Any vCPU thread. */
void ioapic_access(struct ioapic *ioapic, uint64_t offset, void *data, uint32_t len, bool write);

/* Interrupt on a pin; masked ones are lost. Async-signal-safe. */
void ioapic_raise(struct ioapic *ioapic, unsigned pin);

#endif
