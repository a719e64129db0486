/* Says that it is up, then sleeps until a signal ends it. A kernel that cannot
 * sleep ends it at once, with status 1, so that nothing spins here. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	puts("up");
	fflush(stdout);
	pause();
	return errno == EINTR ? 0 : 1;
}
