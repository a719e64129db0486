#!/bin/bash
# count.sh [-t SECS] [-x PORT] [-l FILE] ELF PROGRAM [ARG...] - boots a PVH ELF under
# QEMU, PROGRAM as its initrd (PVH module 0) and ARGs as its command line, and counts
# the instructions that it executes:
#
#   cpl0-to-cpl3 N    at CPL0, from the PVH entry to the first one at CPL3
#   cpl0-to-entry N   at CPL0, until PROGRAM's entry point (not for a static-PIE)
#   cpl0-total N      at CPL0, until the guest ends or time is up
#   total N           at any level
#
# A count that was not reached is "-". The guest ends by resetting the machine, by
# writing to PORT (default 0xf4, isa-debug-exit), or after SECS (default 20).
# -l keeps the log, one line an instruction: see `trace` below.
#
# A string instruction counts once, however often it repeats; so does an
# instruction that jumps to itself. One that faults counts again when restarted.
set -u
limit=20 port=0xf4 log=/dev/null work='' qemu=''

die() {
	echo "count: $*" >&2
	exit 1
}

cleanup() {
	[ -z "$qemu" ] || kill "$qemu" 2>/dev/null
	wait
	[ -z "$work" ] || rm -rf "$work"
}

# The value of XEN_ELFNOTE_PHYS32_ENTRY (18), 16 hexadecimal digits.
pvh_entry() {
	readelf -nW "$1" 2>/dev/null | awk '
		$1 == "Xen" { wanted = /0x0*12\)/ || /00000012/ }
		wanted && sub(/.*description data: */, "") {
			for (i = 4; i > 0; i--) value = value $i
			print "00000000" value
			exit
		}'
}

# PROGRAM's entry point in the same form; nothing if it is loaded anywhere.
program_entry() {
	LC_ALL=C readelf -hW "$1" 2>/dev/null | awk '
		$1 == "Type:" { fixed = $2 == "EXEC" }
		/Entry point/ && fixed { sub(/^0x/, "", $4); printf "%16s", $4 }' | tr ' ' 0
}

# With one instruction a block, -d exec says of each: [CS base/RIP/flags/...], and
# the low two bits of the flags are the CPL. "Stopped" takes back the line before.
trace() {
	timeout -k 5 "$limit" qemu-system-x86_64 -M microvm -accel tcg -cpu max -m 128 \
		-icount shift=0,sleep=off -rtc base=2024-01-01T00:00:00,clock=vm -seed 1 \
		-singlestep -d exec,nochain -D "$work/log" -kernel "$1" -initrd "$2" \
		-append "${*:3}" -nodefaults -display none -no-reboot \
		-device "isa-debug-exit,iobase=$port,iosize=4" </dev/null >"$work/qemu" 2>&1
}

count() {
	tee "$log" <"$work/log" | awk -v start="$1" -v entry="$2" '
		function shown(n) { return n == "" ? "-" : n }
		/^Trace/ {
			split($4, at, "/")
			rip = at[2]
			cpl = (index("0123456789abcdef", substr(at[3], length(at[3]))) - 1) % 4
			if (!started && rip == start) started = 1
			if (!started) next
			if (cpl == 3 && to_cpl3 == "") to_cpl3 = kernel + 0
			if (cpl == 3 && rip == entry && to_entry == "") to_entry = kernel + 0
			step = rip != last || cpl != last_cpl
			before = last; before_cpl = last_cpl
			last = rip; last_cpl = cpl
			total += step
			if (cpl == 0) kernel += step
		}
		/^Stopped/ && started && step != "" {
			total -= step
			if (last_cpl == 0) kernel -= step
			last = before; last_cpl = before_cpl
			step = ""
		}
		END {
			print "cpl0-to-cpl3", shown(to_cpl3)
			print "cpl0-to-entry", shown(to_entry)
			print "cpl0-total", kernel + 0
			print "total", total + 0
			exit !started
		}'
}

main() {
	local o start entry
	while getopts t:x:l: o; do
		case $o in
		t) limit=$OPTARG ;;
		x) port=$OPTARG ;;
		l) log=$OPTARG ;;
		*) die 'usage: count.sh [-t SECS] [-x PORT] [-l FILE] ELF PROGRAM [ARG...]' ;;
		esac
	done
	shift $((OPTIND - 1))
	[ $# -ge 2 ] || die 'usage: count.sh [-t SECS] [-x PORT] [-l FILE] ELF PROGRAM [ARG...]'
	for o in "$1" "$2"; do [ -r "$o" ] || die "cannot read $o"; done
	start=$(pvh_entry "$1")
	[ -n "$start" ] || die "$1 has no PVH entry"
	entry=$(program_entry "$2")
	trap cleanup EXIT
	trap 'exit 130' INT TERM HUP
	work=$(mktemp -d "${TMPDIR:-/tmp}/count.XXXXXX") && mkfifo "$work/log" || exit 1
	trace "$@" &
	qemu=$!
	count "$start" "$entry" || {
		cat "$work/qemu" >&2
		die "the guest was not entered"
	}
}

main "$@"
