# shellcheck shell=sh
# lib.sh - what every script of tests/vm sources. POSIX sh; runs from the
# tree's root, on the host and in the lab (there LAB=1 is set).
#
#   t_run NAME STATUS CMD...  one case: runs CMD, compares its exit status (a
#                             case pattern, such as '126|127'). What follows
#                             up to the next t_run or t_case belongs to it.
#   t_case NAME               one case without a command
#   t_out TEXT                stdout of t_run is TEXT and a newline ('': empty)
#   t_out_match REGEX         a line of stdout matches (grep -E)
#   t_err TEXT                the same for stderr
#   t_err_line REGEX          stderr is one line "vmm: ..." that matches
#   t_same NAME PROGRAM ARG.. stdout, stderr and status in a VM are those on Linux
#   t_check WHAT CMD...       CMD succeeds, or the case fails for WHAT
#   t_fail REASON             the case failed
#   t_copies FILE...          options that bring files and their libraries into a VM
#   t_have PROGRAM...         are these programs there? If not, says so
#   t_done                    the last line of every script
#
# $T is a scratch directory; $T_LIMIT seconds bound each command. The output is
# one line "ok - NAME" or "not ok - NAME" for each case; T_TIMES=1 adds when it
# ended.
set -u

B=${T_BUILD:-build}
VMM=${VMM:-$B/vmm}
T=$(mktemp -d "${TMPDIR:-/tmp}/vmtest.XXXXXX") || exit 1
chmod 755 "$T"
LAB=${LAB:-}
# In the lab, the CPU itself is emulated.
T_LIMIT=${T_LIMIT:-${LAB:+60}}
T_LIMIT=${T_LIMIT:-20}
t_name='' t_broken='' t_failures=0 t_ended=''
T_STATUS=0

# There, the start of a dynamic program takes 60 to 80 ms, of busybox, which is static,
# 20, and a case starts a few of these.
if [ -n "$LAB" ]; then
	grep() { busybox grep "$@"; }
	cmp() { busybox cmp "$@"; }
	head() { busybox head "$@"; }
	wc() { busybox wc "$@"; }
fi

t_now()
{
	cut -d ' ' -f 1 /proc/uptime
}

t_close()
{
	[ -n "$t_name" ] || return 0
	[ -z "${T_TIMES:-}" ] || echo "# $(t_now) $t_name"
	if [ -z "$t_broken" ]; then
		echo "ok - $t_name"
	else
		t_failures=$((t_failures + 1))
		echo "not ok - $t_name"
		printf '%s\n' "$t_broken" | sed 's/^/#   /'
		for f in out err; do
			[ -s "$T/$f" ] || continue
			echo "#   std$f:"
			head -c 1000 "$T/$f" | head -n 8 | tr -c '\n -~' '?' | sed 's/^/#     /'
		done
	fi
	t_name='' t_broken=''
}

t_done()
{
	t_close
	t_ended=1
	[ "$t_failures" = 0 ]
}

# A script that dies halfway must not look as if all had been well.
t_cleanup()
{
	[ -n "$t_ended" ] || t_fail 'the script ended before its last line'
	[ -n "$t_ended" ] || t_name=${t_name:-'before the first case'}
	t_close
	t_terminal_end
	# who is left in the background would hold our output open, and the ring with it
	jobs -p >"$T/left"
	while read -r job; do kill "$job" 2>/dev/null; done <"$T/left"
	rm -rf "$T"
	[ "$t_failures" = 0 ] || exit 1
}
trap t_cleanup EXIT
trap 'exit 130' INT TERM

t_case()
{
	t_close
	t_name=$1
	: >"$T/out"
	: >"$T/err"
}

t_fail()
{
	t_broken="${t_broken:+$t_broken
}$1"
}

t_check()
{
	what=$1
	shift
	"$@" || t_fail "$what"
}

t_not()
{
	! "$@"
}

# Compares a status with a case pattern.
t_status_is()
{
	eval "case $T_STATUS in $1) ;; *) t_fail \"exit status $T_STATUS, expected $1\" ;; esac"
}

# t_exec CMD...: within the limit, output captured, status in T_STATUS
t_exec()
{
	timeout -s KILL "$T_LIMIT" "$@" >"$T/out" 2>"$T/err"
	T_STATUS=$?
}

t_run()
{
	t_case "$1"
	expected=$2
	shift 2
	t_exec "$@" </dev/null
	t_status_is "$expected"
}

# t_child PID: the process that `timeout` (PID) runs. Signals are for it: timeout
# sends what it gets to its child and then to its group, so that a VM gets SIGTERM
# twice, and the second one ends it at once. Nor would the status be the VM's.
t_child()
{
	cut -d ' ' -f 1 "/proc/$1/task/$1/children"
}

# t_equal FILE TEXT
t_equal()
{
	if [ -z "$2" ]; then
		[ ! -s "$1" ]
	else
		printf '%s\n' "$2" | cmp -s - "$1"
	fi || t_fail "std${1##*/} differs from: $2"
}

t_out()
{
	t_equal "$T/out" "$1"
}

t_err()
{
	t_equal "$T/err" "$1"
}

t_out_match()
{
	grep -Eq -- "$1" "$T/out" || t_fail "no line of stdout matches $1"
}

# Standard input is one line, of which `said` holds the text.
t_one_line()
{
	more=''
	IFS= read -r said && ! IFS= read -r more && [ -z "$more" ]
}

t_err_line()
{
	if ! t_one_line <"$T/err" || [ "${said#vmm: }" = "$said" ]; then
		t_fail 'stderr is not one line "vmm: ..."'
	elif ! grep -Eq -- "$1" "$T/err"; then
		t_fail "stderr does not match $1"
	fi
}

t_same()
{
	t_case "$1"
	program=$2
	shift 2
	timeout -s KILL "$T_LIMIT" env -i "$program" "$@" \
		</dev/null >"$T/linux.out" 2>"$T/linux.err"
	linux=$?
	t_exec "$VMM" run "$program" -- "$@" </dev/null
	t_status_is "$linux"
	for f in out err; do
		cmp -s "$T/linux.$f" "$T/$f" || t_fail "std$f differs from Linux"
	done
}

t_copies()
{
	for f; do
		echo "$f"
		ldd "$f" 2>/dev/null | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p'
	done | sort -u | grep -v "^$B" | while read -r f; do
		echo "--copy $f:$(dirname "$f")/"
	done
}

# t_have PROGRAM...: are they there? Said when not.
t_have()
{
	for wanted; do
		command -v "$wanted" >/dev/null || {
			t_skip "$wanted" 'not there'
			return 1
		}
	done
}

# A case that has no meaning here, said so in its line.
t_skip()
{
	t_close
	echo "# skipped: $1: $2"
}

# ---- a terminal, by tmux: a server for each, with its socket in $T

t_terminals=0

t_tmux()
{
	tmux -S "$T/tmux.$t_terminals" "$@" 2>/dev/null
}

# t_terminal CMD: in a shell of its own, in a terminal of 80 by 24
t_terminal()
{
	t_terminals=$((t_terminals + 1))
	t_tmux -f /dev/null new-session -d -x 80 -y 24 "sh -c '$1; exec cat'" ||
		t_fail 'tmux does not start'
}

t_terminal_end()
{
	[ $t_terminals = 0 ] || t_tmux kill-server
}

t_keys()
{
	t_tmux send-keys "$@"
}

t_screen()
{
	t_tmux capture-pane -p
}

# t_screen_has REGEX: a line of the screen matches, within the limit
t_screen_has()
{
	tries=$((T_LIMIT * 10))
	while ! t_screen | grep -Eq -- "$1"; do
		tries=$((tries - 1))
		if [ "$tries" = 0 ]; then
			t_fail "the screen never showed $1, but:
$(t_screen | sed '/^$/d')"
			return 1
		fi
		sleep 0.1
	done
}
