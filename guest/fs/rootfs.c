/*
 * The root file system: a tmpfs with the directories and the few files that
 * programs expect, /dev, /proc and /sys mounted in it, and the program itself
 * at its path. At boot there is an empty root; the rest is made when the first
 * path is looked up, which many programs never do.
 */
#include "../libos/heap.h"
#include "../libos/proc_info.h"
#include "vfs.h"

static struct super root_super;
static struct mount root, dev_mount, proc_mount, sys_mount;

/* ---- the program's file ---- */

struct mapped {
	char *path;
	paddr_t pa;
	u64 size;
	u32 mode;
};

static struct mapped waiting[4]; /* for the root to be filled */
static unsigned waiting_count;
static bool filled;

static int add_file(struct path *dir, const char *name, const struct mapped *m)
{
	struct dentry *d;
	int error = vfs_lookup(dir->dentry, name, strlen(name), &d);

	if (error < 0)
		return error;
	if (d->inode == NULL)
		error = vfs_create(dir, d, S_IFREG | m->mode, 0);
	if (error == 0 && S_ISREG(d->inode->mode))
		tmpfs_set_mapped(d->inode, m->pa, m->size);
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

int tmpfs_add_mapped(const char *path, paddr_t pa, u64 size, u32 mode)
{
	struct mapped m = { kstrdup(path), pa, size, mode };
	int error;

	if (m.path == NULL)
		return -ENOMEM;
	if (!filled && waiting_count < ARRAY_SIZE(waiting)) {
		waiting[waiting_count++] = m;
		return 0;
	}
	error = add_now(&m);
	kfree(m.path);
	return error;
}

/* ---- filling ---- */

static void put_file(struct dentry *dir, const char *name, const char *text)
{
	struct dentry *d = tmpfs_make(dir, name, S_IFREG | 0644, 0);

	if (d != NULL)
		tmpfs_put_text(d, text);
}

static void fill_etc(struct dentry *dir)
{
	char text[160];

	put_file(dir, "passwd",
		 "root:x:0:0:root:/root:/bin/sh\n"
		 "nobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
	put_file(dir, "group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
	put_file(dir, "nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
	snprintf(text, sizeof(text), "%s\n", host_name());
	put_file(dir, "hostname", text);
	snprintf(text, sizeof(text), "127.0.0.1\tlocalhost\n::1\tlocalhost\n127.0.1.1\t%s\n",
		 host_name());
	put_file(dir, "hosts", text);
	put_file(dir, "resolv.conf", "");
	tmpfs_make_link(dir, "mtab", "/proc/self/mounts");
}

static void fill_usr(struct dentry *dir)
{
	static const char *const names[] = { "bin", "lib", "local", "sbin", "share" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		tmpfs_make(dir, names[i], S_IFDIR | 0755, 0);
}

static void fill_var(struct dentry *dir)
{
	static const char *const names[] = { "cache", "lib", "log", "spool" };

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		tmpfs_make(dir, names[i], S_IFDIR | 0755, 0);
	tmpfs_make(dir, "tmp", S_IFDIR | S_ISVTX | 0777, 0);
	tmpfs_make_link(dir, "run", "/run");
}

static void mount_in(struct dentry *dir, const char *name, struct mount *m, struct super *sb)
{
	struct path point = { &root, tmpfs_make(dir, name, S_IFDIR | 0755, 0) };

	if (point.dentry != NULL && sb != NULL) {
		m->source = sb->type;
		mount_add(m, sb, &point);
	}
}

static void fill_root(struct dentry *dir)
{
	static const struct {
		const char *name;
		u32 mode;
		void (*fill)(struct dentry *dir);
	} dirs[] = {
		{ "bin", 0755, NULL },	   { "etc", 0755, fill_etc }, { "home", 0755, NULL },
		{ "lib", 0755, NULL },	   { "mnt", 0755, NULL },     { "root", 0700, NULL },
		{ "run", 0755, NULL },	   { "sbin", 0755, NULL },    { "tmp", 01777, NULL },
		{ "usr", 0755, fill_usr }, { "var", 0755, fill_var },
	};

	filled = true;
	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++) {
		struct dentry *d = tmpfs_make(dir, dirs[i].name, S_IFDIR | dirs[i].mode, 0);

		if (d != NULL && dirs[i].fill != NULL)
			tmpfs_populate_later(d, dirs[i].fill);
	}
	mount_in(dir, "dev", &dev_mount, devfs());
	mount_in(dir, "proc", &proc_mount, procfs());
	mount_in(dir, "sys", &sys_mount, sysfs());
	for (unsigned i = 0; i < waiting_count; i++) {
		add_now(&waiting[i]);
		kfree(waiting[i].path);
	}
}

int fs_init(void)
{
	int error = tmpfs_init(&root_super, MKDEV(0, 21), 0755);

	if (error < 0)
		return error;
	root.source = "rootfs";
	mount_add(&root, &root_super, NULL);
	tmpfs_populate_later(root_super.root, fill_root);
	return 0;
}
