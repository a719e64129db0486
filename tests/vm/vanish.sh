#!/bin/sh
# Files and directories of the host that go away or become others while the guest has
# them: what is there is what the guest sees, what is open stays, and the VM stays up.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

# begin OPTION... PROGRAM: a shell in a VM, which is told what to do line by line
begin()
{
	mkfifo "$T/to" "$T/from"
	timeout -s KILL $((T_LIMIT * 2)) "$VMM" run "$@" -- sh <"$T/to" >"$T/from" 2>"$T/err" &
	guest=$!
	exec 3>"$T/to" 4<"$T/from"
}

# says TEXT COMMAND: what the guest's shell says, which has no other programs
says()
{
	echo "{ $2; } 2>/dev/null; echo end" >&3
	said=$(timeout "$T_LIMIT" sed '/^end$/q' <&4)
	[ "$said" = "$1
end" ] || t_fail "$2: it says '$said', not '$1'"
}

# changed TEXT COMMAND: the same in a share. Below --root's layer in memory a change by
# the host may be seen or not, as below Linux's overlay, but there is an answer.
changed()
{
	[ -z "$x" ] || { says "$1" "$2"; return; }
	echo "{ $2; } 2>/dev/null; echo end" >&3
	t_check "$2: no answer" [ "$(timeout "$T_LIMIT" sed '/^end$/q' <&4 | tail -n 1)" = end ]
}

# line FILE: the commands that say its first line, or that there is none
line()
{
	echo "read -r l <$1 && echo \$l || echo none"
}

end()
{
	exec 3>&- 4<&-
	wait "$guest"
	t_check 'the VM failed' [ $? = 0 ]
	rm -f "$T/to" "$T/from"
}

# each WHAT: sets the guest's path x and the host's directory tree to one and the other
each()
{
	t_case "$1"
	for x in '' /x; do
		tree=$T/root
		[ -z "$x" ] || tree=$T/share
		"$2"
	done
}

make()
{
	mkdir -p "$tree/dir/sub" "$tree/bin"
	cp "$(command -v busybox)" "$tree/bin/busybox"
	echo open >"$tree/open"
	echo old >"$tree/file"
	echo old >"$tree/becomes"
	echo deep >"$tree/dir/sub/file"
}

open_files()
{
	says ready "exec 5<$x/open 6<$x/file; echo ready"
	rm "$tree/open"
	echo new >"$tree/other"
	mv "$tree/other" "$tree/file"
	says open "$(line '&5')"
	says old "$(line '&6')"
	says old "$(line "$x/becomes")"
	rm "$tree/becomes"
	mkdir "$tree/becomes"
	echo inside >"$tree/becomes/file"
}

others()
{
	says none "$(line "$x/open")"
	says new "$(line "$x/file")"
	changed none "$(line "$x/becomes")"
	changed inside "$(line "$x/becomes/file")"
}

directory()
{
	says deep "cd $x/dir/sub; $(line file)"
	rm -r "$tree/dir"
	sleep 1.1
	changed none "$(line file)"
	changed none 'echo >new && echo made || echo none'
	changed '*' 'echo *'
	changed gone "test -e $x/dir || echo gone; cd /"
}

all()
{
	changed none "$(line "$x/file")"
	changed none "$(line "$x/becomes/file")"
	changed gone "test -e $x/bin || echo gone"
}

each 'made' make
begin --root "$T/root" --share "$T/share:/x" /bin/busybox
each 'what is open stays' open_files
sleep 1.1
each 'what is there is seen, after a second' others
each 'the working directory goes away' directory
rm -r "$T/root" "$T/share"
sleep 1.1
each 'all of it goes away' all
end
t_done
