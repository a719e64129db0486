#!/bin/sh
# run.sh [SCRIPT...|all]: the scripts of tests/vm, each case as "ok - vm/FLAVOUR/SCRIPT:
# NAME". Runs from anywhere, on the host and in the lab; there, if none is named,
# without those that only the VMM or the library OS decides, and without threads,
# which want two CPUs.
set -u
cd "$(dirname "$0")/../.." || exit 1

# shellcheck source=tests/scripts.sh
. tests/scripts.sh

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
run_scripts vm "$@"
