# shellcheck shell=bash
# pack.sh - a root of its own for the packed lab: the tree, and of the host only
# the programs that CMD or the tree's scripts name, with their libraries; busybox
# is the rest. Sourced by lab.sh.

# pack_tree ROOT CMD
pack_tree() {
	local root=$1 cmd=$2
	mkdir -p "$root$TREE" "$root"/usr/{bin,sbin,lib,lib64} \
		"$root"/{etc,root,tmp,run,var} || return 1
	for d in bin sbin lib lib64; do ln -s usr/$d "$root/$d"; done
	ln -s /.lab/busybox "$root/usr/bin/sh"
	printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\n' >"$root/etc/group"
	copy_tree "$root$TREE" &&
		pack_programs "$root" "$cmd"
}

# Objects and archives are only input of the linker.
copy_tree() {
	[ -n "$PATHS" ] || return 0
	# shellcheck disable=SC2086,SC2153 # a list of paths, set by lab.sh
	(cd "$TREE" && tar -cf - --exclude=.git --exclude='*.o' --exclude='*.a' \
		--exclude='*.d' $PATHS) | tar -xf - -C "$1"
}

# Words of the command and the first lines of scripts, as far as they are
# programs of the host.
named_programs() {
	local root=$1 cmd=$2
	{
		tr -cs 'A-Za-z0-9_./+-' '\n' <<<"$cmd"
		find "$root$TREE" -type f -perm -100 -exec head -qn 1 {} + 2>/dev/null |
			tr -d '\0' | sed -n 's/^#! *//p' | tr ' ' '\n'
	} | sort -u | while read -r word; do
		word=$(type -P -- "$word") && readlink -f "$word"
	done | grep -v "^$TREE/" | sort -u
}

pack_programs() {
	local root=$1 cmd=$2 program file
	for program in $(named_programs "$root" "$cmd"); do
		# busybox is /bin/sh here; a second shell of that name would hide it
		[ "$(basename "$program")" = dash ] && continue
		[ -e "$root$program" ] || cp --parents "$program" "$root" || return 1
		link_aliases "$root" "$program" "$cmd"
	done
	for file in $(libraries "$root"); do
		[ -e "$root$file" ] || cp --parents -L "$file" "$root" || return 1
	done
}

# A program found through symbolic links (awk, vi, nc) must have that name too.
link_aliases() {
	local root=$1 program=$2 word
	for word in $(tr -cs 'A-Za-z0-9_.+-' '\n' <<<"$3"); do
		[ "$(readlink -f "$(type -P -- "$word")")" = "$program" ] || continue
		[ -e "$root/usr/bin/$word" ] || ln -s "$program" "$root/usr/bin/$word"
	done
}

# The loader and the libraries of every dynamic program that was packed.
libraries() {
	find "$1" -type f -perm -100 -exec ldd {} + 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }' |
		sort -u
}
