#!/bin/sh
# System calls that are patched: --stats counts the traps that are left, by site, and
# --no-patch has all of them trap.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

count=2000
# calls NAME CPUS OPTION...: the sites' addresses are $1 and $2 afterwards
calls()
{
	name=$1 cpus=$2
	shift 2
	t_run "$name, vCPUs: $cpus" 0 "$VMM" run "$B/vm/calls" --cpus "$cpus" --stats "$@" -- $count "$cpus"
	read -r patched other <"$T/out"
	trapped=$(sed -n 's/^mayfly: system calls: \([0-9]*\) trapped, [0-9]* sites patched$/\1/p' "$T/err")
	trapped=${trapped:-0}
}

# traps ADDRESS: how often the site trapped, as --stats says
traps()
{
	sed -n "s/^mayfly: trapped at $1: \([0-9]*\) times, number 110.*/\1/p" "$T/err"
}

# The first of each vCPU are not told apart (guest/libos/entry.h, TRAPS_UNCOUNTED).
about_all()
{
	if [ "${1:-0}" -lt $((all - 64 * cpus)) ] || [ "$1" -gt "$all" ]; then
		t_fail "$1 traps of $all are counted"
	fi
}

for cpus in 1 4; do
	all=$((count * cpus))
	calls patched "$cpus"
	t_check "$trapped traps" [ "$trapped" -ge $all ] && t_check "$trapped traps" [ "$trapped" -lt $((all + all / 2)) ]
	t_check 'the site that can be patched still traps' [ "$(traps "$patched")" -lt $((all / 4)) ]
	about_all "$(traps "$other")"
	t_check 'nor said to be such' grep -q "at $other: .*, cannot be patched" "$T/err"
	calls '--no-patch' "$cpus" --no-patch
	t_check "only $trapped traps" [ "$trapped" -ge $((2 * all)) ]
	about_all "$(traps "$patched")"
	about_all "$(traps "$other")"
	t_check 'some are patched' grep -q ' 0 sites patched' "$T/err"
done
t_done
