/*
 * The system call table, made of syscalls.def, and what is not in it.
 */
#include "boot_info.h"
#include "entry.h"
#include "sys.h"
#include "thread.h"

typedef void any_function(void);

/* every entry is set to sys_unknown first */
#pragma GCC diagnostic ignored "-Woverride-init"
#define S(nr, name, level, note) [nr] = (any_function *)(void *)sys_##name,
any_function *const syscall_table[SYSCALL_COUNT] = {
	[0 ... SYSCALL_COUNT - 1] = (any_function *)(void *)sys_unknown,
#include "syscalls.def"
};

long sys_unknown(void)
{
	static u8 named[SYSCALL_COUNT / 8 + 1];
	u64 nr = current()->regs.orig_rax;
	if (!boot_info.verbose || nr >= SYSCALL_COUNT || named[nr / 8] & (1 << nr % 8))
		return -ENOSYS;
	named[nr / 8] |= 1 << nr % 8;
	klog("mayfly: system call %lu is not supported", nr);
	return -ENOSYS;
}
