/*
 * The root file system: a tmpfs with the directories and the few files that
 * programs expect, /dev, /proc and /sys mounted in it, and the program itself
 * at its path. At boot there is an empty root; each of these is made when it is
 * first looked for, which most of them never are.
 * (With --root it shows a directory of the host: rootfs_host.c.)
 */
#include "../libos/boot_info.h"
#include "../libos/heap.h"
#include "../libos/proc_info.h"
#include "tmpfs.h"

static struct super root_super;
static struct dentry root_dentry;
static struct mount root, dev_mount, proc_mount, sys_mount;

/* ---- the program's file ---- */

struct mapped {
	char *path;
	paddr_t pa;
	u64 size;
	u32 mode;
	bool running;
};

static struct mapped waiting[4]; /* to be made; path NULL: free */
static struct inode *running; /* of fs_runs() */

void fs_runs(struct inode *inode)
{
	if (inode_deny_write(inode) == 0)
		running = inode_get(inode);
}

void fs_ran(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(waiting); i++)
		waiting[i].running = false;
	if (running == NULL)
		return;
	inode_allow_write(running);
	inode_put(running);
	running = NULL;
}

/* "/name" or "/name/..." */
static bool starts_with(const char *path, const char *name)
{
	size_t len = strlen(name);

	return path[0] == '/' && strncmp(path + 1, name, len) == 0 &&
	       (path[1 + len] == '/' || path[1 + len] == 0);
}

/* Whether the first component has not been looked for yet. */
static bool root_waits(const char *path)
{
	const char *end = strchr(path + 1, '/');
	size_t len = end != NULL ? (size_t)(end - path - 1) : strlen(path + 1);
	struct dentry *d = path[0] == '/' ? dentry_find(&root_dentry, path + 1, len) : NULL;

	if (d != NULL)
		dentry_put(d);
	return d == NULL && tmpfs_is_waiting(&root_dentry);
}

static int add_file(struct path *dir, const char *name, const struct mapped *m)
{
	struct dentry *d;
	int error = vfs_lookup(dir->dentry, name, strlen(name), &d);

	if (error < 0)
		return error;
	if (d->inode == NULL)
		error = vfs_create(dir, d, S_IFREG | m->mode, 0);
	if (error == 0 && d->inode->fops == &tmpfs_file_ops)
		tmpfs_set_mapped(d->inode, m->pa, m->size);
	if (error == 0 && m->running)
		fs_runs(d->inode);
	dentry_put(d);
	return error;
}

static int add_now(struct mapped *m)
{
	struct path dir = { NULL, NULL };
	char *slash = strrchr(m->path, '/');
	int error;

	if (slash == NULL)
		return -EINVAL;
	*slash = 0;
	error = fs_make_dirs(m->path, &dir);
	*slash = '/';
	if (error == 0)
		error = add_file(&dir, slash + 1, m);
	path_put(&dir);
	return error;
}

int tmpfs_add_mapped(const char *path, paddr_t pa, u64 size, u32 mode, bool is_running)
{
	struct mapped m = { kstrdup(path), pa, size, mode, is_running };
	int error;

	if (m.path == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < ARRAY_SIZE(waiting) && root_waits(m.path); i++) {
		if (waiting[i].path == NULL) {
			waiting[i] = m;
			return 0;
		}
	}
	error = add_now(&m);
	kfree(m.path);
	return error;
}

/* Makes the waiting files under a name in the root, or (NULL) all. */
static void add_waiting(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(waiting); i++) {
		struct mapped m = waiting[i];

		if (m.path == NULL || (name != NULL && !starts_with(m.path, name)))
			continue;
		waiting[i].path = NULL; /* making it looks names up again */
		add_now(&m);
		kfree(m.path);
	}
}

/* ---- filling ---- */

static void put_file(struct dentry *dir, const char *name, const char *text)
{
	struct dentry *d = tmpfs_make(dir, name, S_IFREG | 0644, 0);

	if (d != NULL)
		tmpfs_put_text(d, text);
}

void (*fs_resolv_conf)(char *text, size_t size, bool wait);
static struct dentry *resolv_conf; /* a reference; NULL: not made yet, or not ours */

void fs_resolv_conf_changed(void)
{
	char text[256] = "";

	if (resolv_conf == NULL || resolv_conf->deleted)
		return; /* it is made when looked for; or the program has its own */
	if (fs_resolv_conf != NULL)
		fs_resolv_conf(text, sizeof(text), false);
	tmpfs_resize(tmpfs_inode(resolv_conf->inode), 0);
	tmpfs_put_text(resolv_conf, text);
}

/* Who looks for it by name wants to know servers, which may be on their way. */
static void make_resolv_conf(struct dentry *dir, bool wait)
{
	char text[256] = "";

	if (fs_resolv_conf != NULL)
		fs_resolv_conf(text, sizeof(text), wait);
	resolv_conf = tmpfs_make(dir, "resolv.conf", S_IFREG | 0644, 0);
	if (resolv_conf == NULL)
		return;
	dentry_get(resolv_conf);
	tmpfs_put_text(resolv_conf, text);
}

static void fill_etc_rest(struct dentry *dir)
{
	char text[160];

	put_file(dir, "passwd",
		 "root:x:0:0:root:/root:/bin/sh\n"
		 "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
	put_file(dir, "group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
	put_file(dir, "nsswitch.conf",
		 "passwd: files\ngroup: files\nhosts: files dns\n"
		 "services: files\nprotocols: files\n");
	put_file(dir, "services",
		 "ftp 21/tcp\nssh 22/tcp\ntelnet 23/tcp\nsmtp 25/tcp mail\n"
		 "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp www\npop3 110/tcp\n"
		 "ntp 123/udp\nimap2 143/tcp imap\nhttps 443/tcp\nhttps 443/udp\n"
		 "syslog 514/udp\nimaps 993/tcp\nmysql 3306/tcp\n"
		 "postgresql 5432/tcp\nredis 6379/tcp\nhttp-alt 8080/tcp\n");
	put_file(dir, "protocols",
		 "ip 0 IP\nicmp 1 ICMP\ntcp 6 TCP\nudp 17 UDP\nipv6-icmp 58 IPv6-ICMP\n");
	snprintf(text, sizeof(text), "%s\n", host_name());
	put_file(dir, "hostname", text);
	snprintf(text, sizeof(text), "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t%s\n",
		 host_name());
	put_file(dir, "hosts", text);
	tmpfs_make_link(dir, "mtab", "/proc/self/mounts");
}

static bool fill_etc(struct dentry *dir, const char *name)
{
	static bool rest, resolv;
	bool is_resolv = name != NULL && strcmp(name, "resolv.conf") == 0;

	if (!rest && !is_resolv) {
		rest = true;
		fill_etc_rest(dir);
	}
	if (!resolv && (is_resolv || name == NULL)) {
		resolv = true;
		make_resolv_conf(dir, is_resolv);
	}
	return rest && resolv;
}

static bool fill_usr(struct dentry *dir, const char *name)
{
	static const char *const names[] = { "bin", "lib", "local", "sbin", "share" };

	(void)name;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		tmpfs_make(dir, names[i], S_IFDIR | 0755, 0);
	return true;
}

static bool fill_var(struct dentry *dir, const char *name)
{
	static const char *const names[] = { "cache", "lib", "log", "spool" };

	(void)name;
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		tmpfs_make(dir, names[i], S_IFDIR | 0755, 0);
	tmpfs_make(dir, "tmp", S_IFDIR | S_ISVTX | 0777, 0);
	tmpfs_make_link(dir, "run", "/run");
	return true;
}

static void mount_on_dir(struct dentry *d, struct mount *m, struct super *sb)
{
	struct path point = { &root, d };

	if (sb == NULL)
		return;
	m->source = sb->type;
	mount_add(m, sb, &point);
}

static const struct {
	const char *name;
	u32 mode;
	fill_function *fill;
	struct mount *mount;
	struct super *(*super)(void);
} dirs[] = {
	{ "bin", 0755, NULL, NULL, NULL },           { "dev", 0755, NULL, &dev_mount, devfs },
	{ "etc", 0755, fill_etc, NULL, NULL },       { "home", 0755, NULL, NULL, NULL },
	{ "lib", 0755, NULL, NULL, NULL },           { "mnt", 0755, NULL, NULL, NULL },
	{ "proc", 0555, NULL, &proc_mount, procfs }, { "root", 0700, NULL, NULL, NULL },
	{ "run", 0755, NULL, NULL, NULL },           { "sbin", 0755, NULL, NULL, NULL },
	{ "sys", 0555, NULL, &sys_mount, sysfs },    { "tmp", 01777, NULL, NULL, NULL },
	{ "usr", 0755, fill_usr, NULL, NULL },       { "var", 0755, fill_var, NULL, NULL },
};

static bool fill_root(struct dentry *dir, const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct dentry *d;

		if (name != NULL && strcmp(name, dirs[i].name) != 0)
			continue;
		d = tmpfs_make(dir, dirs[i].name, S_IFDIR | dirs[i].mode, 0);
		if (d == NULL) /* it is there, or there is no memory */
			continue;
		if (dirs[i].fill != NULL)
			tmpfs_populate_later(d, dirs[i].fill);
		if (dirs[i].mount != NULL)
			mount_on_dir(d, dirs[i].mount, dirs[i].super());
	}
	add_waiting(name);
	copied_make();
	shares_mount();
	return name == NULL;
}

/*
 * The root itself is not on the heap, and zeroed memory that is filled here:
 * memory that is initialised data costs the host a copy of its page (11 us on
 * the soft flavour, kvm-notes.md), and each size of the heap's a page.
 */
static struct tmpfs_inode root_inode;

static void init_root(struct inode *inode, struct dentry *d)
{
	inode->ops = &tmpfs_dir_ops;
	inode->fops = &tmpfs_dir_file_ops;
	inode_init(inode, &root_super, S_IFDIR | 0755);
	inode->nlink = 2;
	inode->size = 2 * TMPFS_ENTRY;
	d->inode = inode;
	list_init(&d->children);
	list_init(&d->siblings);
	d->name = d->small;
	d->refs = 1;
}

int fs_init(void)
{
	tmpfs_init_super(&root_super, MKDEV(0, 21));
	root_super.root = &root_dentry;
	init_root(&root_inode.inode, &root_dentry);
	root.source = "tmpfs";
	mount_add(&root, &root_super, NULL);
	if (boot_info.root != NULL)
		return rootfs_of_host(&root);
	root_inode.fill = fill_root;
	return 0;
}
