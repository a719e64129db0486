#!/bin/bash
# lab.sh [options] CMD... - run a shell command on a machine with SVM: Debian's
# cloud kernel under QEMU TCG, kvm-amd loaded, nested paging on.
#
#   -m MB      memory of the lab (default 1024)
#   -c CPUS    its CPUs (default 2)
#   -t SECS    how long the whole run may take (default 120)
#   -s SECS    and how long CMD may write nothing (with -d: no matter)
#   -d         deterministic: one CPU, one instruction is one nanosecond and one
#              TSC tick; two runs of the same files are byte for byte the same
#   -p         packed: the lab's root is in memory and holds only the tree, and the
#              host programs that CMD names; of the folders in build/, too, only what
#              CMD names. So it is for who is not root or has no virtiofsd, and
#              with -d, then with only what CMD names of the tree, and guest.elf
#   -x PATHS   with -d or -p: these paths of the tree instead
#   -o DIR     what CMD leaves in $LAB_OUT comes back into DIR
#   -k FILE    keep the lab kernel's console in FILE
#
# CMD runs through /bin/sh at the tree's root, as root, with empty standard input.
# Output and exit status are CMD's own; 124: time is up; 125: the lab failed.
# Packages (see the file `packages`): qemu-system-x86 qemu-system-common
# busybox-static cpio kmod lz4 binutils gcc; apt-get fetches the kernel, once.
set -u
shopt -s inherit_errexit

HERE=$(dirname "$(readlink -f "$0")")
TREE=$(readlink -f "$HERE/../..")
# shellcheck disable=SC1091 # checked by itself
. "$HERE/kernel.sh"
# shellcheck disable=SC1091
. "$HERE/pack.sh"

mem=1024 cpus=2 limit=120 silence='' counting=0 packed=0 PATHS='' outdir='' console=''
WORK='' children=()

die() {
	echo "lab: $*" >&2
	exit 125
}

parse() {
	local o
	while getopts m:c:t:s:dpx:o:k: o; do
		case $o in
		m) mem=$OPTARG ;;
		c) cpus=$OPTARG ;;
		t) limit=$OPTARG ;;
		s) silence=$OPTARG ;;
		d) counting=1 packed=1 cpus=1 ;;
		p) packed=1 ;;
		x) PATHS=$OPTARG ;;
		o) outdir=$OPTARG ;;
		k) console=$OPTARG ;;
		*) die "usage: lab.sh [-m MB] [-c CPUS] [-t SECS] [-s SECS] [-d] [-p] [-x PATHS] [-o DIR] [-k FILE] CMD..." ;;
		esac
	done
	# Numbers go to QEMU's command line, where a wrong one fails obscurely.
	for o in "$mem" "$cpus" "$limit" "${silence:-1}"; do
		[[ $o =~ ^[1-9][0-9]*$ ]] || die "'$o' is not a positive number"
	done
}

need() {
	local tool
	for tool in qemu-system-x86_64 busybox cpio flock timeout taskset gcc; do
		command -v "$tool" >/dev/null ||
			die "$tool is missing: apt-get install $(tr '\n' ' ' <"$HERE/packages")"
	done
}

# Ends what this run started, by process id, and leaves no file behind.
cleanup() {
	trap '' INT TERM HUP
	[ ${#children[@]} = 0 ] || kill "${children[@]}" 2>/dev/null
	wait
	[ -z "$WORK" ] || rm -rf "$WORK"
}

# ---- the host's files, read-only, through virtiofsd

virtiofsd_path() {
	local p
	for p in /usr/lib/qemu/virtiofsd /usr/libexec/virtiofsd; do
		[ -x $p ] && echo $p && return
	done
	return 1
}

# Serves / on a socket. Only root's virtiofsd may open any file the way that
# overlayfs asks for (O_NOATIME), so others get a packed lab.
serve_root() {
	local daemon flags
	[ "$(id -u)" = 0 ] && daemon=$(virtiofsd_path) || return 1
	case $daemon in
	/usr/lib/*) flags=(-o source=/ -o sandbox=chroot -o cache=always --thread-pool-size=1) ;;
	*) flags=(--shared-dir=/ --sandbox=chroot --cache=always) ;;
	esac
	"$daemon" --socket-path="$WORK/fs.sock" "${flags[@]}" >"$WORK/fs.log" 2>&1 &
	children+=($!)
	for _ in $(seq 100); do
		[ -S "$WORK/fs.sock" ] && return
		kill -0 "${children[-1]}" 2>/dev/null || break
		sleep 0.02
	done
	return 1
}

# ---- what this run adds to the initrd

# The command and the tree's place, where the lab's init looks for them, and the
# file by which it sees that all of the archive found room in memory.
write_job() {
	mkdir -p "$WORK/job/lab" &&
		: >"$WORK/job/~complete" &&
		printf '%s' "$*" >"$WORK/job/lab/cmd" &&
		printf '%s' "$TREE" >"$WORK/job/lab/tree"
}

# What a packed lab holds of the tree, if not said: what CMD names, and all but
# the folders in build/. When counting, not that: files that the command has
# nothing to do with must not change the count.
choose_paths() {
	local word words=${1//[^A-Za-z0-9_.\/+-]/ }
	[ $counting = 1 ] || words+=' [!b]* b[!u]*'
	PATHS=$(cd "$TREE" && for word in $words build/guest.elf; do
		case $word in
		/* | ../* | .* | build | build/) ;;
		*) [ ! -e "$word" ] || echo "$word" ;;
		esac
	done)
	[ $counting = 1 ] || PATHS+=" $(cd "$TREE" && find build -maxdepth 1 -type f)"
}

# archive DIR: a cpio archive that depends on contents and names only.
archive() {
	find "$1" -exec touch -h -d @1 {} + &&
		(cd "$1" && find . -print0 | LC_ALL=C sort -z |
			cpio -0 -o -H newc -R 0:0 --reproducible --quiet)
}

make_initrd() {
	write_job "$@" || return 1
	[ $packed = 0 ] || pack_tree "$WORK/job/root" "$*" || return 1
	local base
	base=$(base_initrd) || return 1
	{ cat "$base" && archive "$WORK/job"; } >"$WORK/initrd"
}

# ---- the machine

# One port each for stdout, stderr, files that come back, and status.
port() {
	qemu+=(-chardev "file,id=$2,path=$WORK/$2"
		-device "virtserialport,nr=$1,chardev=$2,name=$2")
}

# -icount makes time a count of instructions; nothing that the host times or
# draws by lot may be seen, and devices must act in the vCPU's own thread.
machine_counting() {
	qemu+=(-accel 'tcg,thread=single' -icount 'shift=0,sleep=off' -seed 1
		-rtc 'base=2024-01-01T00:00:00,clock=vm' -cpu 'max,rdrand=off,rdseed=off'
		-device 'virtio-serial-pci,ioeventfd=off')
	append+=' norandmaps random.trust_cpu=off random.trust_bootloader=off'
}

machine_fast() {
	qemu+=(-accel 'tcg,thread=multi' -cpu max -device virtio-serial-pci)
	append+=" tsc_early_khz=$(tsc_khz)" || die 'cannot measure the TSC'
}

# One of the host's CPUs. TCG's svm_helper.c notes a virtual interrupt in a word
# (CPUState.interrupt_request) into which QEMU's other threads write theirs, neither with
# a lock: on two CPUs a timer's interrupt got lost, so that the lab stood still, or one
# stayed that nobody had sent. They are single instructions, so one CPU mends it. (A lab
# of several CPUs is for what happens at once, and has to live with it.)
a_cpu() {
	local range
	for range in $(sed -n 's/^Cpus_allowed_list:\t//p' /proc/self/status | tr , ' '); do
		seq "${range%-*}" "${range#*-}"
	done | shuf -n 1
}

machine() {
	# mitigations and self-tests of the lab kernel cost time and prove nothing
	# here; the microvm machine would boot 0.2 s faster, but has no second clock
	# to calibrate the TSC with, so that it hangs now and then on a busy host.
	append='console=ttyS0 quiet panic=-1 oops=panic nokaslr mitigations=off'
	append+=' tsc=reliable no_timer_check lsm=landlock audit=0'
	append+=' cryptomgr.notests rcupdate.rcu_expedited=1 maxcpus=1'
	qemu=()
	[ "$cpus" != 1 ] || qemu=(taskset -c "$(a_cpu)")
	qemu+=(qemu-system-x86_64 -M pc -m "$mem" -smp "$cpus" -nodefaults -display none
		-no-reboot -serial "file:$WORK/console" -kernel "$(lab_kernel)"
		-initrd "$WORK/initrd")
	if [ $counting = 1 ]; then machine_counting; else machine_fast; fi
	# shellcheck disable=SC2054 # the commas are QEMU's
	[ $packed = 1 ] || qemu+=(-object "memory-backend-memfd,id=ram,size=${mem}M,share=on"
		-machine memory-backend=ram -chardev "socket,id=fs,path=$WORK/fs.sock"
		-device vhost-user-fs-pci,chardev=fs,tag=host)
	[ $packed = 0 ] || append+=' LAB_PACKED=1'
	[ -z "$outdir" ] || append+=' LAB_FILES=1'
	port 1 out
	port 2 err
	port 3 files
	port 4 status
	qemu+=(-append "$append")
}

# stdout and stderr stream through two FIFOs, except when counting: how fast
# their readers are would show in the guest.
open_streams() {
	[ $counting = 0 ] || return
	mkfifo "$WORK/out" "$WORK/err"
	cat "$WORK/out" &
	readers=($!)
	cat "$WORK/err" >&2 &
	readers+=($!)
	children+=("${readers[@]}")
}

close_streams() {
	if [ $counting = 1 ]; then
		cat "$WORK/out"
		cat "$WORK/err" >&2
		return
	fi
	# If QEMU never opened them, their readers still wait for a writer.
	exec 7<>"$WORK/out" 8<>"$WORK/err" 7>&- 8>&-
	wait "${readers[@]}"
}

# What a reader has read tells whether anything was said.
said_until_now() {
	sed -n 's/^rchar: //p' "/proc/${readers[0]}/io" "/proc/${readers[1]}/io" 2>/dev/null
}

# end_in_silence PID
end_in_silence() {
	local said='' before quiet=0
	while [ $quiet -lt "$silence" ] && sleep 5; do
		before=$said said=$(said_until_now)
		if [ "$said" = "$before" ]; then quiet=$((quiet + 5)); else quiet=0; fi
	done
	touch "$WORK/silent"
	kill "$1"
}

run_machine() {
	local pid watch=''
	open_streams
	timeout -k 5 "$limit" "${qemu[@]}" </dev/null >"$WORK/qemu.log" 2>&1 &
	pid=$!
	children+=("$pid")
	if [ -n "$silence" ] && [ $counting = 0 ]; then
		end_in_silence $pid >/dev/null 2>&1 &
		watch=$!
		children+=("$watch")
	fi
	wait $pid
	ended=$?
	[ -z "$watch" ] || kill $watch 2>/dev/null
	close_streams
}

# ---- the result

bring_back() {
	[ -n "$outdir" ] || return 0
	mkdir -p "$outdir" && tar -xf "$WORK/files" -C "$outdir"
}

report_failure() {
	echo "lab: $1; its last console lines:" >&2
	tail -n 20 "$WORK/qemu.log" "$WORK/console" >&2
	exit 125
}

result() {
	local state
	[ -z "$console" ] || cp "$WORK/console" "$console"
	state=$(tail -n 1 "$WORK/status" 2>/dev/null)
	case $state in
	exit\ *)
		bring_back || die "cannot write the files to $outdir"
		exit "${state#exit }"
		;;
	up)
		if [ -e "$WORK/silent" ]; then
			echo "lab: nothing was said for $silence s" >&2
			exit 124
		fi
		[ "$ended" = 124 ] || report_failure "the lab died while the command ran"
		echo "lab: time is up after $limit s" >&2
		exit 124
		;;
	*) report_failure "the lab did not come up" ;;
	esac
}

main() {
	parse "$@"
	shift $((OPTIND - 1))
	[ $# -gt 0 ] || die "no command given"
	need
	WORK=$(mktemp -d "${TMPDIR:-/tmp}/lab.XXXXXX") || exit 125
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	fill_cache || exit 125
	[ $packed = 1 ] || serve_root || packed=1
	[ -n "$PATHS" ] || choose_paths "$*"
	make_initrd "$@" || die "cannot make the initrd"
	machine
	run_machine
	result
}

main "$@"
