#!/bin/sh
# --copy: what of the host appears in the guest, and that it stays the host's.
# shellcheck source=tests/vm/lib.sh
. "$(dirname "$0")/lib.sh"

busybox=$(command -v busybox)
hello=$B/vm/hello-musl
copied=$B/vm/copied

# ---- a directory tree of many kinds

tree=$T/tree
mkdir -p "$tree/sub/deep/er" "$tree/empty dir"
printf 'short\n' >"$tree/short"
: >"$tree/empty"
head -c 4096 /dev/urandom >"$tree/sub/page"
head -c 4097 /dev/urandom >"$tree/sub/page and one"
head -c 1000000 /dev/urandom >"$tree/sub/deep/large"
printf 'hidden' >"$tree/.hidden"
ln -s ../short "$tree/sub/link"
ln -s /nowhere "$tree/dangling"
ln "$tree/short" "$tree/sub/hard"
mkfifo "$tree/fifo"
chmod 4751 "$tree/short"
chmod 1777 "$tree/empty dir"
chmod 0 "$tree/empty"
chown 1234:5678 "$tree/sub/page"
touch -d '2001-02-03 04:05:06.789' "$tree/sub/page"
touch -d '1969-12-31 23:59:00' "$tree/.hidden"
touch -d '2030-01-01' "$tree/sub/deep"
(cd "$tree" && "$busybox" find . | sort) >"$T/names"
(cd "$tree" && "$busybox" find . -type f) >"$T/files"
(cd "$tree" && xargs -d '\n' -a "$T/files" "$busybox" sha256sum) >"$T/sums"
facts='%n %a %u %g %Y %F'
(cd "$tree" && xargs -d '\n' -a "$T/names" "$busybox" stat -c "$facts") >"$T/facts"

t_run 'a tree: the names' 0 "$VMM" run "$busybox" --copy "$tree" --cwd /tree -- find .
sort "$T/out" >"$T/got"
t_check 'they differ' cmp -s "$T/got" "$T/names"
t_run 'a tree: the contents' 0 xargs -d '\n' -a "$T/files" \
	"$VMM" run "$busybox" --copy "$tree" --cwd /tree -- sha256sum
t_check 'they differ' cmp -s "$T/out" "$T/sums"
t_run 'a tree: modes, owners, times' 0 xargs -d '\n' -a "$T/names" \
	"$VMM" run "$busybox" --copy "$tree:/a/b/c/" --cwd /a/b/c/tree -- stat -c "$facts"
t_check 'they differ' cmp -s "$T/out" "$T/facts"
t_run 'a tree: links' 0 "$VMM" run "$busybox" --copy "$tree" -- readlink /tree/sub/link
t_out ../short
t_run 'a link works' 0 "$VMM" run "$busybox" --copy "$tree" -- cat /tree/sub/link
t_out short
t_run 'a tree as the root' 0 "$VMM" run "$busybox" --copy "$tree/." -- cat /short /bin/../sub/hard
t_out 'short
short'
t_run 'the root keeps its mode' 0 "$VMM" run "$busybox" --copy "$tree/." -- stat -c '%a %U' / /tmp
t_out '755 root
1777 root'

# ---- single files, places

t_run 'a file' 0 "$VMM" run "$busybox" --copy "$tree/short" -- cat /short
t_out short
t_run 'a file elsewhere' 0 "$VMM" run "$busybox" --copy "$tree/short:/x/y/z" -- cat /x/y/z
t_out short
t_run 'a file into a directory' 0 "$VMM" run "$busybox" --copy "$tree/short:/x//y/" -- cat /x/y/short
t_out short
t_run 'in place of a file of ours' 0 "$VMM" run "$busybox" --copy "$tree/short:/etc/hostname" -- \
	cat /etc/hostname /etc/passwd
t_out_match '^short$'
t_out_match '^root:'
t_run 'through a link of ours' 0 "$VMM" run "$busybox" --copy "$tree/short:/var/run/a" -- cat /run/a
t_out short
t_run 'in place of the program' 0 "$VMM" run "$busybox" --copy "$tree/short:/bin/busybox" -- \
	cat /bin/busybox
t_out short
t_run 'several' 0 "$VMM" run "$busybox" --copy "$tree/short:/d/a" --copy "$tree/short:/d/b" \
	--copy "$tree/sub:/d" -- ls /d
t_out 'a
b
deep
hard
link
page
page and one'
t_run 'where nothing can be made' 1 "$VMM" run "$busybox" --copy "$tree/short:/proc/short" -- ls /proc/short
t_check 'no message' grep -q 'cannot make /proc/short' "$T/err"
t_run 'beside another user' 0 "$VMM" run "$busybox" --copy "$tree" -- ls -ln /tree/sub/page
t_out_match ' 1234 +5678 +4096 '

# ---- changes stay in the guest

head -c 300000 /dev/urandom >"$T/file"
sum=$(sha256sum <"$T/file")
for act in change map; do
	t_run "a program may $act it" 0 "$VMM" run "$copied" --copy "$T/file" -- $act /file
	t_out ok
	t_check "the host's file changed" [ "$(sha256sum <"$T/file")" = "$sum" ]
done
t_run 'little memory' 0 "$VMM" run "$copied" --copy "$T/file" --mem 4M -- change /file
t_out ok

# ---- cpio images

(cd "$tree" && "$busybox" find . ! -name fifo | "$busybox" cpio -o -H newc) >"$T/image" 2>/dev/null
t_run 'a cpio image' 0 "$VMM" run "$busybox" --copy "$T/image" --cwd /sub -- cat .././/.hidden /short hard
t_out 'hiddenshort
short'
t_run 'a cpio image elsewhere: contents' 0 xargs -d '\n' -a "$T/files" \
	"$VMM" run "$busybox" --copy "$T/image:/c" --cwd /c -- sha256sum
t_check 'they differ' cmp -s "$T/out" "$T/sums"
# its times have 32 bits without sign
grep -v -e '/fifo$' -e '/.hidden$' "$T/names" >"$T/some"
t_run 'a cpio image: modes, owners, times' 0 xargs -d '\n' -a "$T/some" \
	"$VMM" run "$busybox" --copy "$T/image:/c" --cwd /c -- stat -c "$facts"
grep -v -e '^./fifo ' -e '^./.hidden ' "$T/facts" >"$T/got"
t_check 'they differ' cmp -s "$T/out" "$T/got"
cat "$T/image" "$T/image" >"$T/two"
t_run 'the same file twice in an image' 125 "$VMM" run "$hello" --copy "$T/two"
t_err_line 'comes from'
head -c 500 "$T/image" >"$T/cut"
t_run 'half an image' 125 "$VMM" run "$hello" --copy "$T/cut"
t_err_line 'cut: it ends too early at byte'
(cd "$tree" && echo ../tree/short | "$busybox" cpio -o -H newc) >"$T/up" 2>/dev/null
t_run 'an image that points out of itself' 125 "$VMM" run "$hello" --copy "$T/up"
t_err_line 'up: a name with'

# ---- errors

t_run 'nothing there' 125 "$VMM" run "$hello" --copy "$T/nothing"
t_err_line 'nothing: not found'
t_run 'a device' 125 "$VMM" run "$hello" --copy /dev/null
t_err_line 'neither a file nor a directory'
t_run 'the same place twice' 125 "$VMM" run "$hello" --copy "$tree/short" --copy "$tree/empty:/short"
t_err_line '/short comes from --copy .* already'
t_run 'below a file' 125 "$VMM" run "$hello" --copy "$tree/short:/a" --copy "$tree/empty:/a/b"
t_err_line '/a/b cannot be made, as /a '
t_run 'DEST with ..' 125 "$VMM" run "$hello" --copy "$tree/short:/a/../b"
t_err_line 'DEST may not have'
t_run 'relative DEST' 125 "$VMM" run "$hello" --copy "$tree/short:b"
t_err_line 'DEST must begin with'
t_run 'with another kernel' 125 "$VMM" run "$hello" --kernel "$B/vm/kernels" --copy "$tree/short"
t_err_line "Mayfly's own guest image"
mkdir "$T/many"
(cd "$T/many" && seq -f 'f%g' 3000 | xargs touch)
t_run 'too many files' 125 "$VMM" run "$hello" --mem 2M --copy "$T/many"
t_err_line '3001 files are too many .* --mem 3M'
t_run '3000 files' 0 "$VMM" run "$busybox" --copy "$T/many" -- ls /many
t_check 'not all are there' [ "$(wc -l <"$T/out")" = 3000 ]
if command -v python3 >/dev/null && python3 -c "
import socket; s = socket.socket(socket.AF_UNIX); s.bind('$T/many/socket')" 2>/dev/null; then
	t_run 'a socket is left out' 0 "$VMM" run "$hello" --copy "$T/many"
	t_err_line 'socket: is a socket'
else
	t_skip 'a socket is left out' 'nothing that makes one here'
fi
rm -rf "$T/many"
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && [ -z "$LAB" ]; then
	mkdir "$T/sealed"
	: >"$T/sealed/file"
	chmod 600 "$T/sealed/file"
	t_run 'an unreadable file in a directory' 125 setpriv --reuid 65534 \
		"$VMM" run "$hello" --copy "$T/sealed"
	t_err_line 'sealed/file: cannot be opened: Permission denied'
else
	t_skip 'an unreadable file in a directory' 'needs root, setpriv, and no lab'
fi

# ---- large files

size=1G
[ -z "$LAB" ] || size=64M
truncate -s $size "$T/huge"
printf 'somewhere' | dd of="$T/huge" bs=1 seek=30000001 conv=notrunc 2>/dev/null
sum=$(sha256sum <"$T/huge")
T_LIMIT=$((T_LIMIT * 3))
t_run "a file of $size: its checksum" 0 "$VMM" run "$busybox" --mem 128M --copy "$T/huge" -- sha256sum /huge
t_out "${sum%-}/huge"
t_run "a file of $size: mapped, changed" 0 "$VMM" run "$copied" --mem 128M --copy "$T/huge" -- change /huge
t_out ok

# median COMMAND...: milliseconds of 21 runs
median()
{
	for _ in $(seq 21); do
		start=$(date +%s%N)
		"$@" >/dev/null
		echo $((($(date +%s%N) - start) / 1000))
	done | sort -n | sed -n 11p
}
[ -n "$LAB" ] || echo "# hello: $(median "$VMM" run "$hello") us," \
	"with --copy of $size: $(median "$VMM" run "$hello" --copy "$T/huge") us"

# ---- files that become shorter under the VM

# truncated NAME FILE CMD...: FILE is cut when the VM says that it spins
truncated()
{
	t_case "$1"
	file=$2
	shift 2
	timeout -s KILL "$T_LIMIT" "$@" >"$T/out" 2>"$T/err" </dev/null &
	while ! grep -q spinning "$T/out" && kill -0 $! 2>/dev/null; do
		sleep 0.1
	done
	: >"$file"
	wait $!
	t_check 'the status is not 125' [ $? = 125 ]
	t_err_line 'truncated'
}

truncated 'a copied file that is truncated' "$T/huge" "$VMM" run "$copied" --copy "$T/huge" -- spin /huge
cp "$copied" "$T/program"
truncated 'a program that is truncated' "$T/program" "$VMM" run "$T/program" --copy "$T/file" -- spin /file
cp "$copied" "$T/program"
truncated 'a program that is truncated, two vCPUs' "$T/program" \
	"$VMM" run "$T/program" --cpus 2 --copy "$T/file" -- spin /file

t_done
