#!/bin/sh
# TCP over a bad cable: every byte arrives, once and in order.
#
#   VM -- mf0 -- bridge -- mf1 == impair == mf2, where the host's address is
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# From the VM, 100M take half a minute and more where 5% are lost: CUBIC's window
# is five segments then, with Linux as the sender too.
amount=100M back=10M limit=100
[ -z "${NET_FULL:-}" ] || back=100M limit=300
[ -z "$LAB" ] || amount=4M back=1M
# shellcheck disable=SC2034 # lib.sh's
T_LIMIT=$limit SERVER=10.77.0.2
net_ports
[ "$VIA" != host ] || net_other
[ "$VIA" = host ] || net/up.sh mf0 --bridge mfbr >/dev/null || exit 1
[ "$VIA" != host ] || ip link add mfbr type bridge
ip link set mf0 master mfbr
ip link set mfbr up
ip tuntap add dev mf1 mode tap
ip link set mf1 master mfbr up
ip tuntap add dev mf2 mode tap
ip addr add 10.77.0.1/24 dev mf2
ip link set mf2 up
# else the host's end would stop at the first corrupted reply of its own
for i in mf0 mf1 mf2 mfbr; do
	echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6
done

# cable WHAT...: puts a cable of this kind in
cable()
{
	cable_end
	"$N/impair" mf1 mf2 "$@" >"$T/cable.out" 2>&1 &
	cable=$!
	sleep 0.2
}

cable_end()
{
	[ -n "${cable:-}" ] || return 0
	kill -TERM "$cable"
	wait "$cable"
	echo "# $(cat "$T/cable.out")"
	cable=''
}

cable
serve 'stream sink serves' "$B/stream" -c sink 9999
t_run 'a good cable: to the VM' 0 "$B/stream" send "$SERVER" 9999 $amount
for bad in 'loss=5 reorder=20' 'loss=1 duplicate=20 corrupt=2' 'reorder=50 delay=5'; do
	# shellcheck disable=SC2086 # words
	cable $bad
	t_run "$bad: $amount to the VM" 0 "$B/stream" send "$SERVER" 9999 $amount
	echo "# $(tail -n 1 "$T/out")"
done
serve_end
t_check 'a byte was wrong' t_not grep -qi wrong "$T/vm.err"

cable
serve 'stream source serves' "$B/stream" source 9999
t_run 'a good cable: from the VM' 0 "$B/stream" -c get "$SERVER" 9999 $back
for bad in 'loss=5 reorder=20' 'loss=1 duplicate=20 corrupt=2' 'reorder=50 delay=5'; do
	# shellcheck disable=SC2086
	cable $bad
	t_run "$bad: $back from the VM" 0 "$B/stream" -c get "$SERVER" 9999 $back
	echo "# $(tail -n 1 "$T/out")"
done
serve_end
cable_end
t_done
