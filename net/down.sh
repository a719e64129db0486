#!/bin/bash
# down.sh NAME...: removes what net/up.sh made for these taps. What is not
# there is no error.
set -eu

fail() {
	echo "net/down.sh: $*" >&2
	exit 1
}

[ $# -gt 0 ] || fail "which tap? as in: net/down.sh mf0"
[ "$(id -u)" = 0 ] || fail "removing a network device needs root: sudo net/down.sh $*"

# A bridge of ours goes with its last port.
remove_bridge() {
	[[ "$(ip -o link show dev "$1") " == *" alias mayfly "* ]] || return 0
	[ -n "$(ip -o link show master "$1")" ] || ip link delete dev "$1"
}

for name; do
	! command -v nft >/dev/null || nft delete table inet "mayfly-$name" 2>/dev/null || true
	ip link show dev "$name" >/dev/null 2>&1 || continue
	[[ "$(ip -d -o link show dev "$name")" == *" tun type tap "* ]] ||
		fail "$name is no tap device; not removed"
	bridge=$(ip -o link show dev "$name" | sed -n 's/.* master \([^ ]*\) .*/\1/p')
	ip link delete dev "$name"
	[ -z "$bridge" ] || remove_bridge "$bridge"
done
