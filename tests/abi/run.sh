#!/bin/sh
# Runs the ABI cases on Linux and in the guest and compares what they print.
#
#   run.sh [--vmm CMD] [--filter PAT] [--libc WORDS] [--linux-only] [--fast]
#          [--cached | --expected DIR] [--build DIR] [--timeout SECS] [--cpus N]
#
# --filter PAT    only cases whose "AREA/CASE (LIBC)" matches *PAT* (a glob)
# --libc WORDS    of glibc, musl, pie, only the programs that these name
# --linux-only    no guest: Linux twice and once in one process, all equal
# --fast          in the guest, cases that compose share one VM per program
# --together      only cases that compose
# --skip GLOBS    leaves out what one of the words matches, as --filter does
# --cached        reuse Linux outputs that are newer than their program
# --cpus N        VMs have N vCPUs, and the names of the cases say so
# --expected DIR  recorded Linux outputs; nothing is run on Linux
#
# Linux outputs are kept in BUILD/expected/LIBC/AREA/CASE.{out,err,status}.
set -u

here=$(dirname "$0")
build=build/abi vmm=build/vmm filter='' mode=guest fast='' cached=''
libcs='glibc musl pie' expected='' limit=30 skip='' together='' unpatched='' cpus=''

while [ $# -gt 0 ]; do
	case $1 in
	--vmm) vmm=$2; shift ;;
	--filter) filter=$2; shift ;;
	--libc) libcs=$2; shift ;;
	--skip) skip=$2; shift ;;
	--together) together=1 ;;
	--linux-only) mode=linux ;;
	--fast) fast=1 ;;
	--cached) cached=1 ;;
	--expected) expected=$2; shift ;;
	--build) build=$2; shift ;;
	--timeout) limit=$2; shift ;;
	--cpus) cpus=$2; shift ;;
	*) sed -n '2,18s/^# \{0,1\}//p' "$here/run.sh" >&2; exit 2 ;;
	esac
	shift
done

record=''
[ -n "$expected" ] || { record=1; expected=$build/expected; }

# A tmpfs if there is one: block counts, holes and link counts are then those
# that the guest's own tmpfs must show.
base=/tmp
if [ -d /dev/shm ] && [ -w /dev/shm ]; then base=/dev/shm; fi
scratch=$(mktemp -d "$base/abi.run.XXXXXX") || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
ulimit -c 0
passed=0 failed=0 alike=''

# The shell's word about a crash must not mix with the program's own stderr, nor
# with ours. Newer dash redirects itself while it waits for a command, hence one
# subshell to become the command, and one to wait for that.
# run OUTPREFIX LIMIT COMMAND...: leaves OUTPREFIX.out, .err and .status
run()
{
	prefix=$1 secs=$2
	shift 2
	(
		(exec timeout -s KILL "$secs" "$@" </dev/null >"$prefix.out" 2>"$prefix.err")
		echo $? >"$prefix.status"
	) 2>/dev/null
}

# run_linux OUTPREFIX PROGRAM ENV ARGS: ARGS in shell syntax
run_linux()
{
	at=$1 exe=$2 words=$3
	mkdir -p "$scratch/tmp"
	eval "set -- $4"
	# shellcheck disable=SC2086 # ENV is a list of words
	run "$at" 60 env -i ABI_TMP="$scratch/tmp" $words "$exe" "$@"
	rm -rf "$scratch/tmp"
}

run_guest()
{
	at=$1 exe=$2 options="$unpatched${cpus:+ --cpus $cpus}"
	secs_guest=$3
	for word in $4; do options="$options --env $word"; done
	eval "set -- $5"
	# shellcheck disable=SC2086 # so are VMM and the options
	run "$at" "$secs_guest" $vmm run "$exe" $options -- "$@"
}

# Cases of a program: NAME|all or alone|ENV|ARGS, in a file beside the outputs so
# that --expected needs no Linux to run the program.
table()
{
	cases=$expected/$1.table
	[ -n "$record" ] || return
	# what cases of former times have left must not be taken for theirs
	[ -n "$filter$cached" ] || rm -rf "${expected:?}/$1"
	[ -d "$expected/$1" ] || mkdir -p "$expected/$1"
	"$build/$1" --table >"$cases" || exit 2
}

wanted()
{
	set -f # the words are patterns, not files
	for pattern in $skip; do
		# shellcheck disable=SC2254
		case "$1" in *$pattern*) set +f; return 1 ;; esac
	done
	set +f
	# shellcheck disable=SC2254 # PAT is a glob
	case "$1" in *$filter*) return 0 ;; esac
	return 1
}

# differ EXPECTED GOT, both prefixes: in what they do, to `why`. Starts no program where
# it need not: most is empty, and what ran together has been compared together.
differ()
{
	why='' status='' other=''
	read -r status <"$1.status"
	# 137: killed at the time limit; 98, 99: the harness gave up
	case $status in 137 | 98 | 99) why=" linux:$status" ;; esac
	[ ! -f "$2.status" ] || read -r other <"$2.status"
	[ "$status" = "$other" ] || why="$why status"
	for part in out err; do
		if [ -s "$1.$part" ] || [ -s "$2.$part" ] || [ ! -f "$2.$part" ]; then
			case $alike in *" $2.$part "*) continue ;; esac
			cmp -s "$1.$part" "$2.$part" || why="$why $part"
		fi
	done
	[ -n "$why" ]
}

# report ID EXPECTED GOT
report()
{
	if ! differ "$2" "$3"; then
		passed=$((passed + 1))
		echo "ok - $1"
		return
	fi
	failed=$((failed + 1))
	echo "not ok - $1"
	if [ ! -f "$3.out" ]; then
		echo "# not reached: an earlier case ended the program"
		return
	fi
	for part in $why; do
		[ -f "$2.$part" ] || { echo "# $part"; continue; }
		diff -u "$2.$part" "$3.$part" 2>&1 |
			sed -e '1,2d' -e 's/^/# /' -e "s/^# @@.*/# $part: - Linux, + here/" |
			head -n 24
	done
}

# Cuts what --all printed into one file for each case.
split_all()
{
	mkdir -p "$2"
	for part in out err; do
		awk -v dir="$2" -v part="$part" '
			/^== / { file = dir "/" $2 "." part; printf "" >file; next }
			file != "" { print >file }' "$1.$part"
	done
	# The case that ended the process has its status, the others before it
	# 0, and those after it nothing, which report() calls a difference.
	read -r status <"$1.status"
	for f in "$2"/*.out; do
		[ -f "$f" ] && echo 0 >"${f%.out}.status"
	done
	[ -f "$2/end.out" ] && return
	last=$(sed -n 's/^== //p' "$1.out" | tail -n 1)
	[ -z "$last" ] || echo "ended with $status" >"$2/$last.status"
}

# ask_again ID EXPECTED GOT PROGRAM ENV ARGS: chance decides some cases on Linux too: a
# path walk that a mount disturbs counts links twice, a loaded host starves a thread.
# What it gives in one of five runs is right. In the lab there is another Linux.
ask_again()
{
	[ -n "$record" ] && [ -z "${LAB:-}" ] || return
	for _ in 1 2 3 4; do
		differ "$2" "$3" || return
		run_linux "$scratch/again" "$4" "$5" "$6"
		differ "$scratch/again" "$3" && continue
		echo "# $1: Linux gave two answers"
		for part in out err status; do mv "$scratch/again.$part" "$2.$part"; done
	done
}

# one_case PROGRAM NAME KIND ENV ARGS
one_case()
{
	id="abi/${1#*/}/$2 (${1%%/*})"
	want=$expected/$1/$2
	got=$scratch/got
	wanted "$id" || return
	[ -z "$together" ] || [ "$3" = all ] || return
	if [ -n "$record" ] && { [ -z "$cached" ] || [ ! "$want.status" -nt "$build/$1" ]; }; then
		run_linux "$want" "$build/$1" "$4" "$2 $5"
		alike=''
	fi
	read -r status <"$want.status"
	if [ "$status" = 97 ]; then
		echo "# skipped: $id: this Linux is older than what it is about"
		return
	fi
	if [ "$mode" = linux ]; then
		run_linux "$got" "$build/$1" "$4" "$2 $5"
		if [ "$3" = all ] && [ -f "$scratch/all/$1/$2.out" ]; then
			report "$id [--all]" "$want" "$scratch/all/$1/$2"
		fi
	elif [ -n "$fast" ] && [ "$3" = all ]; then
		got=$scratch/all/$1/$2
	else
		run_guest "$got" "$build/$1" "$limit" "$4" "$2 $5"
	fi
	[ "$mode" = linux ] || ask_again "$id" "$want" "$got" "$build/$1" "$4" "$2 $5"
	report "$id${cpus:+, $cpus vCPUs}" "$want" "$got"
	{ [ -n "$fast" ] && [ -z "$cpus" ]; } || [ "$mode" = linux ] || without_patches "$@"
}

# What is about patched system calls must be the same without.
without_patches()
{
	case $1 in */patch | */regs) ;; *) return ;; esac
	unpatched=--no-patch
	got=$scratch/got
	run_guest "$got" "$build/$1" "$limit" "$4" "$2 $5"
	unpatched=''
	report "$id --no-patch${cpus:+, $cpus vCPUs}" "$want" "$got"
}

# All composable cases of a program in one run, cut into files.
run_together()
{
	mkdir -p "$scratch/all/$1"
	if [ "$mode" = linux ]; then
		run_linux "$scratch/whole" "$build/$1" '' --all
	else
		run_guest "$scratch/whole" "$build/$1" $((limit * 5)) '' --all
	fi
	split_all "$scratch/whole" "$scratch/all/$1"
}

# What of it is as on Linux, found by one process: in the lab each costs 60 ms.
compare_together()
{
	alike=" $(diff -sq "$expected/$1" "$scratch/all/$1" |
		sed -n 's/^Files .* and \(.*\) are identical$/\1/p' | tr '\n' ' ')"
}

# Does the filter leave any case of the program that composes?
any_together()
{
	while IFS='|' read -r name kind rest; do
		[ "$kind" = all ] && wanted "abi/${1#*/}/$name (${1%%/*})" && return 0
	done <"$cases"
	return 1
}

programs()
{
	if [ -n "$record" ]; then
		for libc in $libcs; do
			for f in "$build/$libc"/*; do
				[ -f "$f" ] && echo "${f#"$build"/}"
			done
		done
	else
		for f in "$expected"/*/*.table; do
			f=${f#"$expected"/}
			[ -f "$build/${f%.table}" ] && echo "${f%.table}"
		done
	fi
}

for program in $(programs); do
	table "$program"
	alike=''
	if { [ -n "$fast" ] || [ "$mode" = linux ]; } && any_together "$program"; then
		run_together "$program"
		[ -z "$cached" ] || compare_together "$program"
	fi
	while IFS='|' read -r name kind env args; do
		one_case "$program" "$name" "$kind" "$env" "$args"
	done <"$cases"
done

echo "# $passed passed, $failed failed"
[ "$failed" -eq 0 ]
