#!/bin/sh
# --net user and --publish: what reaches the guest, what the guest reaches, what
# is refused, and that nothing stays behind.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
ask=$B/vm/ask
port=$((20000 + $$ % 10000)) # below those that Linux gives to clients
slirp=$(readlink -f "${MAYFLY_SLIRP:-$B/vmm-slirp}")

# Processes of the user network that still live.
helpers()
{
	for exe in /proc/[0-9]*/exe; do
		[ "$(readlink "$exe")" != "$slirp" ] || echo "$exe"
	done
}

# Those end within a moment of their VMM.
nothing_left()
{
	tries=100
	while [ -n "$(helpers)" ]; do
		tries=$((tries - 1))
		[ $tries != 0 ] || return 1
		sleep 0.05
	done
}

# The answer that `ask` got.
t_says()
{
	t_status_is 0
	[ "$(cat "$T/out")" = "$1" ] || t_fail "the answer is not: $1"
}

# serve TCPPORT PROGRAM OPTION...: a VM that serves, until `stop`; its stdout in
# $T/serve. Goes on when the program says that it serves: then its port is open.
serve()
{
	serve_port=$1
	shift
	: >"$T/serve"
	timeout -s KILL $((T_LIMIT * 3)) "$VMM" run "$@" >"$T/serve" 2>"$T/serve.err" </dev/null &
	server=$!
	tries=$((T_LIMIT * 20))
	until grep -q 'serving' "$T/serve"; do
		tries=$((tries - 1))
		[ $tries != 0 ] || break
		sleep 0.05
	done
	"$ask" tcp 127.0.0.1 "$serve_port" '' 2>/dev/null || t_fail 'it does not serve'
}

# stop STATUS: SIGTERM, and the VM's exit status
stop()
{
	kill -TERM "$(t_child $server)"
	wait $server
	T_STATUS=$?
	t_status_is "$1"
	t_check 'a process stayed' nothing_left
	[ ! -s "$T/serve.err" ] || t_fail "the VM said: $(head -n 3 "$T/serve.err")"
}

# ---- what is refused, before the guest starts

refused()
{
	t_out ''
	t_err_line "$1"
	t_check 'a process stayed' nothing_left
}

"$B/stream" sink $port >/dev/null &
busy=$!
"$ask" tcp 127.0.0.1 $port '' # it listens now
t_run 'a busy port' 125 "$VMM" run "$busybox" --publish $port:80 -- echo started
refused "127.0.0.1:$port/tcp is in use"
t_run 'a port of all addresses, busy' 125 \
	"$VMM" run "$busybox" --publish 0.0.0.0:$port:80 -- echo started
refused "0.0.0.0:$port/tcp is in use"
kill $busy
t_run 'an address of another host' 125 \
	"$VMM" run "$busybox" --publish 192.0.2.1:$port:80 -- echo started
refused 'does not have that address'
t_run 'one port twice' 125 \
	"$VMM" run "$busybox" --publish $port:80 --publish $port:81 -- echo started
refused 'twice'
t_run 'one port twice, once of all addresses' 125 \
	"$VMM" run "$busybox" --publish $port:80 --publish 0.0.0.0:$port:81 -- echo started
refused 'twice'
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	t_run 'a port of root only' 125 setpriv --reuid 65534 --clear-groups --inh-caps=-all \
		--bounding-set=-all "$VMM" run "$busybox" --publish 80:80 -- echo started
	grep -q 'kvm' "$T/err" || refused '127.0.0.1:80/tcp may not be used without privilege'
else
	t_skip 'a port of root only' 'needs root and setpriv'
fi
t_case 'without vmm-slirp'
t_exec env MAYFLY_SLIRP="$T/none" "$VMM" run "$busybox" --net user -- echo started
t_status_is 125
t_err_line 'vmm-slirp is not beside this program'
t_case 'a vmm-slirp that ends at once'
t_exec env MAYFLY_SLIRP=/bin/true "$VMM" run "$busybox" --publish $port:7 -- echo started
t_status_is 125
t_out ''
t_err_line 'vmm-slirp ended before it opened the ports'

t_run 'vmm check names it' 0 "$VMM" check
t_out_match '^User network: .*/vmm-slirp$'

# ---- the guest's own side

t_run 'no network: no socket to reach it' 0 "$VMM" run "$busybox" --net user -- \
	cat /etc/resolv.conf
t_out_match '^nameserver 10\.0\.2\.3'
t_run 'a program that ends at once' 0 "$VMM" run "$B/vm/hello-musl" --net user
t_out 'hello from main'
t_check 'a process stayed' nothing_left

# ---- UDP and TCP to the guest: two ports, both protocols, both families

t_case 'echod: UDP, IPv4'
serve $((port + 1)) "$B/echod" --publish $port:7/udp --publish $((port + 1)):7 \
	--publish "[::1]:$port:7/udp" --publish "[::1]:$((port + 1)):7"
t_exec "$ask" udp 127.0.0.1 $port 'over udp'
t_says 'over udp'
t_case 'echod: TCP, IPv4'
t_exec "$ask" tcp 127.0.0.1 $((port + 1)) 'over tcp'
t_says 'over tcp'
t_case 'echod: UDP, IPv6'
t_exec "$ask" udp ::1 $port 'over udp and IPv6'
t_says 'over udp and IPv6'
t_case 'echod: TCP, IPv6'
t_exec "$ask" tcp ::1 $((port + 1)) 'over tcp and IPv6'
t_says 'over tcp and IPv6'
t_case 'echod: a large datagram'
large=$(head -c 20000 /dev/zero | tr '\0' x)
t_exec "$ask" udp 127.0.0.1 $port "$large"
t_says "$large"
t_case 'echod: SIGTERM ends it in order'
stop 0
t_check 'it did not count its clients' grep -q 'echod: 3 connections, [3-9]' "$T/serve"

# ---- many bytes, compared

t_case 'stream: to the guest, 4 at once'
serve $port "$B/stream" --publish $port:5001 --publish $((port + 1)):5002 -- -c sink 5001
t_exec "$B/stream" send 127.0.0.1 $port 4M 4
t_status_is 0
stop 0
t_check 'not all arrived' grep -q 'received 16777216 bytes' "$T/serve"
t_case 'stream: from the guest, 4 at once'
serve $port "$B/stream" --publish $port:5001 -- source 5001
t_exec "$B/stream" -c get 127.0.0.1 $port 4M 4
t_status_is 0
t_out_match 'received 16777216 bytes'
stop 0

# ---- from the guest to the host

t_case 'the guest as client, TCP'
"$B/echod" $port >"$T/echod" &
echod=$!
t_exec "$VMM" run "$ask" --net user -- tcp 10.0.2.2 $port 'hello, host'
t_says 'hello, host'
t_case 'the guest as client, UDP'
t_exec "$VMM" run "$ask" --net user -- udp 10.0.2.2 $port 'hello, host'
t_says 'hello, host'
t_case 'the guest as client, IPv6'
t_exec "$VMM" run "$ask" --net user -- tcp fd00::2 $port 'hello, host'
t_says 'hello, host'
t_case 'two user networks'
t_exec "$VMM" run "$ask" --net user --net user -- udp 10.0.3.2 $port 'hello, host'
t_says 'hello, host'
kill $echod
wait $echod
t_run 'nobody listens: refused at once' 1 "$VMM" run "$busybox" --net user -- \
	nc -w 5 10.0.2.2 $port
t_err 'nc: can'\''t connect to remote host (10.0.2.2): Connection refused'
if "$busybox" nslookup localhost 2>&1 | grep -q "^Name:\|server can't find"; then
	t_run 'a name is asked for' '0|1' "$VMM" run "$busybox" --net user -- nslookup localhost
	t_out_match '^Address:.*10\.0\.2\.3:53'
	t_check 'no answer' t_not grep -q 'timed out' "$T/out" "$T/err"
else
	t_skip 'a name is asked for' 'the host has no name server'
fi

# ---- files over HTTP

mkdir "$T/site"
seq 200000 >"$T/site/numbers.txt"
t_case 'httpd: a file'
serve $port "$B/httpd" --publish $port:80 --copy "$T/site" -- 80 /site
t_exec "$busybox" wget -q -O - "http://127.0.0.1:$port/numbers.txt"
t_status_is 0
t_check 'the file differs' cmp -s "$T/out" "$T/site/numbers.txt"
t_case 'httpd: its status'
t_exec "$busybox" wget -q -O - "http://127.0.0.1:$port/status"
t_out_match '^requests     2, 0 of them in error'
t_case 'httpd: nothing of elsewhere'
t_exec "$ask" tcp 127.0.0.1 $port 'GET /../proc/cmdline HTTP/1.0

'
t_out_match '^HTTP/1.1 403 '
stop 0

# ---- the VMM dies, and its network with it

t_case 'SIGKILL; the process has no rights'
serve $port "$B/echod" --publish $port:7
helper=$(helpers)
t_check 'there is no process of the network' [ -n "$helper" ]
for fact in 'CapPrm:	0000000000000000' 'CapEff:	0000000000000000' 'NoNewPrivs:	1' 'Seccomp:	2'; do
	t_check "it does not have $fact" grep -qx "$fact" "${helper%exe}status"
done
kill -KILL "$(t_child $server)"
wait $server 2>/dev/null
t_check 'a process stayed' nothing_left
t_case 'the port is free again'
t_exec "$VMM" run "$B/vm/hello-musl" --publish $port:7
t_status_is 0
t_out 'hello from main'
t_done
