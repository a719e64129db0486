#!/bin/sh
# run.sh [SCRIPT...]: the scripts of tests/vm (all, or the named), each case as
# "ok - vm/FLAVOUR/SCRIPT: NAME". Runs from anywhere, on the host and in the lab.
set -u
cd "$(dirname "$0")/../.." || exit 1

flavour=${LAB:+lab}
flavour=${flavour:-native}
[ $# -gt 0 ] || set -- basic threads exec badinput tty vi copy share vanish dax patch disk ext2 \
	images balloon exhaust dynamic root apps servers usernet net
failed=0
for script; do
	out=$("tests/vm/$script.sh" 2>&1) || failed=1
	printf '%s\n' "$out" | sed "s|^\(not \)\{0,1\}ok - |&vm/$flavour/$script: |"
done
exit $failed
