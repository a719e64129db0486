// link: net/user.c vmm/load.c vmm/elf.c vmm/mem.c vmm/fail.c
/*
 * The user network without a VM: the test is the guest, with hand-made frames
 * on the device's end of the socket, and build/vmm-slirp is the real one.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "../../vmm/net.h"

#define WAIT_MS 5000
#define GUEST   0x0a00020fu
#define HOST    0x0a000202u

static const uint8_t our_mac[6] = { 2, 0, 0, 0, 0, 1 };
static struct net_backend net;

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
		struct icmphdr icmp;
		uint8_t bytes[65536];
	};
} __attribute__((packed));

static struct frame out, in;

/* ---- frames */

static uint16_t sum(const void *data, size_t len, uint32_t seed)
{
	const uint8_t *p = data;

	for (; len > 1; len -= 2, p += 2)
		seed += (uint32_t)(p[0] << 8 | p[1]);
	if (len)
		seed += (uint32_t)(p[0] << 8);
	while (seed >> 16)
		seed = (seed & 0xffff) + (seed >> 16);
	return (uint16_t)~seed;
}

/* The socket is full while the process is busy. */
static void put(const void *frame, size_t size)
{
	struct pollfd p = { .fd = net.fd[0], .events = POLLOUT };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(write(net.fd[0], frame, size), size);
}

/* Sends `out`, whose transport part is len bytes, to the gateway's MAC. */
static void send_ip(int protocol, uint32_t to, size_t len)
{
	const uint32_t pseudo = (uint32_t)protocol + (uint32_t)len + (GUEST >> 16) +
				(GUEST & 0xffff) + (to >> 16) + (to & 0xffff);
	const size_t size = sizeof(out.eth) + sizeof(out.ip) + len;

	if (protocol == IPPROTO_ICMP)
		out.icmp = (struct icmphdr){ .type = ICMP_ECHO };
	memcpy(out.eth.ether_shost, our_mac, 6);
	memcpy(out.eth.ether_dhost, "\x52\x55\x0a\x00\x02\x02", 6);
	out.eth.ether_type = htons(ETHERTYPE_IP);
	out.ip = (struct iphdr){ .version = 4,
				 .ihl = 5,
				 .ttl = 64,
				 .protocol = (uint8_t)protocol,
				 .tot_len = htons((uint16_t)(len + sizeof(out.ip))),
				 .saddr = htonl(GUEST),
				 .daddr = htonl(to) };
	out.ip.check = htons(sum(&out.ip, sizeof(out.ip), 0));
	if (protocol == IPPROTO_TCP)
		out.tcp.check = htons(sum(&out.tcp, len, pseudo));
	if (protocol == IPPROTO_ICMP)
		out.icmp.checksum = htons(sum(&out.icmp, len, 0));
	put(&out, size);
}

static void answer_arp(void)
{
	struct {
		struct ether_header eth;
		struct ether_arp arp;
	} f;

	memcpy(&f, &in, sizeof(f));
	if (f.arp.ea_hdr.ar_op != htons(ARPOP_REQUEST) ||
	    memcmp(f.arp.arp_tpa, "\x0a\0\x02\x0f", 4))
		return;
	memcpy(f.eth.ether_dhost, in.eth.ether_shost, 6);
	memcpy(f.eth.ether_shost, our_mac, 6);
	memcpy(f.arp.arp_tha, f.arp.arp_sha, 6);
	memcpy(f.arp.arp_tpa, f.arp.arp_spa, 4);
	memcpy(f.arp.arp_sha, our_mac, 6);
	memcpy(f.arp.arp_spa, "\x0a\0\x02\x0f", 4);
	f.arp.ea_hdr.ar_op = htons(ARPOP_REPLY);
	put(&f, sizeof(f));
}

/* The next frame of that type, into `in`; ARP is answered on the way. */
static size_t receive(uint16_t type)
{
	struct pollfd p = { .fd = net.fd[0], .events = POLLIN };
	ssize_t n;

	for (;;) {
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		n = read(net.fd[0], &in, sizeof(in));
		assert_true(n >= (ssize_t)sizeof(in.eth));
		if (in.eth.ether_type == htons(type))
			return (size_t)n;
		if (in.eth.ether_type == htons(ETHERTYPE_ARP))
			answer_arp();
	}
}

/* The next packet of that protocol: the length behind the IP header. */
static size_t receive_ip(int protocol)
{
	do
		receive(ETHERTYPE_IP);
	while (in.ip.protocol != protocol);
	assert_int_equal(in.ip.ihl, 5);
	return ntohs(in.ip.tot_len) - sizeof(in.ip);
}

static void send_tcp(uint32_t seq, uint32_t ack, unsigned flags, uint16_t from, uint16_t to)
{
	out.tcp = (struct tcphdr){ .source = from,
				   .dest = to,
				   .seq = htonl(seq),
				   .ack_seq = htonl(ack),
				   .doff = 5,
				   .window = htons(65535) };
	out.tcp.th_flags = (uint8_t)flags;
	send_ip(IPPROTO_TCP, HOST, sizeof(out.tcp));
}

/* ---- the network's beginning and end */

static struct publish_option port(int type, int family, uint16_t number)
{
	struct publish_option p = { .udp = type == SOCK_DGRAM, .guest_port = 7 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&p.host;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&p.host;

	v4->sin_family = (sa_family_t)family;
	v4->sin_port = htons(number);
	if (family == AF_INET6)
		v6->sin6_addr = in6addr_loopback;
	else
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return p;
}

/* With one published port, of IPv4, or none. */
static void start(int type, uint16_t number)
{
	struct publish_option p = port(type, AF_INET, number);

	user_open(&net, NULL, &p, number ? 1 : 0, 0);
	if (number)
		user_wait_published(&net);
	assert_int_equal(net.nfds, 1);
	assert_false(net.vnet_header);
}

/* The process ends when the VMM's end of the socket is closed. */
static int stop(void **state)
{
	int status;

	(void)state;
	close(net.fd[0]);
	assert_true(waitpid(-1, &status, 0) > 0);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* What user_open() says and its exit status, in a process of its own. */
static int fails_with(const struct publish_option *p, unsigned n, char *text, size_t size)
{
	int pipes[2], status;
	ssize_t len;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipes[1], STDERR_FILENO);
		user_open(&net, NULL, p, n, 0);
		_exit(0);
	}
	close(pipes[1]);
	len = read(pipes[0], text, size - 1);
	text[len > 0 ? len : 0] = 0;
	close(pipes[0]);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int host_socket(int type, uint16_t number, int how)
{
	const struct sockaddr_in at = { .sin_family = AF_INET,
					.sin_port = htons(number),
					.sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, type, 0);

	if (how == 'c' && connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	if (how == 'b' && bind(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* ---- tests */

static void arp_names_the_gateway(void **state)
{
	static const uint8_t request[42] = {
		255, 255, 255, 255, 255, 255, 2, 0,  0, 0, 0,  1, 8, 6, 0, 1, 8, 0,  6, 4, 0,
		1,   2,   0,   0,   0,   0,   1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2
	};
	struct ether_arp arp;

	(void)state;
	start(0, 0);
	put(request, sizeof(request));
	receive(ETHERTYPE_ARP);
	memcpy(&arp, &in.ip, sizeof(arp));
	assert_int_equal(ntohs(arp.ea_hdr.ar_op), ARPOP_REPLY);
	assert_memory_equal(arp.arp_spa, "\x0a\0\x02\x02", 4);
}

/* RFC 2131: a DISCOVER is answered with the address that the device tree has. */
static void dhcp_offers_the_address(void **state)
{
	uint8_t *bootp = out.bytes + sizeof(out.udp);
	static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 1, 255 };

	(void)state;
	start(0, 0);
	memset(bootp, 0, 300);
	bootp[0] = bootp[1] = 1;
	bootp[2] = 6;
	memcpy(bootp + 4, "abcd", 4);
	memcpy(bootp + 28, our_mac, 6);
	memcpy(bootp + 236, options, sizeof(options));
	out.udp = (struct udphdr){ .source = htons(68), .dest = htons(67), .len = htons(308) };
	send_ip(IPPROTO_UDP, 0xffffffff, 308);
	receive_ip(IPPROTO_UDP);
	assert_int_equal(ntohs(in.udp.dest), 68);
	assert_memory_equal(in.bytes + sizeof(in.udp) + 4, "abcd", 4);
	assert_memory_equal(in.bytes + sizeof(in.udp) + 16, "\x0a\0\x02\x0f", 4);
}

/* The largest ping that the MTU allows comes back whole. */
static void large_packets_pass(void **state)
{
	const size_t len = 65520 - sizeof(out.ip);

	(void)state;
	start(0, 0);
	assert_int_equal(net.mtu, 65520);
	for (size_t i = sizeof(out.icmp); i < len; i++)
		out.bytes[i] = (uint8_t)(i * 7);
	send_ip(IPPROTO_ICMP, HOST, len);
	assert_int_equal(receive_ip(IPPROTO_ICMP), len);
	assert_int_equal(in.icmp.type, ICMP_ECHOREPLY);
	assert_memory_equal(in.bytes + sizeof(in.icmp), out.bytes + sizeof(out.icmp),
			    len - sizeof(in.icmp));
}

static void udp_port_reaches_the_guest(void **state)
{
	char text[16] = "";
	size_t len;
	int client;

	(void)state;
	start(SOCK_DGRAM, 27001);
	/* its first answer says that its ports are open */
	send_ip(IPPROTO_ICMP, HOST, 64);
	receive_ip(IPPROTO_ICMP);
	client = host_socket(SOCK_DGRAM, 27001, 'c');
	assert_int_equal(send(client, "question", 8, 0), 8);
	len = receive_ip(IPPROTO_UDP);
	assert_int_equal(len, sizeof(in.udp) + 8);
	assert_int_equal(ntohs(in.udp.dest), 7);
	assert_memory_equal(in.bytes + sizeof(in.udp), "question", 8);
	out.udp = (struct udphdr){ .source = in.udp.dest,
				   .dest = in.udp.source,
				   .len = htons(sizeof(out.udp) + 6) };
	memcpy(out.bytes + sizeof(out.udp), "answer", 6);
	send_ip(IPPROTO_UDP, ntohl(in.ip.saddr), sizeof(out.udp) + 6);
	assert_int_equal(recv(client, text, sizeof(text), 0), 6);
	assert_string_equal(text, "answer");
	close(client);
}

static void tcp_port_reaches_the_guest(void **state)
{
	uint16_t from, to;
	uint32_t seq;
	size_t len;
	int client;

	(void)state;
	start(SOCK_STREAM, 27002);
	client = host_socket(SOCK_STREAM, 27002, 'c'); /* at once */
	assert_true(client >= 0);
	receive_ip(IPPROTO_TCP);
	assert_int_equal(in.tcp.syn, 1);
	assert_int_equal(ntohs(in.tcp.dest), 7);
	from = in.tcp.dest;
	to = in.tcp.source;
	seq = ntohl(in.tcp.seq) + 1;
	send_tcp(1000, seq, TH_SYN | TH_ACK, from, to);
	assert_int_equal(send(client, "hello", 5, 0), 5);
	do
		len = receive_ip(IPPROTO_TCP) - in.tcp.doff * 4u;
	while (len == 0);
	assert_int_equal(len, 5);
	assert_memory_equal(in.bytes + in.tcp.doff * 4, "hello", 5);
	send_tcp(1001, seq + 5, TH_ACK | TH_FIN, from, to);
	assert_int_equal(recv(client, &in, sizeof(in), 0), 0);
	close(client);
}

/* A guest that asks and never reads costs a bounded amount of memory, and the
 * network works when it reads again. */
static void guest_may_stop_reading(void **state)
{
	struct pollfd p = { .fd = net.fd[0], .events = POLLIN };
	char name[64];
	long pages = 0;
	FILE *statm;

	(void)state;
	start(0, 0);
	for (unsigned i = 0; i < 5000; i++)
		send_ip(IPPROTO_ICMP, HOST, 60000);
	/* our only child */
	snprintf(name, sizeof(name), "/proc/self/task/%d/children", getpid());
	statm = fopen(name, "r");
	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%ld", &pages), 1);
	fclose(statm);
	snprintf(name, sizeof(name), "/proc/%ld/statm", pages);
	statm = fopen(name, "r");
	assert_non_null(statm);
	assert_int_equal(fscanf(statm, "%*d %ld", &pages), 1);
	fclose(statm);
	assert_true(pages < 160 << 20 >> 12); /* of 300 MB that were asked for */
	for (unsigned i = 0; i < WAIT_MS / 100; i++) {
		send_ip(IPPROTO_ICMP, HOST, 64);
		while (poll(&p, 1, 100) == 1) {
			assert_true(read(net.fd[0], &in, sizeof(in)) > 0);
			if (in.eth.ether_type == htons(ETHERTYPE_ARP))
				answer_arp();
			else if (in.ip.tot_len == htons(64 + sizeof(in.ip)))
				return;
		}
	}
	assert_true(false);
}

/* Empty messages are no end, and a frame of any length does no harm. */
static void odd_frames_are_survived(void **state)
{
	(void)state;
	start(0, 0);
	memset(&out, 0xff, sizeof(out));
	for (size_t len = 0; len < 200; len++)
		assert_true(send(net.fd[0], &out, len % 40, 0) >= 0);
	send_ip(IPPROTO_ICMP, HOST, 64);
	assert_int_equal(receive_ip(IPPROTO_ICMP), 64);
}

static void busy_ports_are_refused(void **state)
{
	struct publish_option p[2];
	char text[300];
	int udp = host_socket(SOCK_DGRAM, 27003, 'b');
	int tcp = host_socket(SOCK_STREAM, 27003, 'b');

	(void)state;
	listen(tcp, 1);
	p[0] = port(SOCK_DGRAM, AF_INET, 27003);
	assert_int_equal(fails_with(p, 1, text, sizeof(text)), 125);
	assert_non_null(strstr(text, "127.0.0.1:27003/udp is in use"));
	p[0] = port(SOCK_STREAM, AF_INET, 27003);
	assert_int_equal(fails_with(p, 1, text, sizeof(text)), 125);
	assert_non_null(strstr(text, "127.0.0.1:27003/tcp is in use"));
	close(udp);
	close(tcp);
	p[0] = p[1] = port(SOCK_STREAM, AF_INET6, 27004);
	assert_int_equal(fails_with(p, 2, text, sizeof(text)), 125);
	assert_non_null(strstr(text, "[::1]:27004/tcp is there twice"));
}

static void foreign_address_is_refused(void **state)
{
	struct publish_option p = port(SOCK_STREAM, AF_INET, 27005);
	char text[300];

	(void)state;
	((struct sockaddr_in *)&p.host)->sin_addr.s_addr = htonl(0xc0000201);
	assert_int_equal(fails_with(&p, 1, text, sizeof(text)), 125);
	assert_non_null(strstr(text, "192.0.2.1:27005/tcp: this host does not have that address"));
}

static void addresses_are_those_of_qemu(void **state)
{
	struct user_addresses a;

	(void)state;
	user_addresses(&a, 0);
	assert_string_equal(a.guest4, "10.0.2.15/24");
	assert_string_equal(a.gateway4, "10.0.2.2");
	assert_string_equal(a.nameserver4, "10.0.2.3");
	user_addresses(&a, 10);
	assert_string_equal(a.guest4, "10.0.12.15/24");
	assert_string_equal(a.guest6, "fd00:0:0:a::f/64");
	assert_string_equal(a.gateway6, "fd00:0:0:a::2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(arp_names_the_gateway, stop),
		cmocka_unit_test_teardown(dhcp_offers_the_address, stop),
		cmocka_unit_test_teardown(large_packets_pass, stop),
		cmocka_unit_test_teardown(udp_port_reaches_the_guest, stop),
		cmocka_unit_test_teardown(tcp_port_reaches_the_guest, stop),
		cmocka_unit_test_teardown(guest_may_stop_reading, stop),
		cmocka_unit_test_teardown(odd_frames_are_survived, stop),
		cmocka_unit_test(busy_ports_are_refused),
		cmocka_unit_test(foreign_address_is_refused),
		cmocka_unit_test(addresses_are_those_of_qemu),
	};

	setenv("MAYFLY_SLIRP", "build/vmm-slirp", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
