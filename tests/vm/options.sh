#!/bin/sh
# Options and configuration files that are wrong: each ends with one line that says
# what is wrong, on what, and status 125; no VM begins.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

hello=$B/vm/hello-musl

# ---- options

t_run 'no IMAGE' 125 "$VMM" run
t_err_line 'no IMAGE'
t_run 'no command' 125 "$VMM"
t_run 'unknown command' 125 "$VMM" frobnicate
t_err_line 'frobnicate'
t_run 'word after IMAGE' 125 "$VMM" run "$hello" extra
t_err_line "run $hello -- extra"
t_run 'empty IMAGE' 125 "$VMM" run ''
t_err_line 'empty'

for n in 0 -1 65 99999999999999999999 two 1.5 '' ' 1' 0x1; do
	t_run "--cpus '$n'" 125 "$VMM" run "$hello" --cpus "$n"
	t_err_line '--cpus.*from 1 to 64'
done
for n in 12X 1.5G -1 0x10 '' M 18446744073709551616 17179869184G; do
	t_run "--mem '$n'" 125 "$VMM" run "$hello" --mem "$n"
	t_err_line '--mem.*size'
done
t_run '--mem 0' 125 "$VMM" run "$hello" --mem 0
t_err_line 'at least 2M'
t_run '--mem 1M' 125 "$VMM" run "$hello" --mem 1M
t_err_line 'at least 2M'
t_run '--mem 65G' 125 "$VMM" run "$hello" --mem 65G
t_err_line 'at most 64G'
t_run '--timeout soon' 125 "$VMM" run "$hello" --timeout soon
t_err_line '--timeout'
t_run '--cwd relative' 125 "$VMM" run "$hello" --cwd here
t_err_line 'absolute'
t_run '--env without =' 125 "$VMM" run "$hello" --env A
t_err_line 'NAME=VALUE'
t_run 'unknown option' 125 "$VMM" run "$hello" --cpu 2
t_err_line 'unknown option --cpu: .*--cpus'
t_run 'option of another version' 125 "$VMM" run "$hello" --gdb 1234
t_err_line 'unknown option --gdb'
t_run 'value missing' 125 "$VMM" run "$hello" --mem
t_err_line '--mem needs a value'
t_run 'value of a flag' 125 "$VMM" run "$hello" --stats=yes
t_err_line 'takes no value'
t_run 'control characters in a word' 125 "$VMM" run "$hello" --cpus "$(printf '1\n2\0332J')"
t_err_line '--cpus'
t_run 'a word of 100 KB' 125 "$VMM" run "$hello" --cpus "$(head -c 100000 /dev/zero | tr '\0' 9)"
t_check 'stderr is one line' [ "$(wc -l <"$T/err")" = 1 ]

# ---- --config

config()
{
	printf '%s' "$2" >"$T/bad.json"
	t_run "config: $1" 125 "$VMM" run "$hello" --config "$T/bad.json"
	t_err_line "bad.json:$3"
}
config 'syntax' '{"cpus": 1,
 "mem" "64M"}' '2:'
config 'unknown key' '{"cpu": 1}' '1:2: .*"cpus"'
config 'wrong type' '{"cpus": "1"}' '1:10: .*integer'
config 'out of range' '{"cpus": 65}' '1:10: .*1 to 64'
config 'a key twice' '{"cpus": 1, "cpus": 1}' '1:'
config 'empty' '' '1:'
config 'not an object' '[]' '1:1: .*object'
config 'deep nesting' "$(head -c 50000 /dev/zero | tr '\0' '[')" '1:'
config 'binary' "$(head -c 1000 "$VMM" | tr -d '\0')" '1:'
t_run 'config: missing file' 125 "$VMM" run "$hello" --config "$T/none.json"
t_err_line 'none.json.*No such file'
t_run 'config: directory' 125 "$VMM" run "$hello" --config "$T"
t_err_line 'directory'
t_run 'config: endless' 125 "$VMM" run "$hello" --config /dev/zero
t_err_line 'larger'
t_done
