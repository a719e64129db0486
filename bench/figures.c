/* Quantiles, see figures.h. */
#include <math.h>
#include <stdlib.h>
#include "figures.h"

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double quantile(const double *sorted, size_t n, double q)
{
	const double at = q * (double)(n - 1);
	const size_t i = (size_t)at;

	if (i + 1 >= n)
		return sorted[n - 1];
	return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

struct figures figures_of(double *samples, size_t n)
{
	if (n == 0)
		return (struct figures){ 0 };
	qsort(samples, n, sizeof(*samples), by_value);
	return (struct figures){
		.n = n,
		.min = samples[0],
		.p10 = quantile(samples, n, 0.1),
		.median = quantile(samples, n, 0.5),
		.p90 = quantile(samples, n, 0.9),
		.max = samples[n - 1],
	};
}

/* The number of samples below the true median is binomial (n, 1/2); 1.96
 * standard deviations, sqrt(n)/2 each, to either side hold 95% of it. */
void median_interval(const double *sorted, size_t n, double *low, double *high)
{
	const double half = 0.98 * sqrt((double)n), middle = ((double)n - 1) / 2;
	const double from = floor(middle - half), to = ceil(middle + half);

	*low = sorted[from < 0 ? 0 : (size_t)from];
	*high = sorted[to > (double)n - 1 ? n - 1 : (size_t)to];
}
