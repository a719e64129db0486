/* The value of --disk, apart from the device so that the options need
 * nothing else of it. */
#include <string.h>
#include "blk.h"
#include "blk_file.h"

unsigned long disk_parse(const char *value, bool *read_only)
{
	static const char ro[] = ",ro";
	size_t len = strlen(value);

	*read_only = len >= sizeof(ro) - 1 && !strcmp(value + len - (sizeof(ro) - 1), ro);
	return *read_only ? len - (sizeof(ro) - 1) : len;
}

const char *disk_check(const char *value)
{
	bool read_only;

	if (disk_parse(value, &read_only) == 0)
		return "give FILE or FILE,ro: a file or block device with the disk's raw contents";
	return NULL;
}
