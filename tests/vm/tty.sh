#!/bin/sh
# A terminal: line editing, job-control keys, its size, and its state afterwards.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
limit="timeout --foreground -s KILL $((T_LIMIT * 3))"
prompt='[#$] ?$'

t_case 'the size of the terminal'
t_terminal "$limit $VMM run $busybox -- stty size"
t_screen_has '^24 80$'
t_terminal_end

t_case 'a shell in a terminal'
t_terminal "$limit $VMM run $busybox -- sh; echo left with \$?; stty -a"
if t_screen_has "$prompt"; then
	t_keys 'echo $((6 * 7))' Enter
	t_screen_has '^42$'
	t_keys 'echo one tow' BSpace BSpace 'wo' Enter
	t_screen_has '^one two$'
fi

t_case 'Ctrl-C drops the line, not the shell'
t_keys 'echo nonsense'
t_keys C-c
t_keys 'echo still here' Enter
t_screen_has '^still here$'

t_case 'Ctrl-D and the terminal afterwards'
t_keys C-d
t_screen_has '^left with [0-9]+$'
t_screen_has ' icanon'
t_screen_has ' echo '
t_terminal_end

t_case 'Ctrl-C ends a program: 130'
t_terminal "$limit $VMM run $busybox -- sleep 1000; echo left with \$?; stty -a"
sleep 1
t_keys C-c
t_screen_has '^(\^C)?left with 130$'
t_screen_has ' icanon'
t_terminal_end

t_case 'Ctrl-C ends a program that never calls the system'
t_terminal "$limit $VMM run $B/vm/probe -- spin; echo left with \$?"
sleep 1
t_keys C-c
t_screen_has '^(\^C)?left with 130$'
t_terminal_end

t_case 'Ctrl-\ ends a program: 131'
t_terminal "$limit $VMM run $busybox -- sleep 1000; echo left with \$?"
sleep 1
# shellcheck disable=SC1003 # a key, no quote
t_keys 'C-\'
t_screen_has 'left with 131'
t_terminal_end

t_case 'Ctrl-D is the end of the input'
t_terminal "$limit $VMM run $busybox -- cat; echo left with \$?"
sleep 1
t_keys 'a line' Enter
t_screen_has '^a line$'
t_keys C-d
t_screen_has '^left with 0$'
t_terminal_end

t_case 'a killed VM leaves the terminal usable'
t_terminal "$VMM run $busybox --timeout 1 -- sh; echo left with \$?; stty -a"
t_screen_has 'left with 124'
t_screen_has ' icanon'
t_terminal_end

t_done
