#!/bin/bash
# up.sh: makes a tap device for a VM, with an address, or as a port of a
# bridge, and prints the options of `vmm run` that use it. Running it again
# changes nothing; net/down.sh takes it all away.
set -eu

usage() {
	cat <<'EOF'
net/up.sh NAME [options]     makes the tap device NAME (as root)
  --address ADDR/LEN   the host's address on it, IPv4 or IPv6; repeatable
                       (default: 172.30.N.1/24, the first N that is free)
  --bridge BRIDGE      make NAME a port of BRIDGE, which is made if it is not
                       there; addresses then go to the bridge
  --multi-queue        several queues, for a VM with several CPUs
  --nat                let the VM reach other networks through this host (nft)
  --user UID           this user may use it; default: who called sudo
  --mtu BYTES          the largest packet (default: the kernel's, 1500)
net/down.sh NAME             removes it
EOF
}

fail() {
	echo "net/up.sh: $*" >&2
	exit 1
}

name='' bridge='' user=${SUDO_UID:-} mtu='' multi='' nat=''
addresses=()
while [ $# -gt 0 ]; do
	case $1 in
	--address | --bridge | --user | --mtu)
		[ $# -ge 2 ] || fail "$1 needs a value"
		case $1 in
		--address) addresses+=("$2") ;;
		--bridge) bridge=$2 ;;
		--user) user=$2 ;;
		--mtu) mtu=$2 ;;
		esac
		shift
		;;
	--multi-queue) multi=multi_queue ;;
	--nat) nat=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	-*) fail "unknown option $1; net/up.sh --help lists them" ;;
	*)
		[ -z "$name" ] || fail "unexpected word $1"
		name=$1
		;;
	esac
	shift
done

[ -n "$name" ] || fail "which tap? as in: net/up.sh mf0"
[[ ${#name} -le 15 && $name != *[/:,[:space:]]* ]] ||
	fail "$name: the name of an interface has 1 to 15 characters, no / : , or space"
[ "$(id -u)" = 0 ] || fail "making a network device needs root: sudo net/up.sh $name ..."
command -v ip >/dev/null || fail "the command ip is missing: apt-get install iproute2"
[ -c /dev/net/tun ] || modprobe tun 2>/dev/null || true
[ -c /dev/net/tun ] || fail "/dev/net/tun is not there: this kernel has no module tun"
for address in ${addresses[@]+"${addresses[@]}"}; do
	[[ $address == */* ]] || fail "--address $address: give the length of the prefix too, as in $address/24"
done

# ---- the tap

exists() {
	ip link show dev "$1" >/dev/null 2>&1
}

# What the kernel says about it: "tun type tap ... multi_queue ... user NAME ..."
details() {
	echo "$(ip -d -o link show dev "$1") "
}

# What exists must be what was asked for: changing it could cut off a VM.
check_existing() {
	local flags
	flags=$(details "$name")
	[[ $flags == *" tun type tap "* ]] || fail "$name is there already and is no tap device; take another name"
	if [ -n "$multi" ]; then
		[[ $flags == *" multi_queue "* ]] ||
			fail "$name is there already, with one queue; net/down.sh $name first"
	fi
	if [ -n "$user" ]; then
		[[ $flags == *" user $user "* || $flags == *" user $(id -nu "$user" 2>/dev/null) "* ]] ||
			fail "$name is there already, and not user $user's; net/down.sh $name first"
	fi
}

if exists "$name"; then
	check_existing
else
	# shellcheck disable=SC2086 # $multi is a word or nothing
	ip tuntap add dev "$name" mode tap ${user:+user "$user"} $multi ||
		fail "cannot make the tap device $name"
fi
[ -z "$mtu" ] || ip link set dev "$name" mtu "$mtu" || fail "--mtu $mtu: not possible"

# ---- the bridge

interface=$name
if [ -n "$bridge" ]; then
	interface=$bridge
	if ! exists "$bridge"; then
		ip link add name "$bridge" type bridge || fail "cannot make the bridge $bridge"
		ip link set dev "$bridge" alias mayfly # so that down.sh knows it
	fi
	[ -n "$(ip -o link show dev "$bridge" type bridge)" ] || fail "--bridge $bridge: is no bridge"
	ip link set dev "$name" master "$bridge"
	ip link set dev "$bridge" up
fi
ip link set dev "$name" up

# ---- addresses

configured() {
	ip -o addr show dev "$interface" scope global | awk '{ print $4 }'
}

free_network() {
	local used n
	used=$(ip -o -4 addr show)
	for n in $(seq 0 255); do
		[[ $used == *" 172.30.$n."* ]] || break
	done
	echo "172.30.$n.1/24"
}

if [ ${#addresses[@]} = 0 ] && [ -z "$bridge" ]; then
	mapfile -t addresses < <(configured)
	[ ${#addresses[@]} != 0 ] || addresses=("$(free_network)")
fi
for address in ${addresses[@]+"${addresses[@]}"}; do
	nodad='' # nobody else is there, so an IPv6 address need not wait a second
	[[ $address != *:* || -n $bridge ]] || nodad=nodad
	configured | grep -qxF "$address" ||
		ip addr add "$address" dev "$interface" ${nodad:+nodad} ||
		fail "--address $address: not possible"
done

# ---- NAT

table=mayfly-$name

start_nat() {
	command -v nft >/dev/null || fail "--nat: the command nft is missing: apt-get install nftables"
	nft delete table inet "$table" 2>/dev/null || true
	nft -f - <<EOF || fail "--nat: this kernel's netfilter cannot do it (see above); without --nat the VM reaches this host only"
table inet $table {
	chain postrouting {
		type nat hook postrouting priority srcnat;
		iifname "$interface" oifname != "$interface" masquerade
	}
}
EOF
	echo 1 >/proc/sys/net/ipv4/ip_forward
	[ ! -e /proc/sys/net/ipv6/conf/all/forwarding ] || echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
}

[ -z "$nat" ] || start_nat

# ---- what to say to vmm

# The host's neighbour: the next address of the subnet, or the one before.
neighbour() {
	local text=${1%/*} length=${1#*/} a b c d n
	if [[ $text == *:* ]]; then
		n=$((16#${text##*:}0 / 16))
		printf '%s:%x/%s\n' "${text%:*}" $((n == 65535 ? n - 1 : n + 1)) "$length"
		return
	fi
	IFS=. read -r a b c d <<<"$text"
	n=$((a << 24 | b << 16 | c << 8 | d))
	local hosts=$(((1 << (32 - length)) - 1))
	if [ "$length" = 31 ]; then
		n=$((n ^ 1))
	elif [ $(((n & hosts) + 1)) -lt $hosts ]; then
		n=$((n + 1))
	else
		n=$((n - 1))
	fi
	echo "$((n >> 24)).$((n >> 16 & 255)).$((n >> 8 & 255)).$((n & 255))/$length"
}

options=tap=$name families=''
for address in ${addresses[@]+"${addresses[@]}"}; do
	family=4
	[[ $address != *:* ]] || family=6
	case ${address#*/} in
	32 | 128) continue ;; # nobody else is there
	esac
	options+=,ip=$(neighbour "$address")
	[[ $families == *$family* ]] || options+=,gw=${address%/*}
	families+=$family
done
echo "vmm run PROGRAM --net $options${multi:+ --cpus 2}"
