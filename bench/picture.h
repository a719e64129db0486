/* Draws a boot as SVG: its steps on one time axis, and the contenders beside. */
#ifndef BENCH_PICTURE_H
#define BENCH_PICTURE_H

#include <jansson.h>
#include <stdbool.h>
#include "contender.h"

/* False, with a line on standard error, if it cannot be written. */
bool picture_write(const char *path, const struct timeline *t, const struct contenders *all,
		   const json_t *host);
#endif
