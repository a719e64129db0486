#!/bin/sh
# A program behind a tap device.
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

# KiB of guest memory that the VM has touched. What is freed stays touched, so
# this is a high-water mark: it grows when something is not given back.
memory_of_vm()
{
	awk '/^Rss/ { sum += $2 } END { print sum }' "/proc/$vm/smaps"
}

net_tap

# ---- ping

serve 'echod serves ping' "$B/echod" 7777
t_run 'ping' 0 ping -c 5 -i 0.2 -W 2 "$SERVER"
t_out_match ' 0% packet loss'
t_run 'ping, IPv6' 0 ping -c 5 -i 0.2 -W 2 "$SERVER6"
t_out_match ' 0% packet loss'
for n in 0 1 1471 1472 1473 8000 65507; do
	t_run "ping of $n bytes" 0 ping -c 2 -i 0.2 -W 2 -s $n "$SERVER"
done
t_run 'ping, many' 0 ping -q -f -c 2000 -W 2 "$SERVER"
t_out_match ' 0% packet loss'
t_case 'echod ends'
serve_end

# shellcheck source=tests/net/cases.sh
. "$(dirname "$0")/cases.sh"

# ---- several vCPUs, of which one waits for all

if command -v wrk >/dev/null; then
	VM_ARGS="--cpus 4 --copy $T/www"
	serve 'httpd serves on 4 vCPUs' "$B/httpd" 8080 "$folder"
	VM_ARGS=
	t_run 'wrk, 4 vCPUs' 0 wrk -t 1 -c 50 -d 1 "http://$SERVER:8080/page"
	t_check 'there were errors' t_not grep -Eq 'Socket errors|Non-2xx' "$T/out"
	t_case 'httpd ends in order on 4 vCPUs'
	serve_end
fi

# ---- a flood of SYNs, while connections live

serve 'echod serves during a flood' "$B/echod" 7777
: >"$T/flag"
"$N/probe" hold "$SERVER" 7777 20 "$T/flag" >"$T/hold.out" 2>"$T/hold.err" &
holder=$!
t_wait_for "$T/hold.out" || t_fail 'the connections did not open'
t_run 'the flood flows' 0 "$N/probe" flood "$SERVER" 7777 3 198.18.0.0
echo "# $(cat "$T/out")"
t_case 'connections live through a flood'
rm "$T/flag"
wait $holder || t_fail "$(cat "$T/hold.err")"
t_run 'new connections after a flood' 0 "$N/probe" echo tcp "$SERVER" 7777 10
t_case 'it ends after a flood'
serve_end

t_done
