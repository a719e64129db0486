/*
 * process_vm_readv(2) and its like. There is one process, so both sides are the same
 * memory; who calls it wants to know what a fault would tell, or uses it for threads of
 * its own.
 */
#include "heap.h"
#include "iovec.h"
#include "proc_info.h"
#include "sys.h"
#include "thread.h"

/* Until one of them is used up, or cannot be reached. */
static long transfer(struct uio *to, struct uio *from)
{
	u8 *buffer = kalloc(PAGE_SIZE);
	long total = 0, n = 1, moved = 1;

	if (buffer == NULL)
		return -ENOMEM;
	while (to->resid != 0 && from->resid != 0 && n > 0 && moved == n) {
		moved = n = uio_from(from, buffer, MIN((size_t)PAGE_SIZE, to->resid));
		if (n > 0)
			moved = uio_to(to, buffer, n);
		total += MAX(moved, 0l);
	}
	kfree(buffer);
	return total != 0 ? total : MIN(moved, 0l);
}

static long process_vm(int pid, const struct iovec *local, unsigned long nlocal,
		       const struct iovec *remote, unsigned long nremote, u64 flags, bool write)
{
	struct buffers here, there;
	long result;

	if (flags != 0)
		return -EINVAL;
	result = buffers_import(&here, local, nlocal);
	if (result < 0)
		return result;
	if (here.uio.resid != 0) {
		result = buffers_import(&there, remote, nremote);
		if (result == 0) {
			if (there.uio.resid != 0 && process_find(pid) == NULL)
				result = -ESRCH;
			else
				result = write ? transfer(&there.uio, &here.uio) :
						 transfer(&here.uio, &there.uio);
			buffers_release(&there);
		}
	}
	buffers_release(&here);
	return result;
}

long sys_process_vm_readv(int pid, const struct iovec *local, unsigned long nlocal,
			  const struct iovec *remote, unsigned long nremote, u64 flags)
{
	return process_vm(pid, local, nlocal, remote, nremote, flags, false);
}

long sys_process_vm_writev(int pid, const struct iovec *local, unsigned long nlocal,
			   const struct iovec *remote, unsigned long nremote, u64 flags)
{
	return process_vm(pid, local, nlocal, remote, nremote, flags, true);
}
