/*
 * What a process is and has: numbers, owners, limits, names, scheduling,
 * random bytes, the machine's description, and calls that are not there.
 */
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "abi.h"

#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003

/* ---- numbers ---- */

CASE(pid_relations)
{
	CHECK(getpid() > 0);
	CHECK(getpid() == syscall(SYS_getpid));
	CHECK(getpid() == syscall(SYS_gettid));
	CHECK(getppid() != getpid());
	CHECK(getpgid(0) == getpgrp());
	CHECK(getpgid(getpid()) == getpgrp());
	CHECK(getsid(0) == getsid(getpid()));
}

CASE(pid_errors)
{
	SHOW(getpgid(0x7ffffff0));
	SHOW(getsid(0x7ffffff0));
	SHOW(getpgid(-1));
	SHOW(setpgid(0x7ffffff0, 0));
	SHOW(setpgid(0, -1));
}

CASE(session_new, ALONE)
{
	/* a leader of a group already, or made one now: the same afterwards */
	(void)setsid();
	CHECK(getpgrp() == getpid());
	CHECK(getsid(0) == getpid());
	SHOW(setsid());
	SHOW(setpgid(0, 0));
}

CASE(tid_address)
{
	static int word;

	CHECK(syscall(SYS_set_tid_address, &word) == getpid());
}

CASE(user_relations)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	NEED(getresuid(&r, &e, &s));
	CHECK(r == getuid() && e == geteuid() && s == e);
	NEED(getresgid(&gr, &ge, &gs));
	CHECK(gr == getgid() && ge == getegid() && gs == ge);
	CHECK(getuid() == geteuid());
	SHOW(syscall(SYS_getresuid, bad_ptr(), &e, &s));
}

CASE(user_set_to_same)
{
	SHOW(setuid(getuid()));
	SHOW(setgid(getgid()));
	SHOW(setreuid(-1, -1));
	SHOW(setresuid(-1, -1, -1));
	SHOW(setresgid(getgid(), -1, -1));
	SHOW(setuid(-1));
	SHOW(setgid(-1));
	CHECK(syscall(SYS_setfsuid, -1) == (long)geteuid());
}

CASE(groups_query)
{
	gid_t list[65536 / sizeof(gid_t)];
	int n = getgroups(0, NULL);

	CHECK(n >= 0);
	CHECK(getgroups(n, list) == n);
	SHOW(getgroups(-1, list));
	if (n > 0)
		CHECK(getgroups(n, bad_ptr()) == -1 && errno == EFAULT);
	else
		check("getgroups(n, bad_ptr()) == -1 && errno == EFAULT", true);
}

/* ---- limits ---- */

CASE(limits_query)
{
	static const int which[] = { RLIMIT_CPU,     RLIMIT_FSIZE, RLIMIT_DATA,       RLIMIT_STACK,
				     RLIMIT_CORE,    RLIMIT_RSS,   RLIMIT_NPROC,      RLIMIT_NOFILE,
				     RLIMIT_MEMLOCK, RLIMIT_AS,    RLIMIT_SIGPENDING, RLIMIT_NICE };
	struct rlimit a, b;
	bool good = true;

	for (size_t i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
		good &= getrlimit(which[i], &a) == 0;
		good &= a.rlim_cur <= a.rlim_max;
		good &= syscall(SYS_prlimit64, 0, which[i], NULL, &b) == 0;
		good &= a.rlim_cur == b.rlim_cur && a.rlim_max == b.rlim_max;
	}
	CHECK(good);
	NEED(getrlimit(RLIMIT_STACK, &a));
	CHECK(a.rlim_cur >= 1 << 20);
	NEED(getrlimit(RLIMIT_NOFILE, &a));
	CHECK(a.rlim_cur >= 256);
}

CASE(limits_set, ALONE)
{
	struct rlimit lim, now;

	NEED(getrlimit(RLIMIT_NOFILE, &lim));
	lim.rlim_cur = 100;
	SHOW(setrlimit(RLIMIT_NOFILE, &lim));
	NEED(getrlimit(RLIMIT_NOFILE, &now));
	SHOW(now.rlim_cur);
	lim.rlim_max = 200;
	SHOW(setrlimit(RLIMIT_NOFILE, &lim));
	NEED(getrlimit(RLIMIT_NOFILE, &now));
	SHOW(now.rlim_max);
	lim.rlim_cur = 200;
	struct rlimit old;
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &lim, &old));
	SHOW(old.rlim_cur);
	SHOW(sysconf(_SC_OPEN_MAX));
}

CASE(limits_errors, ALONE)
{
	struct rlimit wrong = { 10, 5 }, lim;

	SHOW(setrlimit(RLIMIT_NOFILE, &wrong));
	SHOW(getrlimit(99, &lim));
	SHOW(setrlimit(99, &lim));
	SHOW(syscall(SYS_getrlimit, RLIMIT_NOFILE, bad_ptr()));
	SHOW(syscall(SYS_setrlimit, RLIMIT_NOFILE, bad_ptr()));
	SHOW(syscall(SYS_prlimit64, 0x7ffffff0, RLIMIT_NOFILE, NULL, &lim));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, bad_ptr()));
	SHOW(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, bad_ptr(), NULL));
	SHOW(syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, NULL, NULL));
}

/* ---- prctl and its kin ---- */

CASE(prctl_name, ALONE)
{
	char name[17] = "................";

	SHOW(prctl(PR_GET_NAME, name));
	say("%s", name);
	SHOW(prctl(PR_SET_NAME, "short"));
	SHOW(prctl(PR_GET_NAME, name));
	say("%s", name);
	SHOW(prctl(PR_SET_NAME, "a name that is too long"));
	SHOW(prctl(PR_GET_NAME, name));
	say("%s", name);
	SHOW(prctl(PR_SET_NAME, ""));
	SHOW(prctl(PR_GET_NAME, name));
	say("\"%s\"", name);
}

CASE(prctl_errors)
{
	SHOW(prctl(99999, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NAME, bad_ptr()));
	SHOW(prctl(PR_GET_NAME, bad_ptr()));
	SHOW(prctl(PR_SET_PDEATHSIG, 99));
}

CASE(prctl_others, ALONE)
{
	int sig = -1;

	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_PDEATHSIG, 0));
	SHOW(prctl(PR_GET_PDEATHSIG, &sig));
	SHOW(sig);
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

CASE(arch_prctl_fs)
{
	unsigned long base = 0, self;

	__asm__("mov %%fs:0, %0" : "=r"(self));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
	CHECK(base == self);
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_FS, base));
	SHOW(syscall(SYS_arch_prctl, 0x9999, &base));
	SHOW(syscall(SYS_arch_prctl, ARCH_GET_FS, bad_ptr()));
	SHOW(syscall(SYS_arch_prctl, ARCH_SET_FS, kernel_ptr()));
}

static long with_other_fs(unsigned long *block)
{
	unsigned long base = 0, value;

	/* no C library between the two changes: its errno is at %fs */
	NEED(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
	__asm__ volatile("syscall; mov %%fs:8, %%rbx;"
			 "mov %[nr], %%eax; mov %[base], %%rsi; syscall"
			 : "=&b"(value)
			 : "a"(SYS_arch_prctl), "D"(ARCH_SET_FS),
			   "S"(block), [nr] "i"(SYS_arch_prctl), [base] "r"(base)
			 : "rcx", "r11", "memory");
	return (long)value;
}

CASE(arch_prctl_moves_fs)
{
	unsigned long block[2] = { 0, 4711 };

	SHOW(with_other_fs(block));
}

CASE(robust_list)
{
	static struct {
		void *next;
		long offset;
		void *pending;
	} head;

	head.next = &head;
	SHOW(syscall(SYS_set_robust_list, &head, sizeof(head)));
	SHOW(syscall(SYS_set_robust_list, &head, 5));
}

/* ---- futex of one thread ---- */

#define WAIT    0
#define WAKE    1
#define PRIVATE 128

static int futex_word;

static long futex(void *at, int op, int value, const struct timespec *timeout)
{
	return syscall(SYS_futex, at, op, value, timeout, NULL, 0);
}

CASE(futex_wake_nobody)
{
	SHOW(futex(&futex_word, WAKE, 1, NULL));
	SHOW(futex(&futex_word, WAKE | PRIVATE, INT_MAX, NULL));
}

CASE(futex_wait_changed)
{
	futex_word = 5;
	SHOW(futex(&futex_word, WAIT, 6, NULL));
	SHOW(futex(&futex_word, WAIT | PRIVATE, 4, NULL));
}

CASE(futex_wait_times_out)
{
	struct timespec ts = { 0, 20000000 };
	int64_t before = clock_ns(CLOCK_MONOTONIC);

	futex_word = 5;
	SHOW(futex(&futex_word, WAIT | PRIVATE, 5, &ts));
	CHECK(clock_ns(CLOCK_MONOTONIC) - before >= 20000000);
}

CASE(futex_errors)
{
	struct timespec bad = { 0, 1000000000 };

	futex_word = 5;
	SHOW(futex(bad_ptr(), WAIT, 5, NULL));
	SHOW(futex((char *)&futex_word + 1, WAIT, 5, NULL));
	SHOW(futex(&futex_word, 99, 5, NULL));
	SHOW(futex(&futex_word, WAIT, 5, &bad));
	SHOW(futex(&futex_word, WAIT, 5, bad_ptr()));
	SHOW(futex((char *)&futex_word + 1, WAKE, 1, NULL));
}

/* ---- scheduling ---- */

CASE(sched_yields)
{
	bool good = true;

	for (int i = 0; i < 1000; i++)
		good &= sched_yield() == 0;
	CHECK(good);
}

CASE(sched_affinity)
{
	cpu_set_t set;
	unsigned char bytes[1024];

	CPU_ZERO(&set);
	SHOW(sched_getaffinity(0, sizeof(set), &set));
	CHECK(CPU_COUNT(&set) > 0);
	long n = syscall(SYS_sched_getaffinity, 0, sizeof(bytes), bytes);
	CHECK(n > 0 && n % 8 == 0);
	SHOW(sched_setaffinity(0, sizeof(set), &set));
	SHOW(syscall(SYS_sched_getaffinity, 0, 1, bytes));
	SHOW(syscall(SYS_sched_getaffinity, 0, sizeof(bytes), bad_ptr()));
	SHOW(syscall(SYS_sched_getaffinity, 0x7ffffff0, sizeof(bytes), bytes));
	CPU_ZERO(&set);
	SHOW(sched_setaffinity(0, sizeof(set), &set));
}

CASE(sched_processors)
{
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	CHECK(sysconf(_SC_NPROCESSORS_CONF) >= 1);
}

CASE(sched_getcpu_call)
{
	unsigned cpu = 9999, node = 9999;

	SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
	CHECK(cpu < 4096 && node < 1024);
	SHOW(syscall(SYS_getcpu, NULL, NULL, NULL));
	SHOW(syscall(SYS_getcpu, bad_ptr(), NULL, NULL));
}

CASE(sched_priorities)
{
	SHOW(syscall(SYS_sched_get_priority_max, SCHED_FIFO));
	SHOW(syscall(SYS_sched_get_priority_min, SCHED_FIFO));
	SHOW(syscall(SYS_sched_get_priority_max, SCHED_OTHER));
	SHOW(syscall(SYS_sched_get_priority_max, 99));
	CHECK(syscall(SYS_sched_getscheduler, 0) >= 0);
	SHOW(syscall(SYS_sched_getscheduler, -1));
	SHOW(syscall(SYS_sched_getscheduler, 0x7ffffff0));
}

/* struct sched_attr, which not every libc has. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t of_deadlines[3];
	uint32_t util_min, util_max;
};
#define RESET_ON_FORK 1
#define KEEP_POLICY   8
#define KEEP_PARAMS   16

static void show_attr(void)
{
	struct attributes attr = { 0 };

	SHOW(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0));
	SHOW(attr.size);
	SHOW(attr.policy);
	SHOW(attr.flags);
	SHOW(attr.nice);
	SHOW(attr.priority);
}

static long set_attr(unsigned policy, unsigned long flags, int nice, unsigned priority)
{
	struct attributes attr = { sizeof(attr), policy, flags, nice, priority, { 0 }, 0, 0 };
	return syscall(SYS_sched_setattr, 0, &attr, 0);
}

CASE(sched_attributes)
{
	SHOW(set_attr(SCHED_BATCH, 0, 5, 0));
	show_attr();
	SHOW(set_attr(SCHED_OTHER, RESET_ON_FORK, 100, 0)); /* 19 then */
	show_attr();
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(getpriority(PRIO_PROCESS, 0));
	SHOW(set_attr(99, KEEP_POLICY | KEEP_PARAMS, 7, 3));
	show_attr();
	SHOW(set_attr(99, KEEP_POLICY | KEEP_PARAMS, 7, 0));
	show_attr();
	SHOW(set_attr(SCHED_FIFO, 0, 0, 0));
	SHOW(set_attr(SCHED_OTHER, 0, 0, 1));
	SHOW(set_attr(SCHED_FIFO, 0, 0, 100));
	SHOW(set_attr(99, 0, 0, 0));
	SHOW(set_attr(-1u, 0, 0, 0));
	SHOW(set_attr(SCHED_OTHER, 1ul << 40, 0, 0));
	show_attr();
}

CASE(sched_attributes_that_are_longer)
{
	struct {
		struct attributes attr;
		char more[64];
	} longer = { .attr = { .size = sizeof(longer), .nice = 3 } };

	SHOW(syscall(SYS_sched_setattr, 0, &longer, 0));
	longer.more[63] = 1;
	SHOW(syscall(SYS_sched_setattr, 0, &longer, 0));
	SHOW(longer.attr.size);
	longer.attr.size = 4;
	SHOW(syscall(SYS_sched_setattr, 0, &longer, 0));
	SHOW(longer.attr.size);
	longer.attr.size = 0; /* the first version's */
	SHOW(syscall(SYS_sched_setattr, 0, &longer, 0));
	show_attr();
}

CASE(priority_of_self)
{
	errno = 0;
	int nice_value = getpriority(PRIO_PROCESS, 0);

	SHOW(errno);
	/* the system call itself has no negative results */
	CHECK(syscall(SYS_getpriority, PRIO_PROCESS, 0) == 20 - nice_value);
	SHOW(setpriority(PRIO_PROCESS, 0, nice_value));
	SHOW(getpriority(99, 0));
	SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0x7ffffff0));
	SHOW(setpriority(99, 0, 0));
}

/* ---- random ---- */

CASE(random_bytes)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };

	SHOW(getrandom(a, sizeof(a), 0));
	SHOW(getrandom(b, sizeof(b), GRND_NONBLOCK));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	SHOW(getrandom(a, 0, 0));
	SHOW(getentropy(a, 16));
	SHOW(getentropy(a, 257));
}

CASE(random_much)
{
	static unsigned char big[100000];
	int counts[256] = { 0 }, most = 0;

	SHOW(getrandom(big, sizeof(big), 0));
	for (size_t i = 0; i < sizeof(big); i++)
		counts[big[i]]++;
	for (int i = 0; i < 256; i++)
		if (counts[i] > most)
			most = counts[i];
	CHECK(most < 1000);
}

CASE(random_errors)
{
	char c;

	SHOW(getrandom(&c, 1, 0x100));
	SHOW(getrandom(bad_ptr(), 1, 0));
	SHOW(getrandom(&c, 1, GRND_RANDOM | 4));
}

/* ---- the machine ---- */

CASE(uname_fields)
{
	struct utsname u;
	char host[256] = "";

	SHOW(uname(&u));
	say("%s %s", u.sysname, u.machine);
	CHECK(u.release[0] >= '1' && u.release[0] <= '9');
	CHECK(strchr(u.release, '.') != NULL);
	NEED(gethostname(host, sizeof(host)));
	CHECK(strcmp(host, u.nodename) == 0);
	SHOW(syscall(SYS_uname, bad_ptr()));
}

CASE(uname_release_is_recent)
{
	struct utsname u;

	/* glibc refuses to start on a kernel older than it was built for */
	NEED(uname(&u));
	CHECK(atoi(u.release) >= 4);
}

CASE(sysinfo_sanity)
{
	struct sysinfo si;

	SHOW(sysinfo(&si));
	uint64_t total = (uint64_t)si.totalram * si.mem_unit;
	CHECK(total >= 1 << 20);
	CHECK(si.freeram <= si.totalram);
	CHECK(si.procs >= 1);
	SHOW(syscall(SYS_sysinfo, bad_ptr()));
}

CASE(sysconf_values)
{
	CHECK(sysconf(_SC_PHYS_PAGES) > 256);
	CHECK(sysconf(_SC_AVPHYS_PAGES) > 0);
	CHECK(sysconf(_SC_ARG_MAX) >= 131072);
	SHOW(sysconf(_SC_NGROUPS_MAX));
	SHOW(sysconf(99999));
}

/* ---- calls that are not there ---- */

CASE(unknown_numbers)
{
	/* not 335 and 336: probes use those, and kill all other callers */
	static const long numbers[] = { 340, 400, 1000, 0x3fffffff, -1, -2 };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char label[32];

		snprintf(label, sizeof(label), "syscall %ld", numbers[i]);
		show(label, syscall(numbers[i], 1, 2, 3, 4, 5, 6));
	}
}

CASE(unknown_but_named)
{
	/* numbers that Linux itself no longer or never serves */
	SHOW(syscall(SYS_create_module, 0));
	SHOW(syscall(SYS_getpmsg, 0));
	SHOW(syscall(SYS_security, 0));
	SHOW(syscall(SYS_vserver, 0));
}

CASE(number_upper_half)
{
	long ret;

	/* a call is chosen by all of rax in modern Linux: no such call */
	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(0x100000000l + SYS_getpid)
			 : "rcx", "r11", "memory");
	CHECK(ret == -ENOSYS || ret == getpid());
}

CASE(errno_untouched_by_success)
{
	errno = EXDEV;
	(void)getppid();
	(void)umask(022);
	say("%s", errno_name(errno));
	SHOW(syscall(SYS_getpid) > 0);
	say("%s", errno_name(errno));
}
