#!/bin/sh
# --share: a directory of the host in the guest, read and written, and nothing
# outside of it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
hello=$B/vm/hello-musl
tree=$T/tree

# guest OPTION... -- WORD...: busybox with the tree at /mnt/x; guest_ro: read-only
for ro in '' ro; do
	cat >"$T/guest$ro" <<-END
		#!/bin/sh
		exec "$VMM" run "$busybox" --share "$tree:/mnt/x${ro:+,ro}" --cwd /mnt/x "\$@"
	END
	chmod +x "$T/guest$ro"
done

# ---- a directory tree of many kinds, compared with the host

mkdir -p "$tree/sub/deep/er" "$tree/empty dir"
printf 'short\n' >"$tree/short"
: >"$tree/empty"
head -c 4096 /dev/urandom >"$tree/sub/page"
head -c 4097 /dev/urandom >"$tree/sub/page and one"
head -c 1500000 /dev/urandom >"$tree/sub/deep/large"
ln -s ../short "$tree/sub/link"
ln -s /nowhere "$tree/dangling"
ln "$tree/short" "$tree/sub/hard"
mkfifo "$tree/fifo"
chmod 4751 "$tree/short"
chmod 1777 "$tree/empty dir"
chown 1234:5678 "$tree/sub/page"
touch -d '2001-02-03 04:05:06.789' "$tree/sub/page"
touch -d '1969-12-31 23:59:00' "$tree/empty"
(cd "$tree" && "$busybox" find . | sort) >"$T/names"
(cd "$tree" && "$busybox" find . -type f) >"$T/files"
(cd "$tree" && xargs -d '\n' -a "$T/files" "$busybox" sha256sum) >"$T/sums"
facts='%n %a %u %g %Y %F %s %h %i %b'
(cd "$tree" && xargs -d '\n' -a "$T/names" "$busybox" stat -c "$facts") >"$T/facts"

for ro in '' ro; do
	mode=${ro:-rw}
	t_run "$mode: the names" 0 "$T/guest$ro" -- find .
	sort "$T/out" >"$T/got"
	t_check 'they differ' cmp -s "$T/got" "$T/names"
	t_run "$mode: the contents" 0 xargs -d '\n' -a "$T/files" "$T/guest$ro" -- sha256sum
	t_check 'they differ' cmp -s "$T/out" "$T/sums"
	t_run "$mode: what stat says" 0 xargs -d '\n' -a "$T/names" "$T/guest$ro" -- stat -c "$facts"
	t_check 'it differs' cmp -s "$T/out" "$T/facts"
done
t_run 'ls -la' 0 "$T/guest" -- ls -la sub
t_out_match ' link -> ../short$'
t_run 'the file system' 0 "$T/guest" -- stat -f -c %t .
t_out 65735546
t_run 'a PATH that has to be made' 0 "$VMM" run "$busybox" --share "$tree:/a/b/c" -- cat /a/b/c/short
t_out short
t_run 'two shares' 0 "$VMM" run "$busybox" --share "$tree/sub:/s" --share "$tree/sub/deep:/t" -- ls /s /t
t_out_match '^large$'
t_out_match '^page and one$'
t_run 'four vCPUs' 0 "$T/guest" --cpus 4 -- cat short
t_out short
t_run 'little memory' 0 "$T/guest" --mem 6M -- sha256sum sub/deep/large
sum=$(sha256sum <"$tree/sub/deep/large")
t_out "${sum%-}sub/deep/large"
t_run 'a program in a share' 0 "$VMM" run "$busybox" --share "$tree:/mnt/x" -- test -f /mnt/x/short

# ---- writing

t_run 'a new file' 0 "$T/guest" -- sh -c 'echo new >made; echo more >>made; read a <made; echo "$a"'
t_out new
t_check 'the host has other contents' [ "$(cat "$tree/made")" = 'new
more' ]
t_run 'a copy of a large file' 0 "$T/guest" -- cp sub/deep/large copy
t_check 'it differs on the host' cmp -s "$tree/copy" "$tree/sub/deep/large"
t_run 'a mode' 0 "$T/guest" -- chmod 640 copy
t_check 'the host sees another' [ "$(stat -c %a "$tree/copy")" = 640 ]
t_run 'a time' 0 "$T/guest" -- touch -d '2010-01-01 00:00:00' copy
t_check 'the host sees another' [ "$(TZ=UTC stat -c %y "$tree/copy" | cut -c1-10)" = 2010-01-01 ]
t_run 'shorter' 0 "$T/guest" -- truncate -s 1500 copy
t_check 'the host sees another size' [ "$(stat -c %s "$tree/copy")" = 1500 ]
t_run 'in the middle' 0 "$T/guest" -- dd if=short of=copy bs=1 seek=4094 conv=notrunc
head -c 1500 "$tree/sub/deep/large" >"$T/want"
dd if="$tree/short" of="$T/want" bs=1 seek=4094 conv=notrunc 2>/dev/null
t_check 'the host has other contents' cmp -s "$T/want" "$tree/copy"
t_run 'renamed' 0 "$T/guest" -- mv copy sub/moved
t_check 'not on the host' [ ! -e "$tree/copy" ] && t_check 'not there' [ -f "$tree/sub/moved" ]
t_run 'replaced' 0 "$T/guest" -- mv sub/moved made
t_check 'not on the host' cmp -s "$T/want" "$tree/made"
t_run 'a hard link' 0 "$T/guest" -- ln made again
t_check 'the host sees two files' [ "$(stat -c %i "$tree/made")" = "$(stat -c %i "$tree/again")" ]
t_run 'a symbolic link' 0 "$T/guest" -- ln -s again soft
t_check 'the host sees another' [ "$(readlink "$tree/soft")" = again ]
t_run 'directories' 0 "$T/guest" -- mkdir -p one/two/three
t_check 'the host does not see them' [ -d "$tree/one/two/three" ]
t_run 'not empty' 1 "$T/guest" -- rmdir one/two
t_check 'no message' grep -q 'not empty' "$T/err"
t_run 'removed' 0 "$T/guest" -- rm -r one made again soft
t_check 'the host still sees them' [ "$(cd "$tree" && "$busybox" find . | sort)" = "$(cat "$T/names")" ]
t_run 'a FIFO' 0 "$T/guest" -- mkfifo pipe
t_check 'the host does not see it' [ -p "$tree/pipe" ]
t_run 'no device of the host' 1 "$T/guest" -- mknod null c 1 3
t_check 'the host sees it' [ ! -e "$tree/null" ]
rm "$tree/pipe"

for act in 'touch new' 'mkdir new' 'rm short' 'ln -s a new' 'ln short new' 'mv short new' \
	'chmod 600 short' 'truncate -s 0 short' 'rmdir sub/deep/er' 'mkfifo new'; do
	# shellcheck disable=SC2086 # words
	t_run "ro: $act" 1 "$T/guestro" -- $act
	t_check 'no message' grep -q 'Read-only file system' "$T/err"
done
t_case 'ro: nothing has changed'
t_check 'names' [ "$(cd "$tree" && "$busybox" find . | sort)" = "$(cat "$T/names")" ]
(cd "$tree" && xargs -d '\n' -a "$T/files" "$busybox" sha256sum) >"$T/got"
t_check 'contents' cmp -s "$T/got" "$T/sums"

# ---- what leads out of the directory stays inside the guest

printf 'outside\n' >"$T/outside"
ln -s ../outside "$tree/up"
ln -s "$T/outside" "$tree/absolute"
ln -s / "$tree/slash"
ln -s /etc/hostname "$tree/hostname"
for name in up absolute ../../../outside "slash$T/outside"; do
	t_run "out by ${name##*"$T"}" 1 "$T/guest" -- cat "$name"
	t_out ''
done
t_run "a link to the guest's own file" 0 "$T/guest" --hostname inside -- cat hostname
t_out inside
t_run 'a link to the root' 0 "$T/guest" -- ls slash/mnt
t_out x

# ---- many files, many times

mkdir "$tree/many"
(cd "$tree/many" && seq -f 'f%g' 1500 | xargs touch)
t_run '1500 files' 0 "$T/guest" -- ls many
t_check 'not all are there' [ "$(wc -l <"$T/out")" = 1500 ]
t_run '1500 files: their attributes' 0 "$T/guest" -- find many -type f -size 0
t_check 'not all are there' [ "$(wc -l <"$T/out")" = 1500 ]
t_run '1500 files, few descriptors' 0 sh -c "ulimit -n 300; exec '$T/guest' -- find many -type f -size 0"
t_check 'not all are there' [ "$(wc -l <"$T/out")" = 1500 ]
t_run 'a new file, few descriptors' 0 sh -c "ulimit -n 300; exec '$T/guest' -- sh -c 'echo many/*; echo >new; rm new' >/dev/null"
t_run '1500 files: removed' 0 "$T/guest" -- rm -r many
t_check 'they are still there' [ ! -e "$tree/many" ]
t_run 'few descriptors' 0 sh -c "ulimit -n 300; exec '$VMM' run '$busybox' --share '$tree:/x' -- cat /x/sub/deep/../../short"
t_out short

# ---- extended attributes

# same NAME OP...: ops (ops.c) prints in the share what it prints on Linux, in a copy of
# it; and leaves the same there
same()
{
	name=$1
	shift
	rm -rf "$T/copy"
	cp -a "$tree" "$T/copy"
	ops=$(realpath "$B/vm/ops")
	(cd "$T/copy" && "$ops" "$@") >"$T/linux"
	t_run "$name" 0 "$VMM" run "$ops" --share "$tree:/mnt/x" --cwd /mnt/x -- "$@"
	t_check 'the output differs from Linux' cmp "$T/linux" "$T/out"
	(cd "$T/copy" && "$ops" labels short , labels sub) >"$T/linux"
	(cd "$tree" && "$ops" labels short , labels sub) >"$T/got"
	t_check 'the host has others' cmp "$T/linux" "$T/got"
}

attributes()
{
	same 'extended attributes' label short user.a one , label short user.a two , labels short , \
		relabel short user.b x , label short user.empty '' , label short user.long @3000 , \
		label short user.larger @65537 , label short user. x , label short other.a x , \
		label nothing user.a x , labels nothing , labels short , unlabel short user.a , \
		unlabel short user.a , labels short
	same 'of all kinds of files' label sub user.dir x , labels sub , label sub/link user.a x , \
		labels sub/link , label fifo user.a x , labels fifo , unlabel fifo user.a
	t_run 'of the host: not to be changed' 0 "$VMM" run "$B/vm/ops" --share "$tree:/x" -- \
		label /x/short trusted.a x , label /x/short security.a x , \
		unlabel /x/short security.capability
	t_check 'one could be' [ "$(grep -c ': Operation not supported$' "$T/out")" = 3 ]
	t_run 'ro: extended attributes' 0 "$VMM" run "$B/vm/ops" --share "$tree:/x,ro" -- \
		labels /x/sub , label /x/sub user.dir y , unlabel /x/sub user.dir
	t_out 'labels /x/sub :  user.dir=x/1
done
label /x/sub user.dir y : Read-only file system
unlabel /x/sub user.dir : Read-only file system'
}

# What a program of Linux can give, but not be told by arguments: an access control list
# and capabilities. "trusted." is the host's own.
attributes_of_host()
{
	/usr/bin/python3 -c 'import os, sys; put = lambda *a: os.setxattr(sys.argv[1], *a)
put("system.posix_acl_access", bytes.fromhex("02000000" "01000600ffffffff" "02000400e8030000"
	"04000400ffffffff" "10000400ffffffff" "20000400ffffffff"))
put("security.capability", bytes.fromhex("01000002" "00200000" + 12 * "00"))
put("trusted.own", b"x")' "$tree/empty" 2>"$T/err" || {
		t_skip 'lists and capabilities' "$(tail -n 1 "$T/err")"
		return
	}
	t_run 'lists and capabilities' 0 "$VMM" run "$B/vm/ops" --share "$tree:/x" --cwd /x -- labels empty
	"$B/vm/ops" labels "$tree/empty" | sed "s,$tree/,,; s/ trusted.own=x.1//" >"$T/linux"
	t_check 'the output differs from Linux' cmp "$T/linux" "$T/out"
}

if "$B/vm/ops" label "$tree/empty" user.a x , unlabel "$tree/empty" user.a | grep -q 'not supp'; then
	t_skip 'extended attributes' 'not of this file system'
else
	attributes
	attributes_of_host
fi

# ---- mappings that are written to

mkdir "$T/mapped"
for cpus in 1 4; do
	t_run "mappings, $cpus vCPUs" 0 "$VMM" run "$B/vm/mapped" --cpus $cpus --share "$T/mapped:/x" --cwd /x -- \
		- small large "${LAB:-5}" leave
	t_out ''
	t_check 'the host does not have what was written' \
		[ "$(tr -d '\0' <"$T/mapped/left")" = "$(printf 'first\nsecond\nthird')" ]
done

# The host makes it shorter: what is gone can be written to, and is nobody's. That is
# looked for once in a second of CPU time (vmm/vanish.h), ten of the lab's.
made_shorter()
{
	t_case 'a file that became shorter while it is written to'
	truncate -s 3M "$T/mapped/cut"
	mkfifo "$T/to" "$T/from"
	timeout "$T_LIMIT" "$VMM" run "$B/vm/mapped" --share "$T/mapped:/x" -- - cut /x/cut \
		<"$T/to" >"$T/from" 2>"$T/err" &
	guest=$!
	exec 3>"$T/to" 4<"$T/from"
	t_check 'it does not begin' [ "$(timeout "$T_LIMIT" head -n 1 <&4)" = ready ]
	truncate -s 100 "$T/mapped/cut"
	echo >&3
	t_check 'it does not go on' [ "$(timeout "$T_LIMIT" head -n 1 <&4)" = 'done' ]
	exec 3>&- 4<&-
	wait "$guest"
	t_check 'the VM failed' [ $? = 0 ]
	t_check 'it is not what was written' [ "$(tr -d '\0' <"$T/mapped/cut")" = AD ]
	t_check 'its size is another one' [ "$(stat -c %s "$T/mapped/cut")" = 100 ]
}
[ -n "$LAB" ] || made_shorter

# ---- names that change: directories give way to links that lead out, and come back

pairs=${LAB:+40}
pairs=${pairs:-300}
mkdir -p "$T/race" "$T/elsewhere"
echo outside >"$T/elsewhere/file"
cp "$B/vm/race" "$T/elsewhere/program"
cp "$B/vm/race" "$T/race"
i=0
while [ $i -lt "$pairs" ]; do
	mkdir "$T/race/a$i"
	echo inside >"$T/race/a$i/file"
	ln -s "$T/elsewhere" "$T/race/b$i"
	[ $i -ge 8 ] || cp "$hello" "$T/race/a$i/program"
	i=$((i + 1))
done
"$B/vm/race" swap "$T/race" "$pairs" 200 &
swapper=$!
t_run 'a share in which directories become links' 0 "$VMM" run "$B/vm/race" \
	--share "$T/race:/x" -- open /x "$pairs" 0.5
t_out inside
t_run 'such a root' 0 "$VMM" run --root "$T/race" /race -- open / "$pairs" 0.5
t_out inside
t_case 'and the program in it'
for i in 0 1 2 3 4 5 6 7; do
	t_exec "$VMM" run --root "$T/race" "/a$i/program"
	[ "$T_STATUS" = 127 ] || [ "$(cat "$T/out")" = 'hello from main' ] ||
		t_fail "it is another one: status $T_STATUS"
done
kill "$swapper"
wait "$swapper" 2>/dev/null
t_check 'nothing was swapped any more' [ $? = 143 ]

# ---- errors

t_run 'nothing there' 125 "$VMM" run "$hello" --share "$T/nothing:/x"
t_err_line 'nothing: not found'
t_run 'a file' 125 "$VMM" run "$hello" --share "$tree/short:/x"
t_err_line 'short: not a directory'
t_run 'no PATH' 125 "$VMM" run "$hello" --share "$tree"
t_err_line 'give DIR:PATH'
t_run 'the root' 125 "$VMM" run "$hello" --share "$tree:/"
t_err_line 'cannot be the root'

t_done
