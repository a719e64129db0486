/*
 * What becomes of a system call that a signal interrupted.
 *
 * Code that waits returns -EINTR and doesn't care. Which of these calls Linux
 * restarts is known by number: those in `restartable` after a handler with
 * SA_RESTART (signal(7), "Interruption of system calls"), those in `unhandled`
 * only when no handler ran, all others never. Calls that know better (futex,
 * nanosleep) return Linux's internal codes themselves.
 */
#include <asm/unistd.h>
#include "sigstate.h"

static const u16 restartable[] = {
	__NR_read,      __NR_write,        __NR_open,
	__NR_ioctl,     __NR_pread64,      __NR_pwrite64,
	__NR_readv,     __NR_writev,       __NR_sendfile,
	__NR_connect,   __NR_accept,       __NR_sendto,
	__NR_recvfrom,  __NR_sendmsg,      __NR_recvmsg,
	__NR_wait4,     __NR_fcntl,        __NR_flock,
	__NR_creat,     __NR_mq_timedsend, __NR_mq_timedreceive,
	__NR_waitid,    __NR_openat,       __NR_splice,
	__NR_tee,       __NR_vmsplice,     __NR_accept4,
	__NR_preadv,    __NR_pwritev,      __NR_recvmmsg,
	__NR_sendmmsg,  __NR_getrandom,    __NR_copy_file_range,
	__NR_preadv2,   __NR_pwritev2,     __NR_openat2,
	__NR_mq_notify,
};
static const u16 unhandled[] = {
	__NR_poll,     __NR_select, __NR_pause,  __NR_rt_sigsuspend,
	__NR_pselect6, __NR_ppoll,  __NR_msgsnd, __NR_msgrcv,
};

static bool among(const u16 *list, size_t n, u64 nr)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == nr)
			return true;
	return false;
}

static long code_of(u64 nr, long result)
{
	if (result != -EINTR)
		return -result;
	if (among(restartable, ARRAY_SIZE(restartable), nr))
		return ERESTARTSYS;
	return among(unhandled, ARRAY_SIZE(unhandled), nr) ? ERESTARTNOHAND : EINTR;
}

enum restart restart_decide(u64 nr, long result, bool handler, bool sa_restart)
{
	switch (code_of(nr, result)) {
	case ERESTARTSYS:
		return handler && !sa_restart ? RESTART_FAIL : RESTART_AGAIN;
	case ERESTARTNOINTR:
		return RESTART_AGAIN;
	case ERESTARTNOHAND:
		return handler ? RESTART_FAIL : RESTART_AGAIN;
	case ERESTART_RESTARTBLOCK:
		return handler ? RESTART_FAIL : RESTART_BLOCK;
	case EINTR_NEVER_RESTARTED:
		return RESTART_FAIL;
	default:
		return RESTART_NOT;
	}
}
