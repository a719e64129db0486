#!/bin/sh
# Bad input: each ends with one line that says what is wrong, on what, and a
# status of the VMM's own; never with a crash, a hang or a stack of errors.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

hello=$B/vm/hello-musl
mkelf=$B/vm/mkelf

# ---- what a VM does not have: another process

t_run 'fork' '*' "$VMM" run busybox -- sh -c '(true) || (true); echo $?'
t_check 'not said, or not once' \
	[ "$(grep -c '^mayfly: busybox: .*fork() gives ENOSYS' "$T/err")" = 1 ]

# ---- IMAGE

t_run 'IMAGE missing' 127 "$VMM" run "$T/none"
t_err_line "$T/none: not found"
t_run 'IMAGE not in PATH' 127 "$VMM" run no-such-program-here
t_err_line 'no-such-program-here: not found'
t_run 'IMAGE under a file' 127 "$VMM" run "$hello/x"
t_err_line 'not found'
t_run 'IMAGE is a directory' 126 "$VMM" run "$T"
t_err_line 'directory'
t_run 'IMAGE is a device' 126 "$VMM" run /dev/null
t_err_line 'regular file'
mkfifo "$T/fifo"
t_run 'IMAGE is a FIFO' 126 "$VMM" run "$T/fifo"
t_err_line 'regular file'
: >"$T/empty"
chmod +x "$T/empty"
t_run 'IMAGE is empty' 126 "$VMM" run "$T/empty"
t_err_line 'empty'
printf '#!/bin/sh\necho hi\n' >"$T/script"
chmod +x "$T/script"
t_run 'IMAGE is a script' 126 "$VMM" run "$T/script"
t_err_line 'script'
head -c 5000 /dev/zero >"$T/zeroes"
chmod +x "$T/zeroes"
t_run 'IMAGE is not ELF' 126 "$VMM" run "$T/zeroes"
t_err_line 'ELF'
cp "$hello" "$T/plain"
chmod -x "$T/plain"
t_run 'IMAGE is not executable' 126 "$VMM" run "$T/plain"
t_err_line 'chmod'
t_run 'IMAGE with a very long name' '126|127' "$VMM" run "/$(head -c 5000 /dev/zero | tr '\0' x)"
t_check 'stderr is one line' [ "$(wc -l <"$T/err")" = 1 ]
t_run 'IMAGE is dynamic' 126 "$VMM" run "$B/vm/hello-dynamic"
t_err_line 'dynamic'
t_run '--kernel missing' 127 "$VMM" run "$hello" --kernel "$T/none"
t_err_line 'none: not found'
t_run '--kernel is our own guest image' 0 "$VMM" run "$hello" --kernel "$B/guest.elf"
t_out 'hello from main'
t_run 'IMAGE is the guest image' 126 "$VMM" run "$B/guest.elf"
t_err_line 'name a program'
t_run '--kernel is a program' 126 "$VMM" run "$hello" --kernel "$hello"
t_err_line 'PVH'

# Every kind of damage that mkelf knows is refused, or does what Linux does.
for kind in $("$mkelf" --list); do
	"$mkelf" "$kind" "$T/$kind"
	case $kind in
	good | align_zero | align_odd | writable_text)
		t_run "ELF: $kind" 0 "$VMM" run "$T/$kind"
		;;
	cut | note_outside | note_cut | note_lengths | paddr_wraps)
		# For Linux these are fine: it looks at neither. The VMM may refuse.
		t_run "ELF: $kind" '0|126' "$VMM" run "$T/$kind"
		[ "$T_STATUS" = 0 ] || t_err_line "$kind"
		;;
	memsz_huge)
		# 64 TiB of zeroes: refused, or given out when touched.
		t_run "ELF: $kind" '0|126|137|139' "$VMM" run "$T/$kind"
		;;
	interp_self)
		# the file that it asks for is the guest's to look for
		t_run "ELF: $kind" 126 "$VMM" run "$T/$kind"
		t_err "mayfly: $T/$kind: its interpreter loader is not in the VM's file system"
		;;
	empty_load | entry_*)
		t_run "ELF: $kind" '126|139' "$VMM" run "$T/$kind"
		[ "$T_STATUS" != 126 ] || t_err_line "$kind"
		;;
	*)
		t_run "ELF: $kind" 126 "$VMM" run "$T/$kind"
		t_err_line "$kind"
		;;
	esac
	rm -f "$T/$kind"
done

# A file that ends anywhere in its first 4 KiB.
step=1
[ -z "$LAB" ] || step=64
cp "$VMM" "$T/vmm"
for file in "$B/vm/hello-glibc" "$B/guest.elf"; do
	head -c 4096 "$file" >"$T/cut"
	chmod +x "$T/cut"
	T_LIMIT=60 t_run "${file##*/} cut at every offset of its first 4 KiB" 0 \
		"$B/vm/sweep" "$T/vmm" "$T/cut" "$step"
done

# ---- memory

t_run 'program larger than memory' 126 "$VMM" run "$(command -v busybox)" --mem 2M
t_err_line '--mem [0-9]+M'

# ---- the host's side

# host NAME SETUP STATUS REGEX USER: `vmm run` where SETUP made an own, empty /dev
host()
{
	t_case "$1"
	unshare -m sh -c "mount -t tmpfs dev /dev && $2 && exec \"\$@\"" sh \
		setpriv --reuid "$5" --regid "$5" --clear-groups \
		timeout -s KILL "$T_LIMIT" "$T/vmm" run "$T/${hello##*/}" \
		<"$T/empty" >"$T/out" 2>"$T/err"
	T_STATUS=$?
	t_status_is "$3"
	[ -z "$4" ] || t_err_line "$4"
}

if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
	cp "$VMM" "$B/guest.elf" "$hello" "$T/"
	chmod -R a+rX "$T"
	host 'no /dev/kvm' true 125 '/dev/kvm' 0
	host 'no permission for /dev/kvm' 'mknod -m 600 /dev/kvm c 10 232' 125 '/dev/kvm.*ermission' 65534
	host '/dev/kvm is something else' 'echo >/dev/kvm' 125 '/dev/kvm' 0
	host '/dev/kvm is a directory' 'mkdir /dev/kvm' 125 '/dev/kvm' 0
	host 'an ordinary user, with permission' 'mknod -m 666 /dev/kvm c 10 232' 0 '' 65534
	t_out 'hello from main'
else
	t_skip 'no /dev/kvm, no permission' 'needs root and mount namespaces'
fi

# ---- standard streams

# Whatever becomes of the output, the status is what Linux gives.
busybox=$(command -v busybox)
t_case 'stdout is full'
timeout -s KILL "$T_LIMIT" "$busybox" echo hi >/dev/full 2>"$T/linux.err"
linux=$?
timeout -s KILL "$T_LIMIT" "$VMM" run "$busybox" -- echo hi >/dev/full 2>"$T/err"
T_STATUS=$?
t_status_is "$linux"
t_check 'stderr differs from Linux' cmp -s "$T/linux.err" "$T/err"

t_case 'stdout is closed'
timeout -s KILL "$T_LIMIT" "$busybox" echo hi >&- 2>"$T/linux.err"
linux=$?
timeout -s KILL "$T_LIMIT" "$VMM" run "$busybox" -- echo hi >&- 2>"$T/err"
T_STATUS=$?
t_status_is "$linux"
t_check 'stderr differs from Linux' cmp -s "$T/linux.err" "$T/err"

t_case 'all three are closed'
timeout -s KILL "$T_LIMIT" "$VMM" run "$B/vm/probe" -- exit 9 <&- >&- 2>&-
T_STATUS=$?
t_status_is 9

t_case 'the reader of a pipe is gone'
{
	timeout -s KILL "$T_LIMIT" "$VMM" run "$busybox" -- yes 2>"$T/err"
	echo $? >"$T/status"
} | head -n 1 >"$T/out"
T_STATUS=$(cat "$T/status")
t_status_is 141
t_out y

t_case 'an error while stderr is closed'
timeout -s KILL "$T_LIMIT" "$VMM" run "$T/none" 2>&-
T_STATUS=$?
t_status_is 127

t_case '--help to a full device'
timeout -s KILL "$T_LIMIT" "$VMM" run --help >/dev/full 2>"$T/err"
T_STATUS=$?
t_status_is 125
t_err_line 'standard output'

t_done
