/* The smallest useful program: what `make run` boots and the benchmark times. */
#include <stdio.h>

int main(void)
{
	puts("hello from main");
	return 0;
}
