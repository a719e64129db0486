/*
 * OpenMP: loops, reductions, tasks, critical sections and barriers.
 */
#include <omp.h>
#include <stdio.h>

static double a[200000];

static long fib(int n)
{
	long x, y;
	if (n < 2)
		return n;
#pragma omp task shared(x) if (n > 12)
	x = fib(n - 1);
	y = fib(n - 2);
#pragma omp taskwait
	return x + y;
}

int main(void)
{
	double sum = 0;
	long count = 0, f = 0;
	omp_set_num_threads(4);
#pragma omp parallel for schedule(dynamic, 1000)
	for (int i = 0; i < 200000; i++)
		a[i] = i * 0.5;
#pragma omp parallel for reduction(+ : sum)
	for (int i = 0; i < 200000; i++)
		sum += a[i];
#pragma omp parallel
	{
		for (int i = 0; i < 100; i++) {
#pragma omp barrier
#pragma omp critical
			count++;
		}
#pragma omp single
		f = fib(20);
	}
	printf("%f %ld %ld\n", sum, count, f);
	return 0;
}
