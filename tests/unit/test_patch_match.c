// link: guest/libos/patch_match.c
/*
 * Which instructions in front of a SYSCALL are replaced, and where a short
 * jump finds a place to go on from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "../../guest/libos/patch_match.h"

#define CODE(...) (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ })

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

/* Every register is something else, and no small number. */
static u64 reg[16];

static void forget(void)
{
	for (unsigned i = 0; i < 16; i++)
		reg[i] = 0x1234567812345678 + i;
}

/* Matches code of which `copied` bytes are in front of a SYSCALL, with NOPs
 * before it. */
static unsigned match_some(const u8 *code, size_t n, unsigned copied)
{
	u8 text[PATCH_BEFORE + 2];

	memset(text, 0x90, sizeof(text));
	memcpy(text + PATCH_BEFORE - n, code, n);
	text[PATCH_BEFORE] = 0x0f;
	text[PATCH_BEFORE + 1] = 0x05;
	return patch_match(text, reg, copied);
}

/* The same, all of it copied. */
static unsigned match(const u8 *code, size_t n, u64 nr)
{
	forget();
	reg[RAX] = nr;
	return match_some(code, n, n);
}

/* How many bytes are copied at least; 0: none can be. */
static unsigned fewest(const u8 *code, size_t n)
{
	for (unsigned copied = 1; copied <= PATCH_LONGEST + 4; copied++)
		if (match_some(code, n, copied))
			return copied;
	return 0;
}

static void constants(void **state)
{
	(void)state;
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 0), 39), 5);
	assert_int_equal(match(CODE(0xb8, 0x01, 0x01, 0, 0), 257), 5);
	assert_int_equal(match(CODE(0x48, 0xc7, 0xc0, 39, 0, 0, 0), 39), 7);
	assert_int_equal(match(CODE(0x31, 0xc0), 0), 2);
	assert_int_equal(match(CODE(0x33, 0xc0), 0), 2);
	/* REX.B and REX.R: another register; REX.W: longer */
	assert_int_equal(match(CODE(0x41, 0xb8, 39, 0, 0, 0), 39), 0);
	assert_int_equal(match_some(CODE(0x41, 0xb8, 39, 0, 0, 0), 5), 0);
	assert_int_equal(match_some(CODE(0x49, 0xb8, 39, 0, 0, 0), 5), 0);
	assert_int_equal(match_some(CODE(0x48, 0xb8, 39, 0, 0, 0), 5), 0);
	reg[RAX] = 0;
	assert_int_equal(match_some(CODE(0x48, 0x31, 0xc0), 2), 2);
	assert_int_equal(match_some(CODE(0x45, 0x31, 0xc0), 2), 0);
	assert_int_equal(match_some(CODE(0x44, 0x31, 0xc0), 2), 0);
	assert_int_equal(match_some(CODE(0x66, 0x31, 0xc0), 2), 0);
	assert_int_equal(match_some(CODE(0x0f, 0x31, 0xc0), 2), 0);
}

/* What disagrees with the registers is not what put the values there. */
static void other_numbers(void **state)
{
	(void)state;
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 0), 40), 0);
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 0), 39ull | 1ull << 32), 0);
	assert_int_equal(match(CODE(0x48, 0xc7, 0xc0, 39, 0, 0, 0), 1), 0);
	assert_int_equal(match(CODE(0x31, 0xc0), 1), 0);
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 1), 39), 0);
	assert_int_equal(match(CODE(0xbe, 39, 0, 0, 0), 39), 0);
}

/* Constants that may belong to what begins before them. */
static void operands(void **state)
{
	(void)state;
	forget();
	reg[RAX] = 39;
	/* lea 39(%rax),%rdi; mov %edi,39(%rax); cmpl... */
	assert_int_equal(match_some(CODE(0x48, 0x8d, 0xb8, 39, 0, 0, 0), 5), 0);
	assert_int_equal(match_some(CODE(0x89, 0xb8, 39, 0, 0, 0), 5), 0);
	/* movl $39,-72(%rbp); movl $39,-72(%rsp) */
	assert_int_equal(match_some(CODE(0xc7, 0x45, 0xb8, 39, 0, 0, 0), 5), 0);
	assert_int_equal(match_some(CODE(0xc7, 0x44, 0x24, 0xb8, 39, 0, 0, 0), 5), 0);
	/* not so: xor %edi,%edi; mov %rsi,%rdi */
	assert_int_equal(match_some(CODE(0x31, 0xff, 0xb8, 39, 0, 0, 0), 5), 5);
	assert_int_equal(match_some(CODE(0x48, 0x89, 0xf7, 0xb8, 39, 0, 0, 0), 5), 5);
}

/* The number comes first, arguments later: musl, compilers. */
static void arguments_behind(void **state)
{
	(void)state;
	forget();
	reg[RAX] = 202;
	/* mov $202,%eax; mov %rbx,%rdi; mov %rbp,%rsi; xor %edx,%edx */
	assert_int_equal(
		match_some(CODE(0xb8, 202, 0, 0, 0, 0x48, 0x89, 0xdf, 0x48, 0x89, 0xee, 0x31, 0xd2),
			   13),
		5);
	/* movslq %edi,%rdi; and $imm32,%esi; or $1,%esi; lea 8(%rsp),%rdx */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x48, 0x63, 0xff, 0x81, 0xe6, 0x80, 0, 0,
				     0, 0x83, 0xce, 1, 0x48, 0x8d, 0x54, 0x24, 8)),
			 22);
	/* setne %sil; shl $7,%esi; test %edx,%edx; sete %r8b */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x40, 0x0f, 0x95, 0xc6, 0xc1, 0xe6, 7,
				     0x85, 0xd2, 0x41, 0x0f, 0x94, 0xc0)),
			 18);
	/* not: setne %al, setne %dh, sete to memory */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x0f, 0x95, 0xc0)), 0);
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x0f, 0x95, 0xc6)), 0);
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x40, 0x0f, 0x94, 0x06)), 0);
	/* not: something between that is not known, or not the same elsewhere */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x48, 0x8d, 0x3d, 1, 2, 0, 0)),
			 0); /* lea 513(%rip) */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0xe8, 1, 2, 0, 0)), 0); /* call */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x74, 2)), 0); /* je */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x64, 0x8b, 0x3b)), 0); /* %fs: */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x0f, 0xa2)), 0); /* CPUID */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0xcc)), 0);
	/* not: what follows ends behind the SYSCALL */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0xbf, 1, 2)), 0);
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x48)), 0);
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x48, 0x8b, 0x7c)), 0);
	/* not: RAX is written again, so that its value says nothing */
	assert_int_equal(fewest(CODE(0xb8, 202, 0, 0, 0, 0x44, 0x89, 0xc0)), 0);
}

/* The number came from elsewhere: any other constant will do. */
static void other_constants(void **state)
{
	const u8 code[] = { 0xbe, 0x81, 0, 0, 0, 0x4c, 0x89, 0xc0 };

	(void)state;
	forget();
	reg[RSI] = 0x81;
	/* mov $0x81,%esi; mov %r8,%rax */
	assert_int_equal(match_some(code, sizeof(code), 8), 5);
	assert_int_equal(match_some(code, sizeof(code), 3), 0);
	reg[RAX] = reg[R8];
	assert_int_equal(match_some(code, sizeof(code), 3), 3);
	reg[RSI] = 0x82;
	assert_int_equal(match_some(code, sizeof(code), 8), 0);
	/* mov $4096,%r10d */
	reg[R10] = 4096;
	assert_int_equal(match_some(CODE(0x41, 0xba, 0, 16, 0, 0), 6), 6);
	assert_int_equal(match_some(CODE(0x41, 0xba, 0, 16, 0, 0), 5), 0);
	/* RCX and R11 are SYSCALL's, RSP is never a constant */
	reg[RCX] = reg[R11] = reg[RSP] = 1;
	assert_int_equal(match_some(CODE(0xb9, 1, 0, 0, 0), 5), 0);
	assert_int_equal(match_some(CODE(0xbc, 1, 0, 0, 0), 5), 0);
	assert_int_equal(match_some(CODE(0x41, 0xbb, 1, 0, 0, 0), 6), 0);
}

static void copies(void **state)
{
	(void)state;
	forget();
	reg[RDI] = reg[RBX];
	/* Go's Syscall6: mov %rbx,%rdi */
	assert_int_equal(match_some(CODE(0x48, 0x89, 0xdf), 3), 3);
	assert_int_equal(match_some(CODE(0x48, 0x89, 0xde), 3), 0);
	assert_int_equal(match_some(CODE(0x48, 0x89, 0xff), 3), 0); /* to itself */
	assert_int_equal(match_some(CODE(0x44, 0x89, 0xdf), 3), 0); /* 32 bits */
	reg[R11] = reg[RDI];
	assert_int_equal(match_some(CODE(0x4c, 0x89, 0xdf), 3), 0);
}

static void sequences(void **state)
{
	const u8 glibc[] = { 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 8 };
	const u8 musl[] = { 0x4c, 0x8b, 0x4c, 0x24, 16, 0x4c, 0x89, 0x5c, 0x24, 8 };
	const u8 musl6[] = { 0x4d, 0x89, 0xc8, 0x48, 0x89, 0xd6, 0x4c,
			     0x8b, 0x4c, 0x24, 8,    0x48, 0x89, 0xca };
	const u8 go[] = { 0x48, 0x8b, 0x54, 0x24, 0x20, 0x48, 0x8b, 0x44, 0x24, 8 };

	(void)state;
	forget();
	assert_int_equal(match_some(glibc, sizeof(glibc), 5), 5);
	assert_int_equal(match_some(musl, sizeof(musl), 5), 5);
	assert_int_equal(match_some(musl6, sizeof(musl6), 8), 5);
	assert_int_equal(match_some(go, sizeof(go), 5), 5);
	/* parts of them are not enough */
	assert_int_equal(fewest(CODE(0x4c, 0x8b, 0x4c, 0x24, 8)), 0);
	assert_int_equal(fewest(CODE(0x48, 0x8b, 0x44, 0x24, 8)), 0);
	assert_int_equal(fewest(CODE(0x90)), 0);
}

static void only_before_syscall(void **state)
{
	u8 text[PATCH_BEFORE + 2] = { 0 };

	(void)state;
	forget();
	reg[RAX] = 39;
	text[PATCH_BEFORE - 5] = 0xb8;
	text[PATCH_BEFORE - 4] = 39;
	assert_int_equal(patch_match(text, reg, 5), 0);
	text[PATCH_BEFORE] = 0x0f;
	text[PATCH_BEFORE + 1] = 0x34; /* SYSENTER */
	assert_int_equal(patch_match(text, reg, 5), 0);
	text[PATCH_BEFORE + 1] = 0x05;
	assert_int_equal(patch_match(text, reg, 5), 5);
	assert_int_equal(patch_match(text, reg, PATCH_LONGEST + 1), 0);
}

/* Whatever the bytes: reading stays inside, and what is replaced is the first
 * part of what is copied. */
static void any_bytes(void **state)
{
	u64 seed = 1;

	(void)state;
	forget();
	for (unsigned i = 0; i < 16; i++)
		reg[i] = i < 8 ? 0 : 0x4141;
	for (int round = 0; round < 300000; round++) {
		u8 *text = malloc(PATCH_BEFORE + 2); /* exactly, for the sanitizer */

		for (unsigned i = 0; i < PATCH_BEFORE; i++) {
			static const u8 often[] = { 0xb8, 0,    0,    0,    0x48, 0x89, 0x8b,
						    0x8d, 0x44, 0x24, 0x4c, 0xc7, 0x41 };

			seed = seed * 6364136223846793005 + 1442695040888963407;
			text[i] =
				seed >> 63 ? often[(seed >> 33) % sizeof(often)] : (u8)(seed >> 40);
		}
		text[PATCH_BEFORE] = 0x0f;
		text[PATCH_BEFORE + 1] = 0x05;
		for (unsigned copied = 0; copied <= PATCH_LONGEST; copied++) {
			unsigned replaced = patch_match(text, reg, copied);

			assert_true(replaced <= copied && replaced <= 7 && replaced != 1);
		}
		free(text);
	}
}

/* A hole is found exactly where eight bits of distance reach. */
static void holes(void **state)
{
	static const u8 nop[NOP8] = { 0x0f, 0x1f, 0x84 };
	const size_t at = 200;
	u8 text[400];

	(void)state;
	for (size_t i = 0; i + NOP8 <= sizeof(text); i++) {
		long distance = (long)(i + NOP8_HOLE) - (long)(at + JUMP_SHORT);
		bool near = distance >= -128 && distance <= 127;

		memset(text, 0x90, sizeof(text));
		memcpy(text + i, nop, NOP8);
		assert_int_equal(patch_hole(text, sizeof(text), at, 0), near ? (long)i + 3 : -1);
		text[i + 7] = 1; /* not empty: in use, or another instruction */
		assert_int_equal(patch_hole(text, sizeof(text), at, 0), -1);
	}
	/* cut off */
	memset(text, 0x90, sizeof(text));
	memcpy(text + 100, nop, NOP8);
	assert_int_equal(patch_hole(text, 107, 50, 0), -1);
	assert_int_equal(patch_hole(text, 108, 50, 0), 103);
	assert_int_equal(patch_hole(text, 0, 0, 0), -1);
}

/* Between a RET and the next function, whose beginning is aligned. */
static void gaps(void **state)
{
	const size_t at = 60;
	u8 text[128];

	(void)state;
	for (size_t ret = 0; ret < 112; ret++) {
		size_t end = (ret / 16 + 1) * 16, n = end - ret - 1;
		bool found = n == 0 || n >= JUMP_NEAR;

		memset(text, 0x90, sizeof(text));
		text[ret] = 0xc3;
		memset(text + ret + 1, 0xcc, n == 0 ? 16 : n);
		assert_int_equal(patch_hole(text, sizeof(text), at, 0x400000),
				 found ? (long)ret + 1 : -1);
		/* where the text lies counts, not where the buffer begins */
		if (n >= JUMP_NEAR)
			assert_int_equal(patch_hole(text, sizeof(text), at, 0x400008),
					 n >= 8 + JUMP_NEAR ? (long)ret + 1 : -1);
		/* an INT3 too few, no RET */
		text[n == 0 ? ret + 16 : end - 1] = 0x90;
		assert_int_equal(patch_hole(text, sizeof(text), at, 0x400000), -1);
		text[n == 0 ? ret + 16 : end - 1] = 0xcc;
		text[ret] = 0x90;
		assert_int_equal(patch_hole(text, sizeof(text), at, 0x400000), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants),
		cmocka_unit_test(other_numbers),
		cmocka_unit_test(operands),
		cmocka_unit_test(arguments_behind),
		cmocka_unit_test(other_constants),
		cmocka_unit_test(copies),
		cmocka_unit_test(sequences),
		cmocka_unit_test(only_before_syscall),
		cmocka_unit_test(any_bytes),
		cmocka_unit_test(holes),
		cmocka_unit_test(gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
