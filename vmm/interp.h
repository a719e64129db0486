/*
 * The interpreter of a program: the dynamic loader, or who runs a script.
 */
#ifndef VMM_INTERP_H
#define VMM_INTERP_H

#include "load.h"
#include "options.h"

/* Ends the process with the command to give when the image has an interpreter
 * that cannot be in the guest. */
void interp_check(const struct image *image, const struct options *options);

#endif
