#!/bin/sh
# Programs of many threads: a stress run with more threads than vCPUs, and
# what C++ and OpenMP make of threads.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

seconds=${T_STRESS:-1} soak=5 stressed='1 2 4 8'
[ -z "$LAB" ] || soak=3 stressed='2 4'
# on COUNTS NAME PROGRAM [ARGS...]: on so many vCPUs, with nothing but $said to say
on()
{
	counts=$1 name=$2 program=$3
	shift 3
	for cpus in $counts; do
		t_run "$name on $cpus vCPUs" 0 "$VMM" run "$B/vm/$program" --cpus "$cpus" -- "$@"
		t_out "$said"
		t_err ''
	done
}

said=good
on "$stressed" 'stress: 3 threads' stress 3 "$seconds"
on "$stressed" 'stress: 16 threads' stress 16 "$seconds"
on '2 4' 'threads at once' together
on '1 4' 'restartable sequences' rseq
on '1 4' 'descriptors in all states at once' fdrace 1.5
on '1 4' 'memory that others map, move and unmap' memrace 1.5
said=''
on '2 4' 'arguments that change under the call' changing 700

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
