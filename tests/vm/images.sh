#!/bin/sh
# Images of file systems that mkfs makes of a directory: EROFS by mount(2), and as
# the root.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/trees.sh
. "$(dirname "$0")/trees.sh"

names=300
[ -z "$LAB" ] || names=40
if ! command -v mkfs.erofs >/dev/null || ! command -v mke2fs >/dev/null; then
	t_skip 'all of it' 'no erofs-utils or e2fsprogs here'
	t_done
	exit
fi

# ---- EROFS, mounted by a program

tree=$T/tree
tree_make "$tree" 1000000 2M
mkdir "$tree/many"
head -c 4096 /dev/urandom >"$tree/page"
head -c 8191 /dev/urandom >"$tree/pages"
i=0
while [ $i -lt $names ]; do
	: >"$tree/many/an-empty-file-with-a-longer-name-$i"
	i=$((i + 1))
done
attributes=1
if ! "$B/vm/diskfs" label "$tree" >"$T/label"; then
	attributes=''
	grep -q 'not supported\|not permitted' "$T/label" || t_fail "label: $(cat "$T/label")"
	t_skip 'extended attributes' "$(head -n 1 "$T/label")"
fi

# make_erofs OPTION...: of the tree
make_erofs()
{
	rm -f "$T/i"
	mkfs.erofs --quiet "$@" "$T/i" "$tree" >"$T/mkfs" 2>&1 || t_fail "mkfs.erofs: $(cat "$T/mkfs")"
}

# What Linux finds in the image; where it knows no EROFS, what was put into it.
expect_erofs()
{
	unshare -m sh -c 'mount -t erofs -o ro "$1" "$2" && "$3" show "$2"' sh "$T/i" "$T/mnt" \
		"$B/vm/diskfs" >"$T/expected" 2>"$T/mount" && return
	"$B/vm/diskfs" show "$tree" >"$T/expected"
	[ "$1" != -x-1 ] || sed -i '/^ /d' "$T/expected"
}

mkdir "$T/mnt"
# -x: how many files an attribute has to be of to be shared; -1: none at all
for option in -x-1 ${attributes:+-x0 -x1 -x1000} -Eforce-inode-extended -Enoinline_data \
	--chunksize=4096 --chunksize=65536; do
	t_case "EROFS, mkfs.erofs $option"
	make_erofs "$option"
	expect_erofs "$option"
	t_exec "$VMM" run "$B/vm/diskfs" --mem 24M --disk "$T/i,ro" -- read erofs
	t_status_is 0
	t_check 'the tree differs' cmp "$T/out" "$T/expected"
done
t_case 'an EROFS whose superblock is damaged'
make_erofs
printf x | dd of="$T/i" bs=1 seek=1100 conv=notrunc 2>"$T/dd"
t_exec "$VMM" run "$B/vm/diskfs" --disk "$T/i,ro" -- read erofs
t_status_is 2
t_err "mayfly: /dev/vda: erofs: the superblock's checksum is wrong: the image is damaged"
t_case 'compressed EROFS'
make_erofs -zlz4
t_exec "$VMM" run "$B/vm/diskfs" --disk "$T/i,ro" -- read erofs
t_status_is 2
t_err 'mayfly: /dev/vda: erofs: is compressed: make it by mkfs.erofs without -z'
t_case 'an EROFS that was cut off'
make_erofs
truncate -s 100K "$T/i"
t_exec "$VMM" run "$B/vm/diskfs" --disk "$T/i,ro" -- read erofs
t_status_is 2
t_err 'mayfly: /dev/vda: erofs: is larger than the disk'

# ---- --root IMG

root=$T/root
mkdir -p "$root/bin" "$root/etc" "$root/lib64" "$root/lib/x86_64-linux-gnu" "$root/work"
cp "$(command -v busybox)" "$B/vm/mapped" "$B/vm/diskfs" "$B/vm/ops" "$root/bin"
cp "$B/vm/hello-musl" "$root/bin/hello"
cp "$(command -v od)" "$root/bin/dynamic"
cp /lib64/ld-linux-x86-64.so.2 "$root/lib64"
cp /lib/x86_64-linux-gnu/libc.so.6 "$root/lib/x86_64-linux-gnu"
for name in sh cat ls; do
	ln -s busybox "$root/bin/$name"
done
echo lower >"$root/etc/file"
printf '#!/bin/sh\necho "script $0 $*"\n' >"$root/bin/script"
echo garbage >"$root/bin/garbage"
chmod +x "$root/bin/script" "$root/bin/garbage"

# make_ext2 OPTION...: of the root
make_ext2()
{
	tree_ext2 "$T/i" 16M -d "$root" "$@"
}

tree=$root
for kind in erofs ext2; do
	make_$kind
	cp "$T/i" "$T/before"
	t_run "$kind as the root: a static program" 0 "$VMM" run --root "$T/i" /bin/hello
	t_out 'hello from main'
	t_err ''
	t_run "$kind: little memory" 0 "$VMM" run --root "$T/i" /bin/hello --mem 4M
	t_out 'hello from main'
	t_run "$kind: by PATH, a dynamic program" 0 env PATH=/nowhere:/bin "$VMM" run --root "$T/i" \
		dynamic -- -c /etc/file
	t_out_match 'l   o   w   e   r'
	t_run "$kind: from --cwd, four vCPUs" 0 "$VMM" run --root "$T/i" ./cat --cwd /bin --cpus 4 -- \
		../etc/file
	t_out lower
	t_run "$kind: a script" 0 "$VMM" run --root "$T/i" script --env PATH=/bin -- a b
	t_out 'script /bin/script a b'
	t_run "$kind: its own path" 0 "$VMM" run --root "$T/i" /bin/ls -- -l /proc/self/exe
	t_out_match ' /proc/self/exe -> /bin/busybox$'
	t_run "$kind: writes stay in memory" 0 "$VMM" run --root "$T/i" /bin/sh -- -c \
		'echo more >>/etc/file; echo new >/new; while read x; do echo $x; done </etc/file'
	t_out 'lower
more'
	t_run "$kind: removed and renamed, in memory" 0 "$VMM" run --root "$T/i" /bin/ops -- \
		rm /etc/file , mv /etc /other , rmdir /work , ls / , ls /other
	t_out_match ' other/4 '
	t_check 'one failed' [ "$(grep -c '^done$\|: done$' "$T/out")" = 5 ]
	t_run "$kind: copied while it is mapped" 0 "$VMM" run --root "$T/i" /bin/mapped -- \
		- copied /lib/x86_64-linux-gnu/libc.so.6
	t_out ''
	t_check 'the image has changed' cmp "$T/i" "$T/before"
	t_run "$kind: no such program" 127 "$VMM" run --root "$T/i" nothere
	t_err 'mayfly: nothere: not found in the image of --root'
	t_run "$kind: not to be executed" 126 "$VMM" run --root "$T/i" /etc/file
	t_err 'mayfly: /etc/file: may not be executed'
	t_run "$kind: no program" 126 "$VMM" run --root "$T/i" /bin/garbage
	t_err 'mayfly: /bin/garbage: not an x86-64 Linux program'
done

if [ -n "$attributes" ]; then
	t_case 'EROFS as the root: extended attributes'
	"$B/vm/diskfs" set "$root/etc/file" user.a one
	"$B/vm/diskfs" set "$root/etc/file" trusted.b two
	make_erofs
	t_exec "$VMM" run --root "$T/i" /bin/diskfs -- keep /etc/file
	t_status_is 0
	t_out ' trusted.b 3 74776f
 user.a 3 6f6e65
 trusted.b 3 74776f
 user.a 5 7468726565'
fi
t_case 'ext2 as the root, written to'
make_ext2 -b 1024
t_exec "$VMM" run --root "$T/i,rw" /bin/mapped --mem 32M -- /work small leave
t_status_is 0
t_out ''
t_check 'e2fsck finds harm' e2fsck -fn "$T/i" >"$T/fsck" 2>&1
debugfs -R 'cat work/left' "$T/i" 2>/dev/null | tr -d '\0' >"$T/left"
t_check 'what was written is not there' \
	[ "$(cat "$T/left")" = "$(printf 'first\nsecond\nthird')" ]

# ---- roots that cannot be

# refused NAME TEXT [OPTION]: --root of the image ends with one line
refused()
{
	t_run "$1" 125 "$VMM" run --root "$T/i${3:-}" /bin/hello
	t_err "mayfly: $2"
	t_out ''
}

: >"$T/empty"
t_run 'an empty image' 125 "$VMM" run --root "$T/empty" /bin/hello
t_err_line 'root .*/empty: is empty'
make_erofs
t_run 'an image that is written as a disk' 125 "$VMM" run --root "$T/i" --disk "$T/i" /bin/hello
t_err_line 'root .*/i: another VM writes it; .* or ",rw" to none'
refused 'EROFS to be written' '--root: the image can only be read: leave ",rw" out' ,rw
make_erofs -zlz4
refused 'compressed' '/dev/vda: erofs: is compressed: make it by mkfs.erofs without -z'
make_erofs
truncate -s 200K "$T/i"
refused 'cut off' '/dev/vda: erofs: is larger than the disk'
rm -f "$T/i"
truncate -s 1M "$T/i"
refused 'no file system' \
	'--root: the image has no file system that is known: make it by mkfs.ext2 or mkfs.erofs'
truncate -s 16M "$T/i"
mke2fs -q -F -t ext4 "$T/i"
refused ext4 '/dev/vda: ext2: has features that are not supported (incompat 2c0): use mkfs.ext2'
make_ext2
dd if=/dev/zero of="$T/i" bs=1k seek=4 count=600 conv=notrunc 2>"$T/dd"
t_run 'a damaged one' 125 "$VMM" run --root "$T/i" /bin/hello
t_check 'stderr is not one line "mayfly: ..."' [ "$(grep -c '^mayfly: ' "$T/err")" = 1 ]
t_done
