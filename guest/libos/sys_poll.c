/*
 * poll, ppoll, select, pselect6. All become an array of slots, one a
 * descriptor: look at each file once, leaving the thread on the file's wait
 * queues; while none is ready, sleep and look again.
 */
#include "poll.h"
#include <linux/time_types.h>
#include "fd.h"
#include "heap.h"
#include "process.h"
#include "signal.h"
#include "sys.h"

#define READ_BITS   (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define WRITE_BITS  (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define EXCEPT_BITS POLLPRI

struct slot {
	struct file *file; /* with a reference, or NULL */
	int fd;
	u32 events, ready;
};

/* ---- wait queues ---- */

#define WAITERS 30

struct waiters {
	struct waiters *next;
	unsigned used;
	struct waiter waiter[WAITERS];
};

struct poller {
	struct poll_table table;
	struct waiters *all;
	unsigned few_used;
	struct waiter few[4];
	bool no_memory;
};

void poll_wait(struct poll_table *table, struct waitq *q)
{
	if (table != NULL)
		table->queue(table, q);
}

u32 file_poll(struct file *file, struct poll_table *table)
{
	if (file->ops->poll == NULL)
		return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
	return file->ops->poll(file, table);
}

static void poller_queue(struct poll_table *table, struct waitq *q)
{
	struct poller *p = container_of(table, struct poller, table);
	struct waiters *w = p->all;

	if (p->few_used < ARRAY_SIZE(p->few)) {
		wait_add(q, &p->few[p->few_used++]);
		return;
	}
	if (w == NULL || w->used == WAITERS) {
		w = kalloc(sizeof(*w));
		if (w == NULL) {
			p->no_memory = true;
			return;
		}
		w->next = p->all;
		p->all = w;
	}
	wait_add(q, &w->waiter[w->used++]);
}

static void poller_done(struct poller *p)
{
	struct waiters *next;

	for (unsigned i = 0; i < p->few_used; i++)
		wait_done(&p->few[i]);
	for (struct waiters *w = p->all; w != NULL; w = next) {
		next = w->next;
		for (unsigned i = 0; i < w->used; i++)
			wait_done(&w->waiter[i]);
		kfree(w);
	}
}

/* ---- slots ---- */

static void slots_open(struct slot *slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		slots[i].file = slots[i].fd >= 0 ? fd_get(slots[i].fd) : NULL;
}

static void slots_close(struct slot *slots, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (slots[i].file != NULL)
			file_put(slots[i].file);
}

/* How many are ready. */
static int scan(struct slot *slots, unsigned n, struct poll_table *table)
{
	int ready = 0;

	for (unsigned i = 0; i < n; i++) {
		struct slot *s = &slots[i];

		if (s->fd < 0)
			s->ready = 0;
		else if (s->file == NULL)
			s->ready = POLLNVAL;
		else
			s->ready = file_poll(s->file, ready == 0 ? table : NULL) & s->events;
		ready += s->ready != 0;
	}
	return ready;
}

/* Until a slot is ready or the deadline (0: do not wait) has passed: how many
 * are, -EINTR or -ENOMEM. */
static int slots_wait(struct slot *slots, unsigned n, u64 deadline)
{
	struct poller p = { .table.queue = poller_queue };
	int ready = scan(slots, n, deadline != 0 ? &p.table : NULL), error = 0;

	while (ready == 0 && error == 0 && deadline != 0) {
		error = p.no_memory ? -ENOMEM : wait_sleep(deadline);
		ready = scan(slots, n, NULL);
	}
	poller_done(&p);
	return ready > 0 || error == -ETIMEDOUT ? ready : error;
}

/* ---- timeouts ---- */

static u64 deadline_after(u64 sec, u64 nsec)
{
	u64 ns, deadline;

	if (sec == 0 && nsec == 0)
		return 0;
	if (__builtin_mul_overflow(sec, 1000000000ul, &ns) ||
	    __builtin_add_overflow(ns, nsec, &ns) ||
	    __builtin_add_overflow(ns, now_ns(), &deadline))
		return NEVER;
	return deadline;
}

static int deadline_get(const struct __kernel_timespec *user, u64 *deadline)
{
	struct __kernel_timespec ts;

	*deadline = NEVER;
	if (user == NULL)
		return 0;
	if (get_user(ts, user) < 0)
		return -EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
		return -EINVAL;
	*deadline = deadline_after(ts.tv_sec, ts.tv_nsec);
	return 0;
}

static u64 time_left(u64 deadline)
{
	u64 now = now_ns();

	return deadline > now ? deadline - now : 0;
}

/* Linux leaves what remained of the timeout with the program, and does not
 * mind if it cannot. */
static void deadline_put(struct __kernel_timespec *user, u64 deadline)
{
	u64 left = time_left(deadline);
	struct __kernel_timespec ts = { left / 1000000000, left % 1000000000 };

	if (user != NULL && deadline != NEVER)
		(void)copy_to_user(user, &ts, sizeof(ts));
}

/* ---- poll ---- */

static long poll_slots(struct pollfd *user, struct slot *slots, unsigned n, u64 deadline)
{
	long r;

	for (unsigned i = 0; i < n; i++) {
		struct pollfd p;

		if (get_user(p, &user[i]) < 0)
			return -EFAULT;
		slots[i].fd = p.fd;
		slots[i].events = (u16)p.events | POLLERR | POLLHUP;
	}
	slots_open(slots, n);
	r = slots_wait(slots, n, deadline);
	slots_close(slots, n);
	for (unsigned i = 0; i < n; i++)
		if (put_user(&user[i].revents, (short)slots[i].ready) < 0)
			return -EFAULT;
	return r;
}

static long do_poll(struct pollfd *user, unsigned int n, u64 deadline)
{
	struct slot few[8], *slots = few;
	long r;

	if (n > current_process()->rlimit[RLIMIT_NOFILE].rlim_cur)
		return -EINVAL;
	memset(few, 0, sizeof(few));
	if (n > ARRAY_SIZE(few))
		slots = kalloc(n * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	r = poll_slots(user, slots, n, deadline);
	if (slots != few)
		kfree(slots);
	return r;
}

long sys_poll(struct pollfd *user, unsigned int n, int ms)
{
	return do_poll(user, n, ms < 0 ? NEVER : deadline_after(0, (u64)ms * 1000000));
}

long sys_ppoll(struct pollfd *user, unsigned int n, struct __kernel_timespec *timeout,
	       const void *mask, size_t mask_size)
{
	u64 deadline;
	long r = deadline_get(timeout, &deadline);

	if (r == 0 && mask != NULL)
		r = signal_mask_set(mask, mask_size);
	if (r < 0)
		return r;
	r = do_poll(user, n, deadline);
	if (mask != NULL)
		signal_mask_restore(r == -EINTR);
	deadline_put(timeout, deadline);
	return r;
}

/* ---- select ---- */

enum { IN, OUT, EX, SETS };

struct sets {
	u64 *user[SETS]; /* the program's, or NULL */
	u64 *bits; /* copies, one after the other */
	unsigned words; /* of each */
};

static const u32 set_events[SETS] = { READ_BITS, WRITE_BITS, EXCEPT_BITS };

static u64 *set_of(const struct sets *s, unsigned which)
{
	return s->bits + which * s->words;
}

static u64 any_bits(const struct sets *s, unsigned word)
{
	return set_of(s, IN)[word] | set_of(s, OUT)[word] | set_of(s, EX)[word];
}

/* One slot for each descriptor that is in any set; how many. */
static unsigned slots_of_sets(const struct sets *s, struct slot *slots, unsigned n)
{
	unsigned count = 0;

	for (unsigned fd = 0; fd < n; fd++) {
		u32 events = 0;

		if (!(any_bits(s, fd / 64) >> fd % 64 & 1))
			continue;
		for (unsigned set = IN; set < SETS; set++)
			if (set_of(s, set)[fd / 64] >> fd % 64 & 1)
				events |= set_events[set];
		slots[count++] = (struct slot){ .fd = fd, .events = events };
	}
	return count;
}

/* The sets as the program shall see them; the number of bits in them. */
static long sets_result(const struct sets *s, const struct slot *slots, unsigned count)
{
	long total = 0;

	for (unsigned i = 0; i < count; i++) {
		u64 bit = (u64)1 << slots[i].fd % 64;

		for (unsigned set = IN; set < SETS; set++) {
			u64 *word = &set_of(s, set)[slots[i].fd / 64];

			if (!(*word & bit))
				continue;
			if (slots[i].ready & set_events[set])
				total++;
			else
				*word &= ~bit;
		}
	}
	return total;
}

static long select_slots(const struct sets *s, struct slot *slots, unsigned n, u64 deadline)
{
	unsigned count = slots_of_sets(s, slots, n);
	long r = 0;

	slots_open(slots, count);
	for (unsigned i = 0; i < count; i++)
		if (slots[i].file == NULL)
			r = -EBADF;
	if (r == 0)
		r = slots_wait(slots, count, deadline);
	slots_close(slots, count);
	return r < 0 ? r : sets_result(s, slots, count);
}

static long sets_copy(const struct sets *s, bool in)
{
	size_t size = s->words * sizeof(u64);

	for (unsigned set = IN; set < SETS; set++) {
		u64 *mine = set_of(s, set), *user = s->user[set];

		if (user != NULL &&
		    (in ? copy_from_user(mine, user, size) : copy_to_user(user, mine, size)) < 0)
			return -EFAULT;
	}
	return 0;
}

static long do_select(int n, u64 *in, u64 *out, u64 *ex, u64 deadline)
{
	struct sets s = { .user = { in, out, ex } };
	struct slot *slots;
	long r, count;

	if (n < 0)
		return -EINVAL;
	n = MIN((unsigned)n, fd_count());
	s.words = (n + 63) / 64;
	s.bits = kalloc(SETS * s.words * sizeof(u64) + n * sizeof(*slots) + 1);
	if (s.bits == NULL)
		return -ENOMEM;
	slots = (struct slot *)(s.bits + SETS * s.words);
	r = sets_copy(&s, true);
	if (r == 0) {
		count = select_slots(&s, slots, n, deadline);
		r = count < 0 || sets_copy(&s, false) == 0 ? count : -EFAULT;
	}
	kfree(s.bits);
	return r;
}

long sys_select(int n, u64 *in, u64 *out, u64 *ex, struct __kernel_old_timeval *timeout)
{
	struct __kernel_old_timeval tv = { 0, 0 };
	u64 deadline = NEVER;
	long r;

	if (timeout != NULL) {
		if (get_user(tv, timeout) < 0)
			return -EFAULT;
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -EINVAL;
		deadline = deadline_after(tv.tv_sec + tv.tv_usec / 1000000,
					  tv.tv_usec % 1000000 * 1000);
	}
	r = do_select(n, in, out, ex, deadline);
	if (timeout != NULL && deadline != NEVER) {
		u64 left = time_left(deadline);

		tv.tv_sec = left / 1000000000;
		tv.tv_usec = left % 1000000000 / 1000;
		(void)copy_to_user(timeout, &tv, sizeof(tv));
	}
	return r;
}

long sys_pselect6(int n, u64 *in, u64 *out, u64 *ex, struct __kernel_timespec *timeout,
		  const struct pselect_mask *user_mask)
{
	struct pselect_mask mask = { NULL, 0 };
	u64 deadline;
	long r;

	if (user_mask != NULL && get_user(mask, user_mask) < 0)
		return -EFAULT;
	r = deadline_get(timeout, &deadline);
	if (r == 0 && mask.set != NULL)
		r = signal_mask_set(mask.set, mask.size);
	if (r < 0)
		return r;
	r = do_select(n, in, out, ex, deadline);
	if (mask.set != NULL)
		signal_mask_restore(r == -EINTR);
	deadline_put(timeout, deadline);
	return r;
}
