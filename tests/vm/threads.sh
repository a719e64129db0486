#!/bin/sh
# Programs of many threads: a stress run with more threads than vCPUs, and
# what C++ and OpenMP make of threads.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${T_STRESS:-1} soak=5 counts='1 2 4 8'
[ -z "$LAB" ] || soak=3 counts='2 4'
for cpus in $counts; do
	for threads in 3 16; do
		t_run "stress: $threads threads on $cpus vCPUs" 0 \
			"$VMM" run "$B/vm/stress" --cpus "$cpus" -- "$threads" "$seconds"
		t_out good
		t_err ''
	done
done
for cpus in 2 4; do
	t_run "threads at once on $cpus vCPUs" 0 "$VMM" run "$B/vm/together" --cpus "$cpus"
	t_out good
	t_err ''
done
for cpus in 1 4; do
	t_run "restartable sequences on $cpus vCPUs" 0 "$VMM" run "$B/vm/rseq" --cpus "$cpus"
	t_out good
	t_err ''
done
for cpus in 2 4; do
	t_run "arguments that change under the call on $cpus vCPUs" 0 \
		"$VMM" run "$B/vm/changing" --cpus "$cpus" -- 700
	t_out ''
	t_err ''
done
for cpus in 1 4; do
	t_run "descriptors in all states at once on $cpus vCPUs" 0 \
		"$VMM" run "$B/vm/fdrace" --cpus "$cpus" -- 1.5 "$cpus"
	t_out good
	t_err ''
done
for cpus in 1 4; do
	t_run "memory that others map, move and unmap on $cpus vCPUs" 0 \
		"$VMM" run "$B/vm/memrace" --cpus "$cpus" -- 1.5 "$cpus"
	t_out good
	t_err ''
done
# everything at once: tests/vm/soak.c, for longer by `make soak`
t_run 'soak: mixed work on 4 vCPUs' 0 "$VMM" run "$B/vm/soak" --cpus 4 -- "$soak"
t_out_match "^soak: .* not the system's: [0-9]+ KiB before, [0-9]+ after\$"
t_err ''
t_same 'C++: threads, futures, exceptions' "$B/vm/cxx"
t_same 'OpenMP' "$B/vm/openmp"

# ---- too many, and too little memory for them: the VM stays up

t_run 'as many threads as there can be' 0 "$VMM" run "$B/vm/bomb" --mem 32M
t_out 'EAGAIN, and all ended'
t_err ''
t_done
