# shellcheck shell=sh
# trees.sh - what the scripts that make images of file systems share; sourced
# after lib.sh.

PATH=$PATH:/usr/sbin:/sbin

# tree_make DIR LARGE SPARSE: files of all kinds, a large and a sparse one of so
# many bytes
tree_make()
{
	mkdir -p "$1/a/b"
	cp vmm/m*.c "$1/a"
	head -c "$2" /dev/urandom >"$1/a/b/large"
	truncate -s "$3" "$1/sparse"
	ln "$1/a/b/large" "$1/hard"
	ln -s a/b/large "$1/link"
	ln -s "$(printf '%0200d' 0)" "$1/long"
	mkfifo "$1/fifo"
	: >"$1/empty"
}

# tree_ext2 FILE SIZE OPTION...: a file system of ext2 in a new file
tree_ext2()
{
	tree_image=$1
	rm -f "$1"
	truncate -s "$2" "$1"
	shift 2
	mke2fs -q -F -t ext2 "$@" "$tree_image" || t_fail 'mke2fs failed'
}
