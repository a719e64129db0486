#!/bin/sh
# run.sh SECONDS FUZZER...: runs each fuzzer that long, two at a time, from the
# seeds in tests/fuzz/seeds/NAME (fuzz_NAME), keeping what it finds in
# build/fuzz/corpus.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ $# -gt 2 ]; then
	seconds=$1
	shift
	printf '%s\n' "$@" | xargs -n 1 -P 2 "tests/fuzz/run.sh" "$seconds"
	exit
fi

seconds=$1
shift
failed=0
for fuzzer; do
	name=$(basename "$fuzzer")
	corpus=build/fuzz/corpus/$name
	seeds=tests/fuzz/seeds/${name#fuzz_}
	mkdir -p "$corpus"
	[ -d "$seeds" ] || seeds=''
	log=build/fuzz/$name.log
	# The fuzzer's own limit, and one that holds when it hangs.
	if timeout -s KILL $((seconds + 60)) "$fuzzer" -max_total_time="$seconds" -timeout=10 \
		-max_len=4096 -artifact_prefix="build/fuzz/$name-" -print_final_stats=1 \
		"$corpus" ${seeds:+"$seeds"} >"$log" 2>&1; then
		runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
		echo "ok - fuzz/${name#fuzz_}: $runs inputs in $seconds s"
	else
		failed=1
		echo "not ok - fuzz/${name#fuzz_}: see $log"
		tail -n 40 "$log" | sed 's/^/# /'
	fi
done
exit $failed
