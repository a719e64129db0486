// link: guest/libos/timer.c
/*
 * The library OS's timers: in which order they come, what of it a vCPU's local
 * APIC is told, and on which vCPU.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <asm/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../../guest/libos/cpus.h"
#include "../../guest/libos/timer.h"

static struct vcpu_area areas[2];
static struct cpu both[2];
static struct timer timers[3];
static u64 now;
static char came[8];

u64 now_ns(void)
{
	return now;
}

static void expired(struct timer *timer)
{
	came[strlen(came)] = (char)('a' + (timer - timers));
}

static struct libos_area *libos_of(int n)
{
	return (struct libos_area *)areas[n].libos;
}

static void go_to(int n)
{
	syscall(SYS_arch_prctl, ARCH_SET_GS, &areas[n]);
}

static void run_at(u64 time)
{
	now = time;
	memset(came, 0, sizeof(came));
	timers_run();
}

static int begin(void **state)
{
	(void)state;
	memset(areas, 0, sizeof(areas));
	for (int n = 0; n < 2; n++) {
		areas[n].self = &areas[n];
		libos_of(n)->cpu = &both[n];
	}
	for (int i = 0; i < 3; i++)
		timers[i] = (struct timer){ .expired = expired };
	now = 0;
	go_to(0);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		timer_cancel(&timers[i]);
	for (int n = 0; n < 2; n++) { /* nothing is armed */
		go_to(n);
		run_at(0);
		timers_due();
	}
	return 0;
}

static void in_order(void **state)
{
	(void)state;
	timer_arm(&timers[0], 300);
	timer_arm(&timers[1], 100);
	timer_arm(&timers[2], 200);
	assert_int_equal(timers_due(), 100);
	run_at(99);
	assert_string_equal(came, "");
	run_at(200);
	assert_string_equal(came, "bc");
	timer_arm(&timers[0], 400); /* moved */
	run_at(300);
	assert_string_equal(came, "");
	run_at(400);
	assert_string_equal(came, "a");
}

static void slack_waits_for_company(void **state)
{
	(void)state;
	timers[0].slack = 50;
	timer_arm(&timers[0], 100);
	assert_int_equal(timers_due(), 150);
	timer_arm(&timers[1], 120); /* without slack: comes first, and both come */
	assert_int_equal(timers_due(), 120);
	run_at(120);
	assert_string_equal(came, "ba");
}

static void slack_is_not_early(void **state)
{
	(void)state;
	timers[0].slack = 50;
	timer_arm(&timers[0], 100);
	timer_arm(&timers[1], 90);
	run_at(90);
	assert_string_equal(came, "b");
	assert_int_equal(timers_due(), 150);
	run_at(150);
	assert_string_equal(came, "a");
}

static void asked_for_once(void **state)
{
	(void)state;
	timer_arm(&timers[0], 100);
	assert_true(libos_of(0)->work & WORK_POST);
	assert_int_equal(timers_due(), 100);
	assert_int_equal(timers_due(), NEVER);
	libos_of(0)->work = 0;
	timer_arm(&timers[1], 200); /* the first is earlier */
	assert_false(libos_of(0)->work & WORK_POST);
	assert_int_equal(timers_due(), NEVER);
	run_at(100);
	assert_true(libos_of(0)->work & WORK_POST);
	assert_int_equal(timers_due(), 200);
}

static void by_the_vcpu_that_asked(void **state)
{
	(void)state;
	timer_arm(&timers[0], 200);
	go_to(1);
	assert_int_equal(timers_due(), NEVER); /* vCPU 0 has it come */
	timer_arm(&timers[1], 100);
	assert_int_equal(timers_due(), 100);
	go_to(0);
	assert_int_equal(timers_due(), NEVER); /* no more: vCPU 1's comes first... */
	go_to(1);
	run_at(100);
	assert_string_equal(came, "b");
	assert_int_equal(timers_due(), 200); /* ...and has the other's come */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_order, begin, end),
		cmocka_unit_test_setup_teardown(slack_waits_for_company, begin, end),
		cmocka_unit_test_setup_teardown(slack_is_not_early, begin, end),
		cmocka_unit_test_setup_teardown(asked_for_once, begin, end),
		cmocka_unit_test_setup_teardown(by_the_vcpu_that_asked, begin, end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
