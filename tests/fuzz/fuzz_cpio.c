// link: vmm/copy_cpio.c vmm/copy_list.c
/*
 * cpio images of --copy: any bytes are either refused, or give records that lie
 * in the region, with paths that do not leave it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "../../shared/x86.h"
#include "../../vmm/copy_list.h"
#include "../../vmm/fail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static jmp_buf refused;

_Noreturn void fail(int status, const char *format, ...)
{
	(void)status;
	(void)format;
	longjmp(refused, 1);
}

void warn(const char *format, ...)
{
	(void)format;
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void look_at(const struct copy_list *list, uint64_t gpa, uint64_t size)
{
	const uint8_t *at = list->base + (gpa - list->gpa), *end = at + size;

	require(gpa >= list->gpa && gpa + size <= list->gpa + list->used);
	while (at < end) {
		struct copied_file f;
		char path[PATH_MAX], again[PATH_MAX];

		memcpy(&f, at, sizeof(f));
		require(f.name_len > 0 && f.name_len < PATH_MAX);
		require(sizeof(f) + f.name_len + f.link_len <= (size_t)(end - at));
		require(f.size == 0 ||
			(f.gpa >= list->gpa && f.gpa % PAGE_SIZE == 0 && f.gpa + f.size <= gpa));
		memcpy(path, at + sizeof(f), f.name_len);
		path[f.name_len] = 0;
		require(copy_join(again, path, "") && !strcmp(path, again));
		at += (sizeof(f) + f.name_len + f.link_len + 7) & -8ull;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct guest_mem mem = { .size = 128 << 20, .low = 128 << 20 };
	static struct copy_list fresh, list;
	static int fd = -1;
	uint64_t gpa = 0, len = 0;

	if (fd < 0)
		fd = memfd_create("image", 0);
	require(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (!fresh.base)
		copy_list_init(&fresh, &mem);
	list = fresh; /* reads as zeroes only at first, which nothing here depends on */
	if (!setjmp(refused)) {
		if (copy_is_cpio(fd))
			copy_cpio(&list, fd, "image", "to");
		copy_list_finish(&list, &mem, &gpa, &len);
		if (len > 0)
			look_at(&list, gpa, len);
	}
	/* what a process that ends leaves behind */
	for (size_t i = 0; list.entry && i < list.count; i++) {
		free(list.entry[i].path);
		free(list.entry[i].link);
	}
	free(list.entry);
	return 0;
}
