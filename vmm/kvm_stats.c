/*
 * KVM's counters are a file: a header, a table of descriptors, the values
 * (KVM api.rst, 4.133). Read with --stats only, so by name and without a copy
 * of the table.
 */
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/kvm.h>
#include "kvm_stats.h"

#define NAME_MAX_LEN 64 /* KVM's is 48 */

int kvm_stats_open(int vcpu_fd)
{
	return ioctl(vcpu_fd, KVM_GET_STATS_FD, NULL);
}

static bool read_at(int fd, void *to, size_t n, uint64_t offset)
{
	return pread(fd, to, n, (off_t)offset) == (ssize_t)n;
}

uint64_t kvm_stats_read(int fd, const char *name)
{
	struct kvm_stats_header head;
	struct {
		struct kvm_stats_desc desc;
		char name[NAME_MAX_LEN + 1];
	} entry;
	uint64_t value = 0;

	if (fd < 0 || !read_at(fd, &head, sizeof(head), 0) || head.name_size > NAME_MAX_LEN)
		return 0;
	memset(&entry, 0, sizeof(entry));
	for (uint32_t i = 0; i < head.num_desc; i++) {
		const size_t size = sizeof(entry.desc) + head.name_size;

		if (!read_at(fd, &entry, size, head.desc_offset + i * size))
			return 0;
		if (strcmp(entry.name, name))
			continue;
		return read_at(fd, &value, sizeof(value), head.data_offset + entry.desc.offset) ?
			       value :
			       0;
	}
	return 0;
}
