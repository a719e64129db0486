// clang-format off
// link: tests/unit/fake_libos.c tests/unit/fake_files.c guest/fs/vfs.c guest/fs/notify.c guest/fs/mount.c guest/fs/namespace.c guest/fs/open.c guest/fs/permission.c guest/fs/tmpfs.c guest/fs/xattr.c guest/fs/tmpfs_make.c guest/fs/tmpfs_file.c guest/fs/page_tree.c guest/libos/path.c guest/libos/fs_context.c guest/libos/fd.c guest/libos/locks.c
// link: guest/libos/pipe.c guest/libos/iovec.c guest/libos/fcntl.c guest/libos/sys_open.c guest/libos/sys_io.c guest/libos/sys_dir.c guest/libos/sock_file.c guest/libos/sys_socket.c guest/libos/sys_message.c guest/net/socket.c guest/net/unix.c guest/net/unix_io.c guest/net/unix_gc.c guest/net/unix_msg.c guest/net/unix_name.c
// clang-format on
/*
 * AF_UNIX sockets through the system calls: streams against a model, sockets in
 * sockets, every order of closing, and without memory. What programs see is
 * compared with Linux in tests/abi.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <asm/fcntl.h>
#include <asm/signal.h>
#include "fake_libos.h"
#include "../../guest/fs/vfs.h"
#include "../../guest/libos/sock.h"
#include "../../guest/libos/sys.h"
#include "../../guest/net/netif.h"
#include "../../guest/net/stack.h"

/* ---- the network that these sockets do without ---- */

u64 pkt_mem_count;

void net_enter(void)
{
	fail_msg("AF_UNIX needs no network");
}
void net_leave(void)
{
	fail_msg("AF_UNIX needs no network");
}
unsigned net_leave_all(void)
{
	return 0;
}
void net_enter_again(unsigned depth)
{
	assert_int_equal(depth, 0);
}
bool net_up(void)
{
	return false;
}
int net_init(void)
{
	return -ENOMEM;
}
int tcp_socket(int family, struct socket **out)
{
	(void)family, (void)out;
	return -ENOMEM;
}
int udp_socket(int family, struct socket **out)
{
	(void)family, (void)out;
	return -ENOMEM;
}
int raw_socket(int family, int type, int protocol, struct socket **out)
{
	(void)family, (void)type, (void)protocol, (void)out;
	return -ENOMEM;
}
int netlink_socket(int type, int protocol, struct socket **out)
{
	(void)type, (void)protocol, (void)out;
	return -ENOMEM;
}
long netif_ioctl(unsigned int cmd, unsigned long arg)
{
	(void)cmd, (void)arg;
	return -ENOTTY;
}
long socket_sendfile(struct file *out, struct file *in, u64 *from, size_t n)
{
	(void)out, (void)in, (void)from, (void)n;
	return -EOPNOTSUPP;
}

/* ---- helpers ---- */

static u32 seed;
static u32 pick(u32 n);
static int s[2];
static u8 data[1 << 20], back[1 << 20];

static int begin(void **state)
{
	(void)state;
	fake_begin_files();
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = i * 7 + i / 251;
	return 0;
}

static void open_pair(int type)
{
	assert_int_equal(sys_socketpair(AF_UNIX, type | O_NONBLOCK, 0, s), 0);
}

static void close_pair(void)
{
	sys_close(s[0]);
	sys_close(s[1]);
}

static u32 pick(u32 n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

struct header { /* struct msghdr */
	void *name;
	int name_len;
	struct iovec *iov;
	size_t niov;
	void *control;
	size_t control_len;
	u32 flags;
};

/* Sends one byte with a descriptor. */
static long send_fd(int to, int fd)
{
	struct {
		u64 len;
		int level, type, fd, pad;
	} control = { 20, SOL_SOCKET, 1 /* SCM_RIGHTS */, fd, 0 };
	struct iovec iov = { "x", 1 };
	struct header h = {
		.iov = &iov, .niov = 1, .control = &control, .control_len = sizeof(control)
	};

	return sys_sendmsg(to, (struct message *)&h, MSG_NOSIGNAL);
}

/* Receives with room for descriptors. */
static long recv_fds(int from, size_t n, u32 flags)
{
	u64 control[8];
	struct iovec iov = { back, n };
	struct header h = {
		.iov = &iov, .niov = 1, .control = control, .control_len = pick(sizeof(control))
	};

	return sys_recvmsg(from, (struct message *)&h, flags);
}

/* ---- streams ---- */

static void a_stream_is_bytes_in_order(void **state)
{
	size_t sent = 0, got = 0;
	(void)state;

	open_pair(SOCK_STREAM);
	for (seed = 7; got < sizeof(data);) {
		size_t want = MIN(pick(100000) + 1, sizeof(data) - sent);
		long n = want > 0 ? sys_write(s[0], data + sent, want) : -EAGAIN;

		assert_true(n > 0 || n == -EAGAIN);
		sent += MAX(n, 0l);
		n = sys_recvfrom(s[1], back + got, pick(30000) + 1, MSG_PEEK, NULL, NULL);
		assert_true(n > 0 || n == -EAGAIN);
		if (n > 0)
			assert_memory_equal(back + got, data + got, n);
		n = sys_read(s[1], back + got, pick(30000) + 1);
		got += MAX(n, 0l);
	}
	assert_memory_equal(back, data, sizeof(data));
	assert_int_equal(sys_read(s[1], back, 1), -EAGAIN);
	close_pair();
}

static void unread_data_goes_with_the_socket(void **state)
{
	(void)state;
	for (int first = 0; first < 2; first++) {
		open_pair(SOCK_STREAM);
		assert_true(sys_write(s[0], data, 100000) > 0);
		assert_true(sys_write(s[1], data, 5000) == 5000);
		sys_close(s[first]);
		sys_close(s[!first]);
	}
}

static void faults_lose_nothing(void **state)
{
	(void)state;
	open_pair(SOCK_STREAM);
	fake_fault_start = data + 5000;
	fake_fault_end = data + sizeof(data);
	assert_int_equal(sys_write(s[0], data, 10000), -EFAULT);
	assert_int_equal(sys_write(s[0], data, 5000), 5000);
	fake_fault_start = back + 1000;
	fake_fault_end = back + sizeof(back);
	assert_int_equal(sys_read(s[1], back, 5000), -EFAULT);
	fake_fault_start = fake_fault_end = NULL;
	assert_int_equal(sys_read(s[1], back, 10000), 5000);
	assert_memory_equal(back, data, 5000);
	close_pair();
}

/* ---- waiting ---- */

static int other_writes(u64 deadline)
{
	(void)deadline;
	assert_int_equal(sys_write(s[1], "x", 1), 1);
	return 0;
}

static int other_reads(u64 deadline)
{
	(void)deadline;
	assert_true(sys_read(s[1], back, 100000) > 0);
	return 0;
}

static int other_closes(u64 deadline)
{
	(void)deadline;
	sys_close(s[1]);
	return 0;
}

static void calls_wait_for_the_other_side(void **state)
{
	(void)state;
	open_pair(SOCK_STREAM);
	sys_fcntl(s[0], F_SETFL, 0);
	fake_wait = other_writes;
	assert_int_equal(sys_read(s[0], back, 1), 1);
	fake_wait = other_reads;
	assert_int_equal(sys_write(s[0], data, sizeof(data)), sizeof(data));
	fake_wait = other_closes;
	assert_int_equal(sys_read(s[0], back, 1), -ECONNRESET);
	assert_int_equal(sys_write(s[0], data, 1), -EPIPE);
	assert_int_equal(fake_signals[SIGPIPE], 1);
	sys_close(s[0]);
}

/* ---- names ---- */

static void name_of(struct sockname *name, const char *path)
{
	memset(name, 0, sizeof(*name));
	name->family = AF_UNIX;
	memcpy(name->un.path, path, strlen(path));
	name->len = 2 + strlen(path) + 1;
}

static void connections_not_accepted_are_dropped(void **state)
{
	struct sockname name;
	int l = sys_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0), c[5];
	(void)state;

	name_of(&name, "/sock");
	assert_int_equal(sys_bind(l, name.bytes, name.len), 0);
	assert_int_equal(sys_listen(l, 3), 0);
	for (int i = 0; i < 5; i++) {
		c[i] = sys_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
		assert_int_equal(sys_connect(c[i], name.bytes, name.len), i < 4 ? 0 : -EAGAIN);
		if (i < 4)
			assert_int_equal(sys_write(c[i], data, 1000), 1000);
	}
	sys_close(c[0]); /* one before, the others after */
	assert_true(sys_accept(l, NULL, NULL) >= 0);
	sys_close(l);
	assert_int_equal(sys_read(c[1], back, 1), -ECONNRESET);
	for (int i = 1; i < 5; i++)
		sys_close(c[i]);
	assert_int_equal(sys_unlink("/sock"), 0);
}

static void datagram_peers_come_and_go(void **state)
{
	struct sockname name;
	int a = sys_socket(AF_UNIX, SOCK_DGRAM | O_NONBLOCK, 0), b, n = 0;
	(void)state;

	name_of(&name, "/b");
	for (int round = 0; round < 3; round++) {
		b = sys_socket(AF_UNIX, SOCK_DGRAM | O_NONBLOCK, 0);
		assert_int_equal(sys_bind(b, name.bytes, name.len), 0);
		assert_int_equal(sys_connect(a, name.bytes, name.len), 0);
		while (sys_write(a, data, 100) == 100)
			n++;
		assert_int_equal(n, 11 * (round + 1));
		assert_int_equal(sys_read(b, back, 1000), 100);
		assert_int_equal(sys_write(a, data, 100), 100);
		sys_close(b);
		assert_int_equal(sys_write(a, data, 100), -ECONNREFUSED);
		assert_int_equal(sys_write(a, data, 100), -ENOTCONN);
		assert_int_equal(sys_unlink("/b"), 0);
	}
	sys_close(a);
}

/* ---- descriptors on their way ---- */

/* A chain of sockets, each in the queue of the next, all but the last closed:
 * they go one after the other, without a stack that grows with their number. */
static void a_long_chain_of_sockets_unravels(void **state)
{
	int in[2], out[2];
	(void)state;

	assert_int_equal(sys_socketpair(AF_UNIX, SOCK_STREAM, 0, in), 0);
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(sys_socketpair(AF_UNIX, SOCK_STREAM, 0, out), 0);
		assert_int_equal(send_fd(out[0], in[1]), 1);
		sys_close(in[0]);
		sys_close(in[1]);
		in[0] = out[0];
		in[1] = out[1];
	}
	sys_close(in[0]);
	sys_close(in[1]);
}

/* The collector begins with 16 sockets that are in messages, when one ends. */
#define CYCLES 16

/* So many more are in messages, and one ends. */
static void let_it_collect(void)
{
	open_pair(SOCK_STREAM);
	for (int i = 0; i < CYCLES; i++) {
		int fd = sys_socket(AF_UNIX, SOCK_DGRAM, 0);

		assert_int_equal(send_fd(s[0], fd), 1);
		sys_close(fd);
	}
	sys_close(sys_socket(AF_UNIX, SOCK_DGRAM, 0));
	close_pair();
}

static void sockets_in_their_own_queues_go(void **state)
{
	(void)state;
	for (int i = 0; i < CYCLES; i++) {
		open_pair(i % 2 ? SOCK_STREAM : SOCK_DGRAM);
		assert_int_equal(send_fd(s[0], s[1]), 1);
		close_pair();
	}
	let_it_collect();
}

static void sockets_in_each_others_queues_go(void **state)
{
	int other[2];
	(void)state;

	for (int i = 0; i < CYCLES / 2; i++) {
		open_pair(SOCK_STREAM);
		assert_int_equal(sys_socketpair(AF_UNIX, SOCK_SEQPACKET, 0, other), 0);
		assert_int_equal(send_fd(s[0], other[1]), 1);
		assert_int_equal(send_fd(other[0], s[1]), 1);
		close_pair();
		sys_close(other[0]);
		sys_close(other[1]);
	}
	let_it_collect();
}

static void listening_sockets_in_their_connections_go(void **state)
{
	struct sockname name;
	(void)state;

	name_of(&name, "/sock");
	for (int i = 0; i < CYCLES; i++) {
		int l = sys_socket(AF_UNIX, SOCK_STREAM, 0);
		int c = sys_socket(AF_UNIX, SOCK_STREAM, 0);

		assert_int_equal(sys_bind(l, name.bytes, name.len), 0);
		assert_int_equal(sys_listen(l, 3), 0);
		assert_int_equal(sys_connect(c, name.bytes, name.len), 0);
		assert_int_equal(send_fd(c, l), 1);
		sys_close(c);
		sys_close(l);
		assert_int_equal(sys_unlink("/sock"), 0);
	}
	let_it_collect();
}

static int recv_fd(int from)
{
	struct {
		u64 len;
		int level, type, fd, pad;
	} control = { 0 };
	struct iovec iov = { back, 1 };
	struct header h = {
		.iov = &iov, .niov = 1, .control = &control, .control_len = sizeof(control)
	};

	assert_int_equal(sys_recvmsg(from, (struct message *)&h, 0), 1);
	assert_int_equal(control.type, 1 /* SCM_RIGHTS */);
	return control.fd;
}

/* As long as somebody can receive them, with what is in their queues. */
static void sockets_that_can_be_received_stay(void **state)
{
	int outside[2], inner[2];
	(void)state;

	assert_int_equal(sys_socketpair(AF_UNIX, SOCK_STREAM, 0, outside), 0);
	assert_int_equal(sys_socketpair(AF_UNIX, SOCK_STREAM, 0, inner), 0);
	assert_int_equal(send_fd(inner[0], inner[0]), 1);
	assert_int_equal(send_fd(outside[0], inner[1]), 1);
	sys_close(inner[0]);
	sys_close(inner[1]);
	sockets_in_their_own_queues_go(state);
	inner[1] = recv_fd(outside[1]);
	inner[0] = recv_fd(inner[1]);
	assert_int_equal(sys_write(inner[0], "y", 1), 1);
	assert_int_equal(sys_read(inner[1], back, 1), 1);
	assert_int_equal(back[0], 'y');
	for (int i = 0; i < 2; i++) {
		sys_close(inner[i]);
		sys_close(outside[i]);
	}
}

static void descriptors_may_not_fit(void **state)
{
	int p[2];
	(void)state;

	open_pair(SOCK_STREAM);
	assert_int_equal(sys_pipe(p), 0);
	assert_int_equal(send_fd(s[0], p[0]), 1);
	fake_process.rlimit[RLIMIT_NOFILE].rlim_cur = 3;
	struct iovec iov = { back, 10 };
	u64 control[8];
	struct header h = {
		.iov = &iov, .niov = 1, .control = control, .control_len = sizeof(control)
	};
	assert_int_equal(sys_recvmsg(s[1], (struct message *)&h, 0), 1);
	assert_int_equal(h.flags, MSG_CTRUNC);
	assert_int_equal(h.control_len, 0);
	sys_close(p[0]);
	sys_close(p[1]);
	close_pair();
}

/* ---- anything ---- */

static void random_calls(unsigned rounds)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	int fds[12], p[2] = { -1, -1 };

	for (unsigned i = 0; i < 12; i++)
		fds[i] = -1;
	sys_pipe(p);
	while (rounds-- > 0) {
		unsigned i = pick(12), k = pick(12);

		switch (pick(8)) {
		case 0:
			if (fds[i] < 0 && fds[k] < 0 && i != k &&
			    sys_socketpair(AF_UNIX, types[pick(3)] | O_NONBLOCK, 0, s) == 0) {
				fds[i] = s[0];
				fds[k] = s[1];
			}
			break;
		case 1:
			sys_close(fds[i]);
			fds[i] = -1;
			break;
		case 2:
			/* no sockets: nobody collects those that hold each other */
			send_fd(fds[i], p[0]);
			break;
		case 3:
			sys_shutdown(fds[i], pick(3));
			break;
		case 4:
		case 5:
			sys_sendto(fds[i], data, pick(5000), MSG_NOSIGNAL, NULL, 0);
			break;
		default:
			recv_fds(fds[i], pick(5000), pick(4) ? 0 : MSG_PEEK);
		}
	}
	for (unsigned i = 0; i < 12; i++)
		sys_close(fds[i]);
	sys_close(p[0]);
	sys_close(p[1]);
	for (int fd = 0; fd < 600; fd++) /* what was received */
		sys_close(fd);
}

static void nothing_is_left_behind(void **state)
{
	(void)state;
	for (seed = 1; seed < 60; seed++) {
		u32 keep = seed;

		random_calls(500);
		seed = keep;
	}
}

static void any_allocation_may_fail(void **state)
{
	for (long n = 0; n < 300; n++) {
		fake_teardown_files(state);
		fake_setup_files(state);
		fake_allocations_left = n;
		seed = 5;
		random_calls(200);
		fake_allocations_left = n / 4;
		struct sockname name;
		name_of(&name, "/sock");
		int l = sys_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
		sys_bind(l, name.bytes, name.len);
		sys_listen(l, 3);
		int c = sys_socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK, 0);
		sys_connect(c, name.bytes, name.len);
		int a = sys_accept(l, NULL, NULL);
		sys_close(a);
		sys_close(c);
		sys_close(l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, fake_teardown_files)
		TEST(a_stream_is_bytes_in_order),
		TEST(unread_data_goes_with_the_socket),
		TEST(faults_lose_nothing),
		TEST(calls_wait_for_the_other_side),
		TEST(connections_not_accepted_are_dropped),
		TEST(datagram_peers_come_and_go),
		TEST(a_long_chain_of_sockets_unravels),
		TEST(sockets_in_their_own_queues_go),
		TEST(sockets_in_each_others_queues_go),
		TEST(listening_sockets_in_their_connections_go),
		TEST(sockets_that_can_be_received_stay),
		TEST(descriptors_may_not_fit),
		TEST(nothing_is_left_behind),
		TEST(any_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
