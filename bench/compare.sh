#!/bin/sh
# compare.sh A B [ARGUMENT-OF-RUN...]: two vmm binaries, interleaved, for before and
# after a change: cp build/vmm /tmp/old; ...; make; bench/compare.sh /tmp/old build/vmm
# A and B may name a guest image too, after a comma: /tmp/old,/tmp/old.elf. Without,
# it is the one beside the binary, or build/guest.elf if there is none.
# SECONDS_EACH=20 says how long.
set -eu
B=${B:-build}

if [ $# -lt 2 ]; then
	sed -n '2,6s/^# //p' "$0" >&2
	exit 2
fi
[ -x "$B/bench/compare" ] || make -s -f "$(dirname "$0")/bench.mk" "$B/bench/compare"

# The guest image that a side runs, unless it names one.
side() {
	case $1 in
	*,*) echo "$1" ;;
	*) if [ -e "$(dirname "$1")/guest.elf" ] || [ -n "${MAYFLY_GUEST:-}" ]; then
		echo "$1"
	else
		echo "$1,$B/guest.elf"
	fi ;;
	esac
}

a=$(side "$1")
b=$(side "$2")
shift 2
[ $# -gt 0 ] || set -- "$B/hello"
exec "$B/bench/compare" "${SECONDS_EACH:-20}" "$a" "$b" "$@"
