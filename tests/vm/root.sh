#!/bin/sh
# --root: a directory of the host as the guest's root, with a layer in memory
# above it unless ",rw", and the programs that are in it.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
root=$T/root
mkdir -p "$root/bin" "$root/etc" "$root/d/sub" "$root/full/deep" "$root/empty"
cp "$busybox" "$root/bin/busybox"
cp "$B/vm/hello-musl" "$root/bin/hello"
cp "$B/vm/ops" "$root/bin/ops"
mkdir "$root/watched"
cp "$B/abi/glibc/inotify" "$root/watched/"
mkdir "$root/dev" "$root/proc" "$root/sys" "$root/tmp"
for name in sh cat ls mv rm ln; do
	ln -s busybox "$root/bin/$name"
done
echo lower >"$root/etc/file"
echo two >"$root/d/two"
echo three >"$root/d/sub/three"
echo four >"$root/full/deep/four"
chmod 640 "$root/d/two"
touch -d '2001-02-03 04:05:06' "$root/d/two"
ln -s ../etc/file "$root/d/link"
ln -s /etc/file "$root/d/absolute"
head -c 300000 /dev/urandom >"$root/large"
printf '#!/bin/sh\necho "script $0 $*"\n' >"$root/bin/script"
chmod +x "$root/bin/script"

# what the host has, whole
state()
{
	(cd "$root" && find . -printf '%p %m %u %g %s %T@ %l\n' | sort
		find . -type f -exec sha256sum {} + | sort)
}
state >"$T/before"


# same NAME OP...: ops prints what it prints on Linux, in a copy of the root
same()
{
	name=$1
	shift
	rm -rf "$T/copy"
	cp -a "$root" "$T/copy"
	chroot "$T/copy" /bin/ops "$@" >"$T/linux"
	t_run "$name" 0 "$VMM" run --root "$root" /bin/ops -- "$@"
	t_check 'the output differs from Linux' cmp "$T/linux" "$T/out"
}

# ---- programs

t_run 'a static program' 0 "$VMM" run --root "$root" /bin/hello
t_out 'hello from main'
t_err ''
t_run 'little memory' 0 "$VMM" run --root "$root" /bin/hello --mem 4M
t_out 'hello from main'
t_run 'four vCPUs' 0 "$VMM" run --root "$root" /bin/cat --cpus 4 -- /etc/file
t_out lower
t_run 'by PATH' 0 env PATH=/nowhere:/bin "$VMM" run --root "$root" cat -- /etc/file
t_out lower
t_run 'by the PATH of --env' 0 "$VMM" run --root "$root" cat --env PATH=/bin -- /etc/file
t_out lower
t_run 'not in PATH' 127 env PATH=/etc "$VMM" run --root "$root" cat
t_err_line 'cat: not found in PATH inside of --root'
t_run 'from --cwd' 0 "$VMM" run --root "$root" ./busybox --cwd /bin -- cat ../etc/file
t_out lower
t_run 'a script' 0 "$VMM" run --root "$root" script --env PATH=/bin -- a b
t_out 'script /bin/script a b'
# as tar(1) looks whether a directory changes while it reads it
stat='%n %s %b %Y %Z'
busybox stat -c "$stat" "$root/d" "$root/d/two" "$root/d/sub" "$root/d/sub/three" "$root/d" |
	sed "s,^$root,," >"$T/linux"
t_run 'looking at its entries changes no directory' 0 "$VMM" run --root "$root" /bin/busybox -- \
	stat -c "$stat" /d /d/two /d/sub /d/sub/three /d
t_check 'the output differs from Linux' cmp "$T/linux" "$T/out"
t_run 'its own path' 0 "$VMM" run --root "$root" /bin/ls -- -l /proc/self/exe
t_out_match ' /proc/self/exe -> /bin/busybox$'

t_run 'ls of the host' 0 "$VMM" run --root / /bin/ls -- /usr/bin
LC_ALL=C ls /usr/bin >"$T/want"
t_check 'the output differs' cmp -s "$T/want" "$T/out"
t_run 'bash of the host, a script in /tmp' 0 "$VMM" run --root / "$root/bin/script" -- x
t_out "script $root/bin/script x"
if [ -x /usr/bin/python3 ]; then
	t_run 'python3 of the host' 0 env PATH=/usr/bin "$VMM" run --root / python3 -- \
		-c 'import json, sys; print(json.dumps([sys.argv[1], 6 * 7]))' x
	t_out '["x", 42]'
fi

# ---- what is there

t_run 'names' 0 "$VMM" run --root "$root" /bin/busybox -- find bin d etc full empty
(cd "$root" && find bin d etc full empty | sort) >"$T/want"
sort -o "$T/out" "$T/out"
t_check 'they differ' cmp -s "$T/want" "$T/out"
same 'contents' cat /etc/file , cat /d/two , cat /d/link , cat /d/absolute , cat /full/deep/four , \
	cat /large , cat /d , cat /nothing , cat /etc/file/x
same 'attributes' stat /d/two , stat /etc/file , stat /d , stat /d/link , link /d/link , stat /large , ls / , ls /d
t_run 'what is mounted over it' 0 "$VMM" run --root "$root" /bin/cat -- /proc/mounts
t_out_match '^overlay / overlay '
t_out_match ' /dev '
t_out_match ' /sys '
t_out_match '^tmpfs /tmp tmpfs '

# ---- changes are seen, and only in the VM

same 'written' append /etc/file more , cat /etc/file , stat /etc/file , append /d/link x , cat /etc/file
same 'made anew' make /etc/file new , cat /etc/file , make /d/new text , cat /d/new , ls /d , make /no/dir x
same 'truncated' truncate /large 5000 , cat /large , truncate /d/two 0 , cat /d/two , truncate /etc/file 10 , cat /etc/file
same 'written in the middle' poke /large 200000 xyz , cat /large , poke /large 400000 end , cat /large
same 'read by who had it open before' keep /d/two , make /d/two TWO , again , keep /large , rm /large , again
same 'attributes changed' chmod /d/two 600 , own /d/two , stat /d/two , cat /d/two , chmod /d 700 , stat /d
same 'directories and links made' mkdir /d/a , mkdir /d/a/b , mkdir /d , make /d/a/b/x text , soft x /d/a/b/y , \
	cat /d/a/b/y , ls /d , ls /d/a/b
same 'removed' rm /d/two , rm /d/link , rm /d/two , cat /d/two , ls /d , make /d/two again , cat /d/two , ls /d , rm /d
same 'a tree removed' rmdir /full , rmdir /full/deep , rm /full/deep/four , rmdir /full/deep , rmdir /full , ls / , \
	mkdir /full , ls /full , make /full/new x , ls /full
same 'renamed' mv /etc/file /d/file , cat /d/file , ls /etc , cat /etc/file , mv /d/file /d/two , cat /d/two , \
	ls /d , mv /nothing /x , mv /d/two /d/sub/two , ls /d/sub , ls /d
same 'a directory renamed' mv /full /empty/moved , cat /empty/moved/deep/four , \
	append /empty/moved/deep/four x , cat /empty/moved/deep/four , ls / , ls /empty/moved , \
	mv /empty/moved /empty/moved/deep/x , mv /empty/moved /full , ls /full , rm /full/deep/four , ls /full/deep
same 'one directory over another' mkdir /new , mkdir /new/d , mv /new/d /full , mv /new/d /empty , ls / , ls /new
same 'exchanged' swap /full /d/two , cat /full , ls /d/two/deep , swap /etc/file /large , cat /large , ls /d , ls /
same 'hard links' hard /etc/file /d/hard , append /d/hard x , cat /etc/file , stat /d/hard , rm /etc/file , \
	stat /d/hard , cat /d/hard , hard /d/hard /d/two
for case in dir_of_names file_itself both_watched; do
	t_run "inotify: $case" 0 "$VMM" run --root "$root" /watched/inotify --env ABI_TMP=/watched -- "$case"
	ABI_TMP=$T "$root/watched/inotify" "$case" >"$T/linux"
	t_check 'the output differs from Linux' cmp "$T/linux" "$T/out"
done
if "$root/bin/ops" label "$root/d/two" user.a one | grep -q 'not supp'; then
	t_skip 'extended attributes' 'not of this file system'
else
	"$root/bin/ops" label "$root/d/sub" user.dir x >"$T/got"
	same 'extended attributes' labels /d/two , label /d/two user.b two , relabel /d/two user.a three , \
		relabel /d/two user.c x , labels /d/two , cat /d/two , unlabel /d/two user.a , \
		unlabel /d/two user.a , labels /d/two , labels /d/link , label /d/link user.x x , labels /etc
	same 'of what is written and renamed' append /d/two more , labels /d/two , truncate /d/two 0 , \
		mv /d/sub /sub , labels /sub , mv /d/two /sub/two , labels /sub/two , ls /d , \
		label /d user.e x , labels /d , rm /sub/two , labels /sub/two
	t_case 'the host has the attributes that it had'
	"$root/bin/ops" labels "$root/d/two" , labels "$root/d/sub" >"$T/out"
	t_out_match '^labels .*/two :  user.a=one/3$'
	t_out_match '^labels .*/sub :  user.dir=x/1$'
fi
t_run '--copy on top' 0 "$VMM" run --root "$root" /bin/cat --copy "$root/d/two:/etc/file" \
	--copy "$root/full:/d/sub/" -- /etc/file /d/sub/full/deep/four /d/sub/three
t_out 'two
four
three'
t_run '--share on top' 0 "$VMM" run --root "$root" /bin/cat --share "$root/full:/d,ro" -- /d/deep/four
t_out four
t_run '--cwd that has to be made' 0 "$VMM" run --root "$root" /bin/busybox --cwd /made/here -- pwd
t_out /made/here
t_case 'the host has what it had'
state >"$T/after"
t_check 'it has changed' cmp -s "$T/before" "$T/after"

# ---- files that are opened again and again: the host is asked once a second

t_run 'a file opened 200 times' 0 "$VMM" run --root "$root" /bin/busybox --stats -- sh -c \
	'i=0; while [ $i -lt 200 ]; do read -r x </etc/file && i=$((i + 1)); done; echo $i $x'
t_out '200 lower'
asked=$(sed -n 's/.*files mapped; requests://p' "$T/err" | tr ' ' '\n' | awk '/^[0-9]/ { n += $1 } END { print n }')
t_check "the host was asked $asked times" [ "${asked:-200}" -lt 150 ]

# Waits until the VM whose input it is has said something.
first_word()
{
	tries=$((T_LIMIT * 10))
	until [ -s "$T/out" ] || [ $tries = 0 ]; do
		tries=$((tries - 1))
		sleep 0.1
	done
}

t_case 'what the host changes is seen after a second'
echo old >"$root/changes"
: >"$T/out"
{
	first_word
	echo new >"$root/changes"
	sleep 1.1
	echo go
} | timeout "$T_LIMIT" "$VMM" run --root "$root" /bin/busybox -- sh -c \
	'read -r x </changes; read -r y </changes; echo $x $y; read -r go; read -r x </changes; echo $x' \
	>"$T/out" 2>"$T/err"
t_out 'old old
new'
rm "$root/changes"

# ---- names that are not there: what the host makes is there after a second

t_run 'a name looked for 200 times' 0 "$VMM" run --root "$root" /bin/busybox --stats -- sh -c \
	'i=0; while [ $i -lt 200 ]; do [ -e /d/sub/none ] || i=$((i + 1)); done; echo $i'
t_out 200
asked=$(sed -n 's/.*requests:.* WALK \([0-9]*\).*/\1/p' "$T/err")
t_check "the host was asked $asked times" [ "${asked:-200}" -lt 50 ]
t_case 'what the host makes is seen after a second'
: >"$T/out"
{
	first_word
	mkdir "$root/made"
	echo text >"$root/made/file"
	sleep 1.1
	echo go
} | timeout "$T_LIMIT" "$VMM" run --root "$root" /bin/busybox -- sh -c \
	'[ -e /made/file ] || echo none; read -r go; read -r x </made/file; echo $x' >"$T/out" 2>"$T/err"
t_out 'none
text'
rm -r "$root/made"

# ---- what leads out

echo secret >"$T/secret"
ln -s ../../../../../../../../.."$T/secret" "$root/up"
ln -s "$T/secret" "$root/out"
ln -s /bin/hello "$root/inside"
ln -s "$(realpath "$B/vm/hello-musl")" "$root/program"
same 'links and .. stay inside' cat /up , cat /out , cat "/../..$T/secret" , link /up
t_run 'a program by a link, inside' 0 "$VMM" run --root "$root" /inside
t_out 'hello from main'
t_run 'a program by .., inside' 0 "$VMM" run --root "$root" /../../bin/hello
t_out 'hello from main'
t_run 'a program by a link that leads out' 127 "$VMM" run --root "$root" /program
t_err_line 'program: not found'
rm "$root/up" "$root/out" "$root/inside" "$root/program"

# ---- errors

t_run 'no such directory' 125 "$VMM" run --root "$T/nothing" /bin/hello
t_err_line '--root .*nothing: not found'
t_run 'a file' 125 "$VMM" run --root "$root/large" /bin/hello
t_err 'mayfly: --root: the image has no file system that is known: make it by mkfs.ext2 or mkfs.erofs'
t_run 'a device' 125 "$VMM" run --root /dev/null /bin/hello
t_err_line '--root /dev/null: not a directory, and no image either'
t_run 'nothing given' 125 "$VMM" run --root ,rw /bin/hello
t_err_line 'give DIR'
t_run 'no such program' 127 "$VMM" run --root "$root" /bin/nothing
t_err_line '/bin/nothing: not found'
t_run 'a directory as program' 126 "$VMM" run --root "$root" /bin
t_err_line 'is a directory'
t_run 'no program' 126 "$VMM" run --root "$root" /etc/file
t_err_line 'not an ELF file'
cp "$B/vm/hello-dynamic" "$root/bin/dynamic"
t_run 'its loader is not there' 126 "$VMM" run --root "$root" /bin/dynamic
t_err_line 'needs /lib64/ld-linux-x86-64.so.2, which is not in --root'
rm "$root/bin/dynamic"
t_run 'another kernel' 125 "$VMM" run --root "$root" /bin/hello --kernel "$B/vm/kernels"
t_err_line "--root needs Mayfly's own guest image"

# ---- ,rw

t_run 'rw: changes' 0 "$VMM" run --root "$root,rw" /bin/ops -- append /etc/file more , rm /d/two , \
	mv /full /moved , mkdir /x , make /tmp/x text , cat /tmp/x , ls /
t_out_match 'textcontent: 4 bytes'
t_check 'file' [ "$(cat "$root/etc/file")" = 'lower
more' ]
t_check 'unlink' [ ! -e "$root/d/two" ]
t_check 'rename' [ -f "$root/moved/deep/four" ]
t_check 'mkdir' [ -d "$root/x" ]
t_check 'the host has what was put into /tmp' [ ! -e "$root/tmp/x" ]
t_run 'rw: what is mounted' 0 "$VMM" run --root "$root,rw" /bin/cat -- /proc/mounts
t_out_match '^root / virtiofs '
for rw in '' ,rw; do
	t_run "the running program is busy$rw" 0 "$VMM" run --root "$root$rw" /bin/ops -- \
		append /bin/ops x
	t_out_match 'Text file busy'
done
t_run 'rw: a script' 0 "$VMM" run --root "$root,rw" script --env PATH=/bin -- a
t_out 'script /bin/script a'
t_run 'rw: a dynamic program' 0 "$VMM" run --root /,rw "$(realpath "$B/vm/hello-dynamic")"
t_out 'hello from main'

t_done
