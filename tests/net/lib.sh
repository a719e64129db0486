# shellcheck shell=sh
# shellcheck disable=SC2034 # names that other scripts look at
# lib.sh - what every script of tests/net sources; it brings tests/vm/lib.sh. Each
# script runs in a network namespace of its own, so names,
# addresses and ports are free, and all is gone when it ends.
#
#   net_tap              makes the tap mf0 with 10.77.0.1/24 and fd77::1/64
#   serve NAME PROGRAM ARG...
#                        the program runs behind $SERVER in a VM; NAME is a case
#                        that fails when it does not come up. $VM_ARGS are options
#                        of vmm; VIA=tap, user (published ports) or host.
#   serve_end            ends it by SIGTERM; its stdout and stderr are in $T/vm.out
#                        and $T/vm.err
#   stat_of WORD         a number of its --stats: "received" frames, "bytes", ...
#
# VIA=host runs the program in another namespace behind a veth pair instead of a
# VM: how a test itself is tested.
[ -n "${NET_INSIDE:-}" ] || NET_INSIDE=1 exec unshare -n "$0" "$@"
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/../vm/lib.sh"

VIA=${VIA:-tap}
PORTS='7777 8080 9999'
N=$B/net
vm=''

# 30,000 connections from one address, within the minute that each is remembered
net_ports()
{
	ip link set lo up
	echo '1024 65000' >/proc/sys/net/ipv4/ip_local_port_range
	echo 1 >/proc/sys/net/ipv4/tcp_tw_reuse
}

# The namespace of VIA=host, behind mf0.
net_other()
{
	unshare -n sleep 1000 &
	other=$!
	sleep 0.1
	ip link add mf0 type veth peer name mf1 netns $other
	ip link set mf0 up
	nsenter -n -t $other sh -c 'ip link set lo up; ip addr add 10.77.0.2/24 dev mf1
		ip addr add fd77::2/64 dev mf1 nodad; ip link set mf1 up
		ip route add default via 10.77.0.1'
}

net_tap()
{
	net_ports
	case $VIA in
	tap)
		net/up.sh mf0 --address 10.77.0.1/24 --address fd77::1/64 >/dev/null || exit 1
		SERVER=10.77.0.2
		SERVER6=fd77::2
		;;
	user)
		SERVER=127.0.0.1
		;;
	host)
		net_other
		ip addr add 10.77.0.1/24 dev mf0
		ip addr add fd77::1/64 dev mf0 nodad
		SERVER=10.77.0.2
		SERVER6=fd77::2
		;;
	esac
}

serve()
{
	t_case "$1"
	: >"$T/vm.out"
	shift
	program=$1
	shift
	case $VIA in
	tap)
		# shellcheck disable=SC2086 # words
		"$VMM" run "$program" --stats \
			--net "${VM_NET:-tap=mf0,ip=10.77.0.2/24,gw=10.77.0.1,ip=fd77::2/64}" \
			${VM_ARGS:-} -- "$@" >"$T/vm.out" 2>"$T/vm.err" </dev/null &
		;;
	user)
		published=''
		for port in $PORTS; do
			published="$published --publish $port:$port --publish $port:$port/udp"
		done
		# shellcheck disable=SC2086
		"$VMM" run "$program" --stats $published ${VM_ARGS:-} -- "$@" \
			>"$T/vm.out" 2>"$T/vm.err" </dev/null &
		;;
	host)
		nsenter -n -t "$other" sh -c 'cd "$0" && exec "$@"' "${HOST_DIR:-.}" \
			"$(readlink -f "$program")" "$@" >"$T/vm.out" 2>"$T/vm.err" </dev/null &
		;;
	esac
	vm=$!
	# Each of the servers says a line when it serves.
	tries=$((T_LIMIT * 20))
	while ! [ -s "$T/vm.out" ]; do
		tries=$((tries - 1))
		if [ $tries = 0 ] || ! kill -0 $vm 2>/dev/null; then
			t_fail "it does not serve: $(head -c 500 "$T/vm.err")"
			return 1
		fi
		sleep 0.05
	done
}

# t_wait_for FILE: until something is in it
t_wait_for()
{
	tries=$((T_LIMIT * 20))
	while ! [ -s "$1" ] && [ $tries -gt 0 ]; do
		tries=$((tries - 1))
		sleep 0.05
	done
	[ -s "$1" ]
}

serve_end()
{
	[ -n "$vm" ] || return 0
	kill -TERM "$vm" 2>/dev/null
	tries=200
	while kill -0 "$vm" 2>/dev/null && [ $tries -gt 0 ]; do
		sleep 0.05
		tries=$((tries - 1))
	done
	if [ $tries = 0 ]; then
		t_fail 'it did not end within 10 s of SIGTERM'
		kill -KILL "$vm"
	fi
	wait "$vm"
	vm_status=$?
	vm=''
	# httpd and echod end in order, with 0
	[ $vm_status = 0 ] || [ $vm_status = 143 ] || t_fail "it ended with $vm_status: $(head -c 300 "$T/vm.err")"
}

# A number before a word in --stats' line about the network device.
stat_of()
{
	sed -n "s/.*net in window.*[ ,]\([0-9][0-9]*\) $1.*/\1/p" "$T/vm.err" | head -n 1
}

# How often the threads of the VM have waited for something.
sleeps_of_vm()
{
	awk '/^voluntary_ctxt_switches/ { sum += $2 } END { print sum }' /proc/"$vm"/task/*/status
}

# Before the T_... clean-up of vm/lib.sh, which this calls.
net_cleanup()
{
	[ -z "$vm" ] || kill -KILL "$vm" 2>/dev/null
	[ -z "${other:-}" ] || kill "$other" 2>/dev/null
	t_cleanup
}
trap net_cleanup EXIT
