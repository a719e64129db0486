/*
 * The four loops of the STREAM benchmark with OpenMP: sums on stdout, the best
 * rates on stderr. Written anew; J. McCalpin's rules for it: arrays larger than
 * the caches, the best of some rounds.
 */
#include <omp.h>
#include <stdio.h>

#define COUNT  1000000
#define ROUNDS 5

static double a[COUNT], b[COUNT], c[COUNT];

static void copy(void)
{
#pragma omp parallel for
	for (int i = 0; i < COUNT; i++)
		c[i] = a[i];
}

static void scale(void)
{
#pragma omp parallel for
	for (int i = 0; i < COUNT; i++)
		b[i] = 3 * c[i];
}

static void add(void)
{
#pragma omp parallel for
	for (int i = 0; i < COUNT; i++)
		c[i] = a[i] + b[i];
}

static void triad(void)
{
#pragma omp parallel for
	for (int i = 0; i < COUNT; i++)
		a[i] = b[i] + 3 * c[i];
}

int main(void)
{
	static const struct {
		const char *name;
		void (*run)(void);
		int bytes;
	} loops[] = { { "copy", copy, 16 },
		      { "scale", scale, 16 },
		      { "add", add, 24 },
		      { "triad", triad, 24 } };
	double best[4] = { 0 }, sum = 0;

#pragma omp parallel for
	for (int i = 0; i < COUNT; i++) {
		a[i] = 1 + i % 3;
		b[i] = 2;
	}
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < 4; i++) {
			double start = omp_get_wtime(), rate;

			loops[i].run();
			rate = loops[i].bytes * (double)COUNT / (omp_get_wtime() - start) / 1e9;
			if (rate > best[i])
				best[i] = rate;
		}
	for (int i = 0; i < COUNT; i++)
		sum += a[i] + b[i] + c[i];
	printf("%.0f\n", sum);
	for (int i = 0; i < 4; i++)
		fprintf(stderr, "%s %.2f GB/s\n", loops[i].name, best[i]);
	return 0;
}
