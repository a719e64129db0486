/*
 * icount CMD [ARG...] - counts the instructions that a command takes, in the lab's
 * counting mode (lab.sh -d): there one instruction is one nanosecond of virtual
 * time, and one tick of the TSC. Prints two numbers to stderr:
 *
 *   icount: N  between start and end of the command, whoever executed them; time
 *              in which the CPU idles (a wait for RCU, say) counts too
 *   busy: N    while the command itself had the CPU, in all its threads, with the
 *              lab kernel and the guests that it runs
 *
 * Ends with the command's status.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

/* CPU time of a process that has ended and is not reaped yet. */
static uint64_t busy(pid_t ended)
{
	clockid_t clock;
	struct timespec t = { 0 };

	if (clock_getcpuclockid(ended, &clock) || clock_gettime(clock, &t))
		return 0;
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: icount CMD [ARG...]\n");
		return 125;
	}
	uint64_t start = __rdtsc();
	pid_t child = vfork();

	if (child == 0) {
		execvp(argv[1], argv + 1);
		_exit(127);
	}
	siginfo_t end;

	if (child < 0 || waitid(P_PID, (id_t)child, &end, WEXITED | WNOWAIT)) {
		perror("icount");
		return 125;
	}
	uint64_t count = __rdtsc() - start;

	fprintf(stderr, "icount: %llu\nbusy: %llu\n", (unsigned long long)count,
		(unsigned long long)busy(child));
	return end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
}
