#!/bin/sh
# What every VM can do: run programs, give their status, keep time, stay idle.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

probe=$B/vm/probe
busybox=$(command -v busybox)

# ---- hello, however it was linked, and its status

for kind in glibc musl pie; do
	t_run "hello: $kind" 0 "$VMM" run "$B/vm/hello-$kind"
	t_out 'hello from main'
	t_err ''
done
PATH=$PATH:$B/vm t_run 'IMAGE found in PATH' 0 "$VMM" run hello-musl
t_out 'hello from main'
for n in 0 1 42 125 255; do
	t_run "exit status $n" "$n" "$VMM" run "$probe" -- exit "$n"
	t_err ''
done
t_run 'a crash: 139' 139 "$VMM" run "$probe" -- crash
t_run 'abort: 134' 134 "$VMM" run "$probe" -- abort
t_run 'ended by SIGKILL of its own: 137' 137 "$VMM" run "$probe" -- raise 9
t_run 'ended by SIGTERM of its own: 143' 143 "$VMM" run "$probe" -- raise 15
t_run 'false' 1 "$VMM" run "$busybox" -- false

# ---- arguments and environment

t_run 'arguments' 0 "$VMM" run "$probe" -- args a '' 'b c' -- --cpus "$(printf 'x\ny')"
t_out "[a]
[]
[b c]
[--]
[--cpus]
[x
y]"
t_run 'environment' 0 "$VMM" run "$probe" --env A=1 --env 'B= x=y' --env A=2 -- env
t_out 'A=2
B= x=y'
t_run '--cwd and --hostname' 0 "$VMM" run "$probe" --cwd=/tmp --hostname h-1 -- where
t_out '/tmp h-1'
t_run 'their defaults' 0 "$VMM" run "$probe" -- where
t_out '/ mayfly'
printf '{"image": "%s", "args": ["args", "x"], "cpus": 2, "env": {"A": "1"}}\n' "$probe" >"$T/c.json"
for libc in '' -musl; do
	t_run "users, services, protocols, hosts by name${libc:+, musl}" 0 "$VMM" run "$B/vm/names$libc"
	t_out 'http/tcp: 80
www/tcp: 80
domain/udp: 53
nothing/tcp: -1
udp: 17
root: /root, tty: 5
localhost: 127.0.0.1 port 443
localhost: ::1 port 6379'
done
t_run '--config' 0 "$VMM" run --config "$T/c.json"
t_out '[x]'
t_run '--config, the command line wins' 0 "$VMM" run --config "$T/c.json" --env A=2 -- env
t_out 'A=2'
t_run '--verbose prints to stderr only' 0 "$VMM" run "$B/vm/hello-musl" --verbose
t_out 'hello from main'
t_check 'no timeline on stderr' [ -s "$T/err" ]
t_run '--stats prints to stderr only' 0 "$VMM" run "$B/vm/hello-musl" --stats
t_out 'hello from main'
t_check 'no counters on stderr' [ -s "$T/err" ]
t_run 'version' 0 "$VMM" version
t_out_match '0\.[0-9]+\.[0-9]+'
t_run 'check' 0 "$VMM" check
t_out_match 'KVM: API version'
t_run '--help' 0 "$VMM" run --help
t_out_match '^  --cpus N'

# ---- standard streams

t_run 'stdout and stderr apart' 0 "$VMM" run "$probe" -- both
t_out 'out 0
out 1
out 2'
t_err 'err 0
err 1
err 2'
t_case 'stdout and stderr in one file keep their order'
timeout -s KILL "$T_LIMIT" "$VMM" run "$probe" -- both >"$T/out" 2>&1 </dev/null
t_out 'out 0
err 0
out 1
err 1
out 2
err 2'
t_case 'appending to a file'
echo first >"$T/out"
timeout -s KILL "$T_LIMIT" "$VMM" run "$B/vm/hello-musl" >>"$T/out" 2>"$T/err" </dev/null
t_out 'first
hello from main'
t_case 'a file as standard input'
seq 1 1000 >"$T/in"
t_exec "$VMM" run "$busybox" -- wc -l <"$T/in"
t_status_is 0
t_out 1000
# sort, told that it is a file of size 0, would write a file for every few lines.
t_run 'files on the host are pipes to the program' 0 "$VMM" run "$busybox" -- \
	sh -c 'test -p /dev/stdout && echo written >/dev/stdout'
t_out written
# like_linux FD REDIRECTION: what fcntl(), read(), write() and open() make of it
like_linux()
{
	t_case "descriptor $1 is $(echo "$2" | sed "s|$T/||")"
	eval "{ env -i $probe descriptor $1 $2; } </dev/null >'$T/linux' 2>&1"
	eval "{ timeout -s KILL $T_LIMIT $VMM run $probe -- descriptor $1 $2; } </dev/null >'$T/out' 2>&1"
	t_check 'nothing was said on Linux' [ -s "$T/linux" ]
	cmp -s "$T/linux" "$T/out" || t_fail "on Linux: $(cat "$T/linux")"
}
for redirection in '</' "<$T/in" "0>$T/written" "0<>$T/in" '<&-' '0<>/dev/null' '0>/dev/null'; do
	like_linux 0 "$redirection"
done
for fd in 1 2; do
	for redirection in '</' "<$T/in" '</dev/null' ">>$T/written" "<>$T/written" '>&-'; do
		like_linux $fd "$fd$redirection"
	done
done
t_run 'one socket is read at 1 and written at 0' 0 python3 -c 'import socket, subprocess, sys
ours, theirs = socket.socketpair()
ours.sendall(b"words\n")
subprocess.run(sys.argv[1:], stdin=theirs, stdout=theirs)
print(ours.recv(100))' "$VMM" run "$busybox" -- sh -c 'read -r x <&1 && echo "got $x" >&0'
t_out "b'got words\n'"
t_case 'a chain of two VMs'
{ "$VMM" run "$busybox" -- seq 1 1000 | timeout -s KILL "$T_LIMIT" "$VMM" run "$busybox" -- tail -n 1; } \
	>"$T/out" 2>"$T/err" </dev/null
t_out 1000

# ---- busybox, compared with Linux

t_same 'busybox echo' "$busybox" echo 'hello there'
t_same 'busybox seq' "$busybox" seq 1 20000
t_same 'busybox awk' "$busybox" awk 'BEGIN { for (i = 0; i < 10; i++) print i, sqrt(i) }'
t_same 'busybox date' "$busybox" date -u -d @86400 '+%F %T'
t_same 'busybox expr' "$busybox" expr 6 '*' 7
t_same 'busybox dd' "$busybox" dd if=/dev/zero of=/dev/null bs=64k count=100 status=none
t_same 'busybox unknown applet' "$busybox" frobnicate
t_same 'busybox cat of nothing' "$busybox" cat /nonexistent
for applet in 'sort -rn' 'sha256sum' 'md5sum' 'sed -n s/7/seven/p' 'tail -n 3' 'gzip -9' 'rev'; do
	t_case "busybox $applet"
	# shellcheck disable=SC2086 # a command line
	"$busybox" $applet <"$T/in" >"$T/expected"
	# shellcheck disable=SC2086
	t_exec "$VMM" run "$busybox" -- $applet <"$T/in"
	t_status_is 0
	t_check 'output differs from Linux' cmp -s "$T/expected" "$T/out"
done
t_run 'busybox env' 0 "$VMM" run "$busybox" --env A=b -- env
t_out_match '^A=b$'
# 1: as on Linux, ls finds its own descriptor gone in /proc.
t_run 'busybox ls -laR /' '0|1' "$VMM" run "$busybox" -- ls -laR /
t_out_match '^/dev:$'
t_run 'busybox date is near the host'"'"'s' 0 "$VMM" run "$busybox" -- date +%s
skew=$(($(date +%s) - $(cat "$T/out")))
t_check "clock is $skew s off" [ "${skew#-}" -le 2 ]
t_run 'busybox sleep 1' 0 "$VMM" run "$busybox" -- sleep 1
began=$(date +%s%3N)
t_run 'the clock runs as it should' 0 "$VMM" run "$probe" -- sleep 1200
took=$(($(date +%s%3N) - began)) slept=$(cat "$T/out")
t_check "it slept $slept ms, not 1200, while the host counted $took" \
	[ "$slept" -ge 1200 -a "$slept" -le "$took" ]
t_run 'busybox sh' 0 "$VMM" run "$busybox" -- sh -c 'for i in 1 2 3; do echo $((i * i)); done; cd /tmp && pwd'
t_out '1
4
9
/tmp'
t_run 'busybox sh: files' 0 "$VMM" run "$busybox" -- sh -c \
	'echo text >/tmp/f && read -r a </tmp/f && echo "$a" && cd /none 2>/dev/null || echo none'
t_out 'text
none'

# 1 GiB through a VM and back: every byte, in order.
bytes=1073741824
[ -z "$LAB" ] || bytes=8388608
t_case "cat of $bytes bytes through pipes"
stream()
{
	seq 1 200000000 2>/dev/null | head -c "$bytes"
}
before=$(stream | cksum)
after=$(stream | timeout -s KILL $((T_LIMIT * 5)) "$VMM" run "$busybox" -- cat 2>"$T/err" | cksum)
t_check "checksum and length $after, not $before" [ "$before" = "$after" ]

# ---- the end from outside

t_run '--timeout ends a sleeping program' 124 "$VMM" run "$busybox" --timeout 0.5 -- sleep 1000
t_run '--timeout ends a spinning program' 124 "$VMM" run "$probe" --timeout 0.5 -- spin
t_run '--timeout that is not reached' 0 "$VMM" run "$B/vm/hello-musl" --timeout 60
t_run 'SIGTERM' 143 timeout --foreground --preserve-status -s TERM 1 "$VMM" run "$busybox" -- sleep 1000
t_run 'SIGINT' 130 timeout --foreground --preserve-status -s INT 1 "$VMM" run "$busybox" -- sleep 1000
t_run 'SIGTERM while spinning' 143 timeout --foreground --preserve-status -s TERM 1 "$VMM" run "$probe" -- spin
t_run 'SIGTERM with a handler' 7 timeout --foreground --preserve-status -s TERM 1 "$VMM" run "$probe" -- handle 15
t_out 'ready
got signal 15'

# ---- vCPUs and memory

for n in 1 2 4 16 64; do
	t_run "$n vCPUs" 0 "$VMM" run "$busybox" --cpus "$n" -- nproc
	t_out "$n"
done
for size in 2M 3M 4M 16M 64M 512M 1G 2G 3G 3073M 4G 5G 8G 16G 64G; do
	t_run "--mem $size" 0 "$VMM" run "$B/vm/hello-glibc" --mem "$size"
	t_out 'hello from main'
done
t_run 'more vCPUs than there is memory for' 125 "$VMM" run "$B/vm/hello-glibc" --mem 2M --cpus 64
t_err 'mayfly: too little memory for 64 vCPUs: give more with --mem'
t_run 'all memory of a VM can be used' 0 "$VMM" run "$probe" --mem 64M -- touch 48
t_out touched
if [ -z "$LAB" ]; then # which has less itself
	t_run 'memory above 4 GiB can be used' 0 "$VMM" run "$probe" --mem 6G -- skim 4000
	t_out touched
fi
t_run 'more memory than there is' '*' "$VMM" run "$probe" --mem 16M -- touch 1000
t_check 'it was given out' t_not grep -q touched "$T/out"

# ---- what each vCPU did: with one thread, only the first did anything

t_run 'a vCPU without work is idle in /proc/stat' 0 "$VMM" run "$busybox" --cpus 2 -- sh -c '
	i=0
	while [ $i -lt 100000 ]; do i=$((i + 1)); done
	while read -r name busy rest; do
		case $name in cpu[01]) [ "$busy" -gt 0 ] && echo "$name was busy" ;; esac
	done </proc/stat
	:'
t_out 'cpu0 was busy'

# ---- idleness: no wake-up, so no CPU time of the whole process

# ticks PID: user and system time of all its threads
ticks()
{
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}
seconds=5
[ -z "$LAB" ] || seconds=3
t_case "an idle VM uses no CPU time in $seconds s"
timeout -s KILL 120 sh -c 'echo $$ >"$0"; exec "$@"' "$T/pid" \
	"$VMM" run "$probe" --cpus 2 -- idle >"$T/out" 2>"$T/err" </dev/null &
limiter=$!
tries=600
while ! [ -s "$T/out" ] && [ $tries -gt 0 ]; do
	sleep 0.1
	tries=$((tries - 1))
done
sleep 1
pid=$(cat "$T/pid")
if [ -n "$pid" ] && [ -d "/proc/$pid" ]; then
	before=$(ticks "$pid")
	sleep "$seconds"
	after=$(ticks "$pid")
	t_check "it used $((after - before)) ticks" [ $((after - before)) -le 1 ]
else
	t_fail 'the VM did not stay alive'
fi
kill "$limiter" 2>/dev/null
wait "$limiter" 2>/dev/null

t_done
