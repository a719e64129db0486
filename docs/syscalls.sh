#!/bin/sh
# syscalls.sh: docs/syscalls.md, made of the table that the library OS uses.
cd "$(dirname "$0")/.." || exit 1
echo '# System calls'
echo
echo 'Made by `docs/syscalls.sh` from `guest/libos/syscalls.def`; do not edit. FULL: as Linux'
echo 'does it. MOST: the note says what differs. NONE: refused with ENOSYS, which is known to'
echo 'be harmless. What is not listed returns ENOSYS too, and `--verbose` names it once.'
echo
echo '| number | name | level | note |'
echo '|---|---|---|---|'
sed -n 's/^S(\([0-9]*\), \([a-z0-9_]*\), \([A-Z]*\), "\(.*\)")$/| \1 | \2 | \3 | \4 |/p' \
	guest/libos/syscalls.def
