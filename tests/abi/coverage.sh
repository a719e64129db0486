#!/bin/sh
# coverage.sh: names the system calls of guest/libos/syscalls.def that badargs.c
# neither calls nor lists among those without a case; there must be none.
set -u
cd "$(dirname "$0")" || exit 1
without=$(sed -n '/Without a case:/,/^ \*$/p' badargs.c)
missing=$(sed -n 's/^S([0-9]*, \([a-z0-9_]*\),.*/\1/p' ../../guest/libos/syscalls.def |
	while read -r call; do
		grep -q "\<B(${call}[,)]" badargs.c || echo "$without" | grep -qw "$call" || echo "$call"
	done)
[ -z "$missing" ] || {
	echo "tests/abi/badargs.c has no call with a wrong argument of: $missing"
	exit 1
}
