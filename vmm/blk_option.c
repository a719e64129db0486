/* The value of --disk, apart from the device so that the options need
 * nothing else of it. */
#include <string.h>
#include "blk.h"
#include "blk_file.h"

static const struct disk_option disk_option = {
	.name = "--disk",
	.to_read = "give FILE,ro",
	.all_read = "give each its own file, or FILE,ro to all",
};
const struct disk_option disk_of_root = {
	.name = "--root",
	.to_read = "leave \",rw\" out",
	.all_read = "give each its own image, or \",rw\" to none",
};

void disk_parse(const char *value, struct disk *disk)
{
	static const char ro[] = ",ro";
	const size_t len = strlen(value);
	const bool reads = len >= sizeof(ro) - 1 && !strcmp(value + len - (sizeof(ro) - 1), ro);

	*disk = (struct disk){
		.option = &disk_option,
		.path = value,
		.len = reads ? len - (sizeof(ro) - 1) : len,
		.read_only = reads,
	};
}

const char *disk_check(const char *value)
{
	struct disk disk;

	disk_parse(value, &disk);
	if (disk.len == 0)
		return "give FILE or FILE,ro: a file or block device with the disk's raw contents";
	return NULL;
}
