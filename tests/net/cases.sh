# shellcheck shell=sh
# shellcheck disable=SC2034,SC2153 # names that vm/lib.sh looks at
# cases.sh - what must work over every kind of network, with $SERVER in front of
# the program: sourced by tap.sh and publish.sh.

size=1G seconds=2 clients=1000 churn=10000
[ -z "$LAB" ] || size=32M seconds=1 clients=100 churn=1000

# ---- echo

serve 'echod serves' "$B/echod" 7777
t_run 'nc, TCP' 0 sh -c "echo hello over tcp | nc -N -w 5 $SERVER 7777"
t_out 'hello over tcp'
t_run 'nc, UDP' 0 sh -c "echo hello over udp | nc -u -W 1 -w 5 $SERVER 7777"
t_out 'hello over udp'
if [ -n "${SERVER6:-}" ]; then
	t_run 'nc, TCP, IPv6' 0 sh -c "echo hello over tcp6 | nc -N -w 5 $SERVER6 7777"
	t_out 'hello over tcp6'
	t_run 'nc, UDP, IPv6' 0 sh -c "echo hello over udp6 | nc -u -W 1 -w 5 $SERVER6 7777"
	t_out 'hello over udp6'
fi
# so many also because each is a wait of the guest that an interrupt must end
t_run 'echoes of many sizes, TCP' 0 "$N/probe" echo tcp "$SERVER" 7777 3000
t_run 'echoes of many sizes, UDP' 0 "$N/probe" echo udp "$SERVER" 7777 1000

# ---- connections that come and go

T_LIMIT=60
t_run "$churn connections, first round" 0 "$N/probe" churn "$SERVER" 7777 $churn 100
# Thrice more: what a first round leaves are caches that the next ones find, and
# a round may have more connections open at once than any before. But what leaks
# does so in every one: 50 bytes a connection would be 500 KiB.
if [ "$VIA" = tap ]; then
	t_case "$churn connections, thrice more"
	least=$churn grown=''
	for _ in 1 2 3; do
		before=$(memory_of_vm)
		t_exec "$N/probe" churn "$SERVER" 7777 $churn 100
		t_status_is 0
		sleep 1
		round=$(($(memory_of_vm) - before))
		[ $round -ge $least ] || least=$round
		grown="$grown $round"
	done
	t_check "they left$grown KiB behind" [ $least -lt $((churn / 20)) ]
	echo "# they left$grown KiB"
fi
t_run 'still serving' 0 "$N/probe" echo tcp "$SERVER" 7777 10
t_case 'echod ends in order'
serve_end

# ---- files

mkdir -p "$T/www"
truncate -s $size "$T/www/large"
for at in 0 12345678 33000000; do
	printf 'not zero at %s' $at | dd of="$T/www/large" bs=1 seek=$at conv=notrunc 2>/dev/null
done
printf 'small\n' >"$T/www/small"
head -c 1024 /dev/urandom >"$T/www/page"
sum=$(sha256sum <"$T/www/large")
VM_ARGS="--copy $T/www"
folder=/www
[ "$VIA" != host ] || folder=$T/www
serve 'httpd serves' "$B/httpd" 8080 "$folder"
VM_ARGS=
t_run 'curl, a small file' 0 curl -sS --max-time 10 "http://$SERVER:8080/small"
t_out small
t_run "curl, a file of $size: its checksum" 0 sh -c "curl -sS --max-time 50 http://$SERVER:8080/large | sha256sum"
t_out "$sum"
if command -v wrk >/dev/null; then
	t_run "wrk, $clients connections" 0 wrk -t 2 -c $clients -d $seconds "http://$SERVER:8080/page"
	t_out_match 'Requests/sec'
	t_check 'there were errors' t_not grep -Eq 'Socket errors|Non-2xx' "$T/out"
	echo "# wrk: $(sed -n 's,Requests/sec: *,,p' "$T/out") requests/s"
	if [ "$VIA" != host ]; then
		t_case 'after wrk the VM is idle again'
		sleep 1
		before=$(sleeps_of_vm)
		sleep 1
		n=$(($(sleeps_of_vm) - before))
		echo "# in a second its threads went to sleep $n times"
		# each vCPU and the I/O thread some, for the guest's timers
		t_check "its threads went to sleep $n times in a second" [ $n -lt 500 ]
	fi
else
	t_skip 'wrk' 'apt-get install wrk'
fi
t_case 'httpd ends in order'
serve_end
# where the flavour makes that worth it (vmm/attend.h)
if [ "$VIA" != host ] && command -v wrk >/dev/null && "$VMM" check | grep -q ', soft '; then
	t_case 'a busy network is served by the vCPU that waits for it'
	t_check "$(grep 'waits for frames' "$T/vm.err")" \
		grep -Eq '[1-9][0-9]+ waits for frames' "$T/vm.err"
fi

# ---- streams, each byte checked

serve 'stream sink serves' "$B/stream" -c sink 9999
for n in 1 8; do
	t_run "to it, $n streams" 0 "$B/stream" send "$SERVER" 9999 $seconds $n
	echo "# $(tail -n 1 "$T/out")"
done
serve_end
t_check 'a byte was wrong' t_not grep -qi 'wrong' "$T/vm.err"
serve 'stream source serves' "$B/stream" source 9999
for n in 1 8; do
	t_run "from it, $n streams" 0 "$B/stream" -c get "$SERVER" 9999 $seconds $n
	echo "# $(tail -n 1 "$T/out")"
done
serve_end
