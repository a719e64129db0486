#!/bin/sh
# qemu-net.sh: the guest image and its programs on QEMU's virtio-net, without our
# VMM: negotiated by registers, its address from the command line or by DHCP, on
# a tap and on QEMU's user network. The taps are in a network namespace of their
# own, which is gone at the end. Needs root for that; the user network does not.
B=${T_BUILD:-build}
KVM_MODEL='host,-arch-capabilities'

# qemu ACCEL PROGRAM COMMANDLINE NETDEV
qemu()
{
	model=max
	[ "$1" = tcg ] || model=$KVM_MODEL
	exec qemu-system-x86_64 -accel "$1" -cpu "$model" -m 128 -M microvm,acpi=off \
		-global virtio-mmio.force-legacy=false -nodefaults -display none -no-reboot \
		-serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
		-kernel "$B/guest.elf" -initrd "$2" -append "$3" \
		-netdev "$4" -device virtio-net-device,netdev=n </dev/null
}
if [ "${1:-}" = --boot ]; then
	shift
	qemu "$@"
fi
if [ "$(id -u)" = 0 ] && command -v ip >/dev/null && [ -z "${NET_INSIDE:-}" ] && unshare -n true; then
	NET_INSIDE=1 exec unshare -n "$0" "$@"
fi
export T_LIMIT=60
. "$(dirname "$0")/lib.sh"

TAP=tap,id=n,ifname=t0,script=no,downscript=no
ADDRESS='mayfly.ip=10.99.0.2/24 mayfly.gw=10.99.0.1 mayfly.ip=fd00:99::2/64'

# start ACCEL PROGRAM COMMANDLINE NETDEV: in the background
start()
{
	timeout -s KILL "$T_LIMIT" "$0" --boot "$@" >"$T/vm.out" 2>"$T/vm.err" &
	vm=$!
}

end()
{
	kill "$vm" 2>/dev/null
	wait "$vm" 2>/dev/null
}

# Until CMD succeeds.
eventually()
{
	tries=100
	while ! "$@" >"$T/out" 2>"$T/err"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

on_tap()
{
	t_case "ping, both families and fragments, $1"
	start "$1" /bin/busybox "busybox sleep 100 $ADDRESS" $TAP
	t_check 'no answer' eventually busybox ping -c 1 -W 1 10.99.0.2
	t_check 'no answer by IPv6' eventually busybox ping6 -c 1 -W 1 fd00:99::2
	t_check 'in fragments' busybox ping -c 3 -W 2 -s 20000 10.99.0.2 >"$T/out"
	end

	t_case "a stream from the host, every byte checked, $1"
	start "$1" "$B/stream" "stream -c recv 9000 $ADDRESS" $TAP
	t_check 'not sent' eventually "$B/stream" -c send 10.99.0.2 9000 50M
	wait "$vm"
	t_check 'not received' grep -q 'received 52428800 bytes' "$T/vm.out"

	t_case "four streams to the host, every byte checked, $1"
	start "$1" "$B/stream" "stream -c source 9000 $ADDRESS" $TAP
	t_check 'not received' eventually "$B/stream" -c get 10.99.0.2 9000 10M 4
	t_out_match 'received 41943040 bytes'
	end

	t_case "HTTP, $1"
	start "$1" "$B/httpd" "httpd 80 /etc $ADDRESS" $TAP
	t_check 'no status' eventually busybox wget -q -O - http://10.99.0.2/status
	t_out_match '^requests +1,'
	t_check 'no file' busybox wget -q -O - http://10.99.0.2/hosts >"$T/out"
	t_out_match '^127.0.0.1	localhost$'
	end
}

on_user()
{
	t_run "DHCP, and the name server that it told, $1" 1 "$0" --boot "$1" /bin/busybox \
		'busybox cat /etc/resolv.conf' user,id=n
	t_out_match '^nameserver 10\.0\.2\.3.?$'

	t_case "a connection from the host by QEMU's user network, $1"
	start "$1" "$B/echod" 'echod 7' user,id=n,hostfwd=tcp:127.0.0.1:17707-:7
	t_check 'no echo' eventually echo_through 17707
	end
}

# QEMU accepts before the guest does, so a connection proves nothing.
echo_through()
{
	[ "$(echo hello | busybox timeout 2 busybox nc 127.0.0.1 "$1")" = hello ]
}

if [ -n "${NET_INSIDE:-}" ]; then
	ip link set dev lo up
	ip tuntap add dev t0 mode tap
	ip address add 10.99.0.1/24 dev t0
	ip address add fd00:99::1/64 dev t0 nodad
	ip link set dev t0 up
else
	t_skip 'on a tap' 'needs root, ip and network namespaces'
fi
accels=tcg
if [ -w /dev/kvm ]; then accels='tcg kvm'; fi
for accel in $accels; do
	[ -z "${NET_INSIDE:-}" ] || on_tap "$accel"
	on_user "$accel"
done
t_done
