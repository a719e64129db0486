/*
 * The network, served by a vCPU's thread, see attend.h.
 *
 *   AWAY --the guest waits--> INSIDE --frames, an interrupt, a signal--> NEAR
 *    ^                         |  ^                                       |
 *    +-- nothing in that time -+  +----------- the guest waits -----------+
 *    +------------- the guest has not come back for a while --------------+
 *
 * AWAY: the I/O thread listens to the backends, and each frame that the driver sends
 * may be announced by a doorbell. INSIDE: the vCPU's thread is here. NEAR: it runs the
 * guest, nobody listens, and doorbells come only when much waits to be sent; the I/O
 * thread looks at its watch now and then, so that whatever the guest does instead,
 * frames wait for two of its rounds at most.
 */
#include <poll.h>
#include <time.h>
#include <unistd.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include "attend.h"
#include "io.h"
#include "net.h"

#define WATCH_NS 500000
#define WAIT_MAX 10000 /* us */

enum { AWAY, INSIDE, NEAR };

static struct {
	pthread_mutex_t lock; /* guards all of this; taken before a device's */
	atomic_int state;
	/* Who is inside, or comes in, is to go back at once. Without the lock; the guest
	 * may be on its way here when an interrupt comes that it cannot take any more. */
	atomic_bool woken;
	bool came; /* since the watch was last looked at */
	bool open; /* the descriptors are */
	int wake_fd, watch_fd; /* wake_fd: ends the wait of who is inside */
	struct vm *vm;
	struct io_op op; /* waits for watch_fd, always */
} attended = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void set_watch(long ns)
{
	const struct timespec round = { .tv_nsec = ns };
	const struct itimerspec timer = { .it_value = round, .it_interval = round };

	timerfd_settime(attended.watch_fd, 0, &timer, NULL);
}

/* Lock held. */
static void go_away(void)
{
	attended.state = AWAY;
	set_watch(0);
	net_move(attended.vm, NET_BY_IO_THREAD);
}

/* I/O thread. */
static void look_at_watch(struct io_op *op, int result)
{
	uint64_t rounds;

	(void)result;
	pthread_mutex_lock(&attended.lock);
	if (read(attended.watch_fd, &rounds, sizeof(rounds)) > 0 && attended.state == NEAR) {
		if (!attended.came)
			go_away();
		attended.came = false;
	}
	pthread_mutex_unlock(&attended.lock);
	io_poll(attended.vm, op, attended.watch_fd, POLLIN);
}

/* At the first time: false, the host has no descriptors left. */
static bool open_descriptors(struct vm *vm)
{
	if (attended.open)
		return true;
	attended.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (attended.wake_fd < 0)
		return false;
	attended.watch_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (attended.watch_fd < 0) {
		close(attended.wake_fd);
		return false;
	}
	attended.vm = vm;
	attended.op.done = look_at_watch;
	io_poll(vm, &attended.op, attended.watch_fd, POLLIN);
	attended.open = true;
	return true;
}

/* False: another vCPU is here already, or nobody can be. */
static bool come_in(const struct vcpu *vcpu)
{
	bool in;

	pthread_mutex_lock(&attended.lock);
	in = attended.state != INSIDE && open_descriptors(vcpu->vm);
	if (in) {
		if (attended.state == AWAY)
			set_watch(WATCH_NS);
		attended.state = INSIDE;
		attended.came = true;
	}
	pthread_mutex_unlock(&attended.lock);
	return in;
}

static void go_out(bool near)
{
	pthread_mutex_lock(&attended.lock);
	if (near)
		attended.state = NEAR;
	else
		go_away();
	pthread_mutex_unlock(&attended.lock);
}

/* False: the time passed, and nothing came. */
static bool wait_for_frames(uint32_t us)
{
	const struct timespec time = { .tv_nsec = (long)us * 1000 };
	struct pollfd fds[1 + NET_FDS_MAX];
	eventfd_t count;
	int n;

	if (atomic_exchange(&attended.woken, false))
		return true;
	fds[0] = (struct pollfd){ .fd = attended.wake_fd, .events = POLLIN };
	n = ppoll(fds, 1 + net_fds(attended.vm, fds + 1), &time, NULL);
	if (fds[0].revents) {
		eventfd_read(attended.wake_fd, &count);
		attended.woken = false;
	}
	return n != 0;
}

/* Both sides write first and look then, so that one of them sees the other. */
void attend_interrupted(void)
{
	if (!atomic_exchange(&attended.woken, true) && attended.state == INSIDE)
		eventfd_write(attended.wake_fd, 1);
}

void attend(const struct vcpu *vcpu, uint32_t value)
{
	const uint32_t us = value < WAIT_MAX ? value : WAIT_MAX;
	bool near = false;

	if (value == ATTEND_WAKE) {
		attend_interrupted();
		return;
	}
	if (!come_in(vcpu))
		return;
	if (us) {
		near = net_move(vcpu->vm, NET_NEAR);
		if (!near && vcpu->vm->opt->cpus > 1) /* for the others' doorbells */
			near = net_move(vcpu->vm, NET_INSIDE);
		if (!near && (near = wait_for_frames(us)))
			net_move(vcpu->vm, NET_NEAR);
	}
	go_out(near);
}
