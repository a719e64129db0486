#!/bin/sh
# Memory that the program frees goes back to the host (virtio-balloon, free page
# reporting), and is zero when it is used again.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

mib=256
[ -z "$LAB" ] || mib=64

# resident: MiB of the VMM, guest memory included
resident()
{
	awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$vmm/status"
}

# falls MIB: within some seconds
falls()
{
	for _ in $(seq 100); do
		[ "$(resident)" -ge "$1" ] || return 0
		sleep 0.1
	done
	return 1
}

line()
{
	timeout "$T_LIMIT" head -n 1 <&4 || echo late
}

t_case "$mib MiB, freed and used again"
mkfifo "$T/to" "$T/from"
"$VMM" run "$B/vm/giveback" --mem $((mib * 3 / 2))M --stats --timeout "$T_LIMIT" -- $mib \
	<"$T/to" >"$T/from" 2>"$T/err" &
vmm=$!
exec 3>"$T/to" 4<"$T/from"
t_check 'it does not begin' [ "$(line)" = used ]
t_check 'it is not in use' [ "$(resident)" -ge $mib ]
echo >&3
t_check 'it does not go on' [ "$(line)" = freed ]
t_check 'the host does not have it back' falls $((mib / 8))
echo >&3
t_check 'it cannot be used again' [ "$(line)" = 'used again' ]
t_check 'it is not in use again' [ "$(resident)" -ge $mib ]
echo >&3
exec 3>&- 4<&-
wait "$vmm"
t_check 'the program failed' [ $? = 0 ]
t_check '--stats does not say it' grep -Eq 'balloon .* [0-9]{5,} KiB given back to the host' "$T/err"

t_done
