/*
 * x86 cannot be decoded backwards, so only what cannot be taken for the end
 * of another instruction is accepted: constants that agree with the number
 * in RAX, and a few whole sequences of well-known code.
 *
 * Exactly one instruction is replaced. So there is no boundary inside of it
 * that something could jump to, and SYSCALL stays what it is.
 */
#include "patch_match.h"

#define REX_B 1
#define REX_R 4

static bool is_rex(u8 byte)
{
	return (byte & 0xf0) == 0x40;
}

static u32 load32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

/* mov $nr,%eax. With REX.B it would be another register; with REX.W longer. */
static bool is_mov_eax(const u8 *end, u64 nr)
{
	u8 before = end[-6];
	return end[-5] == 0xb8 && load32(end - 4) == nr && !(is_rex(before) && before & REX_B);
}

/* mov $nr,%rax */
static bool is_mov_rax(const u8 *end, u64 nr)
{
	return end[-7] == 0x48 && end[-6] == 0xc7 && end[-5] == 0xc0 &&
	       (u64)(i64)(i32)load32(end - 4) == nr;
}

/* xor %eax,%eax in both encodings. REX.W alone (a prefix that the jump may
 * keep) changes nothing; the operand size prefix would shorten a jump. */
static bool is_xor_eax(const u8 *end, u64 nr)
{
	u8 before = end[-3];
	return (end[-2] == 0x31 || end[-2] == 0x33) && end[-1] == 0xc0 && nr == 0 &&
	       !(is_rex(before) && before & (REX_B | REX_R)) && before != 0x66 && before != 0x0f;
}

/* The last instruction of sequences that load the number from elsewhere. */
static const struct sequence {
	u8 len, last;
	u8 bytes[14];
} sequences[] = {
	/* glibc's syscall(): mov %r8,%r10; mov %r9,%r8; mov 8(%rsp),%r9 */
	{ 11, 5, { 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08 } },
	/* musl's __syscall_cp_asm: mov 16(%rsp),%r9; mov %r11,8(%rsp) */
	{ 10, 5, { 0x4c, 0x8b, 0x4c, 0x24, 0x10, 0x4c, 0x89, 0x5c, 0x24, 0x08 } },
	/* Go's Syscall6: mov %rsi,%r10; mov %rdi,%rdx; mov %rcx,%rsi; mov %rbx,%rdi */
	{ 12, 3, { 0x49, 0x89, 0xf2, 0x48, 0x89, 0xfa, 0x48, 0x89, 0xce, 0x48, 0x89, 0xdf } },
};

static unsigned match_sequence(const u8 *end)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sequences); i++) {
		const struct sequence *s = &sequences[i];
		if (!memcmp(end - s->len, s->bytes, s->len))
			return s->last;
	}
	return 0;
}

unsigned patch_match(const u8 *code, u64 nr)
{
	const u8 *end = code + PATCH_BEFORE;
	if (end[0] != 0x0f || end[1] != 0x05)
		return 0;
	if (is_mov_rax(end, nr))
		return 7;
	if (is_mov_eax(end, nr))
		return 5;
	if (is_xor_eax(end, nr))
		return 2;
	return match_sequence(end);
}

long patch_hole(const u8 *code, size_t size, size_t at)
{
	static const u8 nop[NOP8] = { 0x0f, 0x1f, 0x84 };
	size_t from = at + JUMP_SHORT - MIN(at + JUMP_SHORT, 128 + NOP8_HOLE);
	size_t to = MIN(size, at + JUMP_SHORT + 127 - NOP8_HOLE + NOP8);

	for (size_t i = from; i + NOP8 <= to; i++) {
		long distance = (long)(i + NOP8_HOLE) - (long)(at + JUMP_SHORT);
		if (!memcmp(code + i, nop, NOP8) && distance >= -128 && distance <= 127)
			return (long)(i + NOP8_HOLE);
	}
	return -1;
}
