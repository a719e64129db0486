// link: guest/libos/signal.c guest/libos/sigcalls.c tests/unit/signal_fake.c
/*
 * Signals on the host: sending, queues, masks, and which thread takes what. A
 * second thread stands beside the first; run_as() makes it the current one.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "signal_fake.h"
#include <cmocka.h>
#include "../../guest/libos/heap.h"

static struct thread other; /* number 8 */
static bool has_other; /* it has not ended */

static void run_as(struct thread *t)
{
	((struct libos_area *)area.libos)->current = t;
}

static int setup(void **state)
{
	signal_setup(state);
	memset(&other, 0, sizeof(other));
	other.process = &process;
	other.tid = 8;
	has_other = true;
	return signals_init(&process, &other);
}

static int teardown(void **state)
{
	if (has_other)
		signals_thread_exit(&other);
	kfree(other.signals);
	return signal_teardown(state);
}

/* Of the current thread: what it blocks and what waits. */
static u64 blocked_and_waiting(void)
{
	u64 set = 0;

	assert_int_equal(sys_rt_sigpending(&set, 8), 0);
	return set;
}

/* The current thread takes that, or nothing (0). */
static void takes(int sig, int value)
{
	siginfo_t info = { .si_signo = 0 };

	assert_int_equal(signal_take(current(), current()->signals->mask, &info), sig);
	assert_int_equal(info.si_signo, sig);
	if (value >= 0)
		assert_int_equal(info.si_int, value);
}

/* ---- the queue ---- */

static void standard_waits_once(void **state)
{
	siginfo_t info;
	(void)state;
	signal_set_mask(UINT64_MAX);
	assert_int_equal(queue(SIGUSR1, 1), 0);
	assert_int_equal(queue(SIGUSR1, 2), 0);
	assert_false(signal_pending());
	assert_int_equal(signal_take(&thread, 0, &info), SIGUSR1);
	assert_int_equal(info.si_int, 1);
	assert_int_equal(signal_take(&thread, 0, &info), 0);
}

static void realtime_queues_up_to_limit(void **state)
{
	siginfo_t info;
	(void)state;
	signal_set_mask(UINT64_MAX);
	for (int i = 0; i < 4; i++)
		assert_int_equal(queue(40, i), 0);
	assert_int_equal(queue(40, 4), -EAGAIN);
	/* a standard one only loses its siginfo */
	assert_int_equal(queue(SIGUSR1, 5), 0);
	assert_int_equal(signal_take(&thread, 0, &info), SIGUSR1);
	assert_int_equal(info.si_code, SI_USER);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(signal_take(&thread, 0, &info), 40);
		assert_int_equal(info.si_int, i);
	}
	assert_int_equal(signal_take(&thread, 0, &info), 0);
}

static void order_of_taking(void **state)
{
	siginfo_t info;
	(void)state;
	signal_set_mask(UINT64_MAX);
	sys_kill(7, 40);
	sys_kill(7, SIGHUP);
	sys_tkill(7, SIGUSR1); /* the thread's go before the process's */
	sys_tkill(7, SIGSEGV); /* those of faults go first */
	assert_int_equal(signal_take(&thread, 0, &info), SIGSEGV);
	assert_int_equal(info.si_code, SI_TKILL);
	assert_int_equal(signal_take(&thread, 0, &info), SIGUSR1);
	assert_int_equal(signal_take(&thread, 0, &info), SIGHUP);
	assert_int_equal(signal_take(&thread, 0, &info), 40);
}

static void ignored_is_dropped(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	u64 set = 0;
	(void)state;
	sys_kill(7, SIGCHLD);
	assert_false(signal_pending());
	signal_set_mask(SIG_BIT(SIGUSR1));
	sys_kill(7, SIGUSR1);
	sys_rt_sigpending(&set, 8);
	assert_int_equal(set, SIG_BIT(SIGUSR1));
	sys_rt_sigaction(SIGUSR1, &ignore, NULL, 8);
	sys_rt_sigpending(&set, 8);
	assert_int_equal(set, 0);
}

static void alarm_hook(void **state)
{
	siginfo_t info;
	(void)state;
	alarms_taken = 0;
	signal_send_kernel(SIGALRM);
	assert_int_equal(signal_take(&thread, 0, &info), SIGALRM);
	assert_int_equal(info.si_code, SI_KERNEL);
	assert_int_equal(alarms_taken, 1);
}

static void realtime_by_number_then_by_age(void **state)
{
	(void)state;
	queue(41, 1);
	queue(40, 2);
	queue(41, 3);
	queue(40, 4);
	takes(40, 2);
	takes(40, 4);
	takes(41, 1);
	takes(41, 3);
	takes(0, -1);
}

/* As in Linux: kill(2) may not fail for want of a place in the queue. */
static void kill_gets_through_a_full_queue(void **state)
{
	siginfo_t info;

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(queue(40, i), 0);
	assert_int_equal(sys_kill(7, 41), 0);
	assert_int_equal(sys_tgkill(7, 8, 42), -EAGAIN);
	for (int i = 0; i < 4; i++)
		takes(40, i);
	assert_int_equal(signal_take(&thread, 0, &info), 41);
	assert_int_equal(info.si_code, SI_USER);
	assert_int_equal(info.si_pid, 0);
}

/* The limit is the process's, whatever queue the signals are in. */
static void limit_is_for_all_queues(void **state)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(queue(40, i), 0);
		assert_int_equal(sys_rt_tgsigqueueinfo(7, 8, 41, &info), 0);
	}
	assert_int_equal(queue(40, 2), -EAGAIN);
	takes(40, 0);
	assert_int_equal(queue(40, 2), 0);
	assert_int_equal(sys_rt_tgsigqueueinfo(7, 8, 41, &info), -EAGAIN);
}

static void stop_and_continue_undo_each_other(void **state)
{
	(void)state;
	handle(SIGTSTP, 0);
	handle(SIGCONT, 0);
	signal_set_mask(UINT64_MAX);
	run_as(&other);
	signal_set_mask(UINT64_MAX);
	sys_kill(7, SIGTSTP);
	sys_tkill(7, SIGTSTP);
	sys_tkill(8, SIGTSTP);
	sys_kill(7, SIGCONT);
	assert_int_equal(blocked_and_waiting(), SIG_BIT(SIGCONT));
	run_as(&thread);
	assert_int_equal(blocked_and_waiting(), SIG_BIT(SIGCONT));
	sys_tkill(8, SIGTSTP);
	assert_int_equal(blocked_and_waiting(), 0);
	assert_int_equal(process.signals->queued, 1);
}

static struct queued embedded;
static int times_taken, times_dropped;

static void embedded_taken(struct queued *q, siginfo_t *info)
{
	assert_ptr_equal(q, &embedded);
	times_taken += info != NULL;
	times_dropped += info == NULL;
}

/* A POSIX timer's: not of the heap, not counted, and told where it went. */
static void owned_entry_comes_back(void **state)
{
	(void)state;
	embedded = (struct queued){ .taken = embedded_taken };
	embedded.info.si_signo = SIGUSR2;
	times_taken = times_dropped = 0;
	assert_int_equal(signal_queue_owned(&process, NULL, &embedded), 0);
	assert_int_equal(process.signals->queued, 0);
	takes(SIGUSR2, -1);
	assert_int_equal(times_taken, 1);
	assert_int_equal(signal_queue_owned(&process, &other, &embedded), 0);
	signal_flush(&process, SIG_BIT(SIGUSR2));
	assert_int_equal(times_dropped, 1);
	embedded.info.si_signo = SIGCHLD; /* ignored */
	assert_int_equal(signal_queue_owned(&process, NULL, &embedded), 1);
	assert_int_equal(times_taken + times_dropped, 2);
}

/* ---- masks ---- */

static void kill_and_stop_cannot_be_blocked(void **state)
{
	struct sigaction action = { .sa_handler = SIG_IGN };
	u64 all = UINT64_MAX, mask = 0;

	(void)state;
	assert_int_equal(sys_rt_sigprocmask(SIG_SETMASK, &all, NULL, 8), 0);
	assert_int_equal(sys_rt_sigprocmask(SIG_BLOCK, &all, &mask, 8), 0);
	assert_int_equal(mask, ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP)));
	assert_int_equal(sys_rt_sigaction(SIGKILL, &action, NULL, 8), -EINVAL);
	assert_int_equal(sys_rt_sigaction(SIGSTOP, &action, NULL, 8), -EINVAL);
	assert_int_equal(sys_rt_sigaction(SIGKILL, NULL, &action, 8), 0);
	assert_true(action.sa_handler == SIG_DFL);
	action.sa_mask = UINT64_MAX;
	assert_int_equal(sys_rt_sigaction(SIGUSR1, &action, NULL, 8), 0);
	assert_int_equal(sys_rt_sigaction(SIGUSR1, NULL, &action, 8), 0);
	assert_int_equal(action.sa_mask, ~(SIG_BIT(SIGKILL) | SIG_BIT(SIGSTOP)));
	sys_kill(7, SIGTERM);
	assert_false(signal_pending());
	sys_kill(7, SIGKILL);
	assert_true(signal_pending());
	assert_true(libos_area()->work & WORK_SIGNAL);
	takes(SIGKILL, -1);
}

static void masks_add_and_take_away(void **state)
{
	u64 set = SIG_BIT(SIGUSR1) | SIG_BIT(40), before = 7;

	(void)state;
	assert_int_equal(sys_rt_sigprocmask(SIG_BLOCK, &set, &before, 8), 0);
	assert_int_equal(before, 0);
	sys_kill(7, SIGUSR1);
	assert_false(libos_area()->work & WORK_SIGNAL);
	set = SIG_BIT(SIGUSR1);
	assert_int_equal(sys_rt_sigprocmask(SIG_UNBLOCK, &set, &before, 8), 0);
	assert_int_equal(before, SIG_BIT(SIGUSR1) | SIG_BIT(40));
	assert_true(libos_area()->work & WORK_SIGNAL);
	assert_int_equal(sys_rt_sigprocmask(99, NULL, &before, 8), 0);
	assert_int_equal(before, SIG_BIT(40));
	assert_int_equal(sys_rt_sigprocmask(99, &set, NULL, 8), -EINVAL);
	assert_int_equal(sys_rt_sigprocmask(SIG_BLOCK, &set, NULL, 4), -EINVAL);
	assert_int_equal(sys_rt_sigprocmask(SIG_BLOCK, (u64 *)8, NULL, 8), -EFAULT);
	assert_int_equal(sys_rt_sigprocmask(SIG_BLOCK, NULL, (u64 *)8, 8), -EFAULT);
	assert_int_equal(thread.signals->mask, SIG_BIT(40));
}

/* ---- threads ---- */

static void thread_s_own_stays_its_own(void **state)
{
	(void)state;
	assert_int_equal(sys_tkill(8, SIGUSR1), 0);
	assert_ptr_equal(kicked, &other);
	assert_false(signal_pending());
	takes(0, -1);
	run_as(&other);
	assert_true(signal_pending());
	takes(SIGUSR1, -1);
	takes(0, -1);
}

static void process_s_goes_to_who_lets_it_in(void **state)
{
	(void)state;
	signal_set_mask(SIG_BIT(SIGUSR1));
	sys_kill(7, SIGUSR1);
	assert_ptr_equal(kicked, &other);
	assert_false(signal_pending());
	assert_int_equal(blocked_and_waiting(), SIG_BIT(SIGUSR1));
	run_as(&other);
	assert_int_equal(blocked_and_waiting(), 0); /* it is to be delivered */
	takes(SIGUSR1, -1);
	run_as(&thread);
	assert_int_equal(blocked_and_waiting(), 0); /* once for all */
}

/* One that was announced to a thread which then blocks it goes to another. */
static void blocking_hands_over(void **state)
{
	(void)state;
	signal_set_mask(SIG_BIT(SIGUSR1));
	sys_kill(7, SIGUSR1);
	run_as(&other);
	kicked = NULL;
	signal_set_mask(SIG_BIT(SIGUSR1));
	assert_null(kicked); /* nobody lets it in */
	run_as(&thread);
	signal_set_mask(0);
	assert_true(signal_pending());
	run_as(&other);
	signal_set_mask(0);
	kicked = NULL;
	signal_set_mask(SIG_BIT(SIGUSR1));
	assert_ptr_equal(kicked, &thread);
	run_as(&thread);
	takes(SIGUSR1, -1);
}

static void ending_hands_over(void **state)
{
	(void)state;
	sys_tkill(8, 40);
	sys_tkill(8, 40);
	signal_set_mask(SIG_BIT(SIGUSR1));
	sys_kill(7, SIGUSR1);
	assert_int_equal(process.signals->queued, 3);
	signal_set_mask(0);
	kicked = NULL;
	signals_thread_exit(&other);
	has_other = false;
	assert_ptr_equal(kicked, &thread);
	assert_int_equal(process.signals->queued, 1); /* its own went with it */
	takes(SIGUSR1, -1);
	assert_int_equal(sys_tkill(8, SIGUSR1), -ESRCH);
}

static void ignored_waits_where_blocked(void **state)
{
	(void)state;
	sys_kill(7, SIGCHLD);
	assert_int_equal(process.signals->queued, 0);
	run_as(&other);
	signal_set_mask(SIG_BIT(SIGCHLD));
	sys_kill(7, SIGCHLD);
	assert_int_equal(process.signals->queued, 1);
	assert_int_equal(blocked_and_waiting(), SIG_BIT(SIGCHLD));
}

/* A fault's signal reaches its thread whatever that thinks of it. */
static void fault_s_cannot_be_refused(void **state)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	siginfo_t info = { .si_code = SEGV_MAPERR };

	(void)state;
	sys_rt_sigaction(SIGSEGV, &ignore, NULL, 8);
	signal_set_mask(UINT64_MAX);
	sys_kill(7, SIGHUP);
	signal_force(SIGSEGV, &info);
	assert_true(process.signals->action[SIGSEGV - 1].sa_handler == SIG_DFL);
	assert_int_equal(signal_take_synchronous(&other, &info), 0);
	assert_int_equal(signal_take_synchronous(&thread, &info), SIGSEGV);
	assert_int_equal(info.si_code, SEGV_MAPERR);
	assert_int_equal(signal_take_synchronous(&thread, &info), 0);
}

static void senders_arguments(void **state)
{
	siginfo_t info = { .si_code = SI_QUEUE };

	(void)state;
	assert_int_equal(sys_kill(7, 65), -EINVAL);
	assert_int_equal(sys_kill(7, -1), -EINVAL);
	assert_int_equal(sys_kill(7, 0), 0);
	assert_int_equal(sys_kill(9, SIGUSR1), -ESRCH);
	assert_int_equal(sys_kill(-1, SIGUSR1), -ESRCH);
	assert_int_equal(sys_tkill(0, SIGUSR1), -EINVAL);
	assert_int_equal(sys_tkill(9, SIGUSR1), -ESRCH);
	assert_int_equal(sys_tgkill(9, 8, SIGUSR1), -ESRCH);
	assert_int_equal(sys_tgkill(0, 8, SIGUSR1), -EINVAL);
	assert_int_equal(sys_rt_sigqueueinfo(9, SIGUSR1, &info), -ESRCH);
	assert_int_equal(sys_rt_sigqueueinfo(7, 65, &info), -EINVAL);
	assert_int_equal(sys_rt_sigqueueinfo(7, SIGUSR1, (siginfo_t *)8), -EFAULT);
	info.si_code = SI_USER; /* only to oneself */
	assert_int_equal(sys_rt_sigqueueinfo(9, SIGUSR1, &info), -EPERM);
	assert_int_equal(sys_rt_tgsigqueueinfo(7, 0, SIGUSR1, &info), -EINVAL);
	assert_false(signal_pending());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		TEST(standard_waits_once),
		TEST(realtime_queues_up_to_limit),
		TEST(order_of_taking),
		TEST(ignored_is_dropped),
		TEST(alarm_hook),
		TEST(realtime_by_number_then_by_age),
		TEST(kill_gets_through_a_full_queue),
		TEST(limit_is_for_all_queues),
		TEST(stop_and_continue_undo_each_other),
		TEST(owned_entry_comes_back),
		TEST(kill_and_stop_cannot_be_blocked),
		TEST(masks_add_and_take_away),
		TEST(thread_s_own_stays_its_own),
		TEST(process_s_goes_to_who_lets_it_in),
		TEST(blocking_hands_over),
		TEST(ending_hands_over),
		TEST(ignored_waits_where_blocked),
		TEST(fault_s_cannot_be_refused),
		TEST(senders_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
