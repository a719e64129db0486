/*
 * sweep VMM FILE STEP: cuts FILE shorter by STEP bytes at a time, down to
 * nothing, and has VMM refuse each: status 126 and one line "vmm: FILE: ...".
 * A loop of the shell would spend most of its time starting processes.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs `vmm run file`, 10 s at most; its stderr goes to `text`. */
static int run(const char *vmm, const char *file, char *text, size_t size)
{
	int err[2], status;
	size_t len;
	ssize_t n;
	pid_t pid;

	if (pipe(err))
		return -1;
	pid = vfork();
	if (pid == 0) {
		dup2(err[1], STDERR_FILENO);
		close(err[0]);
		close(err[1]);
		alarm(10);
		execl(vmm, vmm, "run", file, (char *)NULL);
		_exit(255);
	}
	close(err[1]);
	len = 0;
	while ((n = read(err[0], text + len, size - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = 0;
	close(err[0]);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
	char text[4096], prefix[4096];
	struct stat st;
	unsigned bad = 0;

	if (argc != 4 || stat(argv[2], &st) || atoi(argv[3]) < 1) {
		fprintf(stderr, "usage: sweep VMM FILE STEP\n");
		return 2;
	}
	snprintf(prefix, sizeof(prefix), "vmm: %s: ", argv[2]);
	for (off_t size = st.st_size; size >= 0; size -= atoi(argv[3])) {
		int status;

		if (truncate(argv[2], size))
			return 2;
		status = run(argv[1], argv[2], text, sizeof(text));
		if (status == 126 && !strncmp(text, prefix, strlen(prefix)) &&
		    strchr(text, '\n') == text + strlen(text) - 1)
			continue;
		if (bad++ < 20)
			printf("cut to %ld bytes: status %d, %s\n", (long)size, status, text);
	}
	return bad != 0;
}
