// link: guest/libos/patch_match.c
/*
 * Which instructions in front of a SYSCALL are replaced, and where a short
 * jump finds a place to go on from.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "../../guest/libos/patch_match.h"

#define CODE(...) (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ })

/* Matches code that ends in front of a SYSCALL, with NOPs before it. */
static unsigned match(const u8 *code, size_t n, u64 nr)
{
	u8 text[PATCH_BEFORE + 2];

	memset(text, 0x90, sizeof(text));
	memcpy(text + PATCH_BEFORE - n, code, n);
	text[PATCH_BEFORE] = 0x0f;
	text[PATCH_BEFORE + 1] = 0x05;
	return patch_match(text, nr);
}

static void constants(void **state)
{
	(void)state;
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 0), 39), 5);
	assert_int_equal(match(CODE(0xb8, 0x01, 0x01, 0, 0), 257), 5);
	assert_int_equal(match(CODE(0x48, 0xc7, 0xc0, 39, 0, 0, 0), 39), 7);
	assert_int_equal(match(CODE(0x31, 0xc0), 0), 2);
	assert_int_equal(match(CODE(0x33, 0xc0), 0), 2);
	/* REX.W changes nothing, REX.B and REX.R another register */
	assert_int_equal(match(CODE(0x48, 0x31, 0xc0), 0), 2);
	assert_int_equal(match(CODE(0x41, 0xb8, 39, 0, 0, 0), 39), 0);
	assert_int_equal(match(CODE(0x49, 0xb8, 39, 0, 0, 0), 39), 0);
	assert_int_equal(match(CODE(0x45, 0x31, 0xc0), 0), 0);
	assert_int_equal(match(CODE(0x44, 0x31, 0xc0), 0), 0);
	assert_int_equal(match(CODE(0x66, 0x31, 0xc0), 0), 0);
}

/* What disagrees with RAX is not what put the number there. */
static void other_numbers(void **state)
{
	(void)state;
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 0), 40), 0);
	assert_int_equal(match(CODE(0x48, 0xc7, 0xc0, 39, 0, 0, 0), 1), 0);
	assert_int_equal(match(CODE(0x31, 0xc0), 1), 0);
	assert_int_equal(match(CODE(0xb8, 39, 0, 0, 1), 39), 0);
}

static void sequences(void **state)
{
	(void)state;
	assert_int_equal(
		match(CODE(0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 8), 39), 5);
	assert_int_equal(match(CODE(0x4c, 0x8b, 0x4c, 0x24, 16, 0x4c, 0x89, 0x5c, 0x24, 8), 0), 5);
	assert_int_equal(
		match(CODE(0x49, 0x89, 0xf2, 0x48, 0x89, 0xfa, 0x48, 0x89, 0xce, 0x48, 0x89, 0xdf),
		      1),
		3);
	/* parts of them are not enough */
	assert_int_equal(match(CODE(0x4c, 0x8b, 0x4c, 0x24, 8), 39), 0);
	assert_int_equal(match(CODE(0x48, 0x89, 0xdf), 39), 0);
	assert_int_equal(match(CODE(0x90), 39), 0);
}

static void only_before_syscall(void **state)
{
	u8 text[PATCH_BEFORE + 2] = { 0 };

	(void)state;
	text[PATCH_BEFORE - 5] = 0xb8;
	text[PATCH_BEFORE - 4] = 39;
	assert_int_equal(patch_match(text, 39), 0);
	text[PATCH_BEFORE] = 0x0f;
	text[PATCH_BEFORE + 1] = 0x34; /* SYSENTER */
	assert_int_equal(patch_match(text, 39), 0);
	text[PATCH_BEFORE + 1] = 0x05;
	assert_int_equal(patch_match(text, 39), 5);
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
		assert_int_equal(patch_hole(text, sizeof(text), at), near ? (long)i + 3 : -1);
		text[i + 7] = 1; /* not empty: in use, or another instruction */
		assert_int_equal(patch_hole(text, sizeof(text), at), -1);
	}
	/* cut off */
	memset(text, 0x90, sizeof(text));
	memcpy(text + 100, nop, NOP8);
	assert_int_equal(patch_hole(text, 107, 50), -1);
	assert_int_equal(patch_hole(text, 108, 50), 103);
	assert_int_equal(patch_hole(text, 0, 0), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(constants), cmocka_unit_test(other_numbers),
		cmocka_unit_test(sequences), cmocka_unit_test(only_before_syscall),
		cmocka_unit_test(holes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
