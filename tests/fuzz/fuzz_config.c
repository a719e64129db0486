// link: vmm/options.c vmm/config.c vmm/help.c vmm/blk_option.c vmm/net_options.c vmm/copy_value.c vmm/fs_option.c
// libs: -ljansson
/*
 * --config: any text is either refused with one line that names its place, or
 * gives options within their bounds.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "../../shared/abi.h"
#include "../../vmm/config.h"
#include "../../vmm/fail.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Applying a text never ends the process. */
_Noreturn void fail(int status, const char *format, ...)
{
	(void)status;
	(void)format;
	abort();
}

static void require(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct options opt;
	char error[600];

	options_init(&opt);
	/* The first byte decides what the command line had settled before. */
	if (size > 0) {
		opt.given = data[0] & 1 ? ~0u : 0;
		opt.args_given = data[0] & 2;
		data++;
		size--;
	}
	if (config_apply(&opt, "f", (const char *)data, size, error, sizeof(error))) {
		require(opt.cpus >= 1 && opt.cpus <= MAX_CPUS);
		require(opt.mem >= MEM_MIN && opt.mem <= MEM_MAX && opt.mem % 4096 == 0);
		require(opt.args[opt.nargs] == NULL && opt.env.item[opt.env.count] == NULL);
		for (unsigned i = 0; i < opt.env.count; i++)
			require(strchr(opt.env.item[i], '=') > opt.env.item[i]);
	} else {
		require(!strncmp(error, "f:", 2));
	}
	options_free(&opt);
	return 0;
}
