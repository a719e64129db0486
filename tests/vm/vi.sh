#!/bin/sh
# vi, a program that draws the whole screen and reads single keys.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)

t_case 'vi opens on the whole screen'
t_terminal "timeout --foreground -s KILL $((T_LIMIT * 4)) $VMM run $busybox --env TERM=screen \
	-- vi /tmp/poem; echo left with \$?; stty -a"
t_screen_has '^~$'
t_screen_has '/tmp/poem'

t_case 'vi inserts'
t_keys i 'the first line' Enter 'the last lime' Escape
t_screen_has '^the last lime$'

t_case 'vi moves and changes'
t_keys h r n
t_screen_has '^the last line$'
t_keys O 'a line between' Escape
t_screen_has '^a line between$'
t_screen_has '^the first line$'

t_case 'vi writes a file'
t_keys ':w' Enter
t_screen_has '/tmp/poem.* 3L, 44C'

t_case 'vi leaves the terminal as it was'
t_keys ':q' Enter
t_screen_has '^left with 0$'
t_screen_has ' icanon'
t_terminal_end

t_done
