/*
 * The small kcalls: timer, ports, FS base, and learning that this is the
 * soft flavour. paging.c, frames.c and smp.c have the others.
 */
#include "kernel.h"

#define EINVAL 22
#define EPERM  1

/* One shot on VECTOR_TIMER (SDM 10.5.4). 0 disarms. */
long kcall_timer(uint64_t tsc, uint64_t ticks)
{
	if (*apic(APIC_LVT_TIMER) & APIC_TIMER_TSC_DEADLINE)
		wrmsr(MSR_TSC_DEADLINE, tsc);
	else
		*apic(APIC_TIMER_ICR) = ticks > 0xffffffff ? 0xffffffff : ticks;
	return 0;
}

/* What a domain may do I/O to: the exit port, the first serial port, and what
 * a VMM without a device tree leaves to be found: PIT, RTC. */
static int port_allowed(unsigned port)
{
	return (port & ~3u) == EXIT_PORT || (port & ~7u) == SERIAL_PORT || (port & ~3u) == 0x40 ||
	       (port & ~1u) == 0x70;
}

long kcall_port(uint64_t what, uint64_t value)
{
	uint16_t port = what;
	unsigned size = what >> 16 & 0xff;
	uint32_t v = value;

	if (!port_allowed(port))
		return -EPERM;
	if (what >> 24) {
		if (size == 1)
			asm volatile("outb %b0, %w1" : : "a"(v), "d"(port));
		else
			asm volatile("outl %0, %w1" : : "a"(v), "d"(port));
		return 0;
	}
	v = 0;
	if (size == 1)
		asm volatile("inb %w1, %b0" : "+a"(v) : "d"(port));
	else
		asm volatile("inl %w1, %0" : "=a"(v) : "d"(port));
	return v;
}

long kcall_fs_base(uint64_t address)
{
	if (address >> 47)
		return -EPERM;
	wrmsr(MSR_FS_BASE, address);
	return 0;
}

/*
 * From libos_probe, before any other code of the domain: SYSCALL has not left
 * CPL3, so it goes straight to the library OS from now on, and SFMASK keeps
 * leaving IF alone. Refused once the flavour is known.
 */
long kcall_soft(void)
{
	if (lstar != (uint32_t)(uint64_t)libos_probe)
		return -EPERM;
	lstar = (uint32_t)(uint64_t)libos_syscall_soft;
	wrmsr(MSR_LSTAR, (uint64_t)libos_syscall_soft);
	asm volatile("mov %0, %%cr4" : : "r"(cr4_run));
	return 0;
}
