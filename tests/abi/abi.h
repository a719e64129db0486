/*
 * The harness of the ABI cases: small programs in plain Linux C that run on
 * Linux and in the guest, where stdout, stderr and exit status must be equal.
 *
 * A case prints what it saw, and nothing that may differ between two Linux
 * machines: no process number, address, time, inode or version; relations and
 * names instead. It never says itself whether that was right: Linux does.
 */
#ifndef ABI_H
#define ABI_H

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct abi_case {
	const char *name;
	void (*run)(void);
	const char *args; /* further arguments, in shell syntax */
	const char *env; /* K=V words for the environment */
	int line; /* place in the file: the order of --list */
	bool alone; /* ends the process or changes its state */
	bool dir; /* runs in a fresh directory */
	int since; /* on an older Linux, nothing can be compared */
};

/* Options of CASE(): without ALONE, a case must leave no trace behind. */
#define ALONE               .alone = true
#define IN_DIR              .dir = true
#define SINCE(major, minor) .since = (major)*1000 + (minor)

#define CASE(id, ...)                                                         \
	static void case_##id(void);                                          \
	static const struct abi_case abi_case_##id = {                        \
		.name = #id, .run = case_##id, .line = __LINE__, __VA_ARGS__  \
	};                                                                    \
	static const struct abi_case *const abi_entry_##id                    \
		__attribute__((used, section("abi_cases"))) = &abi_case_##id; \
	static void case_##id(void)

/* At an area's top: its System V objects and message queues, and what is counted of
 * them, are not the host's, where that may be. */
#define OWN_IPC                                                \
	__attribute__((constructor)) static void own_ipc(void) \
	{                                                      \
		unshare(CLONE_NEWIPC);                         \
	}

/* What main() was given. */
extern int abi_argc;
extern char **abi_argv;
extern char **abi_envp;

/* One line on stdout, in one write, so that a crash loses nothing. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* `label = N`, or `label = -1 EBADF` from errno. */
void show(const char *label, long ret);
/* The same where a good result is not the same everywhere: `label = ok`. */
void show_ok(const char *label, long ret);
/* For mmap and its kin. */
void show_map(const char *label, void *ret);
/* `label: yes` or `label: no` */
void check(const char *label, bool holds);

/* The expression itself is the label. */
#define SHOW(expr)     show(#expr, (long)(expr))
#define SHOW_OK(expr)  show_ok(#expr, (long)(expr))
#define SHOW_MAP(expr) show_map(#expr, (expr))
#define CHECK(expr)    check(#expr, (expr))

const char *errno_name(int err);
const char *signal_name(int sig);
const char *code_name(int sig, int code);

/* Preparation that must work: ends the case loudly when it did not. */
#define NEED(expr) need(#expr, (long)(expr))
long need(const char *what, long ret);

/* Addresses that no program has; functions, so that gcc cannot tell. */
void *bad_ptr(void); /* not mapped */
void *kernel_ptr(void); /* canonical, not the program's */
void *wild_ptr(void); /* not canonical */
void *launder(void *p);

/* Fresh anonymous pages, the page after them not accessible. */
char *pages(size_t n);

void make_file(const char *path, const char *text);
/* `path: "content"`, with the first bytes only of a long file */
void show_file(const char *path);

void on_signal(int sig, void (*handler)(int, siginfo_t *, void *), int flags);

/* What an access does: "ok", or the si_code of the signal it raised. */
const char *try_read(const volatile void *p);
const char *try_write(volatile void *p);
const char *try_exec(void *p);

/* Nanoseconds of a clock, straight from the system call. */
int64_t clock_ns(int clock);

#endif
