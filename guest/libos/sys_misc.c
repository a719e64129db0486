/*
 * What the system says about itself, and random numbers.
 */
#include <linux/capability.h>
#include <linux/random.h>
#include <linux/sysinfo.h>
#include <linux/utsname.h>
#include "proc_info.h"
#include "boot_info.h"
#include "frames.h"
#include "iovec.h"
#include "process.h"
#include "random.h"
#include "sys.h"
#include "timespec.h"
#include "uaccess.h"

#define RELEASE "6.1.0-mayfly" /* the Linux whose ABI this is */
#define VERSION "#1 SMP Mayfly " MAYFLY_VERSION

static char nodename[__NEW_UTS_LEN + 1], domainname[__NEW_UTS_LEN + 1] = "(none)";

const char *host_name(void)
{
	if (!nodename[0])
		snprintf(nodename, sizeof(nodename), "%s",
			 boot_info.hostname ? boot_info.hostname : "mayfly");
	return nodename;
}

const char *host_release(void)
{
	return RELEASE;
}

const char *host_version(void)
{
	return VERSION;
}

long sys_uname(struct new_utsname *user)
{
	struct new_utsname name;
	memset(&name, 0, sizeof(name));
	snprintf(name.sysname, sizeof(name.sysname), "Linux");
	snprintf(name.nodename, sizeof(name.nodename), "%s", host_name());
	snprintf(name.release, sizeof(name.release), RELEASE);
	snprintf(name.version, sizeof(name.version), VERSION);
	snprintf(name.machine, sizeof(name.machine), "x86_64");
	snprintf(name.domainname, sizeof(name.domainname), "%s", domainname);
	return put_user(user, name);
}

static long set_string(char *string, const char *user, int len)
{
	char text[__NEW_UTS_LEN + 1];
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len > __NEW_UTS_LEN)
		return -EINVAL;
	memset(text, 0, sizeof(text));
	if (copy_from_user(text, user, len))
		return -EFAULT;
	memcpy(string, text, sizeof(text));
	return 0;
}

long sys_sethostname(const char *name, int len)
{
	return set_string(nodename, name, len);
}

long sys_setdomainname(const char *name, int len)
{
	return set_string(domainname, name, len);
}

long sys_sysinfo(struct sysinfo *user)
{
	struct sysinfo info;
	memset(&info, 0, sizeof(info));
	info.uptime = now_ns() / NS_PER_SEC + 1; /* begun seconds, as Linux */
	info.totalram = frames_total() << PAGE_SHIFT;
	info.freeram = frames_available() << PAGE_SHIFT;
	info.procs = 1;
	info.mem_unit = 1;
	return put_user(user, info);
}

long sys_getrandom(void *buf, size_t n, unsigned flags)
{
	u8 piece[256];
	size_t done = 0;
	struct buffers b;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & GRND_RANDOM) && (flags & GRND_INSECURE))
		return -EINVAL;
	n = MIN(n, (size_t)INT32_MAX);
	if (buffers_one(&b, buf, n))
		return -EFAULT;
	while (done < n) {
		long m = MIN(n - done, sizeof(piece)), moved;
		random_bytes(piece, m);
		moved = uio_to(&b.uio, piece, m);
		done += MAX(moved, 0);
		if (moved < m)
			return done ? (long)done : -EFAULT;
		if (done % PAGE_SIZE == 0 && done < n && signal_pending())
			break;
	}
	return done;
}
