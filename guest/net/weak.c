/*
 * In the place of what is not written yet; each goes when the real one comes.
 */
#include "stack.h"
#define WEAK __attribute__((weak))

WEAK bool raw_input(struct pkt *pkt)
{
	(void)pkt;
	return false;
}
