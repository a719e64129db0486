/* For the programs about signals, see signalling.h. */
#include <sys/time.h>

#include "abi.h"
#include "signalling.h"

volatile sig_atomic_t count;
volatile sig_atomic_t last_signal;

void counting(int sig, siginfo_t *info, void *context)
{
	(void)info;
	(void)context;
	count++;
	last_signal = sig;
}

void listen_to(int sig, int flags)
{
	count = 0;
	last_signal = 0;
	on_signal(sig, counting, flags);
}

void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	NEED(sigprocmask(how, &set, NULL));
}

bool is_pending(int sig)
{
	sigset_t set;

	NEED(sigpending(&set));
	return sigismember(&set, sig);
}

bool is_blocked(int sig)
{
	sigset_t set;

	NEED(sigprocmask(SIG_BLOCK, NULL, &set));
	return sigismember(&set, sig);
}

void tick(int ms)
{
	struct itimerval it = { { 0, ms * 1000 }, { 0, ms * 1000 } };

	NEED(setitimer(ITIMER_REAL, &it, NULL));
}
