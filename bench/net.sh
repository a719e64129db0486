#!/bin/bash
# net.sh [--quick]: the guest's network beside the host's own, in one run: the
# same static programs in a VM behind a tap, and in a network namespace behind a
# veth pair. Needs root and wrk. METHOD.md says what is measured.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=bench/pair.sh
. bench/pair.sh "$@"
SECS=5 ROUNDS=3 TRIPS=20000 WAKES=1000
[ "${1:-}" != --quick ] || SECS=1 ROUNDS=1 TRIPS=2000 WAKES=200
make -s --no-print-directory all net-programs || exit 1
make -s --no-print-directory -f bench/bench.mk B="$B" "$B/bench/wake" || exit 1
out=$B/bench/net.txt
mkdir -p "$B/bench"
mkdir "$T/www"
head -c 1024 /dev/urandom >"$T/www/page"

# start WHERE PROGRAM ARG...: and waits until it says that it serves
start() {
	local where=$1 program=$2
	shift 2
	: >"$T/server.out"
	if [ "$where" = host ]; then
		"${HOST[@]}" "$program" "$@" >"$T/server.out" 2>"$T/server.err" </dev/null &
	else
		"$B/vmm" run "$program" --mem 512M --stats --copy "$T/www:$T/www" \
			"${TAP[@]}" -- "$@" >"$T/server.out" 2>"$T/server.err" </dev/null &
	fi
	server=$!
	for _ in $(seq 200); do
		[ ! -s "$T/server.out" ] || return 0
		sleep 0.05
	done
	echo "bench/net: $program does not serve ($where): $(head -n 1 "$T/server.err")" >&2
	exit 1
}

# ---- what is measured: each prints one number

stream_number() {
	sed -n 's/.*: \([0-9.]*\) Gbit.*/\1/p' | tail -n 1
}
to_1() { "$B/stream" send "$1" 9999 "$SECS" 1 | stream_number; }
to_8() { "$B/stream" send "$1" 9999 "$SECS" 8 | stream_number; }
from_1() { "$B/stream" get "$1" 9999 "$SECS" 1 | stream_number; }
from_8() { "$B/stream" get "$1" 9999 "$SECS" 8 | stream_number; }
# What had errors is no sample.
requests() {
	wrk -t $(($2 > 1 ? 2 : 1)) -c "$2" -d "$SECS" "http://$1:8080/page" >"$T/wrk.out" 2>&1
	grep -Eq 'Socket errors|Non-2xx' "$T/wrk.out" || sed -n 's,Requests/sec: *,,p' "$T/wrk.out"
}
wrk_1() { requests "$1" 1; }
wrk_32() { requests "$1" 32; }
wrk_1000() { requests "$1" 1000; }
udp_median() { "$B/net/probe" ping udp "$1" 7777 "$TRIPS" | tee "$T/udp" | cut -d ' ' -f 1; }
udp_p99() { cut -d ' ' -f 2 "$T/udp"; }
tcp_median() { "$B/net/probe" ping tcp "$1" 7777 "$TRIPS" | tee "$T/tcp" | cut -d ' ' -f 1; }
tcp_p99() { cut -d ' ' -f 2 "$T/tcp"; }

# Every 3 ms, so that the other side has gone to sleep.
wake_median() { "$B/bench/wake" send "$1" 7777 "$WAKES" 3000 | tee "$T/wake" | cut -d ' ' -f 1; }
wake_p90() { cut -d ' ' -f 3 "$T/wake"; }

# group PROGRAM ARGS -- MEASURE...: all of it on both sides, in turn
group() {
	local command=() where m
	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	shift
	for round in $(seq "$ROUNDS"); do
		for where in host guest; do
			start "$where" "${command[@]}"
			for m; do
				"$m" "${address[$where]}" >>"$T/$m.$where"
			done
			stop
			[ "$where$round" != guest1 ] || rates "$*" >>"$T/rates"
		done
	done
}

# row NAME MEASURE UNIT BUDGET: a budget is on guest/host
row() {
	awk -v name="$1" -v unit="$3" -v budget="$4" -v h="$(median_of "$T/$2.host")" \
		-v g="$(median_of "$T/$2.guest")" 'BEGIN {
		printf "| %s | %s | %s | %s | %s |\n", name, h " " unit, g " " unit,
			(h > 0 && g > 0) ? sprintf("%.2f", g / h) : "-", budget }'
}

echo "load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
group "$B/stream" sink 9999 -- to_1
group "$B/stream" sink 9999 -- to_8
group "$B/stream" source 9999 -- from_1
group "$B/stream" source 9999 -- from_8
if command -v wrk >/dev/null; then
	group "$B/httpd" 8080 "$T/www" -- wrk_1
	group "$B/httpd" 8080 "$T/www" -- wrk_32
	group "$B/httpd" 8080 "$T/www" -- wrk_1000
else
	echo 'bench/net: left out: request rate (apt-get install wrk)' >&2
	touch "$T"/wrk_{1,32,1000}.{host,guest}
fi
group "$B/echod" 7777 -- udp_median udp_p99
group "$B/echod" 7777 -- tcp_median tcp_p99
group "$B/bench/wake" listen 7777 -- wake_median wake_p90
{
	echo "| what | host, veth pair | guest, tap | guest/host | budget |"
	echo "|---|---|---|---|---|"
	row 'to the server, 1 stream' to_1 Gbit/s 'at least 0.7'
	row 'to the server, 8 streams' to_8 Gbit/s ''
	row 'from the server, 1 stream' from_1 Gbit/s 'at least 0.7, and 10 Gbit/s'
	row 'from the server, 8 streams' from_8 Gbit/s ''
	row 'HTTP, 1 KiB, 1 connection' wrk_1 /s 'at least 0.8'
	row 'HTTP, 32 connections' wrk_32 /s 'at least 0.8'
	row 'HTTP, 1000 connections' wrk_1000 /s 'at least 0.8'
	row 'UDP echo, median' udp_median us ''
	row 'UDP echo, 99th percentile' udp_p99 us ''
	row 'TCP echo, median' tcp_median us ''
	row 'TCP echo, 99th percentile' tcp_p99 us ''
	row 'packet to recv() of a sleeper, median' wake_median us 'guest under 150 us (soft), 15 (hard)'
	row 'packet to recv() of a sleeper, 90th percentile' wake_p90 us ''
	echo
	cat "$T/rates"
} | tee "$out"
echo "load after: $(cut -d ' ' -f 1-3 /proc/loadavg); written: $out"
