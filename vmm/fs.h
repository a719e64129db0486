/*
 * virtio-fs, device side (virtio 1.2, 5.11): a directory of the host in the
 * guest (--share, --root).
 */
#ifndef VMM_FS_H
#define VMM_FS_H

#include "vm.h"

/* What --share DIR:PATH[,ro] or --root DIR[,rw] says. `dir` is dir_len bytes of
 * the value, `path` path_len bytes; of the root "/". */
struct share {
	const char *option; /* "--share" or "--root", for messages */
	const char *dir, *path;
	size_t dir_len, path_len;
	bool read_only;
};

/* NULL, or what is wrong with the value and what to give instead. fs_option.c */
const char *share_check(const char *value);
void share_parse(const char *value, struct share *share);
const char *root_check(const char *value);
void root_parse(const char *value, struct share *share);

/* Opens the directory; ends the process with a clear line when that cannot be. */
int share_open(const struct share *share);
/* Opens the directory, too, and adds the device. */
struct virtio_dev *fs_add(struct vm *vm, const struct share *share, unsigned index);

/* Puts zeroes where files that are mapped have become shorter (fs_dax.h): whether any
 * had. Any thread. */
bool fs_mend(struct vm *vm);

/* Closes everything and frees the device; nothing is in flight. For tests. */
void fs_free(struct virtio_dev *dev);

#endif
