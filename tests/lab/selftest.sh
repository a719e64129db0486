#!/bin/bash
# selftest.sh - proves the lab; prints TAP lines and fails if any of them does.
set -u
HERE=$(dirname "$(readlink -f "$0")")
cd "$HERE/../.." || exit 125
LAB=$HERE/lab.sh
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
number=0 failed=0

# ok NAME CMD...: one test; its output is shown if it fails.
ok() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$WORK/log" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/# /' "$WORK/log"
		failed=$((failed + 1))
	fi
}

build() {
	local p
	mkdir -p build/lab
	for p in icount kvmprobe; do
		"${CC:-gcc}" -O2 -Wall -Wextra -Werror -static -o build/lab/$p "$HERE/$p.c" || return 1
	done
}

# status WANTED LAB-ARGUMENTS...
status() {
	local wanted=$1 got
	shift
	"$LAB" "$@"
	got=$?
	echo "status $got, wanted $wanted"
	[ $got = "$wanted" ]
}

# says TEXT LAB-ARGUMENTS...: stdout is TEXT and nothing else.
says() {
	local wanted=$1 got
	shift
	got=$("$LAB" "$@")
	echo "stdout: $got"
	[ "$got" = "$wanted" ]
}

streams_and_status() {
	"$LAB" 'echo to-out; echo to-err >/dev/stderr; exit 3' >"$WORK/out" 2>"$WORK/err"
	[ $? = 3 ] || return
	cat "$WORK/out" "$WORK/err"
	[ "$(cat "$WORK/out")" = to-out ] && [ "$(cat "$WORK/err")" = to-err ]
}

# A MiB of every byte there is, through one stream or both at once.
bytes() {
	head -c 1048576 /dev/urandom >"$WORK/bytes"
	"$LAB" "$@" "cat $WORK/bytes; cat $WORK/bytes >&2" >"$WORK/out" 2>"$WORK/err"
	cmp "$WORK/bytes" "$WORK/out" && cmp "$WORK/bytes" "$WORK/err"
}

streaming() {
	local line took
	"$LAB" 'echo first; sleep 60' >"$WORK/fifo.out" &
	for took in $(seq 200); do
		line=$(head -n 1 "$WORK/fifo.out" 2>/dev/null)
		[ "$line" = first ] && break
		sleep 0.1
	done
	kill $!
	wait $! 2>/dev/null
	echo "'$line' after $took tenths of a second"
	[ "$line" = first ]
}

nothing_left() {
	local temp=$WORK/temp job state
	mkdir "$temp"
	TMPDIR=$temp "$LAB" 'sleep 60' &
	job=$!
	sleep 3
	kill -TERM $job
	wait $job
	state=$?
	echo "status $state; left: $(ls -A "$temp")"
	[ $state = 143 ] && [ -z "$(ls -A "$temp")" ] && ! grep -lsa "$temp" /proc/[0-9]*/cmdline
}

# An empty cache and a download that cannot work: one line, status 125.
no_network() {
	local said
	mkdir "$WORK/bin"
	printf '#!/bin/sh\nexit 1\n' >"$WORK/bin/apt-get"
	chmod +x "$WORK/bin/apt-get"
	said=$(PATH=$WORK/bin:$PATH MAYFLY_CACHE=$WORK/empty "$LAB" true 2>&1)
	local state=$?
	echo "$said"
	[ $state = 125 ] && grep -q 'cannot download' <<<"$said" && [ ! -e "$WORK/empty/lab/kernel-1" ]
}

two_at_once() {
	"$LAB" 'echo one' >"$WORK/one" &
	"$LAB" 'echo two' >"$WORK/two" &&
		wait $! && cat "$WORK/one" "$WORK/two" &&
		[ "$(cat "$WORK/one" "$WORK/two")" = $'one\ntwo' ]
}

# files_come_back LAB-ARGUMENTS... CMD: CMD may use the lab, $LAB_OUT comes back.
files_come_back() {
	local command=${*: -1}
	# shellcheck disable=SC2016 # for the lab's shell
	"$LAB" "${@:1:$#-1}" -o "$WORK/back" "$command"' && mkdir $LAB_OUT/d && echo kept >$LAB_OUT/d/f; exit 4'
	[ $? = 4 ] && [ "$(cat "$WORK/back/d/f")" = kept ] && rm -r "$WORK/back"
}

writes_stay_inside() {
	local name=build/lab/from-the-lab.$$
	files_come_back "echo x >$name && [ -s $name ]" && [ ! -e $name ]
}

counts_repeat() {
	local i
	for i in 1 2; do
		"$LAB" -d 'build/lab/icount build/lab/kvmprobe; dmesg; cat /proc/stat' \
			>"$WORK/run$i" 2>"$WORK/count$i" || return 1
	done
	head -n 2 "$WORK/run1"
	[ "$(head -n 2 "$WORK/run1")" = "$probe" ] || return
	cat "$WORK/count1" "$WORK/count2"
	grep -q '^icount: [1-9]' "$WORK/count1" && cmp "$WORK/count1" "$WORK/count2" &&
		cmp "$WORK/run1" "$WORK/run2"
}

# A guest and a program of known length: countguest.S.
counts_instructions() {
	local said wanted=$'cpl0-to-cpl3 223\ncpl0-to-entry 223\ncpl0-total 223\ntotal 237'
	"${CC:-gcc}" -c -o "$WORK/guest.o" "$HERE/countguest.S" &&
		ld --no-warn-rwx-segments -Ttext=0x100000 --section-start=.program=0x180000 \
			-e start -o "$WORK/guest" "$WORK/guest.o" &&
		ld --no-warn-rwx-segments -Ttext=0x100000 --section-start=.program=0x180000 \
			-e 0x180000 -o "$WORK/program" "$WORK/guest.o" || return 1
	said=$("$HERE/count.sh" "$WORK/guest" "$WORK/program")
	echo "$said"
	[ "$said" = "$wanted" ]
}

# What is there inside, in one machine: the host's programs and tree, SVM with nested
# paging, devices, user namespaces, modules on demand; and a VM runs.
inside() {
	# shellcheck disable=SC2016 # for the lab's shell
	says "GNU
$probe" 'bash --version | grep -o -m 1 GNU && [ "$PWD" = '"$PWD"' ] &&
		grep -q -w svm /proc/cpuinfo && grep -q Y /sys/module/kvm_amd/parameters/npt &&
		[ -c /dev/net/tun ] && [ -c /dev/ptmx ] && [ -d /dev/pts ] && [ -w /dev/shm ] &&
		unshare -Ur true && ip link add v0 type veth peer name v1 && build/lab/kvmprobe'
}

probe=$'hlt: ok\nflavour: hard'
ok 'helpers build' build
ok 'status of a signal' status 143 'kill -TERM $$'
ok 'status 124 when time is up' status 124 -t 30 'sleep 90'
ok 'status 124 when nothing is said' status 124 -t 60 -s 5 'sleep 60'
ok 'status 125 when the lab does not come up' status 125 -m 16 -t 5 true
ok 'status 125 without a command' status 125
ok 'a status, stdout and stderr, apart' streams_and_status
ok 'a MiB on both streams, intact' bytes
ok 'output arrives while the command runs' streaming
ok 'what is there inside, and a VM of the hard flavour' inside
ok 'as many CPUs as asked for' says 3 -c 3 nproc
ok 'writes stay in the lab, files come back' writes_stay_inside
ok 'packed: a VM, dynamic programs of the host, files that come back' files_come_back -p \
	'build/lab/kvmprobe | grep -q hard && bash --version | grep -q GNU'
ok 'counting: two runs of a VM are the same' counts_repeat
ok 'count.sh counts to the instruction' counts_instructions
ok 'two labs at once' two_at_once
ok 'a signal leaves nothing behind' nothing_left
ok 'no network: one clear line' no_network
echo "1..$number"
[ $failed = 0 ]
