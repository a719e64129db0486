#!/bin/sh
# What programs list: sockets as ss prints them on Linux, interfaces, disks.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# listed NAME FILTER COMMAND...: the same lines as on Linux, in any order
listed()
{
	t_case "$1"
	filter=$2
	shift 2
	unshare -rn sh -c 'ip link set lo up && exec "$@"' sh "$B/vm/sockets" mayfly "$@" 2>&1 |
		awk "$filter" | sort >"$T/linux"
	t_exec "$VMM" run --root / "$PWD/$B/vm/sockets" -- mayfly "$@" </dev/null
	t_status_is 0
	awk "$filter" "$T/out" | sort >"$T/guest"
	t_check 'nothing on Linux' [ -s "$T/linux" ]
	cmp -s "$T/linux" "$T/guest" || t_fail "$(diff "$T/linux" "$T/guest" | head -n 12)"
}

words='{ gsub(/pid=[0-9]+/, "pid"); $1 = $1; print }'
if ! t_have ss ip unshare || ! unshare -rn true 2>/dev/null; then
	t_skip 'sockets' 'needs ss and network namespaces'
else
	ss=$(readlink -f "$(command -v ss)")
	listed 'ss -tuanp: TCP and UDP, and whose they are' "$words" "$ss" -tuanHp
	listed 'ss -tanl: those that listen' "$words" "$ss" -tanlH
	listed 'ss: of one port' "$words" "$ss" -tanH sport = :18080
	listed 'ss -x: what is connected to what' '{
		for (i = 6; i <= 8; i += 2)
			$i = $i == 0 ? "none" : $i in n ? "one of them" : n[$i] = "one of them"
		gsub(/pid=[0-9]+/, "pid")
		print }' "$ss" -xaHp
	listed '/proc/net: the same' '/:/ { print $2, $3, $4, $5 }' "$(command -v cat)" \
		/proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6
fi

# ---- disks, interfaces

if t_have lsblk; then
	truncate -s 64M "$T/a"
	truncate -s 1G "$T/b"
	t_run 'lsblk: disks' 0 "$VMM" run --root / --disk "$T/a" --disk "$T/b,ro" "$(command -v lsblk)" -- \
		-o NAME,MAJ:MIN,RM,SIZE,RO,TYPE,LOG-SEC,MOUNTPOINTS -P
	t_out 'NAME="vda" MAJ:MIN="254:0" RM="0" SIZE="64M" RO="0" TYPE="disk" LOG-SEC="512" MOUNTPOINTS=""
NAME="vdb" MAJ:MIN="254:16" RM="0" SIZE="1G" RO="1" TYPE="disk" LOG-SEC="512" MOUNTPOINTS=""'
	t_run 'lsblk: none' 0 "$VMM" run --root / "$(command -v lsblk)"
	t_out ''
fi
t_case '/sys/class/net/lo as on Linux'
(
	cd /sys/class/net/lo || exit
	grep -H . address addr_len broadcast dev_id dormant iflink link_mode mtu tx_queue_len type
) >"$T/linux"
t_exec "$VMM" run "$(command -v busybox)" --cwd /sys/class/net/lo -- \
	grep -H . address addr_len broadcast dev_id dormant iflink link_mode mtu tx_queue_len type
t_out "$(cat "$T/linux")"
t_run 'its statistics count' 0 "$VMM" run --root / "$PWD/$B/vm/sockets" -- mayfly \
	"$(command -v cat)" /sys/class/net/lo/statistics/rx_packets
t_out_match '^[1-9][0-9]*$'
t_done
