/*
 * A program with MIB MiB of initialised read-only data. Reads one word in every
 * MiB, so that most of its pages are never touched, and checks what it read.
 */
#include <stdint.h>
#include <stdio.h>

#define PATTERN 0x6d617966

/* clang-format off */
#define STRING(x) STRING_(x)
#define STRING_(x) #x
__asm__(".section .rodata, \"a\"\n"
	".balign 4096\n"
	"big_data: .fill " STRING(MIB) " << 17, 8, " STRING(PATTERN) "\n"
	".previous\n");
/* clang-format on */

extern const volatile uint64_t big_data[((uint64_t)MIB << 20) / 8];

int main(void)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < MIB; i++)
		sum += big_data[(i << 20) / 8];
	if (sum != (uint64_t)MIB * PATTERN)
		return 1;
	printf("%d MiB read\n", MIB);
	return 0;
}
