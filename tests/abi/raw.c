/*
 * Raw and ping sockets, and network devices by ioctl and netlink.
 */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "abi.h"
#include "sockets.h"

/* ---- raw and ping ---- */

static uint16_t checksum(const void *data, size_t n)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < n; i += 2)
		sum += p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

CASE(raw_icmp)
{
	struct sockaddr_in to = in4("127.0.0.1", 0), from;
	struct icmphdr echo = { .type = ICMP_ECHO, .un.echo = { htons(77), htons(1) } };
	socklen_t len = sizeof(from);
	int fd = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	uint8_t buf[200];
	long n;

	echo.checksum = checksum(&echo, sizeof(echo));
	SHOW(sendto(fd, &echo, sizeof(echo), 0, (struct sockaddr *)&to, sizeof(to)));
	for (int i = 0; i < 2; i++) { /* the request is seen too */
		struct pollfd p = { fd, POLLIN, 0 };

		poll(&p, 1, 2000);
		SHOW(n = recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from,
				  &len));
		if (n < 28)
			continue;
		say("  %d %d: type %d id %d sequence %d, from %s", buf[0], buf[9], buf[20],
		    buf[24] << 8 | buf[25], buf[26] << 8 | buf[27], inet_ntoa(from.sin_addr));
	}
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(send(fd, &echo, sizeof(echo), 0));
	SHOW(listen(fd, 1));
	close(fd);
}

CASE(raw_own_protocol)
{
	struct sockaddr_in to = in4("127.0.0.1", 0), other = in4("127.0.0.5", 0);
	int fd = NEED(socket(AF_INET, SOCK_RAW, 253)), out = NEED(socket(AF_INET, SOCK_RAW, 253));
	char buf[100] = "";

	SHOW(BIND(fd, to));
	SHOW(sendto(out, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	struct pollfd p = { fd, POLLIN, 0 };
	poll(&p, 1, 2000);
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	say("%.5s", buf + 20);
	/* not for that address */
	SHOW(sendto(out, "hello", 5, 0, (struct sockaddr *)&other, sizeof(other)));
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(recv(out, buf, sizeof(buf), MSG_DONTWAIT));
	SHOW(CONNECT(out, to));
	SHOW(send(out, "again", 5, 0));
	poll(&p, 1, 2000);
	SHOW(recv(fd, buf, sizeof(buf), MSG_DONTWAIT));
	close(fd);
	close(out);
}

CASE(raw_header_included)
{
	struct sockaddr_in to = in4("127.0.0.1", 0);
	uint8_t packet[28] = { 0x45, 7, 0,   0, 0, 9, 0,   0,   33,  253, 0, 0, 127, 0,
			       0,    9, 127, 0, 0, 1, 'r', 'a', 'w', '!', 0, 0, 0,   0 };
	uint8_t buf[100] = "";
	int fd = NEED(socket(AF_INET, SOCK_RAW, 253)),
	    out = NEED(socket(AF_INET, SOCK_RAW, IPPROTO_RAW));
	struct sockaddr_in from;
	socklen_t len = sizeof(from);

	SHOW(sendto(out, packet, sizeof(packet), 0, (struct sockaddr *)&to, sizeof(to)));
	struct pollfd p = { fd, POLLIN, 0 };
	poll(&p, 1, 2000);
	SHOW(recvfrom(fd, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len));
	say("%d %d %d %d %.4s from %s", buf[0], buf[1], buf[3], buf[8], buf + 20,
	    inet_ntoa(from.sin_addr));
	close(fd);
	close(out);
}

CASE(raw_errors)
{
	int fd = NEED(socket(AF_INET, SOCK_RAW, 253));
	struct sockaddr_in bad = in4("127.0.0.1", 0);

	SHOW(sendto(fd, "x", 1, 0, (struct sockaddr *)&bad, 5));
	SHOW(sendto(fd, "x", 1, MSG_OOB, (struct sockaddr *)&bad, sizeof(bad)));
	bad.sin_family = 77;
	SHOW(sendto(fd, "x", 1, 0, (struct sockaddr *)&bad, sizeof(bad)));
	bad = in4("192.0.2.1", 0);
	SHOW(BIND(fd, bad));
	SHOW(bind(fd, (struct sockaddr *)&bad, 3));
	SHOW(accept(fd, NULL, NULL));
	close(fd);
}

/* ---- devices ---- */

CASE(ioctl_loopback)
{
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0));
	struct ifreq r = { .ifr_name = "lo" };

	SHOW(ioctl(fd, SIOCGIFINDEX, &r));
	SHOW(r.ifr_ifindex);
	memset(&r, 0, sizeof(r));
	r.ifr_ifindex = 1;
	SHOW(ioctl(fd, SIOCGIFNAME, &r));
	say("%s", r.ifr_name);
	SHOW(ioctl(fd, SIOCGIFFLAGS, &r));
	say("%#x", (unsigned)r.ifr_flags);
	SHOW(ioctl(fd, SIOCGIFADDR, &r));
	say("%s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
	SHOW(ioctl(fd, SIOCGIFNETMASK, &r));
	say("%s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
	SHOW(ioctl(fd, SIOCGIFMTU, &r));
	SHOW(r.ifr_mtu);
	SHOW(ioctl(fd, SIOCGIFHWADDR, &r));
	say("%d", r.ifr_hwaddr.sa_family);
	SHOW(ioctl(fd, SIOCGIFTXQLEN, &r));
	strcpy(r.ifr_name, "nothere");
	SHOW(ioctl(fd, SIOCGIFFLAGS, &r));
	SHOW(ioctl(fd, SIOCGIFINDEX, &r));
	r.ifr_ifindex = 9999;
	SHOW(ioctl(fd, SIOCGIFNAME, &r));
	SHOW(ioctl(fd, SIOCGIFFLAGS, bad_ptr()));
	SHOW(ioctl(fd, SIOCGIFCONF, bad_ptr()));
	SHOW(ioctl(fd, TIOCGWINSZ, &r));
	close(fd);
	fd = NEED(socket(AF_UNIX, SOCK_STREAM, 0));
	strcpy(r.ifr_name, "lo");
	SHOW(ioctl(fd, SIOCGIFINDEX, &r));
	close(fd);
}

CASE(ioctl_list)
{
	int fd = NEED(socket(AF_INET, SOCK_DGRAM, 0)), all;
	static struct ifreq r[50];
	struct ifconf c = { .ifc_len = sizeof(r), .ifc_req = r };

	SHOW(ioctl(fd, SIOCGIFCONF, &c));
	all = c.ifc_len;
	CHECK(all >= (int)sizeof(*r) && all % sizeof(*r) == 0);
	say("%s %s", r[0].ifr_name, inet_ntoa(((struct sockaddr_in *)&r[0].ifr_addr)->sin_addr));
	c = (struct ifconf){ .ifc_len = 0, .ifc_req = NULL };
	SHOW(ioctl(fd, SIOCGIFCONF, &c));
	CHECK(c.ifc_len == all);
	c = (struct ifconf){ .ifc_len = sizeof(*r) + 10, .ifc_req = r };
	SHOW(ioctl(fd, SIOCGIFCONF, &c));
	CHECK(c.ifc_len == sizeof(*r));
	close(fd);
}

CASE(getifaddrs_loopback)
{
	struct ifaddrs *all;
	char text[64];

	SHOW(getifaddrs(&all));
	for (struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		int family = i->ifa_addr != NULL ? i->ifa_addr->sa_family : -1;

		if (strcmp(i->ifa_name, "lo") != 0)
			continue;
		say("lo family %d flags %#x", family, i->ifa_flags);
		if (family == AF_INET) {
			say("  %s", inet_ntoa(((struct sockaddr_in *)i->ifa_addr)->sin_addr));
			say("  %s", inet_ntoa(((struct sockaddr_in *)i->ifa_netmask)->sin_addr));
		} else if (family == AF_INET6) {
			say("  %s",
			    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr,
				      text, sizeof(text)));
			say("  %s",
			    inet_ntop(AF_INET6, &((struct sockaddr_in6 *)i->ifa_netmask)->sin6_addr,
				      text, sizeof(text)));
		}
	}
	freeifaddrs(all);
	struct if_nameindex *names = if_nameindex();
	CHECK(names != NULL && names[0].if_index == 1);
	say("%s", names[0].if_name);
	if_freenameindex(names);
	SHOW(if_nametoindex("lo"));
	SHOW(if_nametoindex("nothere"));
	char name[IF_NAMESIZE];
	CHECK(if_indextoname(1, name) != NULL);
}

/* ---- sock_diag */

#define DIAG_REQUEST  (16 + 56) /* nlmsghdr, inet_diag_req_v2: musl has no such headers */
#define NETLINK_DIAG  4
#define NETLINK_ERROR 2
#define DUMP          0x301

/* The first answer: how it ends. */
static void show_diag(const char *what, uint8_t family, uint8_t protocol, uint32_t len)
{
	struct {
		uint32_t len;
		uint16_t type, flags;
		uint32_t seq, pid;
		union {
			uint8_t family[2];
			int error;
			uint8_t bytes[8192];
		};
	} m = { .len = len, .type = 20, .flags = DUMP, .family = { family, protocol } };
	int fd = NEED(socket(AF_NETLINK, SOCK_RAW, NETLINK_DIAG));

	NEED(send(fd, &m, len, 0));
	NEED(recv(fd, &m, sizeof(m), 0));
	say("%s: type %d, %s", what, m.type,
	    m.type == NETLINK_ERROR ? errno_name(-m.error) : "no error");
	close(fd);
}

CASE(sock_diag)
{
	show_diag("TCP, of no state", AF_INET, IPPROTO_TCP, DIAG_REQUEST);
	show_diag("UDP, IPv6", AF_INET6, IPPROTO_UDP, DIAG_REQUEST);
	show_diag("half a request", AF_INET, IPPROTO_TCP, 36);
	show_diag("not even a family", AF_INET, IPPROTO_TCP, 17);
	show_diag("no family", 200, 0, DIAG_REQUEST);
	show_diag("a family that is not told of", 9, 0, DIAG_REQUEST);
	SHOW(socket(AF_NETLINK, SOCK_RAW, 77));
}
