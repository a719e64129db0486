/*
 * What libc finds by name in the built-in /etc: users, hosts, services, protocols.
 */
#include <arpa/inet.h>
#include <grp.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>

static void show_service(const char *name, const char *protocol)
{
	const struct servent *s = getservbyname(name, protocol);

	printf("%s/%s: %d\n", name, protocol, s ? ntohs(s->s_port) : -1);
}

static void show_address(const char *host, const char *service, int family)
{
	const struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };
	char text[INET6_ADDRSTRLEN], port[8];
	struct addrinfo *found;
	int error = getaddrinfo(host, service, &hints, &found);

	if (error == 0)
		error = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof(text), port,
				    sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	if (error)
		printf("%s: %s\n", host, gai_strerror(error));
	else
		printf("%s: %s port %s\n", host, text, port);
}

int main(void)
{
	const struct protoent *udp = getprotobyname("udp");
	const struct passwd *root = getpwuid(0);
	const struct group *tty = getgrnam("tty");

	show_service("http", "tcp");
	show_service("www", "tcp");
	show_service("domain", "udp");
	show_service("nothing", "tcp");
	printf("udp: %d\n", udp ? udp->p_proto : -1);
	printf("root: %s, tty: %d\n", root ? root->pw_dir : "?", tty ? (int)tty->gr_gid : -1);
	show_address("localhost", "https", AF_INET);
	show_address("localhost", "redis", AF_INET6);
	return 0;
}
