/*
 * The clock is the TSC, scaled: ns = (tsc * mult >> 32) + base. Both bases are
 * in the vCPU area, where the vDSO reads them too.
 */
#include "boot_info.h"
#include "clock.h"
#include "cpus.h"
#include "entry.h"
#include "proc_info.h"
#include "sched.h"

#define PIT_HZ      1193182
#define PIT_COUNTER 0x40
#define PIT_COMMAND 0x43
#define RTC_INDEX   0x70
#define RTC_DATA    0x71
#define NS          1000000000ull

static u64 tsc_per_ms;

static u64 scale(u64 tsc)
{
	return (unsigned __int128)tsc * libos_area()->clock.mult >> 32;
}

u64 now_ns(void)
{
	return scale(rdtsc()) + libos_area()->clock.monotonic_base;
}

u64 realtime_ns(void)
{
	return scale(rdtsc()) + libos_area()->clock.realtime_base;
}

void clock_adjust_realtime(i64 ns)
{
	for (unsigned i = 0; i < MAX_CPUS && cpus[i]; i++)
		cpus[i]->libos->clock.realtime_base += ns;
}

void clock_copy(const void *from_area, void *to_area)
{
	const struct libos_area *from = from_area;
	struct libos_area *to = to_area;
	to->clock = from->clock;
}

static u8 port_in(unsigned port)
{
	return kcall(KCALL_PORT, port | 1 << 16, 0, 0);
}

static void port_out(unsigned port, u8 value)
{
	kcall(KCALL_PORT, port | 1 << 16 | 1 << 24, value, 0);
}

/* Counter 0 of the PIT, latched (8254, "read operations"). */
static unsigned pit_count(void)
{
	port_out(PIT_COMMAND, 0);
	unsigned low = port_in(PIT_COUNTER);
	return low | port_in(PIT_COUNTER) << 8;
}

/*
 * TSC ticks a second: what the PIT counts down from 65536 in 2^22 ticks, which
 * are 1 to 8 ms, to a part in a thousand; it takes 55 ms to wrap.
 */
static u64 calibrate(void)
{
	port_out(PIT_COMMAND, 0x34); /* counter 0, both bytes, mode 2 */
	port_out(PIT_COUNTER, 0);
	port_out(PIT_COUNTER, 0);
	unsigned first = pit_count();
	u64 start = rdtsc(), now;
	do
		now = rdtsc();
	while (now - start < 1 << 22);
	unsigned passed = (first - pit_count()) & 0xffff;
	if (!passed)
		panic("no TSC frequency: the PIT does not count");
	return (now - start) * PIT_HZ / passed;
}

static unsigned rtc(unsigned reg)
{
	port_out(RTC_INDEX, reg);
	return port_in(RTC_DATA);
}

static unsigned rtc_number(unsigned reg, bool bcd)
{
	unsigned v = rtc(reg);
	return bcd ? (v >> 4) * 10 + (v & 15) : v;
}

/* Seconds since 1970 from the MC146818; 0 when there is none. */
static u64 rtc_seconds(void)
{
	static const u16 days_before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	if (rtc(0xa) == 0xff)
		return 0;
	while (rtc(0xa) & 0x80)
		;
	bool bcd = !(rtc(0xb) & 4);
	unsigned year = 2000 + rtc_number(9, bcd), month = rtc_number(8, bcd);
	unsigned leaps = (year - 1969) / 4; /* right until 2100 */
	if (month < 1 || month > 12)
		return 0;
	u64 days = (year - 1970) * 365 + leaps + days_before[month - 1] + rtc_number(7, bcd) - 1;
	if (month > 2 && year % 4 == 0)
		days++;
	return days * 86400 + rtc_number(4, bcd) * 3600 + rtc_number(2, bcd) * 60 +
	       rtc_number(0, bcd);
}

void clock_init(void)
{
	struct boot_info *b = &boot_info;
	struct clock_base *clock = &libos_area()->clock;
	if (!b->tsc_hz)
		b->tsc_hz = calibrate();
	if (!b->realtime_ns) {
		b->realtime_tsc = rdtsc();
		b->realtime_ns = rtc_seconds() * NS;
	}
	tsc_per_ms = b->tsc_hz / 1000;
	clock->mult = (NS << 32) / b->tsc_hz;
	clock->monotonic_base = -(i64)scale(rdtsc());
	clock->realtime_base = b->realtime_ns - scale(b->realtime_tsc);
}

void clock_arm(u64 deadline_ns)
{
	if (deadline_ns == NEVER) {
		kcall(KCALL_TIMER, 0, 0, 0);
		return;
	}
	u64 now = now_ns();
	u64 delta = deadline_ns > now ? deadline_ns - now : 0;
	delta = MIN(delta, NS * 3600);
	/* a local APIC without TSC deadline counts ns, in KVM and in QEMU */
	kcall(KCALL_TIMER,
	      rdtsc() + delta / 1000000 * tsc_per_ms + delta % 1000000 * tsc_per_ms / 1000000 + 1,
	      delta ? delta : 1, 0);
}

u64 cpu_khz(void)
{
	return tsc_per_ms;
}
