/*
 * memrace SECONDS [SEED]: threads that map, unmap, move, protect, drop and write to
 * the pages of one small arena at random and at once, beside threads that have pages
 * of their own. Who writes to a page that is just going faults, or writes to it while
 * it is still his: never to what has become somebody else's page. Every word in the
 * arena is 0 or has the arena's mark, whatever way it came there; the others' pages
 * stay as they were written. Prints "good", or what was wrong.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include "random.h"

#define PAGE   4096ul
#define ARENA  96 /* pages */
#define RUN    8 /* pages that one operation takes at most */
#define RACERS 5
#define AT     (void *)0x200000000 /* where nobody is put who has no wish */
#define OWNERS 3
#define OWN    24 /* pages of an owner at a time, at most */
#define MARK   0xa7e5ull /* of the arena, in the upper half of a word */
#define WORDS  (PAGE / 8)

static char *arena;
static atomic_bool over;
static atomic_int wrong;
static atomic_ulong rounds, faults;
static __thread sigjmp_buf back;

static void complain(const char *what, uint64_t word, uint64_t expected)
{
	if (wrong++ < 5)
		fprintf(stderr, "memrace: %s: %#lx, expected %#lx\n", what, word, expected);
}

static void on_fault(int sig)
{
	(void)sig;
	faults++;
	siglongjmp(back, 1);
}

/* ---- the arena */

static void store(volatile uint64_t *at, unsigned n, uint64_t *random)
{
	for (unsigned i = 0; i < n; i++)
		at[i] = MARK << 48 | pick(random, 1 << 30);
}

static void look(const volatile uint64_t *at, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t word = at[i];
		if (word && word >> 48 != MARK)
			complain("a word of the arena", word, MARK << 48);
	}
}

static void touch(char *at, uint64_t *random)
{
	if (sigsetjmp(back, 1))
		return;
	if (pick(random, 2))
		store((void *)at, 1 + pick(random, WORDS), random);
	else
		look((void *)at, WORDS);
}

static void race_once(uint64_t *random)
{
	static const int rights[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
				      PROT_READ | PROT_WRITE };
	static const int advice[] = { MADV_DONTNEED, MADV_DONTNEED, MADV_FREE, MADV_WILLNEED };
	unsigned n = 1 + pick(random, RUN);
	char *at = arena + pick(random, ARENA - RUN) * PAGE;
	char *other = arena + pick(random, ARENA - RUN) * PAGE;
	switch (pick(random, 12)) {
	case 0:
	case 1:
		mmap(at, n * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | (pick(random, 4) ? 0 : MAP_POPULATE),
		     -1, 0);
		break;
	case 2:
		munmap(at, n * PAGE);
		break;
	case 3:
		mprotect(at, n * PAGE, rights[pick(random, 4)]);
		break;
	case 4:
		madvise(at, n * PAGE, advice[pick(random, 4)]);
		break;
	case 5:
		if (at + n * PAGE <= other || other + n * PAGE <= at)
			mremap(at, n * PAGE, n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, other);
		break;
	default:
		touch(at, random);
	}
}

static void *race(void *seed)
{
	uint64_t random = 88172645463325252ull ^ (uint64_t)(uintptr_t)seed * 0x9e3779b97f4a7c15ull;
	for (; !over; rounds++)
		race_once(&random);
	return NULL;
}

/* ---- beside it */

static void fill(uint64_t *at, size_t n, uint64_t word)
{
	for (size_t i = 0; i < n; i++)
		at[i] = word + i;
}

static void check(const volatile uint64_t *at, size_t n, uint64_t word)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != word + i) {
			complain("a page of its own", at[i], word + i);
			return;
		}
}

static void *own(void *seed)
{
	uint64_t random = 0x2545f4914f6cdd1dull ^ (uint64_t)(uintptr_t)seed * 0x9e3779b97f4a7c15ull;
	while (!over) {
		size_t n = (1 + pick(&random, OWN)) * PAGE;
		uint64_t word = (uint64_t)pick(&random, 1 << 30) << 16, *at;
		at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (at == MAP_FAILED)
			continue;
		for (size_t i = 0; i < n / 8; i += WORDS / 2)
			if (at[i])
				complain("a new page", at[i], 0);
		fill(at, n / 8, word);
		for (unsigned i = pick(&random, 20); i > 0 && !over; i--)
			check(at, n / 8, word);
		check(at, n / 8, word);
		munmap(at, n);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 1;
	uintptr_t seed = argc > 2 ? (uintptr_t)atol(argv[2]) * 100 : 100;
	const struct sigaction action = { .sa_handler = on_fault, .sa_flags = SA_NODEFER };
	pthread_t t[RACERS + OWNERS];

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	arena = mmap(AT, ARENA * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	for (uintptr_t i = 0; i < RACERS + OWNERS; i++)
		pthread_create(&t[i], NULL, i < RACERS ? race : own, (void *)(seed + i + 1));
	usleep((unsigned)(seconds * 1e6));
	over = true;
	for (int i = 0; i < RACERS + OWNERS; i++)
		pthread_join(t[i], NULL);
	if (getenv("VERBOSE"))
		fprintf(stderr, "%lu rounds, %lu faults\n", rounds, faults);
	if (!wrong)
		printf("good\n");
	return wrong > 0;
}
