/*
 * Recognising the instruction in front of a SYSCALL that a jump can replace.
 * Pure functions over bytes, for patch.c and for tests on the host.
 */
#ifndef LIBOS_PATCH_MATCH_H
#define LIBOS_PATCH_MATCH_H

#include "lib.h"

#define JUMP_NEAR     5 /* e9 rel32 */
#define JUMP_SHORT    2 /* eb rel8 */
#define PATCH_LONGEST 7 /* bytes of an instruction that is replaced */
#define PATCH_BEFORE  16 /* bytes in front of SYSCALL that the match looks at */

#define NOP8      8 /* nopl 0(%rax,%rax,1) with 32 bits of offset: 0f 1f 84 00 + 4 zeroes */
#define NOP8_HOLE 3 /* where its SIB byte and offset, which nothing uses, begin */

/*
 * The length of the instruction that ends at code + PATCH_BEFORE, where the
 * SYSCALL is, if it is one that a thunk can execute in its place; else 0.
 * `nr` is what the program had in RAX at the SYSCALL.
 */
unsigned patch_match(const u8 *code, u64 nr);

/*
 * A place for a near jump that a short jump at code + at reaches: inside an
 * eight-byte NOP, which stays one for whoever executes it. Its offset in
 * code, or -1.
 */
long patch_hole(const u8 *code, size_t size, size_t at);

#endif
