#!/bin/sh
# No memory left, no descriptor left: the program gets the errno that Linux gives,
# or is ended with a line that names it, and the VM stays up. (Threads: threads.sh.)
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# exhaust MEM WHAT...
exhaust=$T/exhaust
cat >"$exhaust" <<-END
	#!/bin/sh
	mem=\$1
	shift
	exec "$VMM" run "$B/vm/exhaust" --mem "\$mem" -- "\$@"
END
chmod +x "$exhaust"

for what in touch sparse read; do
	t_run "memory: $what" 137 "$exhaust" 32M $what
	t_check 'no line with the sizes' grep -Eqx \
		'mayfly: out of memory: exhaust is ended; it has [0-9]+ KiB of the VM.s [0-9]+ KiB; give more with --mem' \
		"$T/err"
	t_check 'more than a line' [ "$(wc -l <"$T/err")" = 1 ]
done
t_run 'memory: holes in large pieces' 0 "$exhaust" 128M holes
t_out_match '^(0|ENOMEM) after [0-9]+$'
t_run 'memory: page tables, of which the kernel reaches those in the first GiB only' 0 \
	"$exhaust" 3G tables
t_out '0 after 512'
t_run 'memory: mappings' 0 "$exhaust" 4M maps
t_out_match '^ENOMEM after [0-9]{3,}$'
t_run 'memory: a file' 0 "$exhaust" 16M file
t_out_match '^ENOSPC after [0-9]{2,}$'
t_run 'memory: pipes' 0 "$exhaust" 16M pipes all
t_out_match '^ENOMEM after [0-9]{2,}$'
t_run 'memory: sockets' 0 "$exhaust" 16M sockets all
t_out_match '^ENOBUFS after [0-9]{2,}$'
t_run 'memory: POSIX message queues' 0 "$exhaust" 16M 'posix queues' all
t_out_match '^ENOMEM after [0-9]{2,}$'
t_run 'memory: descriptors' 0 "$exhaust" 8M event all
t_out_match '^ENOMEM after [0-9]{4,}$'
t_run 'memory: epolls' 0 "$exhaust" 8M epolls all
t_out_match '^ENOMEM after [0-9]{3,}$'
for what in semaphores 'large messages' 'empty messages'; do
	t_run "memory: $what" 0 "$exhaust" 16M "$what"
	t_out_match '^ENOMEM after [0-9]+$'
done
t_run 'inotify: as many as there may be' 0 "$exhaust" 32M watches
t_out 'EMFILE after 128'
t_run 'memory: names' 0 "$exhaust" 8M names
# of the inode (tmpfs) or of the dentry, whichever there was no page for
t_out_match '^(ENOSPC|ENOMEM) after [0-9]{3,}$'
for what in timers signals; do
	t_run "memory: $what" 0 "$exhaust" 32M $what
	t_out_match '^EAGAIN after [0-9]{3,}$'
done
for what in null event pipes sockets; do
	t_run "descriptors: $what" 0 "$exhaust" 512M $what
	t_out_match '^EMFILE after 102[01]$'
done

t_done
