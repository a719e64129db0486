/*
 * Recognising the instructions in front of a SYSCALL that a thunk can execute
 * in their place. Pure functions over bytes, for patch.c and for tests on the
 * host.
 */
#ifndef LIBOS_PATCH_MATCH_H
#define LIBOS_PATCH_MATCH_H

#include "lib.h"

#define JUMP_NEAR     5 /* e9 rel32 */
#define JUMP_SHORT    2 /* eb rel8 */
#define PATCH_LONGEST 24 /* bytes in front of SYSCALL that go to a thunk, at most */
#define PATCH_BEFORE  32 /* bytes in front of SYSCALL that the match looks at */

#define NOP8      8 /* nopl 0(%rax,%rax,1) with 32 bits of offset: 0f 1f 84 00 + 4 zeroes */
#define NOP8_HOLE 3 /* where its SIB byte and offset, which nothing uses, begin */

/*
 * code + PATCH_BEFORE is a SYSCALL. If a thunk can execute the `copied` bytes in
 * front of it, the length of the first instruction of them, which a jump is to
 * replace; else 0. reg: what the program had in its registers at the SYSCALL, by
 * their numbers (RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8...).
 */
unsigned patch_match(const u8 *code, const u64 reg[16], unsigned copied);

/*
 * A place for a near jump that a short jump at code + at reaches: inside an
 * eight-byte NOP, which stays one for whoever executes it, or in the INT3s
 * between a RET and the next function. `code` is the text at `va`. Its offset
 * in code, or -1.
 */
long patch_hole(const u8 *code, size_t size, size_t at, u64 va);

#endif
