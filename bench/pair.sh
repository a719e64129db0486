# shellcheck shell=bash disable=SC2034 # names that other scripts look at
# pair.sh: what net.sh and apps.sh source: two places for a server that the host
# reaches alike, a VM behind the tap mf0 and a network namespace behind a veth
# pair. All of it in a namespace of the benchmark's own.
#
#   ${address[host]}, ${address[guest]}   where a server of either side is
#   "${HOST[@]}" CMD   runs it in the other namespace
#   TAP                the options of vmm for the tap
#   stop               ends $server
#   rates WHAT         a line of counts from the --stats of a VM that has ended,
#                      which are in $T/server.err
#   median_of FILE     of the numbers in it; - if there are none
#   $T                 a scratch directory
[ "$(id -u)" = 0 ] || { echo "${0##*/}: needs root, for network namespaces" >&2; exit 1; }
[ -n "${NET_INSIDE:-}" ] || NET_INSIDE=1 exec unshare -n "bench/${0##*/}" "$@"
B=${B:-build}
T=$(mktemp -d "${TMPDIR:-/tmp}/benchnet.XXXXXX") || exit 1
other='' server=''
declare -A address=([host]=10.78.0.2 [guest]=10.77.0.2)
TAP=(--net 'tap=mf0,ip=10.77.0.2/24')

cleanup() {
	[ -z "$server" ] || kill -KILL "$server" 2>/dev/null
	[ -z "$other" ] || kill "$other" 2>/dev/null
	rm -rf "$T"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ip link set lo up
echo '1024 65000' >/proc/sys/net/ipv4/ip_local_port_range
echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse # a connection a request
net/up.sh mf0 --address 10.77.0.1/24 >/dev/null || exit 1
unshare -n sleep 100000 &
other=$!
HOST=(nsenter -n -t "$other") # no function: in the background, $! is to be the program's
sleep 0.2
ip link add mb0 type veth peer name mb1 netns "$other"
ip addr add 10.78.0.1/24 dev mb0
ip link set mb0 up
"${HOST[@]}" sh -c 'ip link set lo up; ip addr add 10.78.0.2/24 dev mb1; ip link set mb1 up'

stop() {
	kill -TERM "$server"
	wait "$server"
	server=''
}

# Exits, doorbells and interrupts for a frame.
rates() {
	awk -v what="$1" '
		/exits to the VMM/ { exits += $4 }
		/vmm: net in window .*doorbells/ { match($0, /interrupts [0-9]+/)
			interrupts = substr($0, RSTART + 11, RLENGTH - 11)
			match($0, /doorbells[0-9 ]*/); n = split(substr($0, RSTART, RLENGTH), d, " ")
			for (i = 2; i <= n; i++) doorbells += d[i] }
		/received [0-9]+ frames/ { match($0, /received [0-9]+/); r = substr($0, RSTART + 9, RLENGTH - 9)
			match($0, /sent [0-9]+/); s = substr($0, RSTART + 5, RLENGTH - 5) }
		END { f = r + s; if (f) printf "%-28s %10d frames in, %10d out; for each frame %.3f exits, %.3f doorbells, %.3f interrupts\n",
			what, r, s, exits / f, doorbells / f, interrupts / f }' "$T/server.err"
}

median_of() {
	sort -n "$1" | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print "-" }'
}
