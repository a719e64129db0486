/*
 * icount CMD [ARG...] - counts the instructions that a command takes, in the lab's
 * counting mode (lab.sh -d): there one instruction is one nanosecond of virtual
 * time, and one tick of the TSC. Counted is all that the machine executes between
 * start and end of the command: program, lab kernel, guests.
 *
 * Prints "icount: N" to stderr and ends with the command's status.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

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
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("icount");
		return 125;
	}
	fprintf(stderr, "icount: %llu\n", (unsigned long long)(__rdtsc() - start));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
