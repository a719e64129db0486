/*
 * main() of every ABI program:
 *   PROGRAM CASE [ARG...]  runs one case
 *   PROGRAM --all          runs, in this process, each case that composes
 *   PROGRAM --list         names; --table adds what run.sh needs to know
 *
 * ABI_TMP names the directory to work in (default /tmp). run.sh sets it on
 * Linux only, so it also says that descriptors may have been inherited.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

int abi_argc;
char **abi_argv;
char **abi_envp;

extern const struct abi_case *const __start_abi_cases[];
extern const struct abi_case *const __stop_abi_cases[];

/* ---- output ---- */

static void write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

void say(const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int saved = errno;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	write_all(STDOUT_FILENO, line, (size_t)n + 1);
	errno = saved;
}

void show(const char *label, long ret)
{
	if (ret == -1)
		say("%s = -1 %s", label, errno_name(errno));
	else
		say("%s = %ld", label, ret);
}

void show_ok(const char *label, long ret)
{
	if (ret == -1)
		say("%s = -1 %s", label, errno_name(errno));
	else
		say("%s = %s", label, ret < 0 ? "negative" : "ok");
}

void show_map(const char *label, void *ret)
{
	if (ret == MAP_FAILED)
		say("%s = -1 %s", label, errno_name(errno));
	else
		say("%s = ok", label);
}

void check(const char *label, bool holds)
{
	say("%s: %s", label, holds ? "yes" : "no");
}

long need(const char *what, long ret)
{
	if (ret == -1) {
		say("cannot prepare: %s: %s", what, errno_name(errno));
		_exit(99);
	}
	return ret;
}

/* ---- names ---- */

#define NAME(x)       \
	{             \
		x, #x \
	}

struct name {
	int value;
	const char *text;
};

static const struct name errnos[] = { NAME(EPERM),
				      NAME(ENOENT),
				      NAME(ESRCH),
				      NAME(EINTR),
				      NAME(EIO),
				      NAME(ENXIO),
				      NAME(E2BIG),
				      NAME(ENOEXEC),
				      NAME(EBADF),
				      NAME(ECHILD),
				      NAME(EAGAIN),
				      NAME(ENOMEM),
				      NAME(EACCES),
				      NAME(EFAULT),
				      NAME(EBUSY),
				      NAME(EEXIST),
				      NAME(EXDEV),
				      NAME(ENODEV),
				      NAME(ENOTDIR),
				      NAME(EISDIR),
				      NAME(EINVAL),
				      NAME(ENFILE),
				      NAME(EMFILE),
				      NAME(ENOTTY),
				      NAME(ETXTBSY),
				      NAME(EFBIG),
				      NAME(ENOSPC),
				      NAME(ESPIPE),
				      NAME(EROFS),
				      NAME(EMLINK),
				      NAME(EPIPE),
				      NAME(EDOM),
				      NAME(ERANGE),
				      NAME(EDEADLK),
				      NAME(ENAMETOOLONG),
				      NAME(ENOLCK),
				      NAME(ENOMSG),
				      NAME(EIDRM),
				      NAME(ENOSYS),
				      NAME(ENOTEMPTY),
				      NAME(ELOOP),
				      NAME(EOVERFLOW),
				      NAME(EOPNOTSUPP),
				      NAME(ETIMEDOUT),
				      NAME(ENODATA),
				      NAME(ENOTSOCK),
				      NAME(EILSEQ),
				      NAME(EDESTADDRREQ),
				      NAME(EMSGSIZE),
				      NAME(EPROTOTYPE),
				      NAME(ENOPROTOOPT),
				      NAME(EPROTO),
				      NAME(EPROTONOSUPPORT),
				      NAME(ESOCKTNOSUPPORT),
				      NAME(EAFNOSUPPORT),
				      NAME(EADDRINUSE),
				      NAME(EADDRNOTAVAIL),
				      NAME(ENETUNREACH),
				      NAME(EHOSTUNREACH),
				      NAME(ECONNREFUSED),
				      NAME(ECONNRESET),
				      NAME(ECONNABORTED),
				      NAME(ENOBUFS),
				      NAME(EISCONN),
				      NAME(ENOTCONN),
				      NAME(EINPROGRESS),
				      NAME(EALREADY),
				      NAME(ETOOMANYREFS),
				      { 0, NULL } };

static const struct name signals[] = {
	NAME(SIGHUP),    NAME(SIGINT),  NAME(SIGQUIT),  NAME(SIGILL),  NAME(SIGTRAP), NAME(SIGABRT),
	NAME(SIGBUS),    NAME(SIGFPE),  NAME(SIGKILL),  NAME(SIGUSR1), NAME(SIGSEGV), NAME(SIGUSR2),
	NAME(SIGPIPE),   NAME(SIGALRM), NAME(SIGTERM),  NAME(SIGCHLD), NAME(SIGCONT), NAME(SIGSTOP),
	NAME(SIGTSTP),   NAME(SIGTTIN), NAME(SIGTTOU),  NAME(SIGURG),  NAME(SIGXCPU), NAME(SIGXFSZ),
	NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGWINCH), NAME(SIGIO),   NAME(SIGPWR),  NAME(SIGSYS),
	{ 0, NULL }
};

static const struct name senders[] = { NAME(SI_USER),  NAME(SI_QUEUE),        NAME(SI_TIMER),
				       NAME(SI_TKILL), { 0x80, "SI_KERNEL" }, { 0, NULL } };

static const struct name segv_codes[] = { NAME(SEGV_MAPERR), NAME(SEGV_ACCERR), { 0, NULL } };

static const struct name fpe_codes[] = { NAME(FPE_INTDIV), NAME(FPE_INTOVF), NAME(FPE_FLTDIV),
					 NAME(FPE_FLTOVF), NAME(FPE_FLTUND), NAME(FPE_FLTRES),
					 NAME(FPE_FLTINV), { 0, NULL } };

static const struct name ill_codes[] = { NAME(ILL_ILLOPC),
					 NAME(ILL_ILLOPN),
					 NAME(ILL_PRVOPC),
					 { 0, NULL } };

static const char *find_name(const struct name *table, int value)
{
	static char other[16];

	for (; table->text != NULL; table++)
		if (table->value == value)
			return table->text;
	snprintf(other, sizeof(other), "%d", value);
	return other;
}

const char *errno_name(int err)
{
	return find_name(errnos, err);
}

const char *signal_name(int sig)
{
	return find_name(signals, sig);
}

const char *code_name(int sig, int code)
{
	const struct name *table = senders;

	if (code > 0 && code != 0x80) {
		if (sig == SIGSEGV)
			table = segv_codes;
		else if (sig == SIGFPE)
			table = fpe_codes;
		else if (sig == SIGILL)
			table = ill_codes;
	}
	return find_name(table, code);
}

/* ---- addresses and files ---- */

void *launder(void *p)
{
	__asm__ volatile("" : "+r"(p));
	return p;
}

void *bad_ptr(void)
{
	return launder((void *)0x1000);
}

void *kernel_ptr(void)
{
	return launder((void *)0xffff900000000000);
}

void *wild_ptr(void)
{
	return launder((void *)0x4000000000000000);
}

char *pages(size_t n)
{
	char *p = mmap(NULL, (n + 1) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);

	need("mmap of pages", p == MAP_FAILED ? -1 : 0);
	NEED(mprotect(p + n * 4096, 4096, PROT_NONE));
	return p;
}

void make_file(const char *path, const char *text)
{
	int fd = NEED(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));

	write_all(fd, text, strlen(text));
	close(fd);
}

void show_file(const char *path)
{
	char text[128];
	int fd = open(path, O_RDONLY);

	if (fd < 0) {
		say("%s: %s", path, errno_name(errno));
		return;
	}
	ssize_t n = read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	say("%s: \"%s\"", path, text);
	close(fd);
}

int64_t clock_ns(int clock)
{
	struct timespec ts;

	NEED(syscall(SYS_clock_gettime, clock, &ts));
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* ---- signals and accesses that may fault ---- */

void on_signal(int sig, void (*handler)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = handler;
	sa.sa_flags = SA_SIGINFO | flags;
	NEED(sigaction(sig, &sa, NULL));
}

static sigjmp_buf try_env;
static volatile int try_code;
static volatile int try_sig;

static void try_handler(int sig, siginfo_t *info, void *context)
{
	(void)context;
	try_sig = sig;
	try_code = info->si_code;
	siglongjmp(try_env, 1);
}

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

static void do_access(enum access kind, volatile void *p)
{
	volatile char *c = p;

	if (kind == ACCESS_READ)
		(void)*c;
	else if (kind == ACCESS_WRITE)
		*c = *c;
	else
		((void (*)(void))(uintptr_t)p)();
}

static const char *try_access(enum access kind, volatile void *p)
{
	struct sigaction old_segv, old_bus;
	const char *volatile result = "ok";

	sigaction(SIGSEGV, NULL, &old_segv);
	sigaction(SIGBUS, NULL, &old_bus);
	on_signal(SIGSEGV, try_handler, 0);
	on_signal(SIGBUS, try_handler, 0);
	if (sigsetjmp(try_env, 1) == 0)
		do_access(kind, p);
	else
		result = code_name(try_sig, try_code);
	sigaction(SIGSEGV, &old_segv, NULL);
	sigaction(SIGBUS, &old_bus, NULL);
	return result;
}

const char *try_read(const volatile void *p)
{
	return try_access(ACCESS_READ, (volatile void *)(uintptr_t)p);
}

const char *try_write(volatile void *p)
{
	return try_access(ACCESS_WRITE, p);
}

const char *try_exec(void *p)
{
	return try_access(ACCESS_EXEC, p);
}

/* ---- running cases ---- */

static void remove_tree(const char *path)
{
	if (unlink(path) == 0 || errno == ENOENT)
		return;
	DIR *d = opendir(path);
	if (d == NULL)
		return;
	for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		char child[4096];

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		int n = snprintf(child, sizeof(child), "%s/%s", path, e->d_name);
		if (n < (int)sizeof(child))
			remove_tree(child);
	}
	closedir(d);
	rmdir(path);
}

static bool on_linux(void)
{
	return getenv("ABI_TMP") != NULL;
}

static bool too_old_for(const struct abi_case *c)
{
	struct utsname u;
	char *end;

	if (!c->since || !on_linux() || uname(&u) < 0)
		return false;
	long major = strtol(u.release, &end, 10);
	return major * 1000 + strtol(end + 1, NULL, 10) < c->since;
}

static void run_case(const struct abi_case *c)
{
	const char *base = getenv("ABI_TMP");
	char dir[512];

	if (!c->dir) {
		c->run();
		return;
	}
	snprintf(dir, sizeof(dir), "%s/abi.%s", base ? base : "/tmp", c->name);
	if (mkdir(dir, 0755) < 0 && errno == EEXIST) {
		remove_tree(dir);
		NEED(mkdir(dir, 0755));
	}
	NEED(chdir(dir));
	c->run();
	NEED(chdir("/"));
	remove_tree(dir);
}

static size_t case_count(void)
{
	return (size_t)(__stop_abi_cases - __start_abi_cases);
}

/* gcc may emit the entries in any order: by line is the order of the file. */
static const struct abi_case *case_at(size_t rank)
{
	for (size_t i = 0; i < case_count(); i++) {
		size_t before = 0;

		for (size_t j = 0; j < case_count(); j++)
			if (__start_abi_cases[j]->line < __start_abi_cases[i]->line)
				before++;
		if (before == rank)
			return __start_abi_cases[i];
	}
	return NULL;
}

static void heading(const char *name)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "== %s\n", name);

	write_all(STDOUT_FILENO, line, (size_t)n);
	write_all(STDERR_FILENO, line, (size_t)n);
}

static int run_all(void)
{
	for (size_t i = 0; i < case_count(); i++) {
		const struct abi_case *c = case_at(i);

		if (c->alone)
			continue;
		heading(c->name);
		if (!too_old_for(c))
			run_case(c);
	}
	heading("end");
	return 0;
}

static int list(bool table)
{
	for (size_t i = 0; i < case_count(); i++) {
		const struct abi_case *c = case_at(i);

		if (table)
			printf("%s|%s|%s|%s\n", c->name, c->alone ? "alone" : "all",
			       c->env ? c->env : "", c->args ? c->args : "");
		else
			printf("%s\n", c->name);
	}
	return 0;
}

static int run_named(const char *name)
{
	for (size_t i = 0; i < case_count(); i++) {
		const struct abi_case *c = __start_abi_cases[i];

		if (strcmp(c->name, name) == 0) {
			if (too_old_for(c))
				return 97;
			run_case(c);
			return 0;
		}
	}
	fprintf(stderr, "no case %s\n", name);
	return 98;
}

int main(int argc, char **argv, char **envp)
{
	abi_argc = argc;
	abi_argv = argv;
	abi_envp = envp;
	if (argc < 2) {
		fprintf(stderr, "usage: CASE | --all | --list | --table\n");
		return 98;
	}
	if (on_linux())
		for (int fd = 3; fd < 256; fd++)
			close(fd);
	umask(022);
	if (strcmp(argv[1], "--list") == 0)
		return list(false);
	if (strcmp(argv[1], "--table") == 0)
		return list(true);
	if (strcmp(argv[1], "--all") == 0)
		return run_all();
	return run_named(argv[1]);
}
