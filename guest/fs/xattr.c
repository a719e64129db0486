/*
 * Extended attributes kept in memory: a list by name, the last first as Linux shows
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
	if (size == 0)
		return (*at)->size;
	if (size < (*at)->size)
		return -ERANGE;
	memcpy(buf, (*at)->value, (*at)->size);
	return (*at)->size;
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
	size_t done = 0;

	for (; list != NULL; list = list->next) {
		size_t len = strlen(list->name) + 1;

		if (!trusted && xattr_is_trusted(list->name))
			continue;
		if (size > 0) {
			if (done + len > size)
				return -ERANGE;
			memcpy(buf + done, list->name, len);
		}
		done += len;
	}
	return done;
}

void xattr_free(struct xattr **list)
{
	while (*list != NULL) {
		struct xattr *x = *list;

		*list = x->next;
		kfree(x);
	}
}
