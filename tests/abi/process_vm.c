/*
 * process_vm_readv and process_vm_writev of the own process.
 */
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"

#define PAGE 4096

/* Two pages to use, and one behind them that cannot be. */
static char *two_pages(void)
{
	char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	NEED(p == MAP_FAILED ? -1 : 0);
	NEED(mprotect(p + 2 * PAGE, PAGE, PROT_NONE));
	return p;
}

CASE(process_vm_moves, ALONE)
{
	char to[16] = "", from[] = "abcdefghij";
	struct iovec local[] = { { to, 3 }, { to + 8, 4 } };
	struct iovec remote[] = { { from, 2 }, { from + 5, 1 }, { from + 6, 4 } };

	SHOW(process_vm_readv(getpid(), local, 2, remote, 3, 0));
	say("%.3s %.4s", to, to + 8);
	SHOW(process_vm_writev(getpid(), local, 1, remote + 2, 1, 0));
	say("%s", from);
	SHOW(process_vm_readv(getpid(), local, 0, remote, 3, 0));
	SHOW(process_vm_readv(getpid(), local, 2, remote, 0, 0));
}

/* As far as it goes: the bytes up to the first page that cannot be reached. */
CASE(process_vm_faults, ALONE)
{
	char *p = two_pages(), *q = two_pages();
	struct iovec local = { q, 2 * PAGE }, remote = { p + PAGE, 2 * PAGE };

	memset(p, 'x', 2 * PAGE);
	SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	CHECK(q[0] == 'x' && q[PAGE - 1] == 'x' && q[PAGE] == 0);
	remote.iov_base = p + 2 * PAGE;
	SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	remote.iov_base = NULL;
	SHOW(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	NEED(mprotect(p, PAGE, PROT_READ));
	remote.iov_base = p;
	SHOW(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
	local.iov_base = q + 2 * PAGE;
	SHOW(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

CASE(process_vm_refusals, ALONE)
{
	char byte = 0;
	struct iovec one = { &byte, 1 }, many = { &byte, (size_t)-1 };

	SHOW(process_vm_readv(0x7ffffffe, &one, 1, &one, 1, 0));
	SHOW(process_vm_readv(-1, &one, 1, &one, 1, 0));
	SHOW(process_vm_readv(getpid(), &one, 1, &one, 1, 1));
	SHOW(process_vm_readv(getpid(), &one, 1025, &one, 1, 0));
	SHOW(process_vm_readv(getpid(), &one, 1, &one, 1025, 0));
	SHOW(process_vm_readv(getpid(), &many, 1, &one, 1, 0));
	SHOW(process_vm_readv(getpid(), &one, 1, &many, 1, 0));
	SHOW(process_vm_readv(getpid(), bad_ptr(), 1, &one, 1, 0));
	SHOW(process_vm_readv(getpid(), &one, 1, bad_ptr(), 1, 0));
	SHOW(process_vm_writev(getpid(), &one, 1, &one, 1, 0));
}
