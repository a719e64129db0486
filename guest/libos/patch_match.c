/*
 * x86 cannot be decoded backwards, so only what cannot be taken for the end
 * of another instruction is accepted as the first one: a constant or a copy
 * that agrees with the registers at the SYSCALL, and a few whole sequences of
 * well-known code. From there the rest decodes forwards, must end exactly at
 * the SYSCALL, and consists of moves and plain arithmetic that do the same at
 * any address.
 *
 * Exactly one instruction is replaced. So there is no boundary inside of it
 * that something could jump to; those behind it, and SYSCALL, stay what they
 * are, although the way through the thunk has copies of them.
 */
#include "patch_match.h"

#define REX_B 1
#define REX_R 4
#define REX_W 8

#define RAX 0
#define RCX 1
#define RSP 4
#define R11 11

static bool is_rex(u8 byte)
{
	return (byte & 0xf0) == 0x40;
}

static u32 load32(const u8 *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (u32)p[3] << 24;
}

/* ---- forwards: instructions that may follow */

/* Of an instruction: 0 is none of them. */
struct step {
	u8 len;
	u8 dest; /* register that is written; 16: none */
};

static struct step step_of(unsigned len, unsigned dest)
{
	return (struct step){ .len = (u8)len, .dest = (u8)dest };
}

/* Bytes of ModRM, SIB and displacement; 0: relative to RIP, or with an index. */
static unsigned operand_len(const u8 *modrm)
{
	static const u8 displacement[] = { 0, 1, 4 };
	unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
	if (mod == 3)
		return 1;
	if ((mod == 0 && rm == 5) || (rm == RSP && modrm[1] != 0x24))
		return 0;
	return 1 + (rm == RSP) + displacement[mod];
}

/* Moves of all kinds, and arithmetic between registers or with a constant. */
static struct step step_at(const u8 *p)
{
	unsigned rex = is_rex(*p) ? *p : 0, prefix = rex != 0;
	const u8 *op = p + prefix;
	unsigned memory = op[1] >> 6 != 3;
	unsigned operand = *op == 0x0f ? 0 : operand_len(op + 1);
	unsigned reg = (op[1] >> 3 & 7) | (rex & REX_R ? 8 : 0);
	unsigned rm = memory ? 16 : (op[1] & 7) | (rex & REX_B ? 8 : 0);

	if ((*op & 0xf8) == 0xb8) /* mov $imm32 */
		return step_of(rex & REX_W ? 0 : prefix + 5, (*op & 7) | (rex & REX_B ? 8 : 0));
	if (*op == 0x0f) {
		/* setcc; AH to BH without REX are nobody's custom */
		if ((op[1] & 0xf0) != 0x90 || op[2] >> 6 != 3 || (!rex && op[2] & 4))
			return step_of(0, 0);
		return step_of(prefix + 3, (op[2] & 7) | (rex & REX_B ? 8 : 0));
	}
	if (!operand)
		return step_of(0, 0);
	switch (*op) {
	case 0x89: /* mov to register or memory */
		return step_of(prefix + 1 + operand, rm);
	case 0x8b: /* mov from either */
	case 0x63: /* movslq */
		return step_of(prefix + 1 + operand, reg);
	case 0x8d: /* lea */
		return step_of(memory ? prefix + 1 + operand : 0, reg);
	case 0x01: /* add, or, and, sub, xor: register to register */
	case 0x09:
	case 0x21:
	case 0x29:
	case 0x31:
		return step_of(memory ? 0 : prefix + 2, rm);
	case 0x39: /* cmp, test */
	case 0x85:
		return step_of(memory ? 0 : prefix + 2, 16);
	case 0x83: /* the same with a constant, and shifts */
	case 0xc1:
		return step_of(memory ? 0 : prefix + 3, rm);
	case 0x81:
		return step_of(memory ? 0 : prefix + 6, rm);
	case 0xc7: /* mov $imm32, sign-extended with REX.W */
		return step_of(memory || reg & 7 ? 0 : prefix + 6, rm);
	default:
		return step_of(0, 0);
	}
}

/* From p one after the other to the very end, and register `keep` is as it was. */
static bool leads_to(const u8 *p, const u8 *end, unsigned keep)
{
	while (p < end) {
		struct step s = step_at(p);
		if (!s.len || s.dest == keep)
			return false;
		p += s.len;
	}
	return p == end;
}

/* ---- the first instruction */

/* What the CPU or SYSCALL itself changes says nothing. */
static bool known(unsigned reg)
{
	return reg != RCX && reg != RSP && reg != R11;
}

/* Could B8 to BF be the ModRM or the displacement of what begins earlier? Says
 * yes too often. */
static bool may_be_operand(const u8 *at)
{
	static const u8 opcodes[] = { 0x01, 0x03, 0x09, 0x0b, 0x21, 0x23, 0x29, 0x2b, 0x33, 0x39,
				      0x3b, 0x63, 0x69, 0x81, 0x83, 0x85, 0x87, 0x89, 0x8b, 0x8d };
	for (unsigned i = 0; i < sizeof(opcodes); i++)
		if (at[-1] == opcodes[i])
			return true;
	/* movl $imm32, disp8(...) */
	return (at[-2] == 0xc7 && at[-1] >> 6 == 1) || (at[-3] == 0xc7 && (at[-2] & 0xc7) == 0x44);
}

/* mov $imm32 to any register, which has that value. With REX.W it is longer. */
static unsigned mov_constant(const u8 *at, const u64 reg[16], unsigned *dest)
{
	unsigned rex = *at == 0x41, before = at[-1];
	const u8 *op = at + rex;
	if ((*op & 0xf8) != 0xb8 || (!rex && is_rex(before) && before & (REX_B | REX_W)) ||
	    may_be_operand(at))
		return 0;
	*dest = (*op & 7) | (rex ? 8 : 0);
	return known(*dest) && reg[*dest] == load32(op + 1) ? rex + 5 : 0;
}

/* mov $nr,%rax */
static unsigned mov_rax(const u8 *at, const u64 reg[16], unsigned *dest)
{
	*dest = RAX;
	return at[0] == 0x48 && at[1] == 0xc7 && at[2] == 0xc0 &&
			       reg[RAX] == (u64)(i64)(i32)load32(at + 3) ?
		       7 :
		       0;
}

/* mov between two registers of the same value, 64 bits of them. */
static unsigned mov_copy(const u8 *at, const u64 reg[16])
{
	unsigned from = (at[2] >> 3 & 7) | (at[0] & REX_R ? 8 : 0);
	unsigned to = (at[2] & 7) | (at[0] & REX_B ? 8 : 0);
	return (at[0] & 0xfa) == 0x48 && at[1] == 0x89 && at[2] >> 6 == 3 && known(from) &&
			       known(to) && from != to && reg[from] == reg[to] ?
		       3 :
		       0;
}

/* xor %eax,%eax in both encodings. REX.W alone (a prefix that the jump may
 * keep) changes nothing; the operand size prefix would shorten a jump. */
static unsigned xor_eax(const u8 *at, const u64 reg[16])
{
	u8 before = at[-1];
	return (at[0] == 0x31 || at[0] == 0x33) && at[1] == 0xc0 && reg[RAX] == 0 &&
			       !(is_rex(before) && before & (REX_B | REX_R)) && before != 0x66 &&
			       before != 0x0f ?
		       2 :
		       0;
}

/* Whole sequences that load from memory; the last instruction is replaced, or
 * the last but one. */
static const struct sequence {
	u8 len, copied, replaced;
	u8 bytes[14];
} sequences[] = {
	/* glibc's syscall(): mov %r8,%r10; mov %r9,%r8; mov 8(%rsp),%r9 */
	{ 11, 5, 5, { 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x4c, 0x8b, 0x4c, 0x24, 0x08 } },
	/* musl's __syscall_cp_asm: mov 16(%rsp),%r9; mov %r11,8(%rsp) */
	{ 10, 5, 5, { 0x4c, 0x8b, 0x4c, 0x24, 0x10, 0x4c, 0x89, 0x5c, 0x24, 0x08 } },
	/* musl's syscall(): mov %r9,%r8; mov %rdx,%rsi; mov 8(%rsp),%r9; mov %rcx,%rdx */
	{ 14,
	  8,
	  5,
	  { 0x4d, 0x89, 0xc8, 0x48, 0x89, 0xd6, 0x4c, 0x8b, 0x4c, 0x24, 0x08, 0x48, 0x89, 0xca } },
	/* Go's rawSyscallNoError: mov 32(%rsp),%rdx; mov 8(%rsp),%rax */
	{ 10, 5, 5, { 0x48, 0x8b, 0x54, 0x24, 0x20, 0x48, 0x8b, 0x44, 0x24, 0x08 } },
};

static unsigned of_sequence(const u8 *end, unsigned copied)
{
	for (unsigned i = 0; i < ARRAY_SIZE(sequences); i++) {
		const struct sequence *s = &sequences[i];
		if (s->copied == copied && !memcmp(end - s->len, s->bytes, s->len))
			return s->replaced;
	}
	return 0;
}

unsigned patch_match(const u8 *code, const u64 reg[16], unsigned copied)
{
	const u8 *end = code + PATCH_BEFORE, *at = end - copied;
	unsigned dest, len;
	if (end[0] != 0x0f || end[1] != 0x05 || copied > PATCH_LONGEST)
		return 0;
	if (copied == 2)
		return xor_eax(at, reg);
	if (copied == 3)
		return mov_copy(at, reg);
	if (copied < JUMP_NEAR)
		return 0;
	len = mov_constant(at, reg, &dest);
	if (!len)
		len = mov_rax(at, reg, &dest);
	if (len)
		return leads_to(at + len, end, dest) ? len : 0;
	return of_sequence(end, copied);
}

/* ---- holes */

static bool is_nop8(const u8 *p, size_t left)
{
	static const u8 nop[NOP8] = { 0x0f, 0x1f, 0x84 };
	return left >= NOP8 && !memcmp(p, nop, NOP8);
}

/* RET and INT3s up to a boundary of 16 bytes, where the next function begins:
 * no instruction has so many such bytes behind a C3. */
static bool is_gap(const u8 *p, size_t left, u64 va)
{
	size_t n = 16 - (va + 1) % 16;
	if (p[0] != 0xc3 || n < JUMP_NEAR || n >= left)
		return false;
	for (size_t i = 1; i <= n; i++)
		if (p[i] != 0xcc)
			return false;
	return true;
}

long patch_hole(const u8 *code, size_t size, size_t at, u64 va)
{
	for (size_t i = 0; i < size; i++) {
		size_t hole = is_nop8(code + i, size - i)        ? i + NOP8_HOLE :
			      is_gap(code + i, size - i, va + i) ? i + 1 :
								   0;
		long distance = (long)hole - (long)(at + JUMP_SHORT);
		if (hole && distance >= -128 && distance <= 127)
			return (long)hole;
	}
	return -1;
}
