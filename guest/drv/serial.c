/*
 * Polled: input is looked for every few milliseconds while somebody waits for
 * it, since this console serves cross checks under other VMMs only.
 */
#include "../libos/entry.h"
#include "../libos/sched.h"
#include "../libos/thread.h"
#include "console.h"
#include "serial.h"

#define LINE_STATUS (SERIAL_PORT + 5)
#define DATA_READY  0x01
#define SENDER_FREE 0x20
#define POLL_NS     5000000

static u8 port_in(unsigned port)
{
	return kcall(KCALL_PORT, port | 1 << 16, 0, 0);
}

/* A port that nothing answers reads as all ones. */
static bool absent(void)
{
	return port_in(LINE_STATUS) == 0xff;
}

void serial_start(void)
{
	kcall(KCALL_PORT, (SERIAL_PORT + 1) | 1 << 16 | 1 << 24, 0, 0); /* no interrupts */
}

long serial_write(const void *buf, size_t n)
{
	const u8 *p = buf;
	if (absent())
		return -EIO;
	for (size_t i = 0; i < n; i++) {
		while (!(port_in(LINE_STATUS) & SENDER_FREE))
			;
		kcall(KCALL_PORT, SERIAL_PORT | 1 << 16 | 1 << 24, p[i], 0);
	}
	return n;
}

bool serial_poll_in(void)
{
	return port_in(LINE_STATUS) & DATA_READY;
}

long serial_read(void *buf, size_t n, bool nonblock)
{
	u8 *p = buf;
	size_t got = 0;
	if (absent())
		return 0;
	while (!serial_poll_in()) {
		if (nonblock)
			return -EAGAIN;
		int reason = wait_on(&console_in_wait, now_ns() + POLL_NS);
		if (reason == -EINTR)
			return reason;
	}
	while (got < n && serial_poll_in())
		p[got++] = port_in(SERIAL_PORT);
	return got;
}
