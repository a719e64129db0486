#!/bin/sh
# run.sh [RING...]: what `make test` runs, after it has built everything.
#
# On this host:
#   unit      tests/unit, under sanitizers
#   fuzz      each fuzzer for FUZZ_SMOKE=1 second
#   vm        tests/vm on this host's KVM (skipped where /dev/kvm is unusable)
#   net       tests/net: whole VMs on taps and published ports, on this host's KVM
#   abi       tests/abi: Linux against the guest, on this host's KVM; without that, Linux
#             against itself
#   abi-smp   of them, those with glibc on 4 vCPUs; what composes in one VM
#   qemu      the guest image under QEMU's microvm, and its instruction counts
# Beside these, in the lab, whose KVM is like hardware:
#   lab       tests/lab: is the emulated machine what it should be?
#   vm-lab    tests/vm, but for what KVM's flavour cannot change, if that ran here
#   abi-lab   tests/abi
#   net-lab   tests/net, but for impair, which only the stack decides
#   smp-lab   of tests/vm what several vCPUs do at once, on two CPUs
# And on processor time that all these leave:
#   lint      make lint-quick; clang-tidy, which takes minutes, is for make lint
#
# Named rings run one after the other. The lab has one CPU, with which QEMU's TCG
# is faster, and the host's rings have the other; smp-lab, last of the lab's, has two.
# SKIP_LAB=1 leaves the lab out: only where the host's KVM is hard itself.
# Every test is one line "ok ..." or "not ok ..." in build/test/RING.log; what is
# not "ok" is shown, and the last line counts them.
set -u
cd "$(dirname "$0")/.." || exit 1

logs=build/test
mkdir -p $logs
passed=0 failed=0 again=''
started=$(date +%s)

# inside_limits NAME LIMIT CMD...: CMD's output to stdout, its status to a file
inside_limits()
{
	status_file=$logs/$1.log.status limit=$2
	shift 2
	timeout -k 10 "$limit" "$@" 2>&1 </dev/null
	echo $? >"$status_file"
}

# tally NAME LIMIT: counts the lines of a ring that has run. One that failed
# without saying why, or said nothing at all, is a failure of its own.
tally()
{
	name=$1 limit=$2
	log=$logs/$name.log
	read -r status <"$log.status"
	good=$(grep -c '^ok' "$log")
	bad=$(grep -c '^not ok' "$log")
	if [ "$bad" = 0 ] && { [ "$status" != 0 ] || [ "$good" = 0 ]; }; then
		[ "$status" != 124 ] || status="124: over $limit seconds"
		echo "not ok - $name: ended with status $status after $good tests" | tee -a "$log"
		bad=1
	fi
	passed=$((passed + good))
	failed=$((failed + bad))
	echo "== $name: $good passed, $bad failed, $(($(date +%s) - started)) s since the start"
}

# ring NAME LIMIT CMD...: runs CMD and counts its lines.
ring()
{
	ring_name=$1 ring_limit=$2
	shift 2
	echo "== $ring_name"
	inside_limits "$ring_name" "$ring_limit" "$@" | tee "$logs/$ring_name.log" | sed -u '/^ok/d; /^# [^ ]*: ended$/d'
	tally "$ring_name" "$ring_limit"
}

# programs GOAL: what a ring runs; while others run, hence not by make test.
programs()
{
	env -u MAKEFLAGS -u MFLAGS "${MAKE:-make}" --no-print-directory -s "-j$(nproc)" "$1" \
		>"$logs/$1.out" 2>&1 && return
	echo "not ok - $1: cannot be made"
	sed 's/^/# /' "$logs/$1.out"
	return 1
}

# One line for each test of each program, whatever cmocka says around them.
unit()
{
	programs unit-programs || return
	worst=0
	for source in tests/unit/test_*.c; do
		test=${source##*/}
		test=build/unit/${test%.c}
		name=${test##*/test_}
		CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 10 120 "$test" >"$logs/unit.out" 2>&1
		status=$?
		sed "s|^\(\(not \)\{0,1\}ok\) [0-9]* - |\1 - unit/$name: |; /^1\.\.[0-9]*$/d; /^# ok - tests$/d" \
			"$logs/unit.out"
		[ $status = 0 ] || worst=1
		if [ $status != 0 ] && ! grep -q '^not ok' "$logs/unit.out"; then
			echo "not ok - unit/$name: ended with status $status"
		fi
	done
	if docs/syscalls.sh | cmp -s - docs/syscalls.md; then
		echo 'ok - unit/docs: syscalls.md is what the table says'
	else
		echo "not ok - unit/docs: syscalls.md is not what the table says; run make docs"
		worst=1
	fi
	if tests/abi/coverage.sh >"$logs/unit.out" 2>&1; then
		echo 'ok - unit/docs: each system call has a case with a wrong argument'
	else
		echo "not ok - unit/docs: $(cat "$logs/unit.out")"
		worst=1
	fi
	return $worst
}

# With both C libraries at once: most of the time they wait.
abi()
{
	tests/abi/run.sh --vmm build/vmm --libc musl >"$logs/abi.musl" 2>&1 &
	tests/abi/run.sh --vmm build/vmm --libc 'glibc pie'
	worst=$?
	wait $! || worst=1
	cat "$logs/abi.musl"
	return $worst
}

lint()
{
	if "${MAKE:-make}" --no-print-directory -k lint-quick >$logs/lint.out 2>&1; then
		echo 'ok - lint'
	else
		echo 'not ok - lint'
		grep -v '^  [A-Z]' $logs/lint.out | head -n 60 | sed 's/^/# /'
	fi
}

fuzz()
{
	programs fuzz-programs || return
	set --
	for source in tests/fuzz/fuzz_*.c; do
		fuzzer=${source##*/}
		set -- "$@" "build/fuzz/${fuzzer%.c}"
	done
	tests/fuzz/run.sh "${FUZZ_SMOKE:-1}" "$@"
}

# A machine that says nothing for two minutes stands still: no command may take half of it.
lab='tests/lab/lab.sh -s 120'

# shellcheck disable=SC2086 # $lab is words
run_ring()
{
	case $1 in
	lint) ring lint 1800 "$0" --inside lint ;;
	unit) ring unit 500 "$0" --inside unit ;;
	fuzz) ring fuzz 400 "$0" --inside fuzz ;;
	vm) native vm 300 tests/vm/run.sh ;;
	net) native net 300 tests/net/run.sh ;;
	abi)
		if usable_kvm; then
			ring abi 300 "$0" --inside abi
		else # the lab has another Linux: what this one gives is what abi-lab wants
			ring abi 400 tests/abi/run.sh --linux-only --libc glibc
		fi
		;;
	abi-smp) native abi-smp 200 tests/abi/run.sh --vmm build/vmm --cpus 4 --fast --cached \
		--libc glibc ;;
	qemu) ring qemu 250 tests/vm/run.sh qemu qemu-net qemu-blk ;;
	lab) emulated lab 400 tests/lab/selftest.sh ;;
	vm-lab)
		if usable_kvm; then most=600 which=''; else most=1200 which=all; fi
		# shellcheck disable=SC2086 # a word, or none
		emulated_scripts vm-lab $most "$(LAB=1 tests/vm/run.sh --list $which)" \
			$lab -m 3072 -c 1 -t $((most - 10)) tests/vm/run.sh
		;;
	smp-lab) emulated_scripts smp-lab 200 threads $lab -m 2048 -c 2 -t 190 \
		tests/vm/run.sh ;;
	# What composes: a VM for each program instead of one for each case
	abi-lab) emulated abi-lab 300 $lab -m 2048 -c 1 -t 290 tests/abi/run.sh \
		--vmm build/vmm --fast --together --cached --libc glibc ;;
	net-lab) emulated_scripts net-lab 400 'tap publish' $lab -m 2048 -c 1 \
		-t 390 tests/net/run.sh ;;
	*)
		echo "run.sh: no ring is called $1" >&2
		exit 2
		;;
	esac
}

usable_kvm()
{
	[ -r /dev/kvm ] && [ -w /dev/kvm ]
}

native()
{
	if usable_kvm; then
		ring "$@"
	else
		echo "== $1: skipped, /dev/kvm is not usable here; the lab's rings run it"
	fi
}

# What runs in the lab is at TCG's mercy (tests/lab/README.md, Limits): what stands
# still, or fails there, gets a second machine. It is said, and in the last lines.
emulated()
{
	if [ -n "${SKIP_LAB:-}" ]; then
		echo "== $1: skipped, SKIP_LAB is set"
		return
	fi
	failed_before=$failed passed_before=$passed
	ring "$@"
	if [ "$failed" != "$failed_before" ]; then
		once_more "$1"
		failed=$failed_before passed=$passed_before
		ring "$@"
	fi
}

once_more()
{
	echo "== $1: once more"
	again="$again $1"
	cp "$logs/${1%%:*}.log" "$logs/${1%%:*}.first.log"
}

# in_log SCRIPT REGEX...: how many lines of the ring's log are this script's
in_log()
{
	grep -c "^$2[^ /]*/[^ /]*/$1: ${3:-}" "$log"
}

# sort_scripts SCRIPT...: the ring's scripts into `well` and `ill`: in these a case
# failed, or they have not ended.
sort_scripts()
{
	well='' ill=''
	for script; do
		if [ "$(in_log "$script" 'not ok - ')" = 0 ] &&
			[ "$(in_log "$script" '# ' 'ended$')" = 1 ]; then
			well="$well $script"
		else
			ill="$ill $script"
		fi
	done
}

# emulated_scripts NAME LIMIT SCRIPTS CMD...: CMD with the words of SCRIPTS. What went
# well on one machine is not run on the next.
emulated_scripts()
{
	if [ -n "${SKIP_LAB:-}" ]; then
		echo "== $1: skipped, SKIP_LAB is set"
		return
	fi
	name=$1 limit=$2 scripts=$3
	shift 3
	for machine in first second third fourth; do
		failed_before=$failed passed_before=$passed
		# shellcheck disable=SC2086 # words
		ring "$name" "$limit" "$@" $scripts
		[ "$failed" != "$failed_before" ] || return
		# shellcheck disable=SC2086
		sort_scripts $scripts
		case $machine in
		second | third) grep -q -e 'triple fault' -e '^lab: ' "$log" || return ;;
		fourth) return ;;
		esac
		once_more "$name:$ill"
		failed=$failed_before passed=$passed_before
		for script in $well; do
			passed=$((passed + $(in_log "$script" 'ok - ')))
		done
		scripts=${ill:-$scripts}
	done
}

if [ "${1:-}" = --inside ]; then
	"$2"
	exit
fi

# ---- all rings

# beside NAME CMD...: this script again, with its own count, next to the others. A
# session of its own, which ends with us: timeout(1) has its children leave a group.
beside()
{
	name=$1
	shift
	setsid "$@" >"$logs/beside-$name.log" 2>&1 </dev/null &
	pids="$pids $!"
	eval "pid_$name=$!"
}

# What it said, but for the count, which is added to ours.
beside_ends()
{
	beside_log=$logs/beside-$1.log
	eval "wait \$pid_$1"
	sed '$d' "$beside_log"
	counts=$(tail -n 1 "$beside_log" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p')
	if [ -z "$counts" ]; then
		echo "not ok - $1: ended without a count: $(tail -n 1 "$beside_log")"
		counts='0 1'
	fi
	passed=$((passed + ${counts% *}))
	failed=$((failed + ${counts#* }))
}

stopped()
{
	for pid in $pids; do pkill -TERM -s "$pid"; done
	exit 130
}
pids=''
trap stopped INT TERM
if [ $# = 0 ]; then
	# a session has its own share of the processors, whatever its policy: the lab's is
	# larger, since it takes the longest, and lint's as small as can be
	beside emulated sh -c 'echo -4 2>/dev/null >/proc/self/autogroup
		exec "$0" vm-lab net-lab abi-lab smp-lab' "$0"
	beside selftest "$0" lab
	beside lint sh -c '[ ! -w /proc/self/autogroup ] || echo 19 >/proc/self/autogroup
		exec chrt --idle 0 "$0" lint' "$0"
	all=1
	# first abi: abi-lab, third in the lab, wants its Linux outputs
	set -- abi abi-smp unit fuzz vm net qemu
fi
for name; do run_ring "$name"; done
if [ $failed != 0 ]; then
	echo '== what failed'
	for name; do
		[ ! -f "$logs/$name.log" ] || grep -h '^not ok' "$logs/$name.log"
	done
fi
[ -z "$again" ] || echo "== what needed a second machine:$again"
if [ -n "${all:-}" ]; then
	beside_ends emulated
	beside_ends selftest
	beside_ends lint
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
