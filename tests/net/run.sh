#!/bin/sh
# run.sh [SCRIPT...]: the scripts of tests/net (all, or the named), each case as
# "ok - net/FLAVOUR/SCRIPT: NAME". As root, for the network namespaces.
set -u
cd "$(dirname "$0")/../.." || exit 1

# shellcheck source=tests/scripts.sh
. tests/scripts.sh

[ $# -gt 0 ] || set -- tap publish impair hoststack
run_scripts net "$@"
