#!/bin/bash
# apps.sh [--quick] [--rounds N] [--only REGEX]: redis, nginx, python3, node as Debian
# has them and a Go program, by `vmm run --root /`, beside the same binaries on the host:
# servers behind a tap and behind a veth pair, asked by the same client. Needs root.
# METHOD.md says what is measured. Results also in build/bench/apps.json.
set -u
cd "$(dirname "$0")/.." || exit 1
rounds=5 seconds=2 requests=100000 each=20000 starts=15 only=.
arguments=("$@")
while [ $# -gt 0 ]; do
	case $1 in
	--quick) rounds=1 seconds=1 requests=20000 each=2000 starts=3 ;;
	--rounds) rounds=$2 && shift ;;
	--only) only=$2 && shift ;;
	*)
		sed -n '2,5s/^# //p' "$0" >&2
		exit 2
		;;
	esac
	shift
done
TMPDIR=/var/tmp # a VM has a /tmp of its own
# shellcheck source=bench/pair.sh
. bench/pair.sh "${arguments[@]}"
PATH=$PATH:/usr/sbin
OUT=$B/bench
mkdir -p "$OUT" "$T/root"
failed=0

# sample NAME WHERE VALUE: of what is measured on both sides
sample() {
	[ -e "$T/$1.host" ] || [ -e "$T/$1.guest" ] || echo "$1" >>"$T/names"
	echo "$3" >>"$T/$1.$2"
}

complain() {
	echo "bench/apps: $1" >&2
	failed=1
}

# vmm_or_not WHERE PROGRAM ARG...: with $vcpus, and as much memory as $mem
vcpus=1 mem=512M
vmm_or_not() {
	local where=$1 program=$2
	shift 2
	if [ "$where" = host ]; then
		exec "${HOST[@]}" "$program" "$@"
	else
		exec "$B/vmm" run --root / --copy "$T/root:$T/copied" --mem $mem --cpus $vcpus \
			--stats "${TAP[@]}" "$program" -- "$@"
	fi
}

# serve WHERE PORT PROGRAM ARG...: in the background, until the port answers
serve() {
	local where=$1 port=$2
	shift 2
	vmm_or_not "$where" "$@" >"$T/server.out" 2>"$T/server.err" </dev/null &
	server=$!
	for _ in $(seq 400); do
		! (exec 3<>"/dev/tcp/${address[$where]}/$port") 2>/dev/null || return 0
		kill -0 $server 2>/dev/null || break
		sleep 0.05
	done
	complain "$1 does not serve ($where): $(tail -n 2 "$T/server.err")"
	return 1
}

# memory NAME WHERE: of the server, resident, in KiB
memory() {
	sample "$1" "$2" "$(awk '/^VmRSS/ { print $2 }' /proc/$server/status)"
}

finish() {
	stop || complain "$1 ended with status $? ($2): $(tail -n 2 "$T/server.err")"
	[ "$2$3" != guest1 ] || rates "$1" >>"$T/rates"
}

# ---- redis

# benchmark WHERE PIPELINE REQUESTS OPTION...: "test" and requests a second; what
# had errors is no sample
benchmark() {
	local where=$1 pipeline=$2 n=$3
	shift 3
	timeout 300 redis-benchmark -h "${address[$where]}" -P "$pipeline" -n "$n" --csv "$@" \
		>"$T/csv" 2>"$T/client.err" || complain "redis-benchmark: $(tail -n 1 "$T/client.err")"
	sed -n '2,$s/^"\([^"(]*[^"( ]\)[^"]*","\([0-9.]*\)".*/\1 \2/p' "$T/csv" | tr -d '()' |
		sed 's/ \([^ ]*\)$/|\1/; s/ /-/g'
}

redis_round() {
	local where=$1 p name rate
	serve "$where" 6379 redis-server --save '' --protected-mode no --dir "$T" || return
	memory redis-memory-at-start "$where"
	for p in 1 16; do
		while IFS='|' read -r name rate; do
			sample "redis-$name-P$p" "$where" "$rate"
		done < <(benchmark "$where" $p $((requests * (p > 1 ? 4 : 1))) -t set,get)
	done
	for p in 1 16; do
		benchmark "$where" $p "$each" | awk -F '|' '{ sum += log($2); n++ }
			END { if (n == 20) printf "%.0f\n", exp(sum / n) }' >"$T/mean"
		[ -s "$T/mean" ] || complain "redis-benchmark -P $p: not all 20 tests ($where)"
		sample "redis-20-tests-P$p" "$where" "$(cat "$T/mean")"
	done
	memory redis-memory-after "$where"
	finish redis-server "$where" "$2"
}

# ---- nginx

write_nginx() {
	head -c 1024 /dev/urandom >"$T/root/1KiB"
	head -c 1048576 /dev/urandom >"$T/root/1MiB"
	cp -r "$T/root" "$T/copied"
	chmod 755 "$T"
	cat >"$T/nginx.conf" <<-EOF
		daemon off; master_process off; user root; pid $T/pid; error_log stderr notice;
		events { }
		http {
			access_log off; sendfile on; keepalive_requests 1000000000;
			client_body_temp_path $T/body; proxy_temp_path $T/proxy;
			scgi_temp_path $T/scgi; fastcgi_temp_path $T/fastcgi; uwsgi_temp_path $T/uwsgi;
			server { listen 80; root $T; }
		}
	EOF
}

# ask NAME WHERE PORT/FILE CONNECTION: what had errors is no sample
ask() {
	wrk -t 1 -c 32 -d "$seconds" -H "Connection: $4" "http://${address[$2]}:$3" >"$T/wrk" 2>&1
	if grep -Eq 'Socket errors|Non-2xx' "$T/wrk"; then
		complain "wrk, $1 ($2): $(grep -E 'errors|Non' "$T/wrk")"
	else
		sample "$1" "$2" "$(sed -n 's,Requests/sec: *,,p' "$T/wrk")"
	fi
}

# From the directory of the host, and from the VM's memory (--copy).
nginx_round() {
	local where=$1 file how
	serve "$where" 80 nginx -e stderr -c "$T/nginx.conf" || return
	memory nginx-memory-at-start "$where"
	for file in {root,copied}/{1KiB,1MiB}; do
		for how in keep-alive close; do
			ask "nginx-${file/\//-}-$how" "$where" "80/$file" $how
		done
	done
	memory nginx-memory-after "$where"
	finish nginx "$where" "$2"
}

# ---- servers of languages

# hello_round WHERE ROUND NAME CMD...: with one vCPU and with two; the host has all
hello_round() {
	local where=$1 round=$2 name=$3 mem=1G vcpus
	shift 3
	for vcpus in 1 2; do
		serve "$where" 8080 "$@" || return
		ask "$name-hello-vCPUs-$vcpus" "$where" 8080/ keep-alive
		finish "$name" "$where" "$round.$vcpus"
	done
}

# ---- python3

# start_up NAME WHERE CMD...: from before fork to the end, in milliseconds
start_up() {
	local name=$1 where=$2 before=$EPOCHREALTIME after
	shift 2
	"$@" >"$T/out" 2>"$T/err" </dev/null
	after=$EPOCHREALTIME
	[ "$(cat "$T/out")" = 1 ] || complain "python3: $(tail -n 1 "$T/err")"
	sample "$name" "$where" "$(awk "BEGIN { printf \"%.2f\", ($after - $before) * 1000 }")"
}

# The peak of its own memory is what it prints itself.
python_round() {
	local peak='import re; print(re.search("VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])'
	start_up python3-start host /usr/bin/python3 -c 'print(1)'
	start_up python3-start guest "$B/vmm" run --root / /usr/bin/python3 -- -c 'print(1)'
	sample python3-memory host "$(/usr/bin/python3 -c "$peak")"
	"$B/vmm" run --root / --stats /usr/bin/python3 -- -c 'print(1)' >"$T/out" 2>"$T/err" </dev/null
	sample python3-memory guest "$(sed -n 's/^vmm: resident memory: \([0-9]*\) KiB.*/\1/p' "$T/err")"
}

# ---- all of it, in turns

have() {
	[[ $1 =~ $only ]] || return
	for program; do
		command -v "$program" >/dev/null || {
			echo "bench/apps: left out: $1: there is no $program" >&2
			return 1
		}
	done
}

touch "$T/names" "$T/rates"
load=$(cut -d ' ' -f 1-3 /proc/loadavg)
sides='host guest'
write_nginx
! have go >/dev/null 2>&1 || GOCACHE=$PWD/$B/go CGO_ENABLED=0 GO111MODULE=off GOFLAGS='' \
	go build -o "$T/go-hello" bench/hello.go || exit
cp bench/hello.js "$T"
for ((round = 1; round <= rounds; round++)); do
	for side in $sides; do
		! have redis-server redis-benchmark || redis_round "$side" $round
		! have nginx wrk || nginx_round "$side" $round
		! have go wrk || hello_round "$side" $round go "$T/go-hello"
		! have node wrk || hello_round "$side" $round node node "$T/hello.js"
	done
	sides="${sides#* } ${sides% *}"
done
for ((round = 1; round <= starts; round++)); do
	! have python3 || python_round
done

# row NAME: a budget is on guest/host; of times and memory less is better
row() {
	local host guest unit=/s budget='at least 0.8'
	touch "$T/$1.host" "$T/$1.guest"
	host=$(median_of "$T/$1.host") guest=$(median_of "$T/$1.guest")
	case $1 in
	*-memory*) unit=KiB budget='' ;;
	*-start) unit=ms budget='' ;;
	esac
	awk -v name="$1" -v h="$host" -v g="$guest" -v unit="$unit" -v budget="$budget" \
		-v json="$T/json" 'BEGIN {
		ratio = (h > 0 && g > 0) ? sprintf("%.2f", g / h) : "-"
		printf "| %s | %s %s | %s %s | %s | %s |\n", name, h, unit, g, unit, ratio, budget
		printf "{\"case\": \"%s\", \"unit\": \"%s\", \"host\": %s, \"guest\": %s}\n",
			name, unit, (h > 0 ? h : "null"), (g > 0 ? g : "null") >>json
	}'
}

{
	echo '| what | Linux, veth pair | Mayfly, tap | Mayfly/Linux | budget |'
	echo '|---|---|---|---|---|'
	while read -r name; do
		row "$name"
	done <"$T/names"
	echo
	cat "$T/rates"
} | tee "$OUT/apps.txt"
{
	echo "{\"load_before\": \"$load\", \"rounds\": $rounds, \"cases\": ["
	sed '$!s/$/,/' "$T/json"
	echo ']}'
} >"$OUT/apps.json"
echo "load before: $load, after: $(cut -d ' ' -f 1-3 /proc/loadavg); written: $OUT/apps.json"
exit $failed
