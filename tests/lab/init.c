/*
 * init - the lab's first program, alone in the initrd beside the modules. In C and
 * in one process, because a fork or an exec takes 10 ms and more in the lab.
 *
 * It loads the modules, puts the root together, runs the command, relays its
 * output and reports its status. lab.sh gives it /lab/cmd and /lab/tree, and
 * LAB_PACKED and LAB_FILES on the kernel's command line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/random.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* The ports of lab.sh's virtio-serial device. */
enum { PORT_OUT = 1, PORT_ERR, PORT_FILES, PORT_STATUS };

/* Prints to the console and ends the lab; lab.sh shows the console. */
static void fail(const char *what, const char *on)
{
	dprintf(1, "lab init: %s %s: %s\n", what, on, strerror(errno));
	reboot(RB_AUTOBOOT);
}

static void mount_at(const char *type, const char *where, const char *options)
{
	mkdir(where, 0755);
	if (mount(type, where, type, 0, options))
		fail("cannot mount", where);
}

static void attach(const char *from, const char *to, int flag)
{
	mkdir(to, 0755);
	if (mount(from, to, NULL, flag, NULL))
		fail("cannot attach", to);
}

/* The whole of a small file, as a string. */
static char *contents(const char *path)
{
	static const size_t most = 1 << 17;
	char *text = calloc(1, most + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (!text || fd < 0)
		fail("cannot open", path);
	for (size_t n = 0; n < most;) {
		ssize_t got = read(fd, text + n, most - n);

		if (got < 0)
			fail("cannot read", path);
		if (got == 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	return text;
}

/* Loads the modules that a file lists, each after what it depends on. */
static void load_modules(const char *list)
{
	char *next = contents(list);
	char *name;
	char path[256];

	while ((name = strsep(&next, "\n")) && *name) {
		snprintf(path, sizeof path, "/modules/%s", name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
			fail("cannot load", path);
		close(fd);
	}
}

/*
 * The kernel has started one CPU only: its own start and the modules' are slower
 * on several, most of all on a busy host.
 */
static void start_cpus(void)
{
	char path[64];

	for (int cpu = 1;; cpu++) {
		snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", cpu);
		int fd = open(path, O_WRONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		if (write(fd, "1", 1) != 1)
			fail("cannot start", path);
		close(fd);
	}
}

/*
 * Keeps one VM with one vCPU, which never runs, for as long as the lab lives.
 *
 * The first VM and the last one switch static keys of KVM (preempt_notifier_key,
 * apic_sw_disabled): Linux patches int3 into its own scheduler and out again. A
 * CPU of QEMU's that just translates that code may keep the int3 for ever, and
 * then handles the same breakpoint without end, with its run queue locked: the
 * lab stands still, once in some 200 VMs. With this VM, made while there is one
 * CPU only, the keys never change again.
 */
static void hold_kvm(void)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP, .args = { 24 } };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		fail("cannot open", "/dev/kvm");
	int vm = ioctl(kvm, KVM_CREATE_VM, 0); /* these two stay open */

	if (vm < 0 || fcntl(vm, F_SETFD, FD_CLOEXEC) || ioctl(vm, KVM_ENABLE_CAP, &split) ||
	    ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
		fail("cannot make a VM on", "/dev/kvm");
	close(kvm);
}

/* The host's root below, memory above: one may write anywhere, nothing stays. */
static void overlay_root(void)
{
	if (mount("host", "/host", "virtiofs", MS_RDONLY, NULL))
		fail("cannot mount", "the host's root");
	mount_at("tmpfs", "/rw", "size=75%");
	mkdir("/rw/up", 0755);
	mkdir("/rw/work", 0755);
	mount_at("overlay", "/new", "lowerdir=/host,upperdir=/rw/up,workdir=/rw/work");
}

/* Not a plain chroot: in one, user namespaces cannot be made. */
static void enter_root(void)
{
	static const char *const moved[] = { "proc", "sys", "dev" };
	char from[16];

	if (chdir("/new"))
		fail("cannot enter", "/new");
	for (size_t i = 0; i < sizeof moved / sizeof *moved; i++) {
		snprintf(from, sizeof from, "/%s", moved[i]);
		attach(from, moved[i], MS_MOVE);
	}
	attach("/lab", ".lab", MS_BIND);
	if (mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
		fail("cannot enter", "the new root");
}

/* What Linux systems have in /dev and devtmpfs has not. */
static void fill_dev(void)
{
	mount_at("devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666");
	mount_at("tmpfs", "/dev/shm", "mode=1777");
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
	mkdir("/dev/net", 0755);
	mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200));
}

/* In counting mode nothing is random, and getrandom would wait a second for luck. */
static void seed_random(void)
{
	struct {
		int bits, bytes;
		char seed[32];
	} entropy = { .bits = 256, .bytes = 32, .seed = "as random as the lab may be" };
	int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);

	if (ioctl(fd, RNDADDENTROPY, &entropy))
		fail("cannot seed", "the random numbers");
	close(fd);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (ioctl(fd, SIOCSIFFLAGS, &request))
		fail("cannot start", "lo");
	close(fd);
}

/* Other modules load on demand, from the cache on the host's disk. */
static void link_modules(void)
{
	char *tree = contents("/.lab/modules");
	char link[256];

	tree[strcspn(tree, "\n")] = 0;
	snprintf(link, sizeof link, "/lib/modules%s", strrchr(tree, '/'));
	mkdir("/lib/modules", 0755);
	if (access(tree, F_OK) == 0)
		symlink(tree, link);
}

static void put_root_together(int packed)
{
	if (packed)
		attach("/root", "/new", MS_BIND);
	else
		overlay_root();
	enter_root();
	fill_dev();
	mkdir("/tmp", 0755);
	chmod("/tmp", 01777);
	seed_random();
	loopback_up();
	sethostname("lab", 3);
	link_modules();
}

/* ---- the command */

static int open_port(int number)
{
	char path[32];

	snprintf(path, sizeof path, "/dev/vport0p%d", number);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		fail("cannot open", path);
	return fd;
}

/* A child that runs a shell command with its output at the given descriptors. */
static pid_t start(const char *command, int out, int err)
{
	static char *const environment[] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/.lab/bin",
		"HOME=/root",
		"TERM=dumb",
		"LAB=1",
		"LAB_OUT=/.lab/out",
		NULL,
	};
	pid_t child = fork();

	if (child != 0)
		return child;
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	dup2(open("/dev/null", O_RDONLY), 0);
	dup2(out, 1);
	dup2(err, 2);
	execve("/bin/sh", (char *[]){ "sh", "-c", (char *)command, NULL }, environment);
	dprintf(2, "lab init: /bin/sh: %s\n", strerror(errno));
	_exit(127);
}

/* Passes on what a pipe holds. False at its end. */
static int relay(int from, int to)
{
	static char bytes[1 << 16];
	ssize_t n = read(from, bytes, sizeof bytes);

	for (ssize_t done = 0; done < n;) {
		ssize_t written = write(to, bytes + done, (size_t)(n - done));

		if (written < 0)
			fail("cannot write to", "a port");
		done += written;
	}
	return n > 0;
}

/*
 * Reaps, as init must. Returns the status of the command if it was among those
 * who ended, else -1. Whatever the command left running is ended with it: it
 * would keep the pipes open.
 */
static int reap(pid_t command)
{
	int s, status = -1;
	pid_t child;

	while ((child = waitpid(-1, &s, WNOHANG)) > 0) {
		if (child != command)
			continue;
		status = WIFEXITED(s) ? WEXITSTATUS(s) : 128 + WTERMSIG(s);
		kill(-1, SIGKILL);
	}
	return status;
}

/*
 * The command writes to pipes, not to the ports: a port can be opened only once,
 * and scripts do open /dev/stderr.
 */
static int run(const char *command)
{
	int out[2], err[2], status = -1;
	sigset_t chld;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
		fail("cannot make", "a pipe");
	struct pollfd ready[] = {
		{ .fd = out[0], .events = POLLIN },
		{ .fd = err[0], .events = POLLIN },
		{ .fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK), .events = POLLIN },
	};
	const int to[] = { open_port(PORT_OUT), open_port(PORT_ERR) };
	pid_t child = start(command, out[1], err[1]);

	close(out[1]);
	close(err[1]);
	while (status < 0 || ready[0].fd >= 0 || ready[1].fd >= 0) {
		struct signalfd_siginfo ignored;

		poll(ready, 3, -1);
		for (int i = 0; i < 2; i++)
			if (ready[i].revents && !relay(ready[i].fd, to[i]))
				ready[i].fd = -1;
		if (ready[2].revents && read(ready[2].fd, &ignored, sizeof ignored) > 0)
			status = status < 0 ? reap(child) : status;
	}
	return status;
}

/* A step of the lab's own, after or before the command. */
static void run_step(const char *command, int out)
{
	pid_t child = start(command, out, 2);

	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
}

static char *enter_tree(void)
{
	char *tree = contents("/.lab/tree");

	if (chdir(tree))
		fail("cannot enter", tree);
	return contents("/.lab/cmd");
}

int main(void)
{
	const int packed = getenv("LAB_PACKED") != NULL;

	mount_at("proc", "/proc", NULL);
	mount_at("sysfs", "/sys", NULL);
	mount_at("devtmpfs", "/dev", NULL);
	if (access("/~complete", F_OK))
		fail("no memory (lab.sh -m) for", "all files");
	load_modules("/modules/order");
	hold_kvm();
	put_root_together(packed);
	start_cpus();
	if (packed)
		run_step("/.lab/busybox mkdir /.lab/bin; /.lab/busybox --install -s /.lab/bin", 1);
	mkdir("/.lab/out", 0755);
	char *command = enter_tree();
	int report = open_port(PORT_STATUS);

	dprintf(report, "up\n");
	int status = run(command);

	if (getenv("LAB_FILES"))
		run_step("/.lab/busybox tar -cf - -C /.lab/out .", open_port(PORT_FILES));
	dprintf(report, "exit %d\n", status);
	reboot(RB_AUTOBOOT);
}
