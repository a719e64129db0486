/*
 * /dev and /proc, as far as ordinary programs read them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "abi.h"

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The whole of a small file; its length, or -1. */
static long slurp(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY);
	size_t at = 0;
	long n = 0;

	if (fd < 0)
		return -1;
	while (at < size - 1 && (n = read(fd, buf + at, size - 1 - at)) > 0)
		at += (size_t)n;
	close(fd);
	buf[at] = 0;
	return n < 0 ? -1 : (long)at;
}

/* What follows "key" at the start of a line, or NULL. */
static const char *field(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, n) == 0)
			return line + n;
	}
	return NULL;
}

/* ---- devices ---- */

CASE(dev_null)
{
	char buf[4] = "abc";
	int fd = open("/dev/null", O_RDWR);

	SHOW(fd);
	SHOW(read(fd, buf, 4));
	SHOW(write(fd, "swallowed", 9));
	SHOW(read(fd, buf, 4));
	say("%s", buf);
	SHOW(lseek(fd, 100, SEEK_SET));
	SHOW(ftruncate(fd, 0));
	SHOW(close(NEED(open("/dev/null", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644))));
	SHOW(open("/dev/null/x", O_RDONLY));
	SHOW(write(fd, bad_ptr(), 5));
	close(fd);
}

CASE(dev_zero)
{
	unsigned char buf[5000];
	int sum = 0, fd = open("/dev/zero", O_RDWR);

	memset(buf, 1, sizeof(buf));
	SHOW(fd);
	SHOW(read(fd, buf, sizeof(buf)));
	for (size_t i = 0; i < sizeof(buf); i++)
		sum += buf[i];
	SHOW(sum);
	SHOW(write(fd, buf, 10));
	SHOW(read(fd, bad_ptr(), 5));
	SHOW(pread(fd, buf, 5, 1000));
	close(fd);
}

CASE(dev_full)
{
	char buf[4] = "abc";
	int fd = open("/dev/full", O_RDWR);

	SHOW(fd);
	SHOW(write(fd, "x", 1));
	SHOW(write(fd, "x", 0));
	SHOW(read(fd, buf, 4));
	SHOW(buf[0]);
	close(fd);
}

CASE(dev_full_stdio)
{
	FILE *f = fopen("/dev/full", "w");

	CHECK(f != NULL);
	SHOW(fputs("text", f) >= 0);
	SHOW(fflush(f));
	fclose(f);
}

CASE(dev_urandom)
{
	unsigned char a[64] = { 0 }, b[64] = { 0 };
	int fd = open("/dev/urandom", O_RDONLY);

	SHOW(fd);
	SHOW(read(fd, a, sizeof(a)));
	SHOW(read(fd, b, sizeof(b)));
	CHECK(memcmp(a, b, sizeof(a)) != 0);
	SHOW(read(fd, bad_ptr(), 10));
	SHOW(read(fd, a, 0));
	close(fd);
	fd = open("/dev/random", O_RDONLY);
	SHOW(fd);
	SHOW(read(fd, a, 8));
	close(fd);
}

CASE(dev_numbers)
{
	static const char *const names[] = { "/dev/null",   "/dev/zero",    "/dev/full",
					     "/dev/random", "/dev/urandom", "/dev/tty" };
	struct stat st;

	for (size_t i = 0; i < 6; i++) {
		NEED(stat(names[i], &st));
		say("%s: %s %u:%u mode %#o", names[i], S_ISCHR(st.st_mode) ? "char" : "other",
		    major(st.st_rdev), minor(st.st_rdev), st.st_mode & 0666);
	}
}

CASE(dev_tty_none, ALONE)
{
	/* a session of its own has no terminal */
	(void)setsid();
	SHOW(open("/dev/tty", O_RDWR));
}

CASE(dev_stdio_names, ALONE)
{
	int p[2];

	NEED(pipe(p));
	NEED(dup2(p[1], STDERR_FILENO));
	FILE *f = fopen("/dev/stderr", "w");
	CHECK(f != NULL);
	fputs("hello", f);
	fclose(f);
	char buf[8] = "";
	SHOW(read(p[0], buf, 8));
	say("%s", buf);
}

CASE(dev_missing)
{
	SHOW(open("/dev/surely_not_there", O_RDONLY));
	SHOW(open("/proc/surely_not_there", O_RDONLY));
	SHOW(open("/proc/self/surely_not_there", O_RDONLY));
	SHOW(open("/proc/999999999/stat", O_RDONLY));
}

CASE(dev_shm_and_tmp)
{
	struct stat st;

	SHOW(stat("/tmp", &st));
	CHECK(S_ISDIR(st.st_mode));
	say("%#o", st.st_mode & 07777);
	SHOW(stat("/dev", &st));
	SHOW(stat("/proc", &st));
	SHOW(stat("/", &st));
}

/* ---- /proc/self ---- */

CASE(proc_exe)
{
	char buf[4096] = "";
	struct stat a, b;

	CHECK(readlink("/proc/self/exe", buf, sizeof(buf) - 1) > 0);
	say("%s", last_part(buf));
	CHECK(buf[0] == '/');
	SHOW(stat("/proc/self/exe", &a));
	SHOW(stat(buf, &b));
	CHECK(a.st_size == b.st_size && a.st_size > 1000);
	SHOW(access("/proc/self/exe", X_OK));
}

CASE(proc_exe_is_elf)
{
	char buf[4] = "";
	int fd = open("/proc/self/exe", O_RDONLY);

	CHECK(fd >= 0);
	SHOW(read(fd, buf, 4));
	CHECK(memcmp(buf, "\177ELF", 4) == 0);
	close(fd);
}

CASE(proc_cmdline, ALONE, .args = "second 'third word' ''")
{
	char buf[4096];
	long n = slurp("/proc/self/cmdline", buf, sizeof(buf));
	long want = 0;

	for (int i = 0; i < abi_argc; i++)
		want += (long)strlen(abi_argv[i]) + 1;
	CHECK(n == want);
	const char *p = buf;
	for (int i = 0; i < abi_argc && p < buf + n; i++) {
		say("%s", i == 0 ? last_part(p) : p);
		p += strlen(p) + 1;
	}
}

CASE(proc_environ, ALONE, .env = "ABI_VARIABLE=present")
{
	char buf[8192];
	long n = slurp("/proc/self/environ", buf, sizeof(buf));
	bool found = false;

	for (char *p = buf; p < buf + n; p += strlen(p) + 1)
		found |= strcmp(p, "ABI_VARIABLE=present") == 0;
	CHECK(found);
}

CASE(proc_comm)
{
	char buf[64] = "";

	SHOW(slurp("/proc/self/comm", buf, sizeof(buf)));
	say("%s", buf);
}

CASE(proc_self_links, IN_DIR)
{
	char buf[4096] = "", number[32], cwd[4096];

	CHECK(readlink("/proc/self", buf, sizeof(buf) - 1) > 0);
	snprintf(number, sizeof(number), "%d", getpid());
	CHECK(strncmp(buf, number, strlen(number)) == 0);
	memset(buf, 0, sizeof(buf));
	CHECK(readlink("/proc/self/cwd", buf, sizeof(buf) - 1) > 0);
	CHECK(strcmp(buf, getcwd(cwd, sizeof(cwd))) == 0);
	memset(buf, 0, sizeof(buf));
	SHOW(readlink("/proc/self/root", buf, sizeof(buf) - 1));
	say("%s", buf);
}

CASE(proc_by_number)
{
	char path[64], a[4096], b[4096];

	snprintf(path, sizeof(path), "/proc/%d/comm", getpid());
	CHECK(slurp(path, a, sizeof(a)) == slurp("/proc/self/comm", b, sizeof(b)));
	CHECK(strcmp(a, b) == 0);
}

CASE(proc_fd_links, IN_DIR)
{
	char path[64], buf[4096] = "";
	int p[2];

	make_file("some_file", "");
	int fd = NEED(open("some_file", O_RDONLY));
	NEED(pipe(p));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK(readlink(path, buf, sizeof(buf) - 1) > 0);
	say("%s", last_part(buf));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	memset(buf, 0, sizeof(buf));
	CHECK(readlink(path, buf, sizeof(buf) - 1) > 0);
	CHECK(strncmp(buf, "pipe:[", 6) == 0);
	SHOW(readlink("/proc/self/fd/99", buf, sizeof(buf)));
	NEED(unlink("some_file"));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(buf, 0, sizeof(buf));
	NEED(readlink(path, buf, sizeof(buf) - 1));
	say("%s", last_part(buf));
	close(fd);
	close(p[0]);
	close(p[1]);
}

CASE(proc_fd_list, ALONE)
{
	bool seen[16] = { false };
	int null = NEED(open("/dev/null", O_RDONLY));
	NEED(dup2(null, 7));
	DIR *d = opendir("/proc/self/fd");

	CHECK(d != NULL);
	if (d == NULL)
		return;
	for (struct dirent *e = readdir(d); e; e = readdir(d))
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			seen[atoi(e->d_name) & 15] = true;
	say("0 %d 1 %d 2 %d 3 %d 7 %d 8 %d", seen[0], seen[1], seen[2], seen[3], seen[7], seen[8]);
	closedir(d);
}

CASE(proc_fd_reopen, IN_DIR)
{
	char path[64], buf[16] = "";

	make_file("f", "reopened");
	int fd = NEED(open("f", O_RDONLY));
	NEED(lseek(fd, 3, SEEK_SET));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int again = open(path, O_RDWR);
	CHECK(again >= 0);
	/* a new description: its own offset and mode */
	SHOW(read(again, buf, 15));
	say("%s", buf);
	SHOW(write(again, "!", 1));
	close(fd);
	close(again);
}

CASE(proc_maps, ALONE)
{
	static char buf[65536];

	/* so that there is a heap */
	NEED(sbrk(0) == (void *)-1 ? -1 : 0);
	syscall(SYS_brk, syscall(SYS_brk, 0) + 8192);
	CHECK(slurp("/proc/self/maps", buf, sizeof(buf)) > 0);
	CHECK(strstr(buf, "[stack]\n") != NULL);
	CHECK(strstr(buf, "[heap]\n") != NULL);
	CHECK(strstr(buf, "[vdso]\n") != NULL);
	CHECK(strstr(buf, "/proc\n") != NULL);
}

/* Finds the line of /proc/self/maps that an address is in: its rights. */
static const char *rights_at(const void *p)
{
	static char buf[65536];
	static char rights[8];

	if (slurp("/proc/self/maps", buf, sizeof(buf)) <= 0)
		return "no maps";
	for (char *line = buf; line && *line; line = strchr(line, '\n')) {
		unsigned long from, to;

		line += *line == '\n';
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 && (uintptr_t)p >= from &&
		    (uintptr_t)p < to)
			return rights;
	}
	return "not mapped";
}

CASE(proc_maps_rights)
{
	char here, *p = pages(1);

	say("stack %s", rights_at(&here));
	say("code %s", rights_at((void *)(uintptr_t)rights_at));
	say("pages %s", rights_at(p));
	say("guard %s", rights_at(p + 4096));
	NEED(mprotect(p, 4096, PROT_READ));
	say("protected %s", rights_at(p));
	munmap(p, 8192);
	say("unmapped: %s", rights_at(p));
}

CASE(proc_status)
{
	static char buf[16384];
	const char *pid, *name, *uid;

	CHECK(slurp("/proc/self/status", buf, sizeof(buf)) > 0);
	name = field(buf, "Name:\t");
	say("Name %.4s", name ? name : "none");
	pid = field(buf, "Pid:\t");
	CHECK(pid && atoi(pid) == getpid());
	pid = field(buf, "Tgid:\t");
	CHECK(pid && atoi(pid) == getpid());
	pid = field(buf, "PPid:\t");
	CHECK(pid && atoi(pid) == getppid());
	uid = field(buf, "Uid:\t");
	CHECK(uid && (uid_t)atoi(uid) == getuid());
	say("Threads %d", field(buf, "Threads:\t") ? atoi(field(buf, "Threads:\t")) : -1);
	say("State %c", field(buf, "State:\t") ? *field(buf, "State:\t") : '?');
	CHECK(field(buf, "VmRSS:") != NULL);
	CHECK(field(buf, "VmSize:") != NULL);
}

CASE(proc_stat)
{
	char buf[4096] = "", comm[64], state;
	int pid, ppid, pgrp, session, n;

	CHECK(slurp("/proc/self/stat", buf, sizeof(buf)) > 0);
	n = sscanf(buf, "%d (%63[^)]) %c %d %d %d", &pid, comm, &state, &ppid, &pgrp, &session);
	SHOW(n);
	if (n != 6)
		return;
	CHECK(pid == getpid() && ppid == getppid());
	CHECK(pgrp == getpgrp() && session == getsid(0));
	say("%s %c", comm, state);
	int fields = 1;
	for (char *p = strchr(buf, ')'); p && *p; p++)
		fields += *p == ' ';
	CHECK(fields >= 50);
}

/* What a line of /proc/self/status says, or of a thread's. */
static void say_line(const char *path, const char *key)
{
	static char buf[16384];
	const char *text = slurp(path, buf, sizeof(buf)) > 0 ? field(buf, key) : NULL;

	say("%s%.*s", key, text ? (int)strcspn(text, "\n") : 7, text ? text : "nothing");
}

/* Whoever runs this may ignore some, even of those that libc keeps for itself. */
static void default_signals(void)
{
	const unsigned long action[4] = { 0 };

	for (int sig = 1; sig <= 64; sig++)
		syscall(SYS_rt_sigaction, sig, action, NULL, 8);
}

CASE(proc_status_signals, ALONE)
{
	sigset_t set;

	default_signals();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMAX);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGTERM, exit);
	raise(SIGUSR1);
	kill(getpid(), SIGRTMAX);
	say_line("/proc/self/status", "SigPnd:\t");
	say_line("/proc/self/status", "ShdPnd:\t");
	say_line("/proc/self/status", "SigBlk:\t");
	say_line("/proc/self/status", "SigIgn:\t");
	say_line("/proc/self/status", "SigCgt:\t");
}

CASE(proc_status_user, ALONE)
{
	gid_t groups[] = { 5, 7, 900 };

	NEED(setgroups(3, groups));
	NEED(setresgid(11, 12, 13));
	NEED(setresuid(0, 22, 23));
	say_line("/proc/self/status", "Uid:\t");
	say_line("/proc/self/status", "Gid:\t");
	say_line("/proc/self/status", "Groups:\t");
	say_line("/proc/self/status", "CapEff:\t");
	NEED(setresuid(23, 23, 23));
	say_line("/proc/self/status", "Uid:\t");
	say_line("/proc/self/status", "CapPrm:\t");
	say_line("/proc/self/status", "NoNewPrivs:\t");
}

static int gate[2]; /* a socket pair: the second is the thread's end */

static void *asleep(void *tid)
{
	char byte;

	NEED(prctl(PR_SET_NAME, "sleeper"));
	*(int *)tid = (int)syscall(SYS_gettid);
	NEED(write(gate[1], "x", 1));
	NEED(read(gate[1], &byte, 1));
	return NULL;
}

CASE(proc_of_threads, ALONE)
{
	char path[64], buf[4096] = "", comm[64], state = '?';
	int tid = 0, pid = 0, threads = 0;
	pthread_t t;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, gate));
	NEED(-pthread_create(&t, NULL, asleep, &tid));
	NEED(read(gate[0], comm, 1));
	for (int tries = 0; tries < 1000 && state != 'S'; tries++) {
		usleep(1000);
		snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
		NEED(slurp(path, buf, sizeof(buf)));
		sscanf(buf, "%d (%63[^)]) %c", &pid, comm, &state);
	}
	CHECK(pid == tid);
	say("%s %c", comm, state);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	say_line(path, "Name:\t");
	say_line(path, "State:\t");
	say_line("/proc/self/status", "Threads:\t");
	CHECK(slurp("/proc/self/stat", buf, sizeof(buf)) > 0);
	sscanf(strrchr(buf, ')'),
	       ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d "
	       "%*d %*d %d",
	       &state, &threads);
	say("%c %d", state, threads);
	NEED(write(gate[0], "y", 1));
	pthread_join(t, NULL);
}

CASE(proc_mountinfo)
{
	static char buf[65536];
	int root = 0, lines = 0, proc = 0;

	CHECK(slurp("/proc/self/mountinfo", buf, sizeof(buf)) > 0);
	for (char *line = strtok(buf, "\n"); line; line = strtok(NULL, "\n")) {
		char where[256], what[256], type[64];
		int id, parent;

		lines++;
		if (sscanf(line, "%d %d %*u:%*u %*s %255s %255s", &id, &parent, where, what) != 4 ||
		    id == parent || sscanf(strstr(line, " - "), " - %63s", type) != 1)
			say("odd: %s", line);
		root += strcmp(where, "/") == 0;
		proc += strcmp(where, "/proc") == 0 && strcmp(type, "proc") == 0;
	}
	CHECK(lines > 1 && root >= 1 && proc >= 1);
}

CASE(sys_topology)
{
	char buf[4096] = "", all[4096] = "";

	CHECK(slurp("/sys/devices/system/cpu/cpu0/topology/physical_package_id", buf, sizeof(buf)) >
	      0);
	CHECK(slurp("/sys/devices/system/cpu/cpu0/topology/core_id", buf, sizeof(buf)) > 0);
	CHECK(slurp("/sys/devices/system/cpu/cpu0/topology/thread_siblings_list", buf,
		    sizeof(buf)) > 0);
	say("%c", buf[0]);
	CHECK(slurp("/sys/devices/system/cpu/online", all, sizeof(all)) > 0);
	say("%c", all[0]);
	CHECK(access("/sys/devices/system/cpu/cpu4096", F_OK) < 0);
}

CASE(proc_statm)
{
	char buf[256] = "";
	long size = 0, resident = 0;

	CHECK(slurp("/proc/self/statm", buf, sizeof(buf)) > 0);
	SHOW(sscanf(buf, "%ld %ld", &size, &resident));
	CHECK(size >= resident && resident > 0);
}

CASE(proc_read_in_parts)
{
	static char whole[16384], parts[16384];
	size_t at = 0;
	long n;

	/* of a file that does not change between the two readings */
	long size = slurp("/proc/self/cmdline", whole, sizeof(whole));
	int fd = NEED(open("/proc/self/cmdline", O_RDONLY));
	while (at < sizeof(parts) && (n = read(fd, parts + at, 3)) > 0)
		at += (size_t)n;
	CHECK((long)at == size && memcmp(whole, parts, at) == 0);
	SHOW(lseek(fd, 0, SEEK_SET));
	CHECK(read(fd, parts, sizeof(parts)) == size);
	CHECK(pread(fd, parts, 2, 1) == 2 && parts[0] == whole[1]);
	close(fd);
}

CASE(proc_file_is_no_directory)
{
	SHOW(open("/proc/self/cmdline", O_RDONLY | O_DIRECTORY));
	SHOW(open("/proc/self/cmdline/x", O_RDONLY));
	SHOW(close(NEED(open("/proc/self", O_RDONLY | O_DIRECTORY))));
}

/* ---- the system ---- */

CASE(proc_meminfo)
{
	char buf[16384];
	const char *total, *avail;

	CHECK(slurp("/proc/meminfo", buf, sizeof(buf)) > 0);
	total = field(buf, "MemTotal:");
	avail = field(buf, "MemAvailable:");
	CHECK(total && atol(total) > 1024);
	CHECK(avail && atol(avail) > 0 && atol(avail) <= atol(total));
	CHECK(field(buf, "MemFree:") != NULL);
}

CASE(proc_cpuinfo)
{
	static char buf[1 << 20];
	int count = 0;

	CHECK(slurp("/proc/cpuinfo", buf, sizeof(buf)) > 0);
	for (char *p = strstr(buf, "processor\t:"); p; p = strstr(p + 1, "processor\t:"))
		count++;
	CHECK(count >= 1);
	CHECK(field(buf, "flags\t\t:") != NULL);
}

CASE(proc_uptime_loadavg)
{
	char buf[256];
	double a = -1, b = -1, c = -1;

	CHECK(slurp("/proc/uptime", buf, sizeof(buf)) > 0);
	SHOW(sscanf(buf, "%lf %lf", &a, &b));
	CHECK(a > 0);
	CHECK(slurp("/proc/loadavg", buf, sizeof(buf)) > 0);
	SHOW(sscanf(buf, "%lf %lf %lf", &a, &b, &c));
}

CASE(proc_version)
{
	char buf[512] = "";

	CHECK(slurp("/proc/version", buf, sizeof(buf)) > 0);
	CHECK(strncmp(buf, "Linux version ", 14) == 0);
}
