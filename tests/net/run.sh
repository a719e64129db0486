#!/bin/sh
# run.sh [SCRIPT...]: the scripts of tests/net (all, or the named), each case as
# "ok - net/FLAVOUR/SCRIPT: NAME". As root, for the network namespaces.
set -u
cd "$(dirname "$0")/../.." || exit 1

flavour=${LAB:+lab}
flavour=${flavour:-native}
[ $# -gt 0 ] || set -- tap publish impair hoststack
failed=0
for script; do
	out=$("tests/net/$script.sh" 2>&1) || failed=1
	printf '%s\n' "$out" | sed "s|^\(not \)\{0,1\}ok - |&net/$flavour/$script: |"
done
exit $failed
