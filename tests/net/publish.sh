#!/bin/sh
# A program behind published ports: --net user, no privilege used.
# shellcheck disable=SC2034 # lib.sh looks at it
VIA=user
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

net_tap
# shellcheck source=tests/net/cases.sh
. "$(dirname "$0")/cases.sh"
t_done
