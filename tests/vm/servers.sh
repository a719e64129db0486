#!/bin/sh
# Servers as Debian has them, by --root and by --copy: asked from the host, through
# published ports. What is not there is left out.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

port=$((30000 + $$ % 2000)) # below those that Linux gives to clients
requests=2000 ways='--copy --root'
[ -z "$LAB" ] || requests=100 ways=--root

# serve WORD HOW PROGRAM OPTION...: until WORD is in what it says. HOW is the option
# that brings it and its libraries.
serve()
{
	word=$1 by=$2
	program=$(command -v "$3")
	shift 3
	: >"$T/serve"
	files='--root /'
	[ "$by" = --root ] || files=$(t_copies "$program")
	# shellcheck disable=SC2086
	timeout -s KILL $((T_LIMIT * 2)) "$VMM" run "$program" $files "$@" >"$T/serve" 2>&1 </dev/null &
	server=$!
	tries=$((T_LIMIT * 20))
	until grep -q "$word" "$T/serve"; do
		tries=$((tries - 1))
		kill -0 $server 2>/dev/null || tries=0
		[ $tries != 0 ] || break
		sleep 0.05
	done
	[ $tries != 0 ] || t_fail "it does not serve: $(tail -n 3 "$T/serve")"
}

# stop STATUS: SIGTERM, and the VM's exit status
stop()
{
	kill -TERM "$(t_child $server)"
	wait $server
	T_STATUS=$?
	t_status_is "$1"
}

# asked OPTION... URL: what curl gets, with the headers, but for what each answer has its own of
asked()
{
	curl -s -i -m "$T_LIMIT" "$@" | grep -av -e '^Date: ' -e '^--0' -e boundary=
}

commands='SET key value
GET key
INCR n
INCRBY n 41
RPUSH list a b c
LRANGE list 0 -1
ZADD z 1 one 2 two
ZRANGEBYSCORE z 1 2 WITHSCORES
HSET h f v g w
HGETALL h
EVAL "return redis.call(\"GET\", KEYS[1])" 1 key
SETEX gone 100 x
TTL gone
SAVE
DBSIZE
NOSUCH'
# The package redis-tools has the server too, which goes by its own name; the
# package redis-server would start one as a service.
if t_have redis-check-rdb redis-cli redis-benchmark; then
	t_case 'redis-server: commands'
	ln -s "$(command -v redis-check-rdb)" "$T/redis-server"
	"$T/redis-server" --port 0 --unixsocket "$T/redis.sock" --save '' --dir "$T" >"$T/redis.out" 2>&1 &
	linux=$!
	serve 'Ready to accept' --root "$T/redis-server" --publish $port:6379 -- --save '' --protected-mode no
	printf '%s\n' "$commands" | timeout "$T_LIMIT" redis-cli -p $port >"$T/out" 2>&1
	printf '%s\n' "$commands" | timeout "$T_LIMIT" redis-cli -s "$T/redis.sock" >"$T/linux.out" 2>&1
	kill $linux
	wait $linux
	t_check 'no answers' grep -q two "$T/out"
	cmp -s "$T/linux.out" "$T/out" ||
		t_fail "they differ from Linux: $(diff "$T/linux.out" "$T/out" | head -n 5)"
	for pipeline in 1 16; do
		t_run "redis-benchmark -P $pipeline" 0 \
			redis-benchmark -p $port -n $requests -P $pipeline -c 20 -q
		t_check 'not all 20 tests' [ "$(tr '\r' '\n' <"$T/out" | grep -c 'requests per second')" = 20 ]
	done
	t_case 'redis-server: ends in order'
	stop 0
	t_check 'not said' grep -q 'bye bye' "$T/serve"
fi

PATH=$PATH:/usr/sbin:$PWD/$B/unpacked/usr/sbin # deps.sh
if t_have nginx curl wrk; then
	mkdir "$T/srv"
	head -c 1024 /dev/urandom >"$T/srv/k"
	head -c 1048576 /dev/urandom >"$T/srv/m"
	cat >"$T/nginx.conf" <<-END
		daemon off; master_process off; user root; pid /tmp/pid; error_log stderr notice;
		events { }
		http {
			access_log off; sendfile on;
			client_body_temp_path /tmp/body; proxy_temp_path /tmp/proxy; scgi_temp_path /tmp/scgi;
			fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi;
			server { listen 80; root /srv; }
		}
	END
	sed "s|/tmp/|$T/|; s|listen 80|listen unix:$T/nginx.sock|; s|root /srv|root $T/srv|" \
		"$T/nginx.conf" >"$T/linux.conf"
	nginx -e stderr -c "$T/linux.conf" >"$T/nginx.out" 2>&1 &
	linux=$!
	for how in $ways; do
		t_case "nginx by $how"
		srv=--copy
		[ "$how" = --copy ] || srv='--cpus 2 --share'
		# shellcheck disable=SC2086 # words
		serve 'using the "epoll"' "$how" nginx $srv "$T/srv:/srv" \
			--copy "$T/nginx.conf:/etc/nginx.conf" --publish $port:80 -- -e stderr -c /etc/nginx.conf
		for file in k m; do
			for connection in keep-alive close; do # the second on the same one, or not
				curl -s -m "$T_LIMIT" -H "Connection: $connection" \
					http://127.0.0.1:$port/$file http://127.0.0.1:$port/$file >"$T/got"
				cat "$T/srv/$file" "$T/srv/$file" | cmp -s - "$T/got" ||
					t_fail "$file differs, $connection"
			done
		done
		for request in '' '-r 5-10,20-30' '-H If-Modified-Since:Fri,31Dec2100' '-X POST' '-I'; do
			# shellcheck disable=SC2086 # words
			{
				asked $request "http://127.0.0.1:$port/k" >"$T/got"
				asked $request --unix-socket "$T/nginx.sock" http://127.0.0.1/k >"$T/want"
			}
			grep -aq '^HTTP/1.1 ' "$T/want" || t_fail "'$request' has no answer on Linux"
			cmp -s "$T/want" "$T/got" || t_fail "'$request' differs from Linux: $(diff -a "$T/want" "$T/got" | head -n 5)"
		done
		curl -s -r 1000-200000 http://127.0.0.1:$port/m >"$T/got"
		tail -c +1001 "$T/srv/m" | head -c 199001 | cmp -s - "$T/got" || t_fail 'a range differs'
		[ "$how" = --root ] || { stop 0; continue; }
		for file in k m; do
			for connection in keep-alive close; do
				wrk -t 1 -c 8 -d 1 -H "Connection: $connection" http://127.0.0.1:$port/$file >"$T/wrk" 2>&1
				grep -q 'Requests/sec: *[1-9]' "$T/wrk" || t_fail "$file, $connection: $(tail -n 3 "$T/wrk")"
				! grep -q -e 'Socket errors' -e 'Non-2xx' "$T/wrk" ||
					t_fail "$file, $connection: $(grep -e errors -e Non "$T/wrk")"
			done
		done
		stop 0
	done
	kill $linux
	wait $linux
fi
t_done
