/* See user_frames.h. */
#include "../kernel/kcall.h"
#include "process.h"
#include "space.h"
#include "user_frames.h"

int user_frame(u64 va, size_t n, bool write, paddr_t *pa, size_t *run)
{
	const u64 need = PTE_P | (write ? PTE_W : 0);
	u64 size, entry;
	if (va >= USER_END)
		return -EFAULT;
	entry = page_entry(va, &size);
	if ((entry & need) != need) {
		int error = space_fault(current_process()->space, va, write, false);
		if (error)
			return error == -ENOMEM ? -ENOMEM : -EFAULT;
		entry = page_entry(va, &size);
	}
	if ((entry & need) != need)
		return -EFAULT;
	*pa = (entry & PTE_ADDR & ~(size - 1)) + (va & (size - 1));
	*run = MIN(n, size - (va & (size - 1)));
	return 0;
}
