/*
 * User and group numbers and capabilities (credentials(7), capabilities(7)).
 * The VM is one user's, so that they guard little; but programs that give up
 * privileges check that these are gone.
 */
#include <linux/capability.h>
#include "../fs/vfs.h"
#include "heap.h"
#include "process.h"
#include "sys.h"
#include "thread.h"
#include "uaccess.h"

#define NO_ID      UINT32_MAX
#define GROUPS_MAX 65536

static struct credentials *cred(void)
{
	return &current_process()->cred;
}

u64 cred_permitted(const struct credentials *c)
{
	return CRED_ALL_CAPS & ~c->caps_dropped;
}

u64 cred_effective(const struct credentials *c)
{
	return cred_permitted(c) & ~c->caps_inactive;
}

bool capable(int cap)
{
	return cred_effective(cred()) & 1ull << cap;
}

static bool has_root(const struct ids *ids)
{
	return !ids->real || !ids->effective || !ids->saved;
}

/* New user numbers change the capabilities: capabilities(7), "Effect of user
 * ID changes on capabilities". */
static void set_uids(const struct ids *new)
{
	struct credentials *c = cred();
	struct ids old = c->uid;
	c->uid = *new;
	if (has_root(&old) && !has_root(new) && !c->keep_caps)
		c->caps_dropped = CRED_ALL_CAPS;
	if (!old.effective && new->effective)
		c->caps_inactive = CRED_ALL_CAPS;
	if (old.effective && !new->effective)
		c->caps_inactive = 0;
}

static void set_gids(const struct ids *new)
{
	cred()->gid = *new;
}

static bool is_one_of(const struct ids *ids, u32 id)
{
	return id == ids->real || id == ids->effective || id == ids->saved;
}

/* The rules are the same for users and groups; these compute the new numbers,
 * or return -EINVAL or -EPERM. */
static long plan_set(struct ids *ids, u32 id, bool privileged)
{
	if (id == NO_ID)
		return -EINVAL;
	if (privileged)
		*ids = (struct ids){ id, id, id, id };
	else if (id != ids->real && id != ids->saved)
		return -EPERM;
	ids->effective = ids->fs = id;
	return 0;
}

static long plan_setre(struct ids *ids, u32 r, u32 e, bool privileged)
{
	struct ids old = *ids;
	if (r != NO_ID) {
		if (!privileged && r != old.real && r != old.effective)
			return -EPERM;
		ids->real = r;
	}
	if (e != NO_ID) {
		if (!privileged && !is_one_of(&old, e))
			return -EPERM;
		ids->effective = e;
	}
	if (r != NO_ID || (e != NO_ID && e != old.real))
		ids->saved = ids->effective;
	ids->fs = ids->effective;
	return 0;
}

static long plan_setres(struct ids *ids, u32 r, u32 e, u32 s, bool privileged)
{
	struct ids old = *ids;
	if (!privileged &&
	    ((r != NO_ID && !is_one_of(&old, r)) || (e != NO_ID && !is_one_of(&old, e)) ||
	     (s != NO_ID && !is_one_of(&old, s))))
		return -EPERM;
	if (r != NO_ID)
		ids->real = r;
	if (e != NO_ID)
		ids->effective = e;
	if (s != NO_ID)
		ids->saved = s;
	ids->fs = ids->effective;
	return 0;
}

static u32 plan_setfs(struct ids *ids, u32 id, bool privileged)
{
	u32 old = ids->fs;
	if (id != NO_ID && (privileged || is_one_of(ids, id)))
		ids->fs = id;
	return old;
}

#define CHANGE(which, cap, plan, ...)                       \
	struct ids ids = cred()->which;                     \
	long error = plan(&ids, __VA_ARGS__, capable(cap)); \
	if (!error)                                         \
		set_##which##s(&ids);                       \
	return error

long sys_setuid(u32 id)
{
	CHANGE(uid, CAP_SETUID, plan_set, id);
}

long sys_setgid(u32 id)
{
	CHANGE(gid, CAP_SETGID, plan_set, id);
}

long sys_setreuid(u32 r, u32 e)
{
	CHANGE(uid, CAP_SETUID, plan_setre, r, e);
}

long sys_setregid(u32 r, u32 e)
{
	CHANGE(gid, CAP_SETGID, plan_setre, r, e);
}

long sys_setresuid(u32 r, u32 e, u32 s)
{
	CHANGE(uid, CAP_SETUID, plan_setres, r, e, s);
}

long sys_setresgid(u32 r, u32 e, u32 s)
{
	CHANGE(gid, CAP_SETGID, plan_setres, r, e, s);
}

long sys_setfsuid(u32 id)
{
	return plan_setfs(&cred()->uid, id, capable(CAP_SETUID));
}

long sys_setfsgid(u32 id)
{
	return plan_setfs(&cred()->gid, id, capable(CAP_SETGID));
}

static long get_three(const struct ids *ids, u32 *r, u32 *e, u32 *s)
{
	if (put_user(r, ids->real) || put_user(e, ids->effective) || put_user(s, ids->saved))
		return -EFAULT;
	return 0;
}

long sys_getresuid(u32 *r, u32 *e, u32 *s)
{
	return get_three(&cred()->uid, r, e, s);
}

long sys_getresgid(u32 *r, u32 *e, u32 *s)
{
	return get_three(&cred()->gid, r, e, s);
}

long sys_getuid(void)
{
	return cred()->uid.real;
}

long sys_geteuid(void)
{
	return cred()->uid.effective;
}

long sys_getgid(void)
{
	return cred()->gid.real;
}

long sys_getegid(void)
{
	return cred()->gid.effective;
}

long sys_getgroups(int n, u32 *list)
{
	const struct credentials *c = cred();
	if (n < 0 || (n && (u32)n < c->ngroups))
		return -EINVAL;
	if (n && copy_to_user(list, c->groups, c->ngroups * sizeof(u32)))
		return -EFAULT;
	return c->ngroups;
}

/* As Linux keeps them; the lists are short. */
static void sort(u32 *list, u32 n)
{
	for (u32 i = 1; i < n; i++) {
		u32 value = list[i], at = i;
		for (; at && list[at - 1] > value; at--)
			list[at] = list[at - 1];
		list[at] = value;
	}
}

long sys_setgroups(int n, const u32 *list)
{
	struct credentials *c = cred();
	u32 *groups;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if ((u32)n > GROUPS_MAX)
		return -EINVAL;
	groups = kalloc(MAX(n, 1) * sizeof(u32));
	if (!groups)
		return -ENOMEM;
	if (copy_from_user(groups, list, n * sizeof(u32))) {
		kfree(groups);
		return -EFAULT;
	}
	sort(groups, n);
	kfree(c->groups);
	c->groups = groups;
	c->ngroups = n;
	return 0;
}

/* ---- execve ---- */

/* capabilities(7), "Transformation of capabilities during execve()" and
 * "Capabilities and execution of programs by root": files have none. */
static void caps_exec(struct credentials *c, bool no_new_privs)
{
	u64 lost = no_new_privs ? c->caps_dropped : 0;
	bool root = !c->uid.real || !c->uid.effective;
	c->caps_dropped = root ? lost : CRED_ALL_CAPS;
	c->caps_inactive = c->uid.effective ? CRED_ALL_CAPS : 0;
	c->keep_caps = false;
}

void cred_exec(const struct inode *program)
{
	struct process_attributes *attr = &current_process()->attr;
	struct credentials *c = cred();
	u32 uid = c->uid.effective, gid = c->gid.effective;

	if (program->mode & S_ISUID && !attr->no_new_privs)
		c->uid.effective = program->uid;
	if ((program->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !attr->no_new_privs)
		c->gid.effective = program->gid;
	c->uid.saved = c->uid.fs = c->uid.effective;
	c->gid.saved = c->gid.fs = c->gid.effective;
	caps_exec(c, attr->no_new_privs);
	attr->not_dumpable = uid != c->uid.effective || gid != c->gid.effective;
	if (attr->not_dumpable) {
		attr->death_signal = 0;
		attr->persona = 0;
	}
}

/* ---- capabilities ---- */

/* How many 32-bit halves a version has: 0 when unknown, and then the version
 * to use is written back. -EFAULT. */
static int halves(struct __user_cap_header_struct *user, struct __user_cap_header_struct *header)
{
	if (get_user(*header, user))
		return -EFAULT;
	switch (header->version) {
	case _LINUX_CAPABILITY_VERSION_1:
		return 1;
	case _LINUX_CAPABILITY_VERSION_2:
	case _LINUX_CAPABILITY_VERSION_3:
		return 2;
	default:
		return put_user(&user->version, (u32)_LINUX_CAPABILITY_VERSION_3);
	}
}

static bool is_us(int pid)
{
	return pid == 0 || pid == current_process()->pid;
}

long sys_capget(struct __user_cap_header_struct *user, struct __user_cap_data_struct *data)
{
	const struct credentials *c = cred();
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct value[2];
	int n = halves(user, &header);

	if (n < 0)
		return n;
	if (n == 0)
		return data ? -EINVAL : 0;
	if (header.pid < 0)
		return -EINVAL;
	if (!is_us(header.pid))
		return -ESRCH;
	if (!data)
		return 0;
	for (int i = 0; i < 2; i++)
		value[i] = (struct __user_cap_data_struct){
			.effective = cred_effective(c) >> 32 * i,
			.permitted = cred_permitted(c) >> 32 * i,
			.inheritable = c->caps_inheritable >> 32 * i,
		};
	return copy_to_user(data, value, n * sizeof(value[0]));
}

long sys_capset(struct __user_cap_header_struct *user, const struct __user_cap_data_struct *data)
{
	struct credentials *c = cred();
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct value[2] = { { 0 } };
	int n = halves(user, &header);

	if (n <= 0)
		return n ? n : -EINVAL;
	if (!is_us(header.pid))
		return -EPERM;
	if (copy_from_user(value, data, n * sizeof(value[0])))
		return -EFAULT;
	u64 e = (value[0].effective | (u64)value[1].effective << 32) & CRED_ALL_CAPS;
	u64 p = (value[0].permitted | (u64)value[1].permitted << 32) & CRED_ALL_CAPS;
	u64 i = (value[0].inheritable | (u64)value[1].inheritable << 32) & CRED_ALL_CAPS;
	if ((p & ~cred_permitted(c)) || (e & ~p) ||
	    (i & ~(c->caps_inheritable | cred_permitted(c))))
		return -EPERM;
	c->caps_dropped = CRED_ALL_CAPS & ~p;
	c->caps_inactive = CRED_ALL_CAPS & ~e;
	c->caps_inheritable = i;
	return 0;
}
