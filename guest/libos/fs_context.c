/*
 * The root, the working directory and the umask of a process, and paths that
 * the library OS makes for itself.
 */
#include "heap.h"
#include "path.h"
#include "process.h"

struct fs_context *fs_context_new(void)
{
	struct fs_context *fs = kalloc(sizeof(*fs));

	if (fs == NULL)
		return NULL;
	fs->refs = 1;
	fs->umask = 022;
	fs->root = fs->cwd = (struct path){ root_mount, root_mount->root };
	path_get(&fs->root);
	path_get(&fs->cwd);
	return fs;
}

struct fs_context *fs_context_copy(struct fs_context *fs)
{
	struct fs_context *copy = kalloc(sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *fs;
	copy->refs = 1;
	path_get(&copy->root);
	path_get(&copy->cwd);
	return copy;
}

void fs_context_get(struct fs_context *fs)
{
	fs->refs++;
}

void fs_context_put(struct fs_context *fs)
{
	if (--fs->refs > 0)
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	kfree(fs);
}

int fs_make_dirs(const char *path, struct path *out)
{
	struct path at = { root_mount, root_mount->root };
	int error = 0;

	path_get(&at);
	for (;;) {
		const char *end = strchr(path, '/');
		size_t len = end != NULL ? (size_t)(end - path) : strlen(path);
		struct dentry *d;

		if (len == 0 && end != NULL) {
			path++;
			continue;
		}
		if (len == 0 || error < 0)
			break;
		error = vfs_lookup(at.dentry, path, len, &d);
		if (error < 0)
			break;
		if (d->inode == NULL)
			error = vfs_mkdir(&at, d, 0755);
		if (error == 0) {
			struct path next = { at.mnt, d };

			path_get(&next);
			path_into_mounts(&next);
			path_put(&at);
			at = next;
		}
		dentry_put(d);
		path += len;
	}
	if (error == 0 && out != NULL)
		*out = at;
	else
		path_put(&at);
	return error;
}

int fs_set_cwd(struct fs_context *fs, const char *path)
{
	struct path p;
	int error;

	if (path[0] == '/' && path[1] == 0)
		return 0;
	error = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	if (error == -ENOENT) {
		error = fs_make_dirs(path, NULL);
		if (error == 0)
			error = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	}
	if (error < 0)
		return error;
	path_put(&fs->cwd);
	fs->cwd = p;
	return 0;
}
