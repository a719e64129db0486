#!/bin/sh
# Images of file systems that mkfs makes of a directory: EROFS by mount(2).
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
t_done
