/* For the tests of the console device, see console_rig.h. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "console_rig.h"
#include "driver.h"
#include "../../vmm/console.h"
#include "../../vmm/io.h"

struct virtio_dev *dev;

void start(int in, int out)
{
	dev = console_add(&driver_vm, in, out, true);
	driver_start(dev, BIT64(VIRTIO_RING_F_EVENT_IDX) | BIT64(VIRTIO_RING_F_INDIRECT_DESC),
		     SIZE);
}

int set_up(void **state)
{
	(void)state;
	driver_new_vm();
	return 0;
}

int set_up_poll(void **state)
{
	io_use_poll();
	return set_up(state);
}

int tear_down(void **state)
{
	(void)state;
	io_stop();
	for (unsigned i = 0; i < driver_vm.ndev; i++)
		console_free(driver_vm.dev[i]);
	driver_free_vm();
	return 0;
}

void write_text(unsigned head, const char *text)
{
	uint64_t gpa = DRIVER_DATA + head * 0x10000;

	strcpy(driver_at(gpa), text);
	driver_put(CONSOLE_TX, head, gpa, strlen(text), 0, 0);
	driver_send(dev, CONSOLE_TX, head);
}

void post(unsigned head, uint32_t len)
{
	driver_put(CONSOLE_RX, head, DRIVER_DATA + head * 0x10000, len, VRING_DESC_F_WRITE, 0);
	driver_send(dev, CONSOLE_RX, head);
}

char *buffer(unsigned head)
{
	return driver_at(DRIVER_DATA + head * 0x10000);
}

struct vring_used_elem used(unsigned q, unsigned i)
{
	return driver_used(q)->ring[i % SIZE];
}

int open_terminal(int *master)
{
	struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int tty;

	*master = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(*master);
	unlockpt(*master);
	ioctl(*master, TIOCSWINSZ, &size);
	tty = open(ptsname(*master), O_RDWR | O_NOCTTY);
	assert_true(tty >= 0);
	return tty;
}
