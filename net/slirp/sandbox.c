/*
 * The sandbox, see sandbox.h.
 *
 * The guest's packets are parsed here, so whoever takes this process over
 * shall have what the guest has anyway: sockets of the Internet. No privilege,
 * no program to execute, no other process to touch, no file but those that
 * tell the name servers, read-only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "../../vmm/fail.h"
#include "../../vmm/options.h"
#include "sandbox.h"

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capset, &header, none) < 0)
		fail(EXIT_VMM, "--net user: capset: %s", strerror(errno));
}

/* ---- files (landlock(7)) */

#define READ_ONLY (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static void allow_reading(int rules, const char *folder)
{
	struct landlock_path_beneath_attr attr = {
		.allowed_access = READ_ONLY,
		.parent_fd = open(folder, O_PATH | O_CLOEXEC),
	};

	if (attr.parent_fd < 0)
		return; /* what is not there needs no rule */
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &attr, 0) < 0)
		fail(EXIT_VMM, "--net user: landlock_add_rule %s: %s", folder, strerror(errno));
	close(attr.parent_fd);
}

/* Everything of Landlock's first version; where there is no Landlock, the
 * system calls' arguments still allow nothing but reading. */
static void restrict_files(void)
{
	const struct landlock_ruleset_attr attr = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1,
	};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (rules < 0)
		return;
	allow_reading(rules, "/etc"); /* resolv.conf */
	allow_reading(rules, "/run"); /* where it may be a link to */
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		fail(EXIT_VMM, "--net user: landlock_restrict_self: %s", strerror(errno));
	close(rules);
}

/* ---- system calls */

static const int allowed[] = {
	/* the sockets of libslirp; socket() itself is below */
	SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(shutdown), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg), SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev),
	SCMP_SYS(close), SCMP_SYS(fcntl), SCMP_SYS(poll), SCMP_SYS(ppoll),
	/* resolv.conf, to see whether it changed and to read it */
	SCMP_SYS(stat), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek),
	/* memory */
	SCMP_SYS(brk), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	/* time and chance */
	SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(getrandom),
	/* the end, in order (exit) or not (abort) */
	SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigreturn), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(futex),
#ifdef __SANITIZE_ADDRESS__
	SCMP_SYS(sigaltstack), /* its own end */
#endif
};

static void restrict_system_calls(void)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int error = filter ? 0 : -ENOMEM;

	for (unsigned i = 0; !error && i < sizeof(allowed) / sizeof(allowed[0]); i++)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	/* no AF_UNIX, no AF_NETLINK, no AF_PACKET */
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					 SCMP_A0(SCMP_CMP_EQ, AF_INET));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
					 SCMP_A0(SCMP_CMP_EQ, AF_INET6));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
					 SCMP_A1(SCMP_CMP_EQ, FIONREAD));
	if (!error)
		error = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
					 SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, O_RDONLY));
	if (!error)
		error = seccomp_load(filter); /* with no_new_privs */
	if (error)
		fail(EXIT_VMM, "--net user: seccomp: %s", strerror(-error));
	seccomp_release(filter);
}

void sandbox_enter(void)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		fail(EXIT_VMM, "--net user: no_new_privs: %s", strerror(errno));
	drop_capabilities();
	restrict_files();
	restrict_system_calls();
}
