#!/bin/sh
# hoststack.sh: the guest's network stack, as a program on the host under
# sanitizers, against the host's kernel over a tap device: both protocols both
# ways, DHCP, and over a bad cable.
if [ -n "${LAB:-}" ]; then
	echo '# skipped: hoststack: no VM is in it, so the lab adds nothing'
	echo 'ok - skipped'
	exit 0
fi
if [ -z "${NET_INSIDE:-}" ]; then
	if [ "$(id -u)" != 0 ] || ! unshare -n true 2>/dev/null || [ ! -c /dev/net/tun ]; then
		echo '# skipped: hoststack: needs root, /dev/net/tun and network namespaces'
		echo 'ok - skipped'
		exit 0
	fi
	NET_INSIDE=1 exec unshare -n "$0" "$@"
fi
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/../vm/lib.sh"
T_LIMIT=60

ip link set lo up
ip tuntap add iphost0 mode tap
ip addr add 10.9.0.1/24 dev iphost0
ip addr add fd09::1/64 dev iphost0 nodad
ip link set iphost0 up

# stack NAME OPTION...: it runs in the background as the case NAME
stack()
{
	name=$1
	shift
	"$B/net/hoststack" iphost0 "$@" >"$T/stack" 2>&1 &
	stack=$!
	within cable_is_in
}

cable_is_in()
{
	ip link show iphost0 | grep -q LOWER_UP
}

# It ends, and has left nothing behind.
stack_end()
{
	kill $stack
	t_run "$name: nothing is left" 0 wait_for $stack
	t_check 'what it says at the end' grep -q '^left: 0 packets, 0 blocks, 0 objects, 0 frames' \
		"$T/stack"
	[ -z "$t_broken" ] || sed 's/^/# /' "$T/stack"
}

wait_for()
{
	wait "$1"
}

# within CMD...: until it succeeds, or five seconds are over
within()
{
	tries=100
	until "$@" || [ $tries = 0 ]; do
		tries=$((tries - 1))
		sleep 0.05
	done
}

somebody_listens()
{
	[ -n "$(ss -Hltn "sport = :$1")" ]
}

# t_run runs its command in this shell only if that is a function.
t_exec()
{
	if [ "$1" = wait_for ]; then
		"$@" >"$T/out" 2>"$T/err"
	else
		timeout -s KILL "$T_LIMIT" "$@" >"$T/out" 2>"$T/err"
	fi
	T_STATUS=$?
}

echo_file()
{
	head -c "$2" /dev/urandom >"$T/data"
	t_run "$1" 0 sh -c "nc -N -w 30 $3 7 <$T/data | cmp - $T/data"
}

stack 'good cable' address=10.9.0.2/24 address=fd09::2/64 ping=10.9.0.1
t_run 'ping' 0 ping -c 3 -i 0.2 -W 5 10.9.0.2
t_out_match '3 received'
t_run 'ping, in fragments' 0 ping -c 3 -i 0.2 -s 9000 -W 5 10.9.0.2
t_run 'ping, the largest' 0 ping -c 1 -s 65507 -W 5 10.9.0.2
t_run 'ping, IPv6' 0 ping -c 3 -i 0.2 -W 5 fd09::2
t_run 'ping, IPv6, in fragments' 0 ping -c 3 -i 0.2 -s 9000 -W 5 fd09::2
t_run 'ping, IPv6, link-local address' 0 ping -c 3 -i 0.5 -W 5 fe80::ff:fe00:7%iphost0
t_run 'the host answers pings' 0 awk '/^IcmpMsg: [0-9]/ && $2 + $3 > 0 { good = 1 }
	END { exit !good }' /proc/net/snmp
t_run 'neighbours as the host sees them' 0 ip neigh
t_out_match '^10.9.0.2 .* 02:00:00:00:00:07 '
t_out_match '^fd09::2 .* 02:00:00:00:00:07 '
t_run 'a closed UDP port' 0 sh -c 'echo x | nc -u -W 1 -w 1 10.9.0.2 9
	awk "/^Icmp: [0-9]/ && \$5 > 0 { good = 1 } END { exit !good }" /proc/net/snmp'
t_run 'a closed TCP port' 1 nc -z -w 5 10.9.0.2 9
t_run 'UDP echo' 0 sh -c 'echo four | nc -u -W 1 -w 5 10.9.0.2 7'
t_out four
t_run 'UDP echo, IPv6' 0 sh -c 'echo six | nc -u -W 1 -w 5 fd09::2 7'
t_out six
echo_file 'TCP echo, 8 MiB' 8388608 10.9.0.2
echo_file 'TCP echo, IPv6, 8 MiB' 8388608 fd09::2
stack_end

busybox httpd -f -p 10.9.0.1:8009 -h "$T" &
httpd=$!
head -c 3000000 /dev/urandom >"$T/file"
nc -l -N -w 20 10.9.0.1 8010 <"$T/file" >/dev/null &
nc -l -N -w 20 fd09::1 8011 </dev/null >"$T/sent" &
listener=$!
within somebody_listens 8010
within somebody_listens 8011
stack 'client' address=10.9.0.2/24 address=fd09::2/64 fetch=10.9.0.1:8010 send=fd09::1:8011:2000000
t_case 'connections of its own'
t_check 'the listener ends' wait_for $listener
within grep -q '^fetch: ' "$T/stack"
t_check 'all was received' grep -q '^fetch: done, received 3000000 bytes' "$T/stack"
t_check 'all was sent' [ "$(wc -c <"$T/sent")" = 2000000 ]
stack_end
kill $httpd

for faults in 'loss=5' 'reorder=20' 'loss=3 duplicate=10 corrupt=3 reorder=10'; do
	# shellcheck disable=SC2086 # several options
	stack "$faults" address=10.9.0.2/24 address=fd09::2/64 $faults
	echo_file "TCP echo over a bad cable: $faults" 300000 10.9.0.2
	echo_file "the same, IPv6" 300000 fd09::2
	stack_end
	t_check 'the cable was bad' grep -q '^mangled: [1-9]' "$T/stack"
done

cat >"$T/udhcpd.conf" <<END
start 10.9.0.50
end 10.9.0.50
interface iphost0
lease_file $T/leases
pidfile $T/udhcpd.pid
option subnet 255.255.255.0
option router 10.9.0.1
option lease 3600
END
: >"$T/leases"
busybox udhcpd -f "$T/udhcpd.conf" >"$T/udhcpd" 2>&1 &
udhcpd=$!
stack 'DHCP' dhcp
t_run 'an address by DHCP' 0 sh -c 'for i in 1 2 3 4 5; do
	ping -c 1 -W 1 10.9.0.50 && exit 0; done; exit 1'
stack_end
kill $udhcpd
t_done
