/* The text of --help, see help.h. */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "fail.h"
#include "help.h"
#include "options.h"

const char help_main[] =
	"vmm - run a Linux program as a virtual machine of its own\n"
	"\n"
	"  vmm run IMAGE [options] [-- ARG...]   run it; \"vmm run --help\" lists the options\n"
	"  vmm check                             can this host run VMs, and what is missing\n"
	"  vmm version                           the version of this program\n"
	"\n"
	"See also: man vmm\n";

const char help_run[] =
	"vmm run IMAGE [options] [-- ARG...]\n"
	"\n"
	"Runs IMAGE, a Linux program for x86-64 (or a kernel with a PVH entry), in a\n"
	"virtual machine of its own. IMAGE is a path, or a name that is found in PATH;\n"
	"the program's own arguments follow after \"--\".\n"
	"\n"
	"  --cpus N          virtual CPUs, 1 to 64 (default 1)\n"
	"  --mem SIZE        memory, with K, M or G: 2M to 64G (default 128M)\n"
	"  --env NAME=VALUE  a variable of the program's environment; repeatable\n"
	"  --cwd DIR         working directory inside the VM (default /)\n"
	"  --copy PATH[:DEST]\n"
	"                    a file, a directory or a cpio image of the host appears in\n"
	"                    the VM's file system, at DEST (default /NAME); repeatable\n"
	"  --hostname NAME   host name inside the VM (default mayfly)\n"
	"  --disk FILE[,ro]  a file or block device as a disk, /dev/vda and so on in the\n"
	"                    VM; ro: read-only; repeatable\n"
	"  --share DIR:PATH[,ro]\n"
	"                    a directory of the host appears at PATH in the VM, which may\n"
	"                    change it unless ro says that it may only read; repeatable\n"
	"  --root DIR|IMG[,rw]\n"
	"                    a directory of the host, or what a file holds as an ext2 or\n"
	"                    EROFS image, is the VM's root, and IMAGE is in it; changes\n"
	"                    stay in memory unless rw says that they are made there\n"
	"  --kernel FILE     another guest image, or a kernel that gets IMAGE as module\n"
	"  --append STRING   command line of a kernel\n"
	"  --net tap=NAME[,mac=MAC][,ip=A/L][,gw=B]\n"
	"                    a network interface on an existing tap device (net/up.sh makes\n"
	"                    one); without ip= the program's side asks DHCP; repeatable\n"
	"  --net user[,mac=MAC]\n"
	"                    a network interface that needs no privilege: the host's own\n"
	"                    network, seen through NAT\n"
	"  --publish [ADDR:]PORT:GUESTPORT[/udp]\n"
	"                    a port of the host, on 127.0.0.1 unless ADDR says otherwise,\n"
	"                    that leads to one of the program's; implies --net user\n"
	"  --pcap FILE       record what crosses the network interfaces, for tcpdump\n"
	"  --timeout SECS    end the VM after this time, decimals allowed; 0: never\n"
	"  --config FILE     JSON file whose keys are these options, \"image\" and \"args\";\n"
	"                    what is given here wins over the file\n"
	"  --no-patch        leave the program's text as it is: each system call traps\n"
	"  --stats           print counters at the end, and which system calls trapped\n"
	"  --verbose         print the boot timeline and what the program asks for in vain\n"
	"  --help            print this text\n"
	"\n"
	"Exit status: the program's own; 128+n: ended by signal n; 124: --timeout ended it;\n"
	"125: an error of vmm; 126: IMAGE cannot be run; 127: IMAGE was not found.\n";

_Noreturn void help_print(const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t n = write(STDOUT_FILENO, text, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(EXIT_VMM, "cannot write to standard output: %s", strerror(errno));
		text += n;
		left -= (size_t)n;
	}
	_exit(0);
}
