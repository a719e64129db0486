#!/bin/sh
# vi, a program that draws the whole screen and reads single keys.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)

t_case 'vi opens on the whole screen'
t_terminal "timeout --foreground -s KILL $((T_LIMIT * 4)) $VMM run $busybox --env TERM=screen -- sh"
t_screen_has '[#$] ?$'
t_keys 'vi /tmp/poem' Enter
t_screen_has '^~$'
t_screen_has '/tmp/poem.*'

t_case 'vi inserts'
t_keys i 'the first line' Enter 'the last lime' Escape
t_screen_has '^the last lime$'

t_case 'vi moves and changes'
t_keys h r n
t_screen_has '^the last line$|^the last nime$|^the last lnme$'
t_keys O 'a line between' Escape
t_screen_has '^a line between$'

t_case 'vi writes and leaves the screen to the shell'
t_keys ':wq' Enter
t_screen_has '[#$] ?$'
t_keys 'clear; wc -l /tmp/poem; cat /tmp/poem' Enter
t_screen_has '^3 /tmp/poem$'
t_screen_has '^the first line$'
t_screen_has '^a line between$'
t_keys 'exit 5' Enter
t_terminal_end
