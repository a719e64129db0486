/*
 * A fault at CPL0 is a bug of the kernel's. It says where on the serial port
 * and ends the VM.
 */
#include "kernel.h"

static void put(char c)
{
	asm volatile("outb %b0, %w1" : : "a"(c), "d"(SERIAL_PORT));
}

static void put_string(const char *s)
{
	while (*s)
		put(*s++);
}

static void put_hex(const char *name, uint64_t value)
{
	put_string(name);
	for (int shift = 60; shift >= 0; shift -= 4)
		put("0123456789abcdef"[value >> shift & 15]);
}

_Noreturn void kernel_bug(const uint64_t *frame, uint64_t cr2);

/* frame: error code, RIP, CS, RFLAGS, RSP, SS. */
_Noreturn void kernel_bug(const uint64_t *frame, uint64_t cr2)
{
	put_string("mayfly kernel: fault at CPL0:");
	put_hex(" rip ", frame[1]);
	put_hex(" error ", frame[0]);
	put_hex(" cr2 ", cr2);
	put_hex(" rsp ", frame[4]);
	put_string("\n");
	for (;;) {
		asm volatile("outl %0, %w1" : : "a"(EXIT_PANIC | 125), "d"(EXIT_PORT));
		asm volatile("cli; hlt");
	}
}
