/*
 * 16550A UART (National Semiconductor PC16550D, section 8). The transmitter
 * is infinitely fast: a byte written is a byte gone, so THRE and TEMT are
 * always set. Divisor and line parameters are stored and mean nothing.
 *
 * What Linux's 8250 driver looks at (drivers/tty/serial/8250/8250_port.c):
 * autoconfig() wants IER to keep 4 bits, the loopback of MCR to MSR and the
 * FIFO bits of IIR; serial8250_do_startup() wants an interrupt each time that
 * IER.THRI is set, or it takes the UART for a broken one and polls.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>
#include <linux/serial_reg.h>
#include "serial.h"

#define IER_BITS  (UART_IER_MSI | UART_IER_RLSI | UART_IER_THRI | UART_IER_RDI)
#define MCR_BITS  0x1f
#define IIR_FIFOS 0xc0 /* "FIFOs enabled" of a 16550A */
/* The other end is always there: carrier, ready, clear to send. */
#define MSR_IDLE (UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS)

static bool has_input(const struct serial *s)
{
	return s->rx_next < s->rx_len;
}

/* The most urgent interrupt, by the table of 8.6 (PC16550D). */
static uint8_t interrupt_id(const struct serial *s)
{
	if ((s->ier & UART_IER_RDI) && has_input(s))
		return UART_IIR_RDI;
	if ((s->ier & UART_IER_THRI) && s->thr_pending)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

static void update_irq(struct serial *s)
{
	bool level = interrupt_id(s) != UART_IIR_NO_INT;

	if (level != s->irq_level && s->irq)
		s->irq(s->vm, level);
	s->irq_level = level;
}

/* ---- receiving */

static void take_input(struct serial *s)
{
	struct iovec iov = { .iov_base = s->fifo, .iov_len = SERIAL_FIFO };
	ssize_t n = stream_read(&s->in, &iov, 1);

	if (n == -EAGAIN && !stream_pollable(&s->in))
		n = read(s->in.use, s->fifo, SERIAL_FIFO); /* waits for the disk only */
	else if (n == -EAGAIN) {
		s->waiting = true;
		io_poll(s->vm, &s->op, s->in.use, POLLIN);
		return;
	}
	s->in_ended = n <= 0;
	s->rx_next = 0;
	s->rx_len = n > 0 ? n : 0;
}

static void want_input(struct serial *s)
{
	if (s->waiting || s->in_ended || has_input(s) || !(s->ier & UART_IER_RDI) || s->in.fd < 0)
		return;
	take_input(s);
	update_irq(s);
}

/* I/O thread: input is there, or an error. */
static void input_ready(struct io_op *op, int result)
{
	struct serial *s = (struct serial *)op;

	pthread_mutex_lock(&s->lock);
	s->waiting = false;
	if (result < 0 && result != -ECANCELED && result != -EINTR && result != -EAGAIN)
		s->in_ended = true;
	want_input(s);
	pthread_mutex_unlock(&s->lock);
}

static uint8_t receive(struct serial *s)
{
	uint8_t value = 0;

	if (has_input(s))
		value = s->fifo[s->rx_next++];
	return value;
}

/* ---- sending */

static void send(struct serial *s, uint8_t value)
{
	struct pollfd p = { .fd = s->out_fd, .events = POLLOUT };

	/* What the host refuses is lost, as on a line with nobody listening. */
	while (write(s->out_fd, &value, 1) < 0) {
		if (errno == EAGAIN)
			poll(&p, 1, -1);
		else if (errno != EINTR)
			break;
	}
}

static void transmit(struct serial *s, uint8_t value)
{
	if (!(s->mcr & UART_MCR_LOOP)) {
		send(s, value);
	} else if (!has_input(s)) {
		s->fifo[0] = value;
		s->rx_next = 0;
		s->rx_len = 1;
	} else if (s->rx_len < SERIAL_FIFO) {
		s->fifo[s->rx_len++] = value;
	}
	s->thr_pending = true;
}

/* ---- registers */

/* Loopback: the modem control outputs come back as inputs (8.7). */
static uint8_t modem_status(const struct serial *s)
{
	uint8_t m = s->mcr, status = 0;

	if (!(m & UART_MCR_LOOP))
		return MSR_IDLE;
	if (m & UART_MCR_RTS)
		status |= UART_MSR_CTS;
	if (m & UART_MCR_DTR)
		status |= UART_MSR_DSR;
	if (m & UART_MCR_OUT1)
		status |= UART_MSR_RI;
	if (m & UART_MCR_OUT2)
		status |= UART_MSR_DCD;
	return status;
}

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = interrupt_id(s);

	if (id == UART_IIR_THRI)
		s->thr_pending = false; /* reading is the acknowledgement */
	return id | (s->fcr & UART_FCR_ENABLE_FIFO ? IIR_FIFOS : 0);
}

uint8_t serial_read(struct serial *s, unsigned reg)
{
	bool divisor;
	uint8_t value = 0;

	pthread_mutex_lock(&s->lock);
	divisor = s->lcr & UART_LCR_DLAB;
	switch (reg) {
	case UART_RX:
		value = divisor ? s->dll : receive(s);
		break;
	case UART_IER:
		value = divisor ? s->dlm : s->ier;
		break;
	case UART_IIR:
		value = read_iir(s);
		break;
	case UART_LCR:
		value = s->lcr;
		break;
	case UART_MCR:
		value = s->mcr;
		break;
	case UART_LSR:
		value = s->lsr | (has_input(s) ? UART_LSR_DR : 0);
		break;
	case UART_MSR:
		value = modem_status(s);
		break;
	case UART_SCR:
		value = s->scr;
		break;
	}
	update_irq(s);
	want_input(s);
	pthread_mutex_unlock(&s->lock);
	return value;
}

static void write_ier(struct serial *s, uint8_t value)
{
	/* An empty transmitter interrupts as soon as it may. */
	if ((value & UART_IER_THRI) && !(s->ier & UART_IER_THRI))
		s->thr_pending = true;
	s->ier = value & IER_BITS;
}

static void write_fcr(struct serial *s, uint8_t value)
{
	/* 8.4: a change of the enable bit, or CLEAR_RCVR, empties the FIFO.
	 * Bytes read from the host are not dropped though: Linux clears at
	 * open, and piped input would lose its beginning. */
	s->fcr = value & UART_FCR_ENABLE_FIFO;
}

void serial_write(struct serial *s, unsigned reg, uint8_t value)
{
	bool divisor;

	pthread_mutex_lock(&s->lock);
	divisor = s->lcr & UART_LCR_DLAB;
	switch (reg) {
	case UART_TX:
		if (divisor)
			s->dll = value;
		else
			transmit(s, value);
		break;
	case UART_IER:
		if (divisor)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case UART_FCR:
		write_fcr(s, value);
		break;
	case UART_LCR:
		s->lcr = value;
		break;
	case UART_MCR:
		s->mcr = value & MCR_BITS;
		break;
	case UART_SCR:
		s->scr = value;
		break;
	}
	update_irq(s);
	want_input(s);
	pthread_mutex_unlock(&s->lock);
}

void serial_init(struct serial *s, struct vm *vm, int in_fd, int out_fd,
		 void (*irq)(struct vm *vm, bool level))
{
	*s = (struct serial){ .op = { .done = input_ready },
			      .vm = vm,
			      .irq = irq,
			      .out_fd = out_fd,
			      .lsr = UART_LSR_THRE | UART_LSR_TEMT,
			      .dll = 12 }; /* 9600 baud */
	pthread_mutex_init(&s->lock, NULL);
	stream_init(&s->in, in_fd, false);
}
