#!/bin/sh
# net.sh: VMs on taps and on the user network, seen from the host: who answers,
# what is recorded, and what is said when something is missing. All in a network
# namespace of its own, which is gone at the end. Needs root, ip and ping.
if [ -z "${NET_INSIDE:-}" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v ping >/dev/null || ! ip tuntap show >/dev/null 2>&1 ||
		! unshare -n true 2>/dev/null; then
		echo '# skipped: net: needs root, ip, ping and network namespaces'
		echo 'ok - skipped'
		exit 0
	fi
	NET_INSIDE=1 exec unshare -n "$0" "$@"
fi
. "$(dirname "$0")/lib.sh"
ip link set dev lo up

# vm_start NAME OPTION...: a VM that sleeps, in the background
vm_start()
{
	vm=$1
	shift
	timeout -s KILL "$T_LIMIT" "$VMM" run /bin/busybox "$@" -- sleep 1000 \
		</dev/null >"$T/$vm.out" 2>"$T/$vm.err" &
	echo $! >"$T/$vm.pid"
}

# vm_end NAME: ends it as a user would, and waits.
vm_end()
{
	read -r pid <"$T/$1.pid"
	kill -TERM "$(t_child "$pid")"
	wait "$pid" 2>/dev/null
	cp "$T/$1.err" "$T/err"
}

# CPU time of a VM, in hundredths of a second.
vm_ticks()
{
	awk '{ print $14 + $15 }' "/proc/$(t_child "$(cat "$T/$1.pid")")/stat"
}

# Until the address answers.
answers()
{
	tries=50
	while ! ping -c 1 -W 1 "$1" >"$T/out" 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

silent()
{
	! ping -c 1 -W 1 "$1" >"$T/out" 2>&1
}

# net_options LINE: what up.sh printed, without "vmm run PROGRAM"
net_options()
{
	sed -n 's/^vmm run PROGRAM //p' "$T/out"
}

# ---- a tap, by up.sh

t_run 'up.sh makes a tap and prints what to say' 0 net/up.sh t0 --address 10.99.0.1/24 \
	--address fd00:99::1/64
t_out 'vmm run PROGRAM --net tap=t0,ip=10.99.0.2/24,gw=10.99.0.1,ip=fd00:99::2/64,gw=fd00:99::1'
options=$(net_options)
t_run 'up.sh again changes nothing' 0 net/up.sh t0 --address 10.99.0.1/24 --address fd00:99::1/64
t_check 'printed the same' test "$(net_options)" = "$options"
t_check 'one address only' test "$(ip -o -4 addr show dev t0 | wc -l)" = 1

t_case 'a VM on a tap answers, both families, and is recorded'
# shellcheck disable=SC2086 # options are words
vm_start a $options --pcap "$T/record" --stats
t_check 'no answer' answers 10.99.0.2
t_check 'no answer by IPv6' answers fd00:99::2
t_check 'frames of 1500 bytes' ping -c 2 -W 2 -s 1472 10.99.0.2 >"$T/out"
t_check 'in fragments' ping -c 2 -W 2 -s 20000 10.99.0.2 >"$T/out"
many=2000
[ -z "$LAB" ] || many=300
t_check 'many' ping -c $many -f -W 2 10.99.0.2 >"$T/out"
vm_end a
frames=$(sed -n 's/^vmm: net in window .*: tap t0: received \([0-9]*\) frames.*/\1/p' "$T/err")
t_check "counted $frames" [ "${frames:-0}" -ge $many ]
if command -v tcpdump >/dev/null; then
	tcpdump -nr "$T/record" icmp >"$T/out" 2>"$T/tcpdump"
	t_check 'requests recorded' grep -q '10.99.0.1 > 10.99.0.2: ICMP echo request' "$T/out"
	t_check 'answers recorded' grep -q '10.99.0.2 > 10.99.0.1: ICMP echo reply' "$T/out"
	t_check 'no frame is cut' t_not grep -qi truncated "$T/tcpdump"
else
	t_skip 'what the record says' 'no tcpdump here'
fi

# leaves BYTES HOW...: a program that sends and is gone; the host gets all of it
leaves()
{
	timeout "$T_LIMIT" "$B/stream" recv 9000 >"$T/received" 2>&1 &
	receiver=$!
	while kill -0 $receiver 2>/dev/null && ! grep -q serving "$T/received"; do sleep 0.1; done
	t_exec "$VMM" run "$B/vm/leave" --net tap=t0,ip=10.99.0.2/24 -- 10.99.0.1 9000 "$@"
	wait $receiver
	t_check 'bytes were lost' grep -q "received $1 bytes" "$T/received"
}
t_case 'what a program has sent arrives, although it exits at once'
leaves 100 tcp
leaves 3000000 tcp
t_status_is 0
t_case 'or is killed'
leaves 3000000 tcp fault
t_status_is 134
t_run 'a VM ends soon when nobody is there to receive it' 0 \
	"$VMM" run "$B/vm/leave" --net tap=t0,ip=10.99.0.2/24 --timeout 10 -- 10.99.0.77 9000 1 udp

t_case 'the hardware address is the one that was given, or stays the same'
vm_start a --net tap=t0,ip=10.99.0.2/24,mac=02:12:34:56:78:9a
t_check 'no answer' answers 10.99.0.2
t_check 'not the one given' grep -q 02:12:34:56:78:9a /proc/net/arp
vm_end a
for try in 1 2; do
	ip neigh flush dev t0
	vm_start a --net tap=t0,ip=10.99.0.2/24
	t_check 'no answer' answers 10.99.0.2
	awk '$1 == "10.99.0.2" { print $4 }' /proc/net/arp >"$T/mac$try"
	vm_end a
done
t_check 'it changed' cmp -s "$T/mac1" "$T/mac2"

t_case 'a tap with several queues serves one CPU and several'
net/up.sh t1 --multi-queue --address 10.98.0.1/24 >"$T/out" || t_fail 'up.sh'
for cpus in 1 2; do
	vm_start b --net tap=t1,ip=10.98.0.2/24 --cpus $cpus
	t_check "no answer with $cpus CPUs" answers 10.98.0.2
	vm_end b
done

t_case 'a tap with one queue serves several CPUs'
vm_start a --net tap=t0,ip=10.99.0.2/24 --cpus 2
t_check 'no answer' answers 10.99.0.2
vm_end a

t_case 'two taps and the user network in one VM'
vm_start a --net tap=t0,ip=10.99.0.2/24 --net tap=t1,ip=10.98.0.2/24 --net user
t_check 'no answer' answers 10.99.0.2
t_check 'no answer on the second' answers 10.98.0.2
vm_end a

t_case 'two VMs on a bridge'
net/up.sh t2 --bridge br0 --address 10.97.0.1/24 >"$T/out" || t_fail 'up.sh'
net/up.sh t3 --bridge br0 >"$T/out" || t_fail 'up.sh'
vm_start a --net tap=t2,ip=10.97.0.2/24
vm_start b --net tap=t3,ip=10.97.0.3/24
t_check 'no answer' answers 10.97.0.2
t_check 'no answer of the second' answers 10.97.0.3
t_check 'different hardware addresses' \
	test "$(awk '/^10.97/ { print $4 }' /proc/net/arp | sort -u | wc -l)" = 2
vm_end b

if command -v nft >/dev/null && nft add table inet test 2>/dev/null; then
	t_run 'up.sh sets NAT up' 0 net/up.sh t4 --nat
	t_check 'no rule' eval 'nft list ruleset | grep -q "iifname \"t4\" .*masquerade"'
	t_run 'down.sh takes it away' 0 net/down.sh t4
	t_check 'a rule is left' t_not eval 'nft list ruleset | grep -q t4'
else
	t_skip 'up.sh --nat' 'no nft here, or not in this kernel'
fi

# ---- what goes wrong

t_run 'a tap in use' 125 "$VMM" run "$B/hello" --net tap=t2,ip=10.97.0.2/24
t_err_line 'tap=t2: another process .* uses it; give each VM a tap of its own'
vm_end a
t_run 'no such tap' 125 "$VMM" run "$B/hello" --net tap=none
t_err_line 'tap=none: there is no such interface; net/up.sh none makes it'
t_check 'and none was made' t_not ip link show dev none >/dev/null 2>&1
t_run 'no tap' 125 "$VMM" run "$B/hello" --net tap=lo
t_err_line 'tap=lo: is no tap device'
ip tuntap add dev tun0 mode tun
ip link set dev tun0 up
t_run 'a tun is no tap' 125 "$VMM" run "$B/hello" --net tap=tun0
t_err_line 'tap=tun0: is no tap device'
t_run 'one tap twice' 125 "$VMM" run "$B/hello" --net tap=t0 --net tap=t0
t_err_line 'tap=t0 is there twice'
t_run 'one port twice' 125 "$VMM" run "$B/hello" --publish 80:80 --publish 80:81
t_err_line '80:81.*published twice'
t_run 'a record of nothing' 125 "$VMM" run "$B/hello" --pcap "$T/record"
t_err_line 'no network to record'
t_run 'a record that cannot be' 125 "$VMM" run "$B/hello" --net tap=t0 --pcap /proc/none
t_err_line '/proc/none.*cannot write it'
ip link set dev t0 down
t_run 'a tap that is down: a warning' 0 "$VMM" run "$B/hello" --net tap=t0
t_err_line 'tap=t0: the interface is down; ip link set t0 up'
ip link set dev t0 up
if command -v setpriv >/dev/null; then
	ip tuntap add dev t9 mode tap user 12345
	ip link set dev t9 up
	t_run 'a tap of another user' 125 setpriv --reuid 65534 --clear-groups --inh-caps -all \
		"$VMM" run "$B/hello" --net tap=t9
	t_err_line 'permission denied'
else
	t_skip 'a tap of another user' 'no setpriv here'
fi

t_case 'a tap that goes away: a warning, and the VM lives on'
vm_start a --net tap=t1,ip=10.98.0.2/24 --net tap=t0,ip=10.99.0.2/24
t_check 'no answer' answers 10.98.0.2
ip link delete dev t1
t_check 'the other one' answers 10.99.0.2
used=$(vm_ticks a)
sleep 0.5
t_check 'it spins' test $(($(vm_ticks a) - used)) -lt 10
vm_end a
t_err_line 'tap t1 is gone'

t_case 'a full disk ends the record, not the VM'
vm_start a --net tap=t0,ip=10.99.0.2/24 --pcap /dev/full
t_check 'no answer' answers 10.99.0.2
t_check 'no answer again' ping -c 3 -i 0.1 -W 2 10.99.0.2 >"$T/out"
vm_end a
t_err_line '/dev/full.*No space left'

# ---- the end

t_run 'down.sh removes all that up.sh made' 0 net/down.sh t0 t1 t2 t3
t_check 'something is left' test -z "$(ip -o link show | grep -E ' (t[0-3]|br0):')"
t_run 'down.sh again' 0 net/down.sh t0 t1 t2 t3
t_run 'down.sh leaves what is no tap' 1 net/down.sh lo
t_run 'up.sh does not take an interface over' 1 net/up.sh lo
t_run 'up.sh wants a name' 1 net/up.sh
t_done
