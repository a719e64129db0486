#!/bin/sh
# run.sh [--list] [SCRIPT...|all]: runs (or names) the scripts of tests/vm, each case
# as "ok - vm/FLAVOUR/SCRIPT: NAME". Runs from anywhere, on the host and in the lab;
# there, if none is named, without those that only the VMM or the library OS decides,
# and without threads, which want two CPUs.
set -u
cd "$(dirname "$0")/../.." || exit 1

# shellcheck source=tests/scripts.sh
. tests/scripts.sh

list=''
if [ "${1:-}" = --list ]; then
	list=1
	shift
fi
usual='basic kernels exec share vanish dax patch disk ext2 balloon exhaust dynamic root apps
	servers net'
only_host='threads lists options badinput images tty vi copy usernet'
case ${1:-}$flavour in
native | all*) usual="$only_host $usual" ;;
esac
if [ $# = 0 ] || [ "$1" = all ]; then
	# shellcheck disable=SC2086 # words
	set -- $usual
fi
if [ -n "$list" ]; then
	echo "$@"
else
	run_scripts vm "$@"
fi
