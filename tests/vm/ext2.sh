#!/bin/sh
# ext2 on disks: mount(2), what is in it, changes, kills. e2fsck is the judge.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/vm/trees.sh
. "$(dirname "$0")/trees.sh"

diskfs=$B/vm/diskfs
# In the lab, where all is slow: less of everything.
files=1200 size=24M large=8 rounds='1 2 3 4 5 6 7 8'
layouts='-b 4096:-b 1024 -g 1024 -N 4000:-b 2048 -O none:-b 1024 -r 0'
if [ -n "$LAB" ]; then
	files=100 size=16M large=1 rounds=1 layouts='-b 1024 -g 1024 -N 2000'
fi
if ! command -v mke2fs >/dev/null; then
	t_skip 'all of it' 'no e2fsprogs here'
	t_done
	exit
fi

clean()
{
	e2fsck -fn "$1" >"$T/fsck" 2>&1 || t_fail "e2fsck: $(cat "$T/fsck")"
}

# attribute FILE PATH NAME: as debugfs reads it
attribute()
{
	debugfs -R "ea_get -V $2 $3" "$1" 2>/dev/null
}

# diskfs FILE ARG...: in a VM
run()
{
	disk=$1
	shift
	t_exec "$VMM" run "$diskfs" --disk "$disk" -- "$@"
	t_status_is 0
	t_out ''
}

# ---- reading, compared with the host

tree_make "$T/tree" 3000000 20M
for bs in 1024 4096; do
	t_case "a tree made by mkfs, blocks of $bs"
	tree_ext2 "$T/i" 64M -b $bs -d "$T/tree"
	"$diskfs" show "$T/tree" >"$T/expected"
	t_exec "$VMM" run "$diskfs" --disk "$T/i,ro" -- read
	t_status_is 0
	t_check 'the tree differs' cmp "$T/out" "$T/expected"
	clean "$T/i"
done

# ---- writing

while [ -n "$layouts" ]; do
	options=${layouts%%:*}
	layouts=$(printf '%s' "$layouts" | cut -s -d : -f 2-)
	t_case "all kinds of changes, mke2fs $options"
	# shellcheck disable=SC2086 # a list of words
	tree_ext2 "$T/i" $size $options
	run "$T/i" work "$files"
	clean "$T/i"
	t_case 'and read again'
	t_exec "$VMM" run "$diskfs" --disk "$T/i" -- read
	t_status_is 0
	debugfs -R 'cat dir/hard' "$T/i" 2>/dev/null >"$T/hard"
	t_check 'a file has another size' [ "$(stat -c %s "$T/hard")" = 7000001 ]
	t_check 'not zero behind what was cut' \
		[ "$(tail -c 2000000 "$T/hard" | tr -d '\0' | wc -c)" = 0 ]
	t_case 'a full disk'
	run "$T/i" full
	clean "$T/i"
done

# ---- extended attributes

# as_on_linux WORD...: ops (ops.c) in the image says what it says in a directory of the
# host, if that can have such attributes
as_on_linux()
{
	t_exec "$VMM" run --root "$T/i,rw" /ops -- "$@"
	t_status_is 0
	clean "$T/i"
	[ -n "$attributes" ] || return
	(cd "$T/labelled" && ./ops "$@") >"$T/linux"
	t_check 'the output differs from Linux' cmp "$T/linux" "$T/out"
}

# change_attributes: all kinds of changes
change_attributes()
{
	as_on_linux label f user.first behind , labels f , label f user.a one , label f user.b two , label f user.a @300 , \
		label f trusted.t x , label f security.s @10 , labels f , relabel f user.b 2 , \
		relabel f user.c 2 , unlabel f user.a , unlabel f user.a , label f user.c '' , \
		label f user.big @5000 , labels f , label d user.dir x , labels d , label l trusted.l x , \
		label l user.l x , labels l , label p trusted.p x , labels p , label f user.ü x , labels f , \
		label g user.x x , unlabel g user.x , labels g , label g user.many @700 , \
		label g user.with-a-longer-name @7 , labels g , mkdir e , label e user.e y , rmdir e , \
		make n x , label n user.n @100 , rm n
}

mkdir -p "$T/labelled/d"
cp "$B/vm/ops" "$T/labelled"
touch "$T/labelled/f" "$T/labelled/g"
ln -s f "$T/labelled/l"
mkfifo "$T/labelled/p"
attributes=1
"$B/vm/ops" label "$T/labelled/f" user.first behind | grep -q 'not supp' && attributes=''
for options in '-b 1024 -I 128' '-b 4096 -I 128 -O ^ext_attr' '-b 1024 -I 256'; do
	t_case "extended attributes, mke2fs $options"
	rm -rf "$T/keep"
	cp -a "$T/labelled" "$T/keep"
	# shellcheck disable=SC2086 # a list of words
	tree_ext2 "$T/i" 8M $options -d "$T/labelled" >"$T/mke2fs" 2>&1
	change_attributes
	t_case 'and those that are behind an inode, those of debugfs'
	as_on_linux label f user.first @40 , labels f , label f user.first @400 , labels f , \
		unlabel f user.first , labels f
	debugfs -w -R 'ea_set g user.peer some' "$T/i" 2>/dev/null
	"$T/labelled/ops" label "$T/labelled/g" user.peer some >"$T/err"
	as_on_linux labels g , label g user.peer other , unlabel g user.many , labels g
	t_check 'debugfs finds another value' [ "$(attribute "$T/i" g user.peer)" = other ]
	rm -rf "$T/labelled"
	mv "$T/keep" "$T/labelled"
done

# Of Linux's making: two inodes have one block.
t_case 'a block that is shared'
tree_ext2 "$T/i" 8M -b 1024 -I 128 -d "$T/labelled" >"$T/mke2fs" 2>&1
t_exec "$VMM" run --root "$T/i,rw" /ops -- label f user.a one
block=$(debugfs -R 'stat f' "$T/i" 2>/dev/null | sed -n 's/^File ACL: \([0-9]*\).*/\1/p')
printf '\002' | dd of="$T/i" bs=1 seek=$((block * 1024 + 4)) conv=notrunc 2>"$T/dd"
debugfs -w -R "sif g file_acl $block" "$T/i" >"$T/dd" 2>&1
debugfs -w -R 'sif g blocks 2' "$T/i" >"$T/dd" 2>&1
clean "$T/i"
t_exec "$VMM" run --root "$T/i,rw" /ops -- label g user.b two , labels f , labels g
t_out_match '^labels f :  user.a=one/3( user.first=behind/6)?$'
t_out_match '^labels g :.* user.a=one/3 user.b=two/3'
clean "$T/i"
t_case 'a block of attributes that is damaged'
printf x | dd of="$T/i" bs=1 seek=$((block * 1024)) conv=notrunc 2>"$T/dd"
t_exec "$VMM" run --root "$T/i" /ops -- labels f , labels g , label g user.c 3 , cat f
t_out_match '^Input/output error$'
t_out_match '^labels g : '

# ---- mappings

for bs in 1024 4096; do
	t_case "files that are mapped, blocks of $bs"
	tree_ext2 "$T/i" 64M -b $bs
	t_exec "$VMM" run "$B/vm/mapped" --mem 16M --disk "$T/i" -- ext2 small large $large leave
	t_status_is 0
	t_out ''
	clean "$T/i"
	debugfs -R 'cat left' "$T/i" 2>/dev/null | tr -d '\0' >"$T/left"
	t_check 'what a mapping wrote is not on the disk' \
		[ "$(cat "$T/left")" = "$(printf 'first\nsecond\nthird')" ]
done

# ---- kills: what was fsynced is there

# check_rows FILE LAST: the ten records, but the one that was being replaced
check_rows()
{
	i=$(($2 > 8 ? $2 - 8 : 0))
	while [ $i -le "$2" ]; do
		debugfs -R "cat db/row-$((i % 10))" "$1" 2>/dev/null >"$T/row"
		if [ "$(sort -u "$T/row")" != "record $i" ] || [ "$(wc -l <"$T/row")" != 400 ]; then
			t_fail "record $i is lost"
		fi
		i=$((i + 1))
	done
	[ "$(attribute "$1" db/row-$(($2 % 10)) user.row)" = "record $2" ] ||
		t_fail "the attribute of record $2 is lost"
	newest=$(attribute "$1" db user.last)
	[ "$newest" = "record $2" ] || [ "$newest" = "record $(($2 + 1))" ] ||
		t_fail "the directory's attribute is '$newest' after record $2"
}

# stable_vm FILE: started, and has made the first record stable
stable_vm()
{
	: >"$T/out"
	"$VMM" run "$diskfs" --disk "$1" -- stable 1000000 >"$T/out" 2>"$T/err" </dev/null &
	vm=$!
	tries=$((T_LIMIT * 20))
	while [ ! -s "$T/out" ] && [ $tries -gt 0 ]; do
		sleep 0.05
		tries=$((tries - 1))
	done
}

for round in $rounds; do
	after=$(od -An -N1 -tu1 /dev/urandom | tr -d ' ')
	t_case "kill $round at a random moment"
	tree_ext2 "$T/i" 16M -b $((round % 2 ? 1024 : 4096))
	stable_vm "$T/i"
	sleep "0.$(printf '%03d' "$after")"
	kill -9 $vm
	wait $vm 2>/dev/null
	e2fsck -fy "$T/i" >"$T/fsck" 2>&1
	t_check 'e2fsck cannot repair it' [ $? -le 1 ]
	clean "$T/i"
	last=$(tail -n 1 "$T/out")
	if [ -z "$last" ]; then
		t_fail 'not one record was stable'
	else
		check_rows "$T/i" "$last"
	fi
	: >"$T/out"
	[ -z "$t_broken" ] || t_fail "killed $after ms after the first record, with $last stable"
done

# ---- what is refused

# refused NAME TEXT
refused()
{
	t_exec "$VMM" run "$diskfs" --disk "$T/i" -- "${3:-make}"
	t_status_is "${4:-2}"
	grep -q "$2" "$T/err" || t_fail "stderr has no: $2"
}

t_case 'ext4 with extents'
rm -f "$T/i"
truncate -s 16M "$T/i"
mke2fs -q -t ext4 "$T/i"
refused ext4 'features that are not supported'
t_case 'a journal to be replayed'
rm -f "$T/i"
truncate -s 16M "$T/i"
mke2fs -q -t ext3 -O ^dir_index "$T/i"
debugfs -w -R 'feature needs_recovery' "$T/i" >/dev/null 2>&1
refused journal 'journal must be replayed'
t_case 'not unmounted cleanly: only to be read'
tree_ext2 "$T/i" 16M
debugfs -w -R 'ssv state 0' "$T/i" >/dev/null 2>&1
refused unclean 'not unmounted cleanly' make 1
t_case 'no file system'
rm -f "$T/i"
truncate -s 16M "$T/i"
t_exec "$VMM" run "$diskfs" --disk "$T/i" -- make
t_status_is 2
t_out 'mount: Invalid argument'
t_case 'a disk that only allows reading'
tree_ext2 "$T/i" 16M
t_exec "$VMM" run "$diskfs" --disk "$T/i,ro" -- make
t_status_is 1
t_out 'create: Read-only file system'
# ---- a program in an image

mkdir -p "$T/programs/w"
cp "$B/vm/sigstack" "$B/vm/fsrace" "$T/programs"
head -c $((large * 1048576)) /dev/urandom >"$T/programs/file"
tree_ext2 "$T/i" 24M -d "$T/programs"
for cpus in 1 2; do
	t_run "signals on stacks that come from the disk, vCPUs: $cpus" 0 \
		"$VMM" run --root "$T/i" /sigstack --cpus $cpus -- /file
	t_out good
done
for cpus in 1 4; do
	t_run "all that can be done to files, at once, vCPUs: $cpus" 0 \
		"$VMM" run --root "$T/i,rw" /fsrace --cpus $cpus -- /w 2 $cpus
	t_out good
	t_err ''
	clean "$T/i"
done
t_done
