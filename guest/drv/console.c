/*
 * The host's standard streams: two virtio consoles (0: input and output, 1:
 * error), or the first serial port where there is none.
 *
 * Output goes through a buffer of the driver's own, one request at a time,
 * and a write waits until its request is done: the host's answer (abi.h: the
 * used length is an errno) is the answer of that very write. A signal may cut
 * the wait short; the bytes are then on their way, as in a pipe.
 *
 * Input is asked for when the program reads, no more than it asked for. Only
 * from a terminal is it fetched ahead, because ^C must work while nobody
 * reads; it goes to the line discipline then.
 */
#include <linux/virtio_console.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include "../libos/boot_info.h"
#include "../libos/entry.h"
#include "../libos/frames.h"
#include "../libos/heap.h"
#include "../libos/process.h"
#include "console.h"
#include "serial.h"
#include "virtio.h"

#define RECEIVE  0
#define TRANSMIT 1
#define BUFFER   (64 * 1024) /* or less, where memory is short */
#define TTY_READ 256

struct waitq console_in_wait = WAITQ_INIT(console_in_wait);
struct waitq console_out_wait = WAITQ_INIT(console_out_wait);

static struct virtio console[2];
static bool present[2], tried[2];
static u8 *out_buffer[2], *in_buffer;
static size_t out_size[2], in_size; /* of these buffers */
static size_t in_have, in_at; /* received and not yet read: in_buffer[in_at..in_have) */
static bool in_eof; /* the last request ended with the end of file */

unsigned console_kind(int fd)
{
	return boot_info.stdio[fd] & STDIO_KIND;
}

static void receive_done(void);

static void on_interrupt(struct virtio *dev)
{
	u16 seen = dev->queue[TRANSMIT].seen;
	bool progress = dev->queue[TRANSMIT].used->idx != seen;
	if (dev == &console[0]) {
		progress |= dev->queue[RECEIVE].busy &&
			    dev->queue[RECEIVE].used->idx != dev->queue[RECEIVE].seen;
		receive_done();
	}
	wake_all(&console_out_wait);
	if (!progress)
		tty_resized();
}

static const struct virtio_place *place_of(unsigned index)
{
	for (unsigned i = 0; i < boot_info.nvirtio; i++)
		if (boot_info.virtio[i].console == (int)index)
			return &boot_info.virtio[i];
	return boot_info.device_tree ? NULL : virtio_find(VIRTIO_ID_CONSOLE, index);
}

/* As large as there is memory for, at most *size, which is then its size. */
static u8 *make_buffer(size_t *size)
{
	u8 *buffer = kalloc(*size);
	while (!buffer && *size > PAGE_SIZE) {
		*size /= 2;
		buffer = kalloc(*size);
	}
	return buffer;
}

/* Sets console 0 or 1 up when it is first needed. */
static bool have(unsigned index)
{
	if (tried[index])
		return present[index];
	tried[index] = true;
	const struct virtio_place *place = place_of(index);
	if (!place)
		return false;
	console[index].interrupt = on_interrupt;
	if (virtio_setup(&console[index], place, 1ull << VIRTIO_CONSOLE_F_SIZE, 2))
		return false;
	out_size[index] = BUFFER;
	out_buffer[index] = make_buffer(&out_size[index]);
	present[index] = out_buffer[index] != NULL;
	return present[index];
}

/* Waits until no output request is in flight; its result. */
static int output_idle(struct virtio *dev, bool nonblock)
{
	struct virtq *q = &dev->queue[TRANSMIT];
	u32 error = 0;
	while (q->busy && !virtq_done(q, &error)) {
		virtq_interrupts(q, true);
		if (virtq_done(q, &error))
			break;
		if (nonblock)
			return -EAGAIN;
		int reason = wait_on(&console_out_wait, NEVER);
		if (reason)
			return reason;
	}
	/* only our VMM gives the length a meaning */
	return boot_info.device_tree ? -(int)error : 0;
}

static unsigned out_device(int out)
{
	if (out == 2 && !(boot_info.stdio[2] & STDIO_SAME_AS_OUT) && have(1))
		return 1;
	return 0;
}

static bool echo_in_flight; /* nobody waits for console 0's request */

static long write_piece(unsigned index, const void *buf, size_t n, bool nonblock)
{
	struct virtio *dev = &console[index];
	int error = output_idle(dev, nonblock);
	if (error)
		return error;
	echo_in_flight = false;
	memcpy(out_buffer[index], buf, n);
	virtq_interrupts(&dev->queue[TRANSMIT], false);
	virtq_submit(dev, &dev->queue[TRANSMIT], virt_to_phys(out_buffer[index]), n, false);
	error = output_idle(dev, false);
	return error && error != -EINTR ? error : (long)n;
}

long console_write(int out, const void *buf, size_t n, bool nonblock)
{
	unsigned index = out_device(out);
	if (!have(index))
		return serial_write(buf, n);
	size_t done = 0;
	while (done < n) {
		long moved = write_piece(index, (const u8 *)buf + done,
					 MIN(n - done, out_size[index]), nonblock);
		if (moved < 0)
			return done ? (long)done : moved;
		done += moved;
		if (signal_pending())
			break;
	}
	return done;
}

/* The request of a write that waits is not touched: its result is the write's. */
long console_echo(const void *buf, size_t n)
{
	struct virtq *q = &console[0].queue[TRANSMIT];
	u32 error;
	if (!have(0))
		return serial_write(buf, n);
	if (q->busy && !(echo_in_flight && virtq_done(q, &error)))
		return 0;
	n = MIN(n, out_size[0]);
	memcpy(out_buffer[0], buf, n);
	virtq_submit(&console[0], q, virt_to_phys(out_buffer[0]), n, false);
	echo_in_flight = true;
	return n;
}

/* Asks for input. What the host has already is there when the doorbell's exit
 * returns, without an interrupt. */
static void ask(size_t n)
{
	struct virtq *q = &console[0].queue[RECEIVE];
	if (q->busy)
		return;
	virtq_interrupts(q, false);
	virtq_submit(&console[0], q, virt_to_phys(in_buffer), MIN(n, in_size), true);
}

/* Takes a completed receive request in. */
static bool take_received(void)
{
	u32 len;
	if (!virtq_done(&console[0].queue[RECEIVE], &len))
		return false;
	if (console_kind(0) == STDIO_TTY) {
		tty_input(in_buffer, MIN(len, TTY_READ));
		if (len)
			ask(TTY_READ);
	} else {
		in_at = 0;
		in_have = MIN(len, in_size);
		in_eof = !len;
	}
	wake_all(&console_in_wait);
	return true;
}

/* Takes what has come; a request that is still out interrupts when it is done. */
static void receive_done(void)
{
	while (take_received())
		;
	if (console[0].queue[RECEIVE].busy) {
		virtq_interrupts(&console[0].queue[RECEIVE], true);
		take_received();
	}
}

static bool input_ready(void)
{
	if (!have(0))
		return false;
	if (!in_buffer) {
		in_size = console_kind(0) == STDIO_TTY ? TTY_READ : BUFFER;
		in_buffer = make_buffer(&in_size);
	}
	return in_buffer != NULL;
}

void console_start(void)
{
	if (console_kind(0) == STDIO_TTY && input_ready()) {
		ask(TTY_READ);
		receive_done();
	} else if (!boot_info.device_tree && !have(0))
		serial_start();
}

long console_read(void *buf, size_t n, bool nonblock)
{
	if (!input_ready())
		return have(0) ? -ENOMEM : serial_read(buf, n, nonblock);
	receive_done();
	while (in_at == in_have && !in_eof) {
		ask(nonblock ? 1 : n);
		receive_done();
		if (in_at != in_have || in_eof)
			break;
		if (nonblock)
			return -EAGAIN;
		int reason = wait_on(&console_in_wait, NEVER);
		if (reason)
			return reason;
	}
	in_eof = false;
	size_t take = MIN(n, in_have - in_at);
	memcpy(buf, in_buffer + in_at, take);
	in_at += take;
	return take;
}

bool console_poll_in(void)
{
	if (!input_ready())
		return serial_poll_in();
	receive_done();
	if (in_at == in_have && !in_eof) {
		ask(1);
		receive_done();
	}
	return in_at != in_have || in_eof;
}

void console_size(u16 *rows, u16 *cols)
{
	*rows = *cols = 0;
	if (!have(0) || !(console[0].features & 1ull << VIRTIO_CONSOLE_F_SIZE))
		return;
	u32 size = virtio_read32(&console[0], VIRTIO_MMIO_CONFIG);
	*cols = size;
	*rows = size >> 16;
}
