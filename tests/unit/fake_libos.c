/* See fake_libos.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake_libos.h"
#include "../../guest/drv/console.h"
#include "../../guest/libos/frames.h"
#include "../../guest/libos/heap.h"
#include "../../guest/libos/memory.h"
#include "../../guest/libos/random.h"
#include "../../guest/libos/thread.h"
#include "../../guest/libos/uaccess.h"
#include "../../guest/net/unix.h"

void *calloc(size_t n, size_t size);
void *aligned_alloc(size_t align, size_t size);
void free(void *p);
_Noreturn void abort(void);

struct process fake_process;
unsigned fake_frames, fake_objects, fake_lasting;
u64 fake_frames_max;
paddr_t fake_contents;
u64 fake_contents_size;
long fake_allocations_left;
const void *fake_fault_start, *fake_fault_end;
int (*fake_wait)(u64 deadline);
unsigned fake_wakes;
unsigned sched_threads = 1;
bool fake_signal_pending;
u64 fake_clock;
unsigned fake_signals[65];
char fake_output[65536];
unsigned fake_output_len;
long fake_output_error;
unsigned fake_kind[3];

/* ---- memory ---- */

static bool allowed(void)
{
	if (fake_allocations_left < 0)
		return true;
	if (fake_allocations_left == 0)
		return false;
	fake_allocations_left--;
	return true;
}

void *kalloc(size_t size)
{
	void *p = allowed() ? calloc(1, size) : NULL;

	fake_objects += p != NULL;
	return p;
}

void kfree(void *p)
{
	fake_objects -= p != NULL;
	free(p);
}

char *kstrdup(const char *s)
{
	char *copy = kalloc(strlen(s) + 1);

	if (copy != NULL)
		memcpy(copy, s, strlen(s) + 1);
	return copy;
}

/* Larger blocks, whose frames may be freed one by one. */
static struct block {
	paddr_t start;
	u64 size, left;
} block[64];

static void note_block(paddr_t pa, u64 size)
{
	unsigned i = 0;

	while (block[i].left > 0)
		assert_true(++i < ARRAY_SIZE(block));
	block[i] = (struct block){ pa, size, size };
}

paddr_t frames_alloc_dirty(unsigned order)
{
	void *p;

	if (fake_frames + (1u << order) > fake_frames_max || !allowed())
		return 0;
	p = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
	memset(p, 0xa5, PAGE_SIZE << order); /* whoever shows this has a bug */
	fake_frames += 1u << order;
	if (order > 0)
		note_block((paddr_t)(uintptr_t)p, (u64)PAGE_SIZE << order);
	return (paddr_t)(uintptr_t)p;
}

paddr_t frames_alloc(unsigned order)
{
	paddr_t pa = frames_alloc_dirty(order);

	if (pa != 0)
		memset(phys_to_virt(pa), 0, PAGE_SIZE << order);
	return pa;
}

const void *physical_bytes(paddr_t pa, u64 len)
{
	(void)len;
	return phys_to_virt(pa);
}

bool frames_are_contents(paddr_t pa)
{
	return pa - fake_contents < fake_contents_size;
}

void frames_free(paddr_t pa, unsigned order)
{
	fake_frames -= 1u << order;
	for (unsigned i = 0; i < ARRAY_SIZE(block); i++) {
		struct block *b = &block[i];

		if (b->left == 0 || pa - b->start >= b->size)
			continue;
		b->left -= (u64)PAGE_SIZE << order;
		if (b->left == 0)
			free(phys_to_virt(b->start));
		return;
	}
	free(phys_to_virt(pa));
}

u64 frames_total(void)
{
	return fake_frames_max;
}

u64 frames_available(void)
{
	return fake_frames_max - fake_frames;
}

paddr_t virt_to_phys(const void *p)
{
	return (paddr_t)(uintptr_t)p;
}

unsigned fake_klogs;
__attribute__((weak)) void klog(const char *format, ...)
{
	(void)format;
	fake_klogs++;
}

void panic(const char *format, ...)
{
	print_error("panic: %s\n", format);
	abort();
}

/* ---- the program's memory ---- */

/* How many of n bytes at p can be accessed. */
static size_t accessible(const void *p, size_t n)
{
	uintptr_t start = (uintptr_t)fake_fault_start, at = (uintptr_t)p;

	if (at < PAGE_SIZE || (at >= start && at < (uintptr_t)fake_fault_end))
		return 0;
	return at < start && at + n > start ? start - at : n;
}

int copy_from_user(void *dst, const void *user, size_t n)
{
	if (accessible(user, n) < n)
		return -EFAULT;
	memcpy(dst, user, n);
	return 0;
}

int copy_to_user(void *user, const void *src, size_t n)
{
	if (accessible(user, n) < n)
		return -EFAULT;
	memcpy(user, src, n);
	return 0;
}

int clear_user(void *user, size_t n)
{
	if (accessible(user, n) < n)
		return -EFAULT;
	memset(user, 0, n);
	return 0;
}

long strncpy_from_user(char *dst, const char *user, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (accessible(user + i, 1) == 0)
			return -EFAULT;
		dst[i] = user[i];
		if (dst[i] == 0)
			return i;
	}
	return -ENAMETOOLONG;
}

static long move(struct uio *uio, char *mine, size_t n, bool to)
{
	size_t done = 0;

	n = MIN(n, uio->resid);
	while (done < n) {
		size_t run = MIN(n - done, uio->iov->iov_len - uio->offset), ok;
		char *user = (char *)uio->iov->iov_base + uio->offset;

		if (run == 0) {
			uio->iov++;
			uio->niov--;
			uio->offset = 0;
			continue;
		}
		ok = uio->kernel ? run : accessible(user, run);
		if (mine == NULL)
			memset(user, 0, ok);
		else if (to)
			memcpy(user, mine + done, ok);
		else
			memcpy(mine + done, user, ok);
		uio->offset += ok;
		uio->resid -= ok;
		done += ok;
		if (ok < run)
			return done > 0 ? (long)done : -EFAULT;
	}
	return done;
}

long uio_to(struct uio *uio, const void *src, size_t n)
{
	return move(uio, (char *)src, n, true);
}

long uio_from(struct uio *uio, void *dst, size_t n)
{
	return move(uio, dst, n, false);
}

long uio_zero(struct uio *uio, size_t n)
{
	return move(uio, NULL, n, true);
}

/* ---- waiting, time, signals ---- */

/* Lists of sleepers are not kept: a sleep asks the test. Those who watch are. */
__attribute__((weak)) void wait_add(struct waitq *q, struct waiter *w)
{
	(void)q;
	list_init(&w->link);
}

void wait_watch(struct waitq *q, struct waiter *w, void (*wake)(struct waiter *w))
{
	w->wake = wake;
	list_add_tail(&q->waiters, &w->link);
}

__attribute__((weak)) void wait_done(struct waiter *w)
{
	list_del(&w->link);
}

__attribute__((weak)) int wait_sleep(u64 deadline)
{
	return wait_on(NULL, deadline);
}

int wait_on(struct waitq *q, u64 deadline)
{
	(void)q;
	if (fake_wait == NULL)
		fail_msg("nobody expected a wait");
	return fake_wait(deadline);
}

void wake_all(struct waitq *q)
{
	struct list *at, *next;

	assert_non_null(q->waiters.next); /* was initialised */
	fake_wakes++;
	for (at = q->waiters.next; at != &q->waiters; at = next) {
		struct waiter *w = container_of(at, struct waiter, link);

		next = at->next;
		w->wake(w);
	}
}

u64 now_ns(void)
{
	return fake_clock;
}

u64 realtime_ns(void)
{
	return fake_clock;
}

/* In the order of their deadlines, as in sched.c. */
static struct list timers = { &timers, &timers };

__attribute__((weak)) void timer_arm(struct timer *timer, u64 deadline)
{
	struct list *at;

	timer_cancel(timer);
	timer->deadline = deadline;
	timer->armed = true;
	list_for_each (at, &timers)
		if (container_of(at, struct timer, link)->deadline > deadline)
			break;
	list_add_tail(at, &timer->link);
}

__attribute__((weak)) void timer_cancel(struct timer *timer)
{
	if (timer->armed)
		list_del(&timer->link);
	timer->armed = false;
}

void fake_advance(u64 ns)
{
	u64 end = fake_clock + ns;

	while (!list_empty(&timers)) {
		struct timer *first = container_of(timers.next, struct timer, link);

		if (first->deadline > end)
			break;
		fake_clock = MAX(fake_clock, first->deadline);
		timer_cancel(first);
		first->expired(first);
	}
	fake_clock = end;
}

u64 fake_next_timer(void)
{
	return list_empty(&timers) ? NEVER :
				     container_of(timers.next, struct timer, link)->deadline;
}

struct process *current_process(void)
{
	return &fake_process;
}

bool capable(int cap)
{
	(void)cap;
	return fake_process.cred.uid.effective == 0;
}

bool signal_pending(void)
{
	return fake_signal_pending;
}

void signal_send_kernel(int sig)
{
	fake_signals[sig]++;
}

void signal_send_self(int sig)
{
	fake_signals[sig]++;
}

void random_bytes(void *buf, size_t n)
{
	memset(buf, 4, n);
}

/* ---- devices ---- */

unsigned console_kind(int fd)
{
	return fake_kind[fd];
}

long console_write(int out, const void *buf, size_t n, bool nonblock)
{
	(void)nonblock;
	assert_true(out == 1 || out == 2);
	if (fake_output_error != 0)
		return fake_output_error;
	n = MIN(n, sizeof(fake_output) - fake_output_len);
	memcpy(fake_output + fake_output_len, buf, n);
	fake_output_len += n;
	return n;
}

long console_echo(const void *buf, size_t n)
{
	return console_write(1, buf, n, true);
}

void console_size(u16 *rows, u16 *cols)
{
	*rows = 24;
	*cols = 80;
}

/* ---- begin and end ---- */

void fake_begin(void)
{
	memset(&fake_process, 0, sizeof(fake_process));
	memset(fake_signals, 0, sizeof(fake_signals));
	memset(fake_kind, 0, sizeof(fake_kind));
	fake_frames = fake_objects = fake_lasting = fake_wakes = fake_output_len = 0;
	fake_frames_max = 1 << 20;
	fake_allocations_left = -1;
	fake_fault_start = fake_fault_end = NULL;
	fake_wait = NULL;
	fake_signal_pending = false;
	fake_klogs = 0;
	fake_output_error = 0;
	fake_clock = 1000000000;
	for (unsigned i = 0; i < MAX_RLIMITS; i++)
		fake_process.rlimit[i].rlim_cur = RLIM64_INFINITY;
	fake_process.rlimit[RLIMIT_NOFILE].rlim_cur = 1024;
	fake_process.pid = fake_process.pgid = fake_process.sid = 1;
}

void fake_end(void)
{
	assert_int_equal(fake_frames, 0);
	assert_int_equal(fake_objects, fake_lasting);
}

long fake_each_allocation_fails(void **state, int (*setup)(void **), void (*scenario)(void),
				int (*teardown)(void **))
{
	long n = 0;

	do {
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
		fake_allocations_left = n++;
		scenario();
	} while (fake_allocations_left == 0);
	return n;
}

/* ---- mappings ---- */

/* No test maps a file. */
struct inode;
void space_unmap_file(struct inode *inode, u64 first, u64 last, bool copies);
void space_unmap_file(struct inode *inode, u64 first, u64 last, bool copies)
{
	(void)inode;
	(void)first;
	(void)last;
	(void)copies;
}

void space_protect_file(struct inode *inode, u64 index);
void space_protect_file(struct inode *inode, u64 index)
{
	(void)inode;
	(void)index;
}

/* No AF_UNIX, for those who list sockets of the network. */
__attribute__((weak)) const struct unix_socket *unix_next(const struct unix_socket *after)
{
	(void)after;
	return NULL;
}
__attribute__((weak)) int unix_unread(const struct unix_socket *u)
{
	(void)u;
	return 0;
}
