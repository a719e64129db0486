// link: vmm/fs.c vmm/fs_server.c vmm/fs_node.c vmm/fs_handle.c vmm/fs_name.c vmm/fs_walk.c vmm/fs_xattr.c vmm/fs_dax.c vmm/fs_option.c
// link: vmm/virtio.c vmm/promote.c vmm/queue.c vmm/mem.c vmm/io.c vmm/io_ring.c vmm/io_poll.c
// link: tests/unit/driver.c tests/unit/fs_rig.c
// libs: -luring -pthread
/*
 * Extended attributes by virtio-fs: what a driver asks, well-behaved and hostile.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <cmocka.h>
#undef fail /* cmocka's; fail.h has its own */
#include "fs_rig.h"

static int get_xattr(uint32_t opcode, uint64_t node, const char *name, uint32_t size)
{
	const struct fuse_getxattr_in in = { .size = size };

	return ask2(opcode, node, &in, sizeof(in), name ? name : "", name ? strlen(name) + 1 : 0);
}

/* The name's NUL and the value follow each other. */
static int set_xattr(uint64_t node, const char *name, const char *value, uint32_t size,
		     uint32_t flags)
{
	const struct fuse_setxattr_in in = { .size = size, .flags = flags };
	char text[400] = "";

	strcpy(text, name);
	strcpy(text + strlen(name) + 1, value);
	return ask2(FUSE_SETXATTR, node, &in, FUSE_COMPAT_SETXATTR_IN_SIZE, text,
		    strlen(name) + 1 + strlen(value));
}

static uint32_t reply_len(void)
{
	return out_header()->len - (uint32_t)sizeof(struct fuse_out_header);
}

static bool has_attributes(void)
{
	return setxattr(shared, "user.probe", "", 0, 0) == 0 &&
	       removexattr(shared, "user.probe") == 0;
}

static void attributes(void **state)
{
	const struct fuse_getxattr_out *out = reply();
	const uint64_t node = lookup(1, "file");

	(void)state;
	if (!has_attributes())
		skip();
	assert_int_equal(get_xattr(FUSE_LISTXATTR, node, NULL, 100), 0);
	assert_int_equal(reply_len(), 0);
	assert_int_equal(get_xattr(FUSE_GETXATTR, node, "user.a", 100), -ENODATA);
	assert_int_equal(set_xattr(node, "user.a", "value", 5, XATTR_REPLACE), -ENODATA);
	assert_int_equal(set_xattr(node, "user.a", "value", 5, XATTR_CREATE), 0);
	assert_int_equal(set_xattr(node, "user.a", "value", 5, XATTR_CREATE), -EEXIST);
	assert_int_equal(set_xattr(node, "user.empty", "", 0, 0), 0);
	assert_int_equal(get_xattr(FUSE_GETXATTR, node, "user.a", 0), 0);
	assert_int_equal(out->size, 5);
	assert_int_equal(get_xattr(FUSE_GETXATTR, node, "user.a", 4), -ERANGE);
	assert_int_equal(get_xattr(FUSE_GETXATTR, node, "user.a", UINT32_MAX), 0);
	assert_int_equal(reply_len(), 5);
	assert_memory_equal(reply(), "value", 5);
	assert_int_equal(get_xattr(FUSE_LISTXATTR, node, NULL, 0), 0);
	assert_int_equal(out->size, sizeof("user.a") + sizeof("user.empty"));
	assert_int_equal(get_xattr(FUSE_LISTXATTR, node, NULL, 100), 0);
	assert_int_equal(reply_len(), sizeof("user.a") + sizeof("user.empty"));
	assert_int_equal(get_xattr(FUSE_LISTXATTR, node, NULL, 8), -ERANGE);
	assert_int_equal(ask(FUSE_REMOVEXATTR, node, "user.a", sizeof("user.a")), 0);
	assert_int_equal(ask(FUSE_REMOVEXATTR, node, "user.a", sizeof("user.a")), -ENODATA);
}

/* What the host has for itself is not there, and cannot be made. */
static void attributes_of_the_host(void **state)
{
	static const char *const names[] = {
		"trusted.a",
		"security.a",
		"security.capability",
		"system.posix_acl_access",
		"system.posix_acl_default",
		"user",
		"xuser.a",
		"",
	};
	char path[200], buf[8];

	(void)state;
	if (!has_attributes())
		skip();
	snprintf(path, sizeof(path), "%s/file", shared);
	assert_int_equal(setxattr(path, "user.seen", "x", 1, 0), 0);
	if (geteuid() == 0)
		assert_int_equal(setxattr(path, "trusted.a", "x", 1, 0), 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const uint64_t node = lookup(1, "file");

		assert_int_equal(set_xattr(node, names[i], "x", 1, 0), -EOPNOTSUPP);
		assert_int_equal(ask(FUSE_REMOVEXATTR, node, names[i], strlen(names[i]) + 1),
				 -EOPNOTSUPP);
		assert_true(get_xattr(FUSE_GETXATTR, node, names[i], 10) < 0);
	}
	assert_int_equal(get_xattr(FUSE_LISTXATTR, lookup(1, "file"), NULL, 100), 0);
	assert_int_equal(reply_len(), sizeof("user.seen"));
	assert_memory_equal(reply(), "user.seen", sizeof("user.seen"));
	/* a link is not followed */
	snprintf(path, sizeof(path), "%s/outside", base);
	assert_int_equal(setxattr(path, "user.secret", "x", 1, 0), 0);
	snprintf(path, sizeof(path), "%s/up", shared);
	assert_int_equal(symlink("../outside", path), 0);
	assert_int_equal(get_xattr(FUSE_GETXATTR, lookup(1, "up"), "user.secret", 10), -ENODATA);
	assert_int_equal(set_xattr(lookup(1, "up"), "user.mine", "x", 1, 0), -EPERM);
	assert_true(getxattr(path, "user.mine", buf, sizeof(buf)) < 0);
	assert_int_equal(get_xattr(FUSE_LISTXATTR, lookup(1, "up"), NULL, 100), 0);
	assert_int_equal(reply_len(), 0);
}

static void broken_attribute_requests(void **state)
{
	const struct fuse_getxattr_in in = { .size = 10 };
	const uint64_t node = lookup(1, "file");

	(void)state;
	assert_int_equal(get_xattr(FUSE_GETXATTR, 999, "user.a", 10), -EINVAL);
	assert_int_equal(get_xattr(FUSE_LISTXATTR, 999, NULL, 10), -EINVAL);
	assert_int_equal(set_xattr(999, "user.a", "x", 1, 0), -EINVAL);
	assert_int_equal(ask(FUSE_REMOVEXATTR, 999, "user.a", 7), -EINVAL);
	assert_int_equal(get_xattr(FUSE_GETXATTR, node, NULL, 10), -EINVAL);
	assert_int_equal(ask2(FUSE_GETXATTR, node, &in, sizeof(in), "user.a", 6), -EINVAL);
	assert_int_equal(ask(FUSE_LISTXATTR, node, &in, 4), -EINVAL);
	assert_int_equal(set_xattr(node, "user.a", "short", 6, 0), -EINVAL);
	assert_int_equal(set_xattr(node, "user.a", "short", UINT32_MAX, 0), -EINVAL);
	assert_int_equal(set_xattr(node, "user.a", "x", 1, 4), -EINVAL);
	assert_int_equal(ask(FUSE_SETXATTR, node, &in, 8), -EINVAL);
	assert_int_equal(ask(FUSE_SETXATTR, node, &in, 4), -EINVAL);
	assert_int_equal(ask(FUSE_REMOVEXATTR, node, "user.a", 6), -EINVAL);
}

static void attributes_read_only(void **state)
{
	const uint64_t node = lookup(1, "file");

	(void)state;
	assert_int_equal(set_xattr(node, "user.a", "x", 1, 0), -EROFS);
	assert_int_equal(ask(FUSE_REMOVEXATTR, node, "user.a", 7), -EROFS);
}

#define CASE(f, up) cmocka_unit_test_setup_teardown(f, up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(attributes, set_up),
		CASE(attributes_of_the_host, set_up),
		CASE(broken_attribute_requests, set_up),
		CASE(attributes_read_only, set_up_ro),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
