/*
 * Extended attributes: in memory they are a list by name, the last first as Linux shows
 * it; a file has a few at most.
 */
#include "xattr.h"
#include "../libos/heap.h"

struct xattr {
	struct xattr *next;
	size_t size;
	char *value; /* behind the name, in the same allocation */
	char name[];
};

long xattr_value(void *buf, size_t size, const void *value, size_t len)
{
	if (size == 0)
		return len;
	if (size < len)
		return -ERANGE;
	memcpy(buf, value, len);
	return len;
}

/* Where the attribute is linked, or where it would be. */
static struct xattr **place(struct xattr **list, const char *name)
{
	while (*list != NULL && strcmp((*list)->name, name) > 0)
		list = &(*list)->next;
	return list;
}

static bool is_at(struct xattr *const *at, const char *name)
{
	return *at != NULL && strcmp((*at)->name, name) == 0;
}

long xattr_get(struct xattr *list, const char *name, void *buf, size_t size)
{
	struct xattr **at = place(&list, name);

	if (!is_at(at, name))
		return -ENODATA;
	return xattr_value(buf, size, (*at)->value, (*at)->size);
}

static struct xattr *make(const char *name, const void *value, size_t size)
{
	size_t len = strlen(name) + 1;
	struct xattr *x = kalloc(sizeof(*x) + len + size);

	if (x == NULL)
		return NULL;
	memcpy(x->name, name, len);
	x->value = x->name + len;
	x->size = size;
	memcpy(x->value, value, size);
	return x;
}

int xattr_set(struct xattr **list, const char *name, const void *value, size_t size, int flags)
{
	struct xattr **at = place(list, name), *old = is_at(at, name) ? *at : NULL, *x = NULL;

	if (old != NULL && flags & XATTR_CREATE)
		return -EEXIST;
	if (old == NULL && (flags & XATTR_REPLACE || value == NULL))
		return -ENODATA;
	if (value != NULL) {
		x = make(name, value, size);
		if (x == NULL)
			return -ENOSPC;
		x->next = old != NULL ? old->next : *at;
	}
	*at = x != NULL ? x : old->next;
	kfree(old);
	return 0;
}

long xattr_list(const struct xattr *list, char *buf, size_t size, bool trusted)
{
	struct xattr_names names = { .buf = buf, .size = size, .trusted = trusted };
	int error = 0;

	for (; list != NULL && error == 0; list = list->next)
		error = xattr_add_name(&names, list->name);
	return error < 0 ? error : (long)names.done;
}

void xattr_free(struct xattr **list)
{
	while (*list != NULL) {
		struct xattr *x = *list;

		*list = x->next;
		kfree(x);
	}
}

/* ---- names */

static const char *const prefixes[] = {
	[1] = "user.",
	[2] = "system.posix_acl_access",
	[3] = "system.posix_acl_default",
	[4] = "trusted.",
	[6] = "security.",
};

static bool is_known(unsigned kind)
{
	return kind < ARRAY_SIZE(prefixes) && prefixes[kind] != NULL;
}

unsigned xattr_kind(const char *name, const char **rest)
{
	for (unsigned kind = 1; kind < ARRAY_SIZE(prefixes); kind++) {
		if (!is_known(kind) || strncmp(name, prefixes[kind], strlen(prefixes[kind])) != 0)
			continue;
		*rest = name + strlen(prefixes[kind]);
		return kind;
	}
	return 0;
}

int xattr_full_name(char full[XATTR_NAME_MAX + 1], unsigned kind, const char *rest, size_t len)
{
	size_t before;

	full[0] = 0;
	if (!is_known(kind))
		return 0;
	before = strlen(prefixes[kind]);
	if (before + len > XATTR_NAME_MAX)
		return -EIO;
	memcpy(full, prefixes[kind], before);
	memcpy(full + before, rest, len);
	full[before + len] = 0;
	return strlen(full) == before + len ? 0 : -EIO;
}

int xattr_add_name(struct xattr_names *names, const char *full)
{
	size_t len = strlen(full) + 1;

	if (len == 1 || (!names->trusted && xattr_is_trusted(full)))
		return 0;
	if (names->size > 0) {
		if (len > names->size - names->done)
			return -ERANGE;
		memcpy(names->buf + names->done, full, len);
	}
	names->done += len;
	return 0;
}
