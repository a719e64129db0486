#!/bin/sh
# Images of file systems that mkfs makes of a directory: EROFS by mount(2), and as
# the root.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
names=300
[ -z "$LAB" ] || names=40
if ! command -v mkfs.erofs >/dev/null || ! command -v mke2fs >/dev/null; then
	t_skip 'all of it' 'no erofs-utils or e2fsprogs here'
	t_done
	exit
fi

# ---- EROFS, mounted by a program

tree=$T/tree
mkdir -p "$tree/a/b" "$tree/many"
cp vmm/m*.c "$tree/a"
head -c 1000000 /dev/urandom >"$tree/a/b/large"
head -c 4096 /dev/urandom >"$tree/page"
head -c 8191 /dev/urandom >"$tree/pages"
truncate -s 2M "$tree/sparse"
ln "$tree/a/b/large" "$tree/hard"
ln -s a/b/large "$tree/link"
ln -s "$(printf '%0200d' 0)" "$tree/long"
mkfifo "$tree/fifo"
: >"$tree/empty"
i=0
while [ $i -lt $names ]; do
	: >"$tree/many/an-empty-file-with-a-longer-name-$i"
	i=$((i + 1))
done
"$B/vm/diskfs" show "$tree" >"$T/expected"

# make_erofs OPTION...: of the tree
make_erofs()
{
	rm -f "$T/i"
	mkfs.erofs --quiet "$@" "$T/i" "$tree" >"$T/mkfs" 2>&1 || t_fail "mkfs.erofs: $(cat "$T/mkfs")"
}

for option in -x-1 -Eforce-inode-extended -Enoinline_data --chunksize=4096 --chunksize=65536; do
	t_case "EROFS, mkfs.erofs $option"
	make_erofs $option
	t_exec "$VMM" run "$B/vm/diskfs" --mem 24M --disk "$T/i,ro" -- read erofs
	t_status_is 0
	t_check 'the tree differs' cmp "$T/out" "$T/expected"
done
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
cp "$(command -v busybox)" "$B/vm/mapped" "$root/bin"
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
	rm -f "$T/i"
	truncate -s 16M "$T/i"
	mke2fs -q -F -t ext2 -d "$root" "$@" "$T/i" || t_fail 'mke2fs failed'
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

make_erofs
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
