/* A few figures for many samples. */
#ifndef BENCH_FIGURES_H
#define BENCH_FIGURES_H

#include <stddef.h>

struct figures {
	size_t n;
	double min, p10, median, p90, max;
};

/* Sorts the samples. All 0 if there are none. */
struct figures figures_of(double *samples, size_t n);

/* Of sorted samples: the 95% confidence interval of their median, from order
 * statistics, so without any assumption about how they are distributed. */
void median_interval(const double *sorted, size_t n, double *low, double *high);
#endif
