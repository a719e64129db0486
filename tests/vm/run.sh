#!/bin/sh
# run.sh [SCRIPT...|all]: the scripts of tests/vm, each case as "ok - vm/FLAVOUR/SCRIPT:
# NAME". Runs from anywhere, on the host and in the lab; there, if none is named,
# without those that only the VMM or the library OS decides, and without threads,
# which want two CPUs.
set -u
cd "$(dirname "$0")/../.." || exit 1

flavour=${LAB:+lab}
flavour=${flavour:-native}
usual='basic exec badinput share vanish dax patch disk ext2 images balloon exhaust dynamic root apps
	servers net'
only_host='threads lists options tty vi copy usernet'
case ${1:-}$flavour in
native | all*) usual="$only_host $usual" ;;
esac
if [ $# = 0 ] || [ "$1" = all ]; then
	# shellcheck disable=SC2086 # words
	set -- $usual
fi
failed=0
for script; do
	out=$("tests/vm/$script.sh" 2>&1) || failed=1
	printf '%s\n' "$out" | sed "s|^\(not \)\{0,1\}ok - |&vm/$flavour/$script: |"
done
exit $failed
